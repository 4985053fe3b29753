"""A watched engine: every request that goes in comes out, whatever becomes of the engine.

An engine works on threads of its own. A thread that dies takes its requests along, and whoever
waits for them waits for ever; so the promise that each request is delivered once is not left to
the engines, ours or others', but kept here, in one place. What an engine delivers is looked at
here too: a completion whose figures cannot be is an engine error.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from lrmtest.errors import EngineError, LrmtestError
from lrmtest.models.engines.base import (
    Deliver,
    Delivery,
    Engine,
    EngineInfo,
    HasLog,
    HasReplicas,
    Progress,
    ReplicaState,
    Request,
)

_LOOKS = 4
"""So often in a row an engine must look dead before it is given up: what it had done in its last
moment may still be on its way."""

_NO_ENGINES = (
    "lrmtest-broker",
    "lrmtest-worker",
    "lrmtest-generation",
    "lrmtest-evaluate",
    "lrmtest-backlog",
    "lrmtest-telling",
)
"""Threads of this package that are no engine's, by the beginning of their names."""

T = TypeVar("T")

_HINT = "completions that arrived are kept; repeat the command to generate the others"


class WatchedEngine:
    """An engine that is watched. See `lrmtest.models.engines.base.Engine`.

    Whoever waits for deliveries calls `look` now and then.

    Args:
        engine: what generates.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._deliver: Deliver | None = None
        self._changed = threading.Lock()  # guards the following
        self._unfinished: dict[str, Request] = {}
        self._threads: set[threading.Thread] = set()
        self._reason: str | None = None
        self._looked_dead = 0
        self._closed = False
        self._hook_before: Callable[[threading.ExceptHookArgs], object] | None = None

    @property
    def progress(self) -> Progress:
        """Live counters."""
        return self._engine.progress

    @property
    def log_line(self) -> str:
        """The last line of its program's log; empty where it has none."""
        return self._engine.log_line if isinstance(self._engine, HasLog) else ""

    @property
    def replicas(self) -> tuple[ReplicaState, ...]:
        """The servers that it asks, where these are several; else empty."""
        return self._engine.replicas if isinstance(self._engine, HasReplicas) else ()

    def start(self, planned: Sequence[Request], deliver: Deliver) -> EngineInfo:
        """Make ready to generate.

        Raises:
            UsageError, ModelError: as the engine.
        """
        self._deliver = deliver
        self._hook_before = threading.excepthook
        threading.excepthook = self._on_thread_exception
        return self._noticing_threads(lambda: self._engine.start(planned, self._take))

    def submit(self, requests: Sequence[Request]) -> None:
        """Queue requests; returns at once."""
        with self._changed:
            self._unfinished |= {request.key: request for request in requests}
            broken = self._reason is not None
        if not broken:
            try:
                self._noticing_threads(lambda: self._engine.submit(requests))
            except LrmtestError:
                raise
            except Exception as error:
                self._break(f"it cannot take requests: {_words(error)}")
        self._fail_if_broken()

    def close(self) -> None:
        """Stop generating and release everything; delivers completions that have arrived."""
        with self._changed:
            self._closed = True
        if threading.excepthook == self._on_thread_exception and self._hook_before is not None:
            threading.excepthook = self._hook_before
        try:
            self._engine.close()
        finally:
            with self._changed:
                self._unfinished.clear()

    def look(self) -> None:
        """Answer all that is unfinished with an error if the engine cannot do it any more."""
        with self._changed:
            alive = any(thread.is_alive() for thread in self._threads)
            waiting = bool(self._unfinished)
            # One that has no threads, as far as is known, does its work in some other manner.
            dead = waiting and bool(self._threads) and not alive
            self._looked_dead = self._looked_dead + 1 if dead else 0
            given_up = self._looked_dead >= _LOOKS
        if given_up:
            self._break("its threads have ended")
        self._fail_if_broken()

    def _noticing_threads(self, action: Callable[[], T]) -> T:
        """Do something, and notice which threads it has started."""
        before = set(threading.enumerate())
        try:
            return action()
        finally:
            started = set(threading.enumerate()) - before
            with self._changed:
                # What else has begun in the same moment is none of its own.
                self._threads |= {
                    thread for thread in started if not thread.name.startswith(_NO_ENGINES)
                }

    def _on_thread_exception(self, died: threading.ExceptHookArgs) -> None:
        """A thread of this process has died of an exception."""
        thread = died.thread
        with self._changed:
            own = thread in self._threads
        if not own and thread is not None:  # one that an engine has started later
            name = thread.name
            own = name.startswith("lrmtest-") and not name.startswith(_NO_ENGINES)
        if own and not self._closed and died.exc_value is not None:
            self._break(f"its thread died: {_words(died.exc_value)}")
        elif self._hook_before is not None:
            self._hook_before(died)

    def _break(self, reason: str) -> None:
        with self._changed:
            self._reason = self._reason or reason

    def _fail_if_broken(self) -> None:
        while True:
            with self._changed:
                if self._reason is None or self._closed or not self._unfinished:
                    return
                request = next(iter(self._unfinished.values()))
                reason = self._reason
            error = EngineError(f"the engine broke down: {reason}", hint=_HINT)
            self._take(Delivery(request, error=error))

    def _take(self, delivery: Delivery) -> None:
        """Deliver what is waited for, once; never raises, for the engine's thread is no place."""
        with self._changed:
            known = self._unfinished.pop(delivery.request.key, None) is not None
            self._looked_dead = 0
            if not known or (self._closed and delivery.completion is None):
                return
        assert self._deliver is not None
        self._deliver(_plausible(delivery))


def _plausible(delivery: Delivery) -> Delivery:
    """The delivery, or an error in its place if its completion cannot be."""
    request, completion = delivery.request, delivery.completion
    if completion is None:
        error = delivery.error or EngineError("the engine delivered nothing")
        return Delivery(request, error=error)
    fault = completion.fault
    if fault is None:
        if delivery.trace is None or delivery.trace.fault is None:
            return delivery
        return Delivery(request, completion=completion)  # a trace that cannot be is none
    error = EngineError(
        f"the engine delivered what no completion can be: {fault}",
        hint="what generates is broken, or what it says of its completions",
    )
    return Delivery(request, error=error)


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
