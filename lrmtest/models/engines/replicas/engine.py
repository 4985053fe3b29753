"""The replicas engine: one model behind several endpoints, asked as one.

Each replica has an engine of its own, as any endpoint has; all of them work on one thread. What
waits is kept here, and given to a replica when it has room. A replica is asked only when it is
known to serve the run's model, which is looked at whenever it comes or comes again; one that
breaks, falls silent or serves another model is put aside, and what it worked on is asked elsewhere.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from lrmtest.counted import counted
from lrmtest.errors import DataError, EngineError, LrmtestError, MachineryError, in_words
from lrmtest.models.engines.base import (
    Deliver,
    EngineInfo,
    Progress,
    ReplicaPhase,
    ReplicaState,
    Request,
)
from lrmtest.models.engines.http.background import BackgroundLoop, SharedLoop
from lrmtest.models.engines.http.endpoint import Endpoint
from lrmtest.models.engines.http.keys import find_key
from lrmtest.models.engines.http.pace import Pace
from lrmtest.models.engines.openai_engine import OpenAIEngine
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.replicas.absence import none_works, patience
from lrmtest.models.engines.replicas.asking import Asking
from lrmtest.models.engines.replicas.joining import (
    endpoints_with,
    of_one_replica,
    refuse_another_model,
)
from lrmtest.models.engines.replicas.life import LifeSigns
from lrmtest.models.engines.replicas.places import ReplicaPlaces
from lrmtest.models.engines.replicas.replica import Replica
from lrmtest.models.engines.replicas.told import ToldOnce
from lrmtest.models.spec import ModelSpec

_TICK = 0.25
_OTHERS_SECONDS = 5.0
"""So long the start waits for the other replicas when one is there."""


class ReplicasEngine:
    """Generates by asking several OpenAI-compatible servers of one model.

    Args:
        spec: the model; its location is one of `ReplicaPlaces`.
        options: as of an endpoint; `concurrency` is each replica's, `start_timeout` how long a file
            of replicas may name none that works.
        quiet: seconds without a sign of a replica that has something to do, before it is asked
            whether it is there, and those in which it must say so. Two such silences put it aside.
    """

    def __init__(self, spec: ModelSpec, options: EngineOptions, *, quiet: float = 10.0) -> None:
        self._spec = spec
        self._options = options
        self._places = ReplicaPlaces(spec.location)
        self._shared = SharedLoop(BackgroundLoop(f"lrmtest-replicas-{spec.name}"), Pace())
        self._tell = ToldOnce(spec.name, options.tell)
        self._changed = threading.Condition()  # guards everything below
        self._replicas: dict[str, Replica] = {}
        self._asking = Asking(
            self._changed,
            self._replicas,
            options,
            lambda replica, reason: self._left(replica, "away", reason),
        )
        self._dispatch = self._asking.dispatch
        self._life = LifeSigns(
            self._shared.loop,
            quiet,
            self._endpoint,
            lambda replica: self._left(replica, "away", "it does not answer"),
        )
        self._planned: Sequence[Request] = ()
        self._info: EngineInfo | None = None
        self._errors: dict[str, LrmtestError] = {}
        self._alone_since: float | None = None
        self._ended = threading.Event()
        self._supervisor = threading.Thread(
            target=self._supervise, name="lrmtest-replicas-watch", daemon=True
        )

    @property
    def progress(self) -> Progress:
        """Live counters of all replicas together, what was lost with one included."""
        with self._changed:
            replicas = list(self._replicas.values())
        return Progress(
            tokens=sum(one.tokens for one in replicas),
            running=sum(one.running for one in replicas),
            drafted=sum(one.drafted for one in replicas),
        )

    @property
    def replicas(self) -> tuple[ReplicaState, ...]:
        """Each replica that there was, in the order of their coming."""
        with self._changed:
            return tuple(one.state for one in self._replicas.values())

    def start(self, planned: Sequence[Request], deliver: Deliver) -> EngineInfo:
        """Reach the replicas; the first one that can be asked is enough.

        Raises:
            UsageError: a request cannot fit a replica's context, or one of several models must be
                chosen.
            ModelError: none can be asked.
            DataError: the file of replicas cannot be read.
        """
        self._planned, self._asking.deliver = planned, deliver
        self._shared.loop.start()
        try:
            self._look_at_places()
            self._supervisor.start()
            info = self._first_of_them()
        except BaseException:
            self.close()
            raise
        details = {name: value for name, value in info.details.items() if name != "url"}
        return replace(info, engine="replicas", details=details)

    def submit(self, requests: Sequence[Request]) -> None:
        """Queue requests; returns at once."""
        self._asking.add(requests)

    def close(self) -> None:
        """Drop every connection and end the threads; delivers what has arrived, nothing else."""
        with self._changed:
            self._ended.set()
            self._asking.end()
            engines = [one.engine for one in self._replicas.values() if one.engine is not None]
            self._changed.notify_all()
        for engine in engines:
            engine.close()
        self._shared.loop.close()
        if self._supervisor.is_alive() and threading.current_thread() is not self._supervisor:
            self._supervisor.join()

    # The first of them

    def _first_of_them(self) -> EngineInfo:
        """Wait until one works, and a little for the others."""
        until = time.monotonic() + self._options.start_timeout
        with self._changed:
            while self._info is None:
                phases = {one.phase for one in self._replicas.values()}
                waiting = self._places.file is not None and time.monotonic() < until
                if "joining" not in phases and not waiting:
                    raise self._none_works()
                self._changed.wait(_TICK)
            until = time.monotonic() + _OTHERS_SECONDS
            while time.monotonic() < until and any(
                one.phase == "joining" for one in self._replicas.values()
            ):
                self._changed.wait(_TICK)
            return self._info

    def _none_works(self) -> LrmtestError:
        reasons = {one.name: one.reason for one in self._replicas.values()}
        errors = self._errors.values()
        return none_works(self._spec.name, "be asked", self._places, errors, reasons)

    # Looking after them, on the supervisor's thread

    def _supervise(self) -> None:
        measured = 0.0
        while not self._ended.wait(_TICK):
            now = time.monotonic()
            self._look_at_places()
            with self._changed:
                replicas = list(self._replicas.values())
            for replica in replicas:
                self._look_at(replica, now)
            if now - measured >= 1.0:
                measured = now
                with self._changed:
                    for replica in replicas:
                        replica.measure(now)
            self._give_up_when_alone(now)
            self._asking.give_out()

    def _look_at_places(self) -> None:
        """Take up replicas that have come, and let go those that are not named any more."""
        try:
            urls = self._places.now()
        except DataError as error:
            if not self._supervisor.is_alive():
                raise
            self._tell(f"{error.message}; its replicas stay as they are")
            return
        for words in self._places.skipped:
            self._tell(f"{words}; it is passed over")
        with self._changed:
            for url in urls:
                replica = self._replicas.setdefault(url, Replica(url))
                if replica.phase == "gone":
                    replica.phase, replica.next_try, replica.tries = "away", 0.0, 0
                elif replica.phase == "draining":
                    replica.phase = "working"
                    self._dispatch.drain(url, False)
            for url, replica in self._replicas.items():
                if url in urls or replica.phase in ("gone", "draining", "joining"):
                    continue
                if replica.phase == "working":
                    replica.phase = "draining"
                    self._dispatch.drain(url, True)
                else:
                    replica.phase = "gone"
            coming = [one for one in self._replicas.values() if self._is_due(one)]
            for replica in coming:
                replica.phase = "joining"
        for replica in coming:
            threading.Thread(
                target=self._join, args=(replica,), name="lrmtest-replicas-join", daemon=True
            ).start()

    def _is_due(self, replica: Replica) -> bool:
        there = replica.phase in ("away", "refused")
        return there and time.monotonic() >= replica.next_try and not self._ended.is_set()

    def _join(self, replica: Replica) -> None:
        """Make sure that a replica serves the run's model, and give it its part."""
        url, engine = replica.url, None
        try:
            refuse_another_model(self._options, url)
            spec, options = of_one_replica(self._spec, self._options, url, self._urls())
            engine = OpenAIEngine(spec, replace(options, tell=self._tell), beside=self._shared)
            info = engine.start(self._planned, partial(self._asking.take, replica))
        except Exception as problem:
            # Whatever becomes of one, the others work on.
            error = in_words(problem, f"replica {replica.name} cannot be taken")
            if engine is not None:
                engine.close()
            with self._changed:
                self._errors.setdefault(url, error)
            gone = isinstance(error, MachineryError)
            self._left(replica, "away" if gone else "refused", error.message)
            return
        with self._changed:
            if self._ended.is_set():
                engine.close()
                return
            again = bool(replica.reason)
            replica.joins(engine)
            room = int(info.details["concurrency"])
            self._dispatch.join(url, room, lambda: replica.unfinished)
            self._info = self._info or info
            self._changed.notify_all()
        if again:
            self._tell(f"replica {replica.name} is asked again")
        self._asking.give_out()

    def _urls(self) -> list[str]:
        with self._changed:
            return list(self._replicas)

    def _endpoint(self, url: str) -> Endpoint:
        endpoints = endpoints_with(self._spec.name, self._urls(), self._options.endpoints)
        return Endpoint(url, find_key(self._spec.name, url, endpoints).value)

    def _look_at(self, replica: Replica, now: float) -> None:
        """Put a replica aside that has given up or fallen silent; close one that has drained."""
        engine = replica.engine
        if engine is None:
            return
        with self._changed:
            out = self._dispatch.out(replica.url)
            drained = replica.phase == "draining" and not out
        if drained:
            self._left(replica, "gone", "it is not named any more")
        elif engine.gave_up:
            self._left(replica, "away", "its server is gone")
        elif not out:
            replica.asked_at = now
        else:
            self._life.look_at(replica, engine, now)

    def _left(self, replica: Replica, phase: ReplicaPhase, reason: str) -> None:
        """A replica is not asked any more; what it had goes to the others."""
        with self._changed:
            if self._ended.is_set():
                return
            known = replica.phase == "joining" and replica.reason == reason
            engine = replica.leaves(phase, reason)
            lost = self._dispatch.leave(replica.url)
            self._changed.notify_all()
        if engine is not None:
            engine.close()
        if not known and phase != "gone":
            moved = f"; {counted(len(lost), 'request')} of its go to others" if lost else ""
            self._tell(f"replica {replica.name} is left out for now: {reason}{moved}")
        self._asking.give_out()

    def _give_up_when_alone(self, now: float) -> None:
        """Fail what waits when no replica has been there for too long."""
        with self._changed:
            if self._dispatch.names:
                self._alone_since = None
                return
            self._alone_since = self._alone_since or now
            seconds = patience(self._options, self._places)
            if now - self._alone_since < seconds or self._info is None:
                return
            reasons = "; ".join(
                f"{one.name}: {one.reason}" for one in self._replicas.values() if one.reason
            )
        self._asking.fail_waiting(
            EngineError(
                f"no replica has been there for {seconds:,.0f} s: {reasons}",
                hint="start one again, then repeat the command",
            )
        )
