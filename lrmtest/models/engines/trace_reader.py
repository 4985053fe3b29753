"""The protocol between a command and whatever reads traces."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from lrmtest.models.engines.base import Conversation, EngineInfo
from lrmtest.models.reading import Reading, Shaping, Written
from lrmtest.models.rejection import Distribution

DeliverReading = Callable[[Reading, Reading | None], None]
"""Receives each reading as soon as it exists; and, where the writer was read beside the reader,
the writer's reading of its own trace: the floor."""

DeliverDistribution = Callable[[int, Distribution], None]
"""Receives each distribution as soon as it was told, by its index."""

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


@runtime_checkable
class RendersPrompts(Protocol):
    """A `TraceReader` that tells which prompts its model would be given."""

    def prompts(self, conversations: Sequence[Conversation]) -> Sequence[array[int] | None]:
        """What conversations become where this model generates, once the reader has started.

        Returns:
            Of each conversation the ids of its prompt, type code ``I``, by the chat template, the
            tokenizer and the request fields that generating uses; None where that is not told.

        Raises:
            ModelError: the template refuses a conversation, or the server does not answer.
        """
        ...


class TellsDistributions(TraceReader, RendersPrompts, Protocol):
    """A `TraceReader` that tells whole distributions as well."""

    def distributions(
        self, asked: Sequence[tuple[array[int], Shaping]], deliver: DeliverDistribution
    ) -> None:
        """Tell, once, what follows on each of some beginnings, in any order.

        Args:
            asked: ids of prompt and completion up to the place, and how is drawn there.
            deliver: receives the index of each, and the processed distribution.

        Raises:
            ModelError: the server does not tell one.
        """
        ...


def longest(planned: Sequence[Written]) -> Written:
    """The trace with the most tokens, its prompt included."""
    return max(planned, key=lambda one: one.length)


def name_of(written: Written) -> str:
    """A trace in a message: ``question 'q7', sample 2``."""
    return f"question {written.place.question_id!r}, sample {written.place.sample}"
