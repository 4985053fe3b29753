"""The pace: when the streams of an event loop are read.

To read a socket costs about the same whether it brings one token or thirty, so at a GPU's rate a
stream is left alone for a while, in which the kernel keeps what comes, and then read at once.
Nobody waits on the socket meanwhile, so that it costs nothing. What has come is looked at now and
then without reading it, which is a fourth of the work: an end does not wait for the next read.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Callable
from typing import NamedTuple

LONGEST_PAUSE = 0.25
"""Seconds between two reads of a stream at most."""

LONGEST_WAIT = 0.1
"""Seconds that an end waits at most until it is seen, where it can be."""

SHARE_OF_AGE = 0.02
"""The same, as a share of the time that the completion has taken: it waits half of it on average,
for 1 % of its own time."""

TICK = 0.02
EARLY = TICK / 10
"""Seconds by which a pause may end before its time."""

_READS_PER_SECOND = 250.0  # of all streams together, where they are few
_GROWTH = 0.5
_ROOM = 48 << 10  # of the 64 KiB that any kernel keeps for a connection
_PLENTY = 64 << 10


class Pause(NamedTuple):
    """How long a stream is left alone.

    Attributes:
        seconds: until it is read; 0: as soon as anything comes.
        look: until its end is looked for, and again after as much.
    """

    seconds: float
    look: float


AT_ONCE = Pause(0.0, 0.0)


def pause_after(
    *,
    streams: int,
    age: float,
    size: int,
    waited: float,
    left: float = math.inf,
    end_shows: bool = True,
) -> Pause:
    """How long a stream is left alone after it was read.

    Args:
        streams: how many there are; with a few of them every token is read as it comes, since all
            together are read `_READS_PER_SECOND` times a second.
        age: seconds since the stream's first piece of text.
        size: bytes that the last read brought.
        waited: seconds in which they came.
        left: seconds until the completion's budget is spent, as it seems.
        end_shows: whether its end can be seen without reading it; under TLS it cannot, and waits
            half of a pause on average.
    """
    pause = min(LONGEST_PAUSE, _GROWTH * age, streams / _READS_PER_SECOND, max(left, TICK))
    if size * pause > _ROOM * waited:  # the kernel might have no room for as much
        pause = 0.0 if size >= _PLENTY else _ROOM * waited / size
    look = min(LONGEST_WAIT, SHARE_OF_AGE * age)
    if not end_shows:
        pause = min(pause, 2 * SHARE_OF_AGE * age)
    return Pause(pause, max(look, TICK)) if pause >= TICK else AT_ONCE


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
