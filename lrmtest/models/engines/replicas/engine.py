"""The replicas engine: one model behind several endpoints, asked as one.

Each replica has an engine of its own, as any endpoint has; all of them work on one thread. What
waits is kept here, and given to a replica when it has room. A replica is asked only when it is
known to serve the run's model, which is looked at whenever it comes or comes again; one that
breaks, falls silent or serves another model is put aside, and what it worked on is asked elsewhere.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from lrmtest.counted import counted
from lrmtest.errors import (
    DataError,
    EngineError,
    LrmtestError,
    MachineryError,
    UsageError,
    in_words,
)
from lrmtest.models.engines.base import (
    Deliver,
    Delivery,
    EngineInfo,
    Progress,
    ReplicaPhase,
    ReplicaState,
    Request,
)
from lrmtest.models.engines.http.background import BackgroundLoop, SharedLoop
from lrmtest.models.engines.http.client import ChatClient
from lrmtest.models.engines.http.deadline import deadline
from lrmtest.models.engines.http.endpoint import Endpoint
from lrmtest.models.engines.http.failures import BrokenAnswerError, RefusedError
from lrmtest.models.engines.http.keys import find_key
from lrmtest.models.engines.http.pace import Pace
from lrmtest.models.engines.http.retry import Backoff
from lrmtest.models.engines.kinds import ENDPOINT
from lrmtest.models.engines.openai_engine import OpenAIEngine
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.replicas.dispatch import Dispatch
from lrmtest.models.engines.replicas.places import ReplicaPlaces
from lrmtest.models.engines.replicas.replica import Replica
from lrmtest.models.spec import ModelSpec

_TICK = 0.25
_RETRIES = 1
"""Tries after the first at one replica: others are there to be asked."""
_FAILED_IN_ROW = 5
"""So many errors in a row, and nothing else, put a replica aside where there is another."""
_FEWEST_PATIENCE = 60.0
_OTHERS_SECONDS = 5.0
"""So long the start waits for the other replicas when one is there."""
_TOLD_AGAIN = 60.0
_MOST_TOLD = 256


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
        self._quiet = quiet
        self._places = ReplicaPlaces(spec.location)
        self._shared = SharedLoop(BackgroundLoop(f"lrmtest-replicas-{spec.name}"), Pace())
        self._changed = threading.Condition()  # guards everything below
        self._dispatch = Dispatch()
        self._replicas: dict[str, Replica] = {}
        self._first_asked: dict[str, float] = {}
        self._planned: Sequence[Request] = ()
        self._deliver: Deliver | None = None
        self._info: EngineInfo | None = None
        self._errors: dict[str, LrmtestError] = {}
        self._alone_since: float | None = None
        self._told: dict[str, float] = {}
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
        self._planned, self._deliver = planned, deliver
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
        with self._changed:
            self._dispatch.add(requests)
        self._pump()

    def close(self) -> None:
        """Drop every connection and end the threads; unfinished requests are not delivered."""
        with self._changed:
            self._ended.set()
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
        for error in self._errors.values():
            if isinstance(error, UsageError):
                return error
        reasons = "; ".join(f"{one.name}: {one.reason}" for one in self._replicas.values())
        where = f"in {self._places.file}" if self._places.file else "of them"
        hints = [error.hint for error in self._errors.values() if error.hint]
        return MachineryError(
            f"no replica of {self._spec.name} can be asked: {reasons or f'none is {where}'}",
            hint=hints[0] if hints else "start one, or correct its URL",
        )

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
            self._pump()

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
            differs = self._options.model_difference
            if differs is not None and (difference := differs(url)):
                self._left(replica, "refused", f"it serves another model: {difference}")
                return
            engine = OpenAIEngine(
                replace(self._spec, engine=ENDPOINT.name, location=url),
                replace(
                    self._options,
                    max_retries=min(self._options.max_retries, _RETRIES),
                    endpoints=self._endpoints(),
                    tell=self._tell,
                ),
                beside=self._shared,
            )
            info = engine.start(self._planned, partial(self._take, replica))
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
        self._pump()

    def _endpoints(self) -> tuple[tuple[str, str], ...]:
        """All endpoints of the session, those of its other models as they were given."""
        name = self._spec.name
        others = [one for one in self._options.endpoints if one[0] != name]
        with self._changed:
            return (*others, *((name, url) for url in self._replicas))

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
        elif now - replica.silent_since > self._quiet and not replica.looking:
            replica.looking = True
            threading.Thread(
                target=self._ask_for_life,
                args=(replica, engine),
                name="lrmtest-replicas-look",
                daemon=True,
            ).start()

    def _ask_for_life(self, replica: Replica, engine: OpenAIEngine) -> None:
        """Ask a silent replica for its models; put it aside when it does not answer twice.

        A server that answers works on long prompts, perhaps, and is left in peace.
        """
        try:
            alive = self._shared.loop.call(self._answers(replica.url))
        except LrmtestError:  # all of it is being closed
            return
        finally:
            replica.looking = False
        if replica.engine is not engine:
            return
        if alive or engine.heard_at > replica.asked_at:
            replica.strikes = 0
            replica.asked_at = time.monotonic()
            return
        replica.strikes += 1
        if replica.strikes >= 2:
            self._left(replica, "away", "it does not answer")

    async def _answers(self, url: str) -> bool:
        endpoint = Endpoint(url, find_key(self._spec.name, url, self._endpoints()).value)
        async with aclosing(ChatClient(endpoint, timeout=self._quiet)) as client:
            try:
                await client.get(f"{url}/models")
            except RefusedError:
                return True  # no answer that was hoped for, but one
            except BrokenAnswerError as error:
                return error.status is not None
        return True

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
        self._pump()

    def _give_up_when_alone(self, now: float) -> None:
        """Fail what waits when no replica has been there for too long."""
        with self._changed:
            if self._dispatch.names:
                self._alone_since = None
                return
            self._alone_since = self._alone_since or now
            patience = max(_FEWEST_PATIENCE, Backoff().total(self._options.max_retries))
            if self._places.file is not None:
                patience = max(patience, self._options.start_timeout)
            if now - self._alone_since < patience or self._info is None:
                return
            lost = self._dispatch.take_all()
            reasons = "; ".join(
                f"{one.name}: {one.reason}" for one in self._replicas.values() if one.reason
            )
        for request in lost:
            self._answer(
                Delivery(
                    request,
                    error=EngineError(
                        f"no replica has been there for {patience:,.0f} s: {reasons}",
                        hint="start one again, then repeat the command",
                    ),
                )
            )

    # Giving out and taking in

    def _pump(self) -> None:
        """Give out what there is room for."""
        with self._changed:
            if self._ended.is_set():
                return
            now = time.monotonic()
            for url, requests in self._dispatch.assigned().items():
                replica = self._replicas[url]
                replica.asked_at = now
                for request in requests:
                    self._first_asked.setdefault(request.key, now)
                assert replica.engine is not None
                replica.engine.submit(requests)

    def _take(self, replica: Replica, delivery: Delivery) -> None:
        """On the loop's thread: what a replica's engine delivers."""
        key, error = delivery.request.key, delivery.error
        aside, answered = "", True
        with self._changed:
            if self._ended.is_set() or not self._dispatch.holds(replica.url, key):
                return
            if error is None:
                assert delivery.completion is not None
                replica.answered(delivery.completion.generated_tokens)
            else:
                replica.failed += 1
                others = len(self._dispatch.names) > 1
                if replica.failed >= _FAILED_IN_ROW and (others or error.elsewhere):
                    aside = error.message
                wanted = error.elsewhere or self._dispatch.has_another(replica.url, key)
                answered = not (wanted and self._has_time(delivery.request))
            if answered:
                self._dispatch.done(replica.url, key)
            else:
                self._dispatch.back(replica.url, key)
        if answered:
            self._answer(delivery)
        if aside:
            self._left(replica, "away", aside)
        else:
            self._pump()

    def _has_time(self, request: Request) -> bool:
        since = self._first_asked.get(request.key, 0.0)
        seconds = deadline(request.sampling.max_tokens, self._options)
        return time.monotonic() - since < seconds

    def _answer(self, delivery: Delivery) -> None:
        with self._changed:
            self._dispatch.forget(delivery.request.key)
            self._first_asked.pop(delivery.request.key, None)
        assert self._deliver is not None
        self._deliver(delivery)

    def _tell(self, words: str) -> None:
        """Tell it, but not the same again and again."""
        now = time.monotonic()
        with self._changed:
            if now - self._told.get(words, -math.inf) < _TOLD_AGAIN:
                return
            if len(self._told) >= _MOST_TOLD:  # a server's words may differ each time
                self._told.clear()
            self._told[words] = now
        self._options.tell(f"{self._spec.name}: {words.removeprefix(f'{self._spec.name}: ')}")
