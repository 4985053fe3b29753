"""An asyncio event loop on a thread of its own, for engines that wait on many things at once."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeVar

from lrmtest.errors import MachineryError, ModelError
from lrmtest.models.engines.http.descriptors import allow_many
from lrmtest.models.engines.http.pace import Pace

_JOIN_SECONDS = 30.0
_POLL_SECONDS = 0.2

T = TypeVar("T")


class SharedLoop(NamedTuple):
    """What engines share that work on one thread.

    Attributes:
        loop: runs, and is closed by whoever has made it.
        pace: says when the streams of all of them are read.
    """

    loop: BackgroundLoop
    pace: Pace


class BackgroundLoop:
    """An event loop that runs from `start` to `close`, once.

    `close` may come from any thread and any state, also twice. It cancels every task, lets
    them clean up, and then ends the thread.
    """

    def __init__(self, name: str) -> None:
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._ready = threading.Event()
        self._lock = threading.Lock()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    @property
    def started(self) -> bool:
        """Whether `start` was called."""
        return self._thread.ident is not None

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def start(self) -> None:
        """Start the thread.

        Raises:
            ModelError: it was started or closed before.
        """
        with self._lock:
            if self._closed or self.started:
                raise ModelError("an engine can be started only once", hint="make a new one")
            allow_many()
            self._thread.start()
            self._ready.wait()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run `coroutine` on the loop and wait for what it returns or raises.

        Raises:
            ModelError: the loop was closed before it had finished.
        """
        closed = MachineryError("the engine was closed while it started")
        if self._loop is None or self._closed:
            coroutine.close()
            raise closed
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        while not concurrent.futures.wait([future], _POLL_SECONDS).done:
            if not self._thread.is_alive():
                raise closed
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise closed from None

    def post(self, action: Callable[[], object]) -> None:
        """Have the loop call `action` soon; returns at once, and does nothing once closed."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop ended in this moment
                self._loop.call_soon_threadsafe(action)

    def close(self) -> None:
        """Cancel everything and end the thread."""
        with self._lock:
            self._closed = True
            if not self.started:
                return
            stop = self._stop
        if stop is not None:
            self.post(stop.set)
        if threading.current_thread() is not self._thread:
            self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        # Windows' own loop cannot watch a socket, which the client does.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._ready.set()
        await self._stop.wait()
