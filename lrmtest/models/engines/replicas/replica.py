"""One replica: whether it is there, what it has done, and how fast it is."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

from lrmtest.masking import masked_url
from lrmtest.models.engines.base import ReplicaPhase, ReplicaState
from lrmtest.models.engines.openai_engine import OpenAIEngine

_RECENT_SECONDS = 10.0
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0


@dataclass(slots=True)
class Replica:
    """What is known of one replica.

    Attributes:
        url: where it is.
        phase: whether it is asked.
        engine: asks it; only while it works or drains.
        reason: why it is not asked; for people.
        completions: how many came from it.
        failed: errors in a row.
        tries: how often in a row it could not be taken.
        next_try: when it is looked at again, in monotonic seconds.
        asked_at: when it was last given something, in monotonic seconds.
        strikes: how often in a row it has shown no life.
        looking: whether it is being looked at.
    """

    url: str
    phase: ReplicaPhase = "away"
    engine: OpenAIEngine | None = None
    reason: str = ""
    completions: int = 0
    failed: int = 0
    tries: int = 0
    next_try: float = 0.0
    asked_at: float = 0.0
    strikes: int = 0
    looking: bool = False
    _joined_at: float = 0.0
    _seconds: float = 0.0
    _finished_tokens: int = 0
    _before: int = 0
    _recent: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def name(self) -> str:
        """Its URL as it may be shown."""
        return masked_url(self.url)

    @property
    def tokens(self) -> int:
        """Tokens that it has generated, unfinished completions included."""
        return self._before + (0 if self.engine is None else self.engine.progress.tokens)

    @property
    def seconds(self) -> float:
        """For how long it has worked."""
        now = 0.0 if self.engine is None else time.monotonic() - self._joined_at
        return self._seconds + now

    @property
    def drafted(self) -> int:
        """Tokens that it took from drafts."""
        return 0 if self.engine is None else self.engine.progress.drafted

    @property
    def running(self) -> int:
        """Requests that it works on."""
        return 0 if self.engine is None else self.engine.progress.running

    @property
    def unfinished(self) -> int:
        """Tokens of what it works on."""
        return max(0, self.tokens - self._before - self._finished_tokens)

    @property
    def silent_since(self) -> float:
        """When it was last heard, or given something if that is later, in monotonic seconds."""
        heard = 0.0 if self.engine is None else self.engine.heard_at
        return max(heard, self.asked_at)

    def joins(self, engine: OpenAIEngine) -> None:
        """It works from now on."""
        self.engine, self.phase, self.reason = engine, "working", ""
        self.asked_at = self._joined_at = time.monotonic()
        self.failed = self.strikes = self._finished_tokens = 0

    def answered(self, tokens: int) -> None:
        """A completion of so many generated tokens came from it."""
        self.completions += 1
        self.failed = self.tries = 0
        self._finished_tokens += tokens

    def leaves(self, phase: ReplicaPhase, reason: str) -> OpenAIEngine | None:
        """It is not asked any more; what has asked it must be closed."""
        engine, self._before, self._seconds = self.engine, self.tokens, self.seconds
        self.engine, self.phase, self.reason = None, phase, reason
        wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0**self.tries)
        self.tries = min(self.tries + 1, 10)
        self.next_try = time.monotonic() + wait
        return engine

    def measure(self, now: float) -> None:
        """Look at how much there is of it; about once a second."""
        self._recent.append((now, self.tokens))
        while len(self._recent) > 2 and self._recent[1][0] <= now - _RECENT_SECONDS:
            self._recent.popleft()

    @property
    def tokens_per_second(self) -> float:
        """Tokens per second in the last seconds."""
        if len(self._recent) < 2:
            return 0.0
        (began, before), (ended, after) = self._recent[0], self._recent[-1]
        return (after - before) / (ended - began) if ended > began else 0.0

    @property
    def state(self) -> ReplicaState:
        """What is told of it."""
        return ReplicaState(
            url=self.name,
            phase=self.phase,
            reason=self.reason,
            running=self.running,
            completions=self.completions,
            tokens=self.tokens,
            seconds=self.seconds,
            tokens_per_second=self.tokens_per_second,
        )
