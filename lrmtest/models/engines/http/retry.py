"""Trying again: backoff between tries, and the circuit breaker that gives a server up."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from lrmtest.models.engines.http.failures import BrokenAnswerError

_T = TypeVar("_T")

MAX_RETRY_AFTER = 120.0
"""Most seconds that a server's Retry-After is obeyed; one that asks for more is not waited for."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with jitter.

    Attributes:
        base: seconds before the first retry; doubles with each further one.
        cap: most seconds between two tries.
    """

    base: float = 0.5
    cap: float = 30.0

    def nominal(self, retry: int) -> float:
        """Seconds before the given retry, the first being 1, without jitter."""
        return min(self.cap, self.base * 2.0 ** min(retry - 1, 60))

    def delay(self, retry: int, retry_after: float | None = None) -> float:
        """Seconds to wait: 50 to 100 % of nominal, at least what the server asked for."""
        jittered = self.nominal(retry) * random.uniform(0.5, 1.0)
        return max(jittered, retry_after or 0.0)

    def total(self, retries: int) -> float:
        """Seconds that so many retries wait in all, without jitter."""
        return sum(self.nominal(retry) for retry in range(1, retries + 1))


async def asked_again(
    ask: Callable[[], Awaitable[_T]],
    *,
    retries: int,
    backoff: Backoff,
    broke: Callable[[BrokenAnswerError], None] = lambda failure: None,
) -> _T:
    """What is asked, asked for again when the answer breaks off.

    Args:
        ask: asks once.
        retries: how often it is asked again.
        backoff: waits between.
        broke: is told of each break.

    Raises:
        BrokenAnswerError: the last one, or one that lies in the form of the answers.
    """
    tries = 0
    while True:
        try:
            return await ask()
        except BrokenAnswerError as failure:
            broke(failure)
            tries += 1
            if failure.shape or tries > retries:
                raise
            await asyncio.sleep(backoff.delay(tries, failure.retry_after))


def retry_after_seconds(header: str | None) -> float | None:
    """The seconds that a Retry-After header asks for, finite and not negative; None without one.

    The header is a number of seconds or an HTTP date (RFC 9110, section 10.2.3).
    """
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            when = parsedate_to_datetime(header)
        except (ValueError, OverflowError, TypeError):
            return None
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        seconds = (when - datetime.now(UTC)).total_seconds()
    return max(seconds, 0.0) if math.isfinite(seconds) else None


class CircuitBreaker:
    """Notices that a server is gone for good, so that what is queued fails at once.

    It opens, and stays open, when at least `failures` tries in a row got nothing out of the
    server and `patience` seconds have passed since the first of them. Both are needed: with
    many requests in flight, a server that restarts fails all of them in the same moment.
    """

    def __init__(
        self, failures: int, patience: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._needed = failures
        self._patience = patience
        self._clock = clock
        self._failures = 0
        self._since = 0.0
        self._opened = asyncio.Event()
        self.reason = ""

    @property
    def is_open(self) -> bool:
        """Whether the server was given up."""
        return self._opened.is_set()

    def alive(self) -> None:
        """The server sent something."""
        self._failures = 0

    def failed(self, reason: str) -> None:
        """A try got nothing out of the server."""
        now = self._clock()
        if not self._failures:
            self._since = now
        self._failures += 1
        if self._failures >= self._needed and now - self._since >= self._patience:
            self.reason = self.reason or reason
            self._opened.set()

    async def pause(self, seconds: float) -> None:
        """Sleep, but no longer than until the breaker opens."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._opened.wait()
