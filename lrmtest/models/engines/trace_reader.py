"""The protocol between a command and whatever reads traces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from lrmtest.models.engines.base import EngineInfo
from lrmtest.models.reading import Reading, Written

DeliverReading = Callable[[Reading, Reading | None], None]
"""Receives each reading as soon as it exists; and, where the writer was read beside the reader,
the writer's reading of its own trace: the floor."""

ESTIMATED = "total variation is estimated from the traces' tokens, not summed over all tokens"
"""What holds where only one of the two distributions is at hand."""


@dataclass(frozen=True, slots=True)
class ReaderInfo:
    """What a reader says of itself once it runs.

    Attributes:
        engine: the engine, as in a run's manifest.
        limits: what it cannot see, in sentences without a full stop.
    """

    engine: EngineInfo
    limits: tuple[str, ...] = ()


class TraceReader(Protocol):
    """What reads traces: `start`, then `read` any number of times, then `close`.

    `close` may come at any time, from any state, twice, and leaves no process behind.
    """

    def start(self, planned: Sequence[Written]) -> ReaderInfo:
        """Make ready to read.

        Args:
            planned: all that is to be read, so that a trace which does not fit the context is
                refused before any weight is loaded.

        Raises:
            UsageError: a trace cannot be read by this model or engine.
            ModelError: the model cannot be read, reached or started.
        """
        ...

    def read(self, written: Sequence[Written], deliver: DeliverReading) -> None:
        """Read traces, each of which is delivered once, in any order; returns when all are.

        Raises:
            ModelError: reading failed; what was delivered holds.
        """
        ...

    def close(self) -> None:
        """Release everything."""
        ...


def longest(planned: Sequence[Written]) -> Written:
    """The trace with the most tokens, its prompt included."""
    return max(planned, key=lambda one: one.length)


def name_of(written: Written) -> str:
    """A trace in a message: ``question 'q7', sample 2``."""
    return f"question {written.place.question_id!r}, sample {written.place.sample}"
