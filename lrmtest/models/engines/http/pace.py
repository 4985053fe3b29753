"""The pace: when the streams of an event loop are read.

To read a socket costs about the same whether it brings one token or thirty, so at a GPU's rate a
stream is left alone for a while, in which the kernel keeps what comes, and then read at once.
Nobody waits on the socket meanwhile. Of a stream whose pieces come steadily the kernel is asked how
much there is, which costs a microsecond: where that is no more than the last time, the stream has
come to its end, and is read. (To look for the end itself in what there is, with ``MSG_PEEK``, was
tried: a look costs half of a read, and saves less.)
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

LONGEST_PAUSE = 0.25
"""Seconds between two reads of a stream at most."""

SHARE_OF_AGE = 0.04
"""A pause is at most this share of the time that the completion has taken: an end that cannot be
foreseen waits half of a pause on average, for 2 % of the completion's own time or less, but half
of `TICK` at least."""

SHARE_LOOKED_AT = 0.25
"""The same where the kernel is asked at every `TICK` whether more has come: an end waits for one or
two there, whatever the pause. Where it is asked at every second or third one, it is as much less,
and the first second does not count."""

TICK = 0.02
_EARLY = TICK / 10
"""Seconds by which a pause may end before its time."""

_READS_PER_SECOND = 250.0  # of all streams together, where they are few
_ROOM = 48 << 10  # of the 64 KiB that any kernel keeps for a connection
_PLENTY = 64 << 10
_GAPS = 1.4
"""Nothing new in so many gaps between pieces may be the end; a server's steps are regular."""
_MOST_TICKS = 3
"""Ticks that this may take; what is slower is not looked at."""


class Pause(NamedTuple):
    """How a stream is left alone.

    Attributes:
        seconds: until it is read again; 0: as soon as anything comes.
        ticks: so many at a time the kernel is asked whether more has come; 0 for never.
    """

    seconds: float
    ticks: int = 0


READ_ON = Pause(0.0)


def pause_after(
    *,
    streams: int,
    age: float,
    size: int,
    waited: float,
    gap: float = math.inf,
    left: float = math.inf,
) -> Pause:
    """How a stream is left alone.

    Args:
        streams: how many there are; with a few of them every token is read as it comes, since all
            together are read `_READS_PER_SECOND` times a second.
        age: seconds since the stream's first piece of text.
        size: bytes that the last read brought.
        waited: seconds in which they came.
        gap: seconds between two pieces of it.
        left: seconds until the completion's budget is spent, as it seems.
    """
    if age < TICK:
        return READ_ON
    ticks = 0
    if _GAPS * gap <= _MOST_TICKS * TICK:
        ticks = max(1, math.ceil(_GAPS * gap / TICK))
    looked_at = SHARE_LOOKED_AT * (age if ticks == 1 else age - 1) / ticks if ticks else 0.0
    share = max(TICK, SHARE_OF_AGE * age, looked_at)
    pause = min(LONGEST_PAUSE, share, streams / _READS_PER_SECOND, max(left, TICK))
    if size * pause > _ROOM * waited:  # the kernel might have no room for as much
        pause = 0.0 if size >= _PLENTY else _ROOM * waited / size
    if pause < TICK:
        return READ_ON
    return Pause(pause, ticks if pause > 2 * ticks * TICK else 0)


@dataclass(slots=True)
class _Paused:
    """A stream that is left alone.

    Attributes:
        read: reads it.
        unread: bytes that have come for it.
        ticks: as of its `Pause`.
        to_go: ticks until the kernel is asked again.
        seen: bytes that there were when it was asked last.
        over: it has been read.
    """

    read: Callable[[], None]
    unread: Callable[[], int]
    ticks: int
    to_go: int
    seen: int = -1
    over: bool = False


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
        self._due: list[tuple[float, int, _Paused]] = []
        self._looked_at: list[_Paused] = []
        self._timer: asyncio.TimerHandle | None = None
        self._ticks = False

    def wake(self, pause: Pause, read: Callable[[], None], unread: Callable[[], int]) -> None:
        """Have a stream read when its pause ends, up to `TICK` later, or when nothing more comes.

        Args:
            pause: how it is left alone.
            read: reads it; must not raise.
            unread: bytes that the kernel has for it; must not raise.
        """
        loop = asyncio.get_running_loop()
        due = math.ceil((loop.time() + pause.seconds) / TICK) * TICK
        self._number += 1
        paused = _Paused(read, unread, pause.ticks, pause.ticks)
        heapq.heappush(self._due, (due, self._number, paused))
        if pause.ticks:
            self._looked_at.append(paused)
        if not self._ticks:
            self._wait(loop)

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have the timer tick when there is something to do, if there is."""
        at = self._due[0][0] if self._due else math.inf
        if self._looked_at:
            at = min(at, math.floor((loop.time() + _EARLY) / TICK + 1) * TICK)
        if self._timer is not None and self._timer.when() <= at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(at, self._tick, loop) if at < math.inf else None

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer, self._ticks = None, True
        now = loop.time() + _EARLY
        while self._due and self._due[0][0] <= now:
            paused = heapq.heappop(self._due)[2]
            if not paused.over:
                paused.over = True
                paused.read()
        looked_at, self._looked_at = self._looked_at, []
        self._looked_at += [paused for paused in looked_at if self._has_more(paused)]
        self._ticks = False
        self._wait(loop)

    @staticmethod
    def _has_more(paused: _Paused) -> bool:
        """Whether a stream is to be left alone on; it is read where nothing more has come."""
        if paused.over:
            return False
        paused.to_go -= 1
        if paused.to_go > 0:
            return True
        there = paused.unread()
        if there == paused.seen:
            paused.over = True
            paused.read()
            return False
        paused.seen, paused.to_go = there, paused.ticks
        return True
