"""An event loop whose clock jumps from one timer to the next, and wires on which bytes come by it.

With them the pace of reading is tested exactly, on any machine.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager

from lrmtest.models.engines.http import transport

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"


class VirtualLoop(asyncio.SelectorEventLoop):
    """Never waits for time to pass."""

    def __init__(self):
        super().__init__()
        self.now = 0.0

    def time(self):
        return self.now

    def _run_once(self):
        if not self._ready and self._scheduled:
            self.now = max(self.now, self._scheduled[0]._when)
        super()._run_once()


def run(coroutine):
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)


def framed(data):
    return b"%x\r\n" % len(data) + data + b"\r\n"


class ScriptedWire:
    """A wire on which parts of an answer come.

    Args:
        parts: seconds after the request, and the bytes that come then.
        room: bytes that wait to be read at most; what has none comes later.
    """

    def __init__(self, parts, room=1 << 30):
        self._parts = list(parts)[::-1]
        self._loop = asyncio.get_running_loop()
        self._room = room
        self._waiting = b""
        self._action = None
        self.closed = False
        self.read_at = []
        self.looks = 0

    async def send(self, data):
        self._begun = self._loop.time()
        self._next()

    def _next(self):
        if self._parts:
            self._loop.call_at(self._begun + self._parts[-1][0], self._come)

    def _come(self):
        while self._parts and self._begun + self._parts[-1][0] <= self._loop.time():
            if len(self._waiting) + len(self._parts[-1][1]) > self._room:
                break
            self._waiting += self._parts.pop()[1]
        else:
            self._next()
        self._tell()

    def _tell(self):
        if self._action is not None and self._waiting:
            self._loop.call_soon(self._call, self._action)

    def _call(self, action):
        if self._action is action and self._waiting:
            action()

    def receive(self):
        data, self._waiting = self._waiting[: 256 << 10], self._waiting[256 << 10 :]
        if data:
            self.read_at.append(self._loop.time())
            self._come()
        return data or None

    def unread(self):
        self.looks += 1
        return len(self._waiting)

    def listen(self, action):
        self._action = action
        self._tell()

    def ignore(self):
        self._action = None

    def close(self):
        self.closed = True


@contextmanager
def wires(monkeypatch, make):
    """Have each connection be one of `make()`; the list of those that were made."""
    made = []

    async def to(route, trust_env):
        made.append(make())
        return made[-1]

    with monkeypatch.context() as patch:
        patch.setattr(transport.Wire, "to", to)
        yield made
