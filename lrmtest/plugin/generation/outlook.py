"""The outlook of a generation: what it has measured of lengths and speed, and how long it takes.

What an engine tells while it works is its number of tokens and of running requests. Requests are
taken in the order in which they were submitted, so the first that have not come yet are those that
run, and the tokens of no finished completion are theirs, by the time for which each has run.
"""

from __future__ import annotations

import copy
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from lrmtest.analysis.time_left import (
    AwaitedSample,
    SeenLengths,
    SpeedStretch,
    StreamRate,
    TimeLeft,
    time_left,
)
from lrmtest.grading.completion import Completion
from lrmtest.models.engines.base import Progress, Request
from lrmtest.plugin.generation.expected import ExpectedTokens

_USUAL_PLACES = 16
_STRETCH_SECONDS = 15.0
_FIRST_SECONDS = 2.0
_MOST_STRETCHES = 240
_RECENT_SECONDS = 10.0
_SECONDS_BETWEEN = 2.0
_SHARE_OF_TIME = 0.01
"""Of its time a process spends at most so much on looking ahead."""


@dataclass(slots=True)
class _Outstanding:
    sample: AwaitedSample
    since: float | None = None


class Outlook:
    """What one model's generation has measured, and what it expects.

    Safe to use from several threads.

    Args:
        places: requests that the engine takes at once; None where it decides.
        clock: monotonic seconds.
    """

    def __init__(
        self, places: int | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._places = places
        self._clock = clock
        self._lock = threading.Lock()
        self._outstanding: dict[str, _Outstanding] = {}
        self._seen = SeenLengths()
        self._rate = StreamRate()
        self._starting: float | None = None
        self._tokens: int | None = None
        self._unfinished = 0.0
        """Tokens of completions that have not come."""
        self._at = 0.0
        self._stretch = SpeedStretch(0.0, 0.0, 0.0)
        self._stretches: deque[tuple[float, SpeedStretch]] = deque(maxlen=_MOST_STRETCHES)
        self._recent: deque[tuple[float, float]] = deque()
        self._generated = 0.0
        self._running = 0
        self._looked: tuple[float, TimeLeft] | None = None
        self._next_look = 0.0

    def submitted(
        self,
        requests: Sequence[Request],
        expected: ExpectedTokens,
        rate: StreamRate | None = None,
    ) -> None:
        """Requests go to the engine, in this order.

        Args:
            requests: they.
            expected: how long each will be.
            rate: what is known of the speed of one completion; None for nothing.
        """
        with self._lock:
            self._rate = rate or self._rate
            for request in requests:
                if request.key in self._outstanding:
                    continue
                question = request.place.question
                budget = request.sampling.max_tokens
                sample = AwaitedSample(question, budget, expected.of(question))
                self._outstanding[request.key] = _Outstanding(sample)

    def arrived(self, key: str, completion: Completion | None) -> None:
        """A submitted sample has come, or ended in an engine error."""
        with self._lock:
            one = self._outstanding.pop(key, None)
            if one is None or completion is None:
                return
            tokens = completion.generated_tokens
            self._unfinished = max(0.0, self._unfinished - tokens)
            self._seen.add(one.sample, tokens, cut=completion.finish_reason == "length")

    def forget(self, keys: Collection[str]) -> None:
        """Samples are not generated any more."""
        with self._lock:
            for key in keys:
                self._outstanding.pop(key, None)

    def starts(self) -> None:
        """The engine begins to start."""
        with self._lock:
            self._starting = self._clock()

    def runs(self, progress: Progress) -> None:
        """The engine runs; what it has generated so far was for its self-test."""
        with self._lock:
            self._starting = None
            self._tokens, self._at = progress.tokens, self._clock()
            self._stretch, self._unfinished = SpeedStretch(0.0, 0.0, 0.0), 0.0
            for one in self._outstanding.values():
                one.since = None

    def measure(self, progress: Progress) -> None:
        """Look at an engine that runs; about once a second."""
        with self._lock:
            now = self._clock()
            seconds = now - self._at
            if self._starting is not None or self._tokens is None or seconds <= 0:
                return
            # A server that was started again may have begun to count anew.
            new = max(0, progress.tokens - self._tokens)
            self._tokens, self._at = progress.tokens, now
            self._generated += new
            self._running = progress.running or (min(len(self._outstanding), 1) if new else 0)
            running = min(self._running, len(self._outstanding))
            for one in islice(self._outstanding.values(), running):
                if one.since is None:
                    one.since = now - seconds
            self._unfinished = self._unfinished + new if running else 0.0
            self._recent.append((now, self._generated))
            while len(self._recent) > 2 and self._recent[1][0] <= now - _RECENT_SECONDS:
                self._recent.popleft()
            if not self._running and not new:
                return  # nothing was asked of it
            before = self._stretch
            together = before.seconds + seconds
            mean = (before.running * before.seconds + max(self._running, 1) * seconds) / together
            self._stretch = SpeedStretch(together, mean, before.tokens + new)
            if together >= _STRETCH_SECONDS and self._stretch.tokens > 0:
                self._stretches.append((now, self._stretch))
                self._stretch = SpeedStretch(0.0, 0.0, 0.0)

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens generated per second in the last seconds; None where there were none."""
        with self._lock:
            if len(self._recent) < 2:
                return None
            (began, before), (ended, after) = self._recent[0], self._recent[-1]
            return (after - before) / (ended - began) if after > before and ended > began else None

    @property
    def generated(self) -> int:
        """Tokens generated, unfinished completions included."""
        with self._lock:
            return round(self._generated)

    @property
    def starting_seconds(self) -> float | None:
        """For how long the engine has been starting; None when it is not."""
        with self._lock:
            return None if self._starting is None else self._clock() - self._starting

    @property
    def left(self) -> TimeLeft | None:
        """A range for the seconds until all that was submitted is there; None for nothing."""
        with self._lock:
            if not self._outstanding or self._looked is None:
                return None
            return self._looked[1].after(self._clock() - self._looked[0])

    def look_ahead(self) -> None:
        """Make `left` anew, if that is due; on one thread alone."""
        with self._lock:
            now = self._clock()
            if not self._outstanding or now < self._next_look:
                return
            # Others go on measuring meanwhile.
            awaited, seen = self._awaited(now), copy.deepcopy(self._seen)
            stretches = [replace(one, age=now - ended) for ended, one in self._stretches]
            if self._stretch.seconds >= _FIRST_SECONDS and self._stretch.tokens > 0:
                stretches.append(self._stretch)
            starting = None if self._starting is None else now - self._starting
            places = self._running or self._places or min(len(awaited), _USUAL_PLACES)
            rate = self._rate
        began = time.perf_counter()
        found = time_left(awaited, seen, stretches, rate=rate, places=places, starting=starting)
        cost = time.perf_counter() - began
        with self._lock:
            self._looked = now, found
            self._next_look = now + max(_SECONDS_BETWEEN, cost / _SHARE_OF_TIME)

    def _awaited(self, now: float) -> list[AwaitedSample]:
        """What is outstanding, with what is there of each that runs."""
        spans = {
            key: max(now - one.since, 1e-6)
            for key, one in self._outstanding.items()
            if one.since is not None
        }
        total = sum(spans.values())
        return [
            replace(
                one.sample,
                so_far=min(self._unfinished * spans[key] / total, float(one.sample.budget)),
            )
            if key in spans
            else one.sample
            for key, one in self._outstanding.items()
        ]
