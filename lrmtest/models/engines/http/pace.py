"""The pace: when the streams of an event loop are read.

To read a socket costs about the same whether it brings one token or thirty, so at a GPU's rate a
stream is left alone for a while, in which the kernel keeps what comes, and then read at once.
Nobody waits on the socket meanwhile, so that it costs nothing. (To look now and then whether the
end is among it, with ``MSG_PEEK``, was tried: a look costs half of a read, and saves less.)
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Callable

LONGEST_PAUSE = 0.25
"""Seconds between two reads of a stream at most."""

SHARE_OF_AGE = 0.04
"""A pause is at most this share of the time that the completion has taken: an end that cannot be
foreseen waits half of a pause on average, for 2 % of the completion's own time or less, but half
of `TICK` at least."""

TICK = 0.02
EARLY = TICK / 10
"""Seconds by which a pause may end before its time."""

_READS_PER_SECOND = 250.0  # of all streams together, where they are few
_ROOM = 48 << 10  # of the 64 KiB that any kernel keeps for a connection
_PLENTY = 64 << 10


def pause_after(
    *,
    streams: int,
    age: float,
    size: int,
    waited: float,
    left: float = math.inf,
) -> float:
    """Seconds until a stream is read again; 0: as soon as anything comes.

    Args:
        streams: how many there are; with a few of them every token is read as it comes, since all
            together are read `_READS_PER_SECOND` times a second.
        age: seconds since the stream's first piece of text.
        size: bytes that the last read brought.
        waited: seconds in which they came.
        left: seconds until the completion's budget is spent, as it seems.
    """
    if age < TICK:
        return 0.0
    share = max(TICK, SHARE_OF_AGE * age)
    pause = min(LONGEST_PAUSE, share, streams / _READS_PER_SECOND, max(left, TICK))
    if size * pause > _ROOM * waited:  # the kernel might have no room for as much
        pause = 0.0 if size >= _PLENTY else _ROOM * waited / size
    return pause if pause >= TICK else 0.0


class Pace:
    """Wakes the streams of one event loop, many at a time.

    Attributes:
        streams: how many are being read.
        reads: reads of sockets so far that brought something.
    """

    def __init__(self) -> None:
        self.streams = 0
        self.reads = 0
        self._number = 0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._timer: asyncio.TimerHandle | None = None

    def wake(self, seconds: float, action: Callable[[], None]) -> float:
        """Have `action`, which must not raise, called in so many seconds, up to `TICK` more.

        Returns:
            When that is, by the event loop's clock.
        """
        loop = asyncio.get_running_loop()
        due = math.ceil((loop.time() + seconds) / TICK) * TICK
        self._number += 1
        heapq.heappush(self._due, (due, self._number, action))
        if self._timer is None or due < self._timer.when():
            self._wait_for(due, loop)
        return due

    def _wait_for(self, due: float, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(due, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time() + EARLY
        while self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2]()
        if self._due:
            self._wait_for(self._due[0][0], loop)
