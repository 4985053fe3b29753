"""Readings of runs: who has read a run, what its model has read of others, what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lrmtest.analysis.divergence import Divergence, token_shortfalls
from lrmtest.analysis.foretold import Foretold, foretold
from lrmtest.analysis.reading_summary import ReadingSummary, summarize_reading
from lrmtest.analysis.shaded_trace import ShadedTrace, shaded_trace, text_pieces
from lrmtest.analysis.token_kinds import VariationByKind, counted_variation
from lrmtest.errors import DataError, UsageError
from lrmtest.runs.outcomes import QuestionKey
from lrmtest.runs.read_traces import ReadTraces, readers_of, reading_by, readings_by
from lrmtest.runs.readings import ReadingHead
from lrmtest.runs.records import RunHead, RunRecord
from lrmtest.runs.reference import is_file
from lrmtest.runs.store import Store

MOST_READERS = 6
"""Of one run, the last ones."""


@dataclass(frozen=True)
class RunReading:
    """One model's reading of one run's traces.

    Attributes:
        writer: the run whose traces were read.
        read: the reading, beside them.
    """

    writer: RunHead
    read: ReadTraces

    @property
    def head(self) -> ReadingHead:
        """Of the reading."""
        return self.read.head

    @property
    def reader(self) -> str:
        """The name of the model that has read."""
        return self.read.head.reader

    @cached_property
    def summary(self) -> ReadingSummary | None:
        """All its figures; None of nothing."""
        return summarize_reading(self.read.readings(), self.read.shapings)

    @property
    def divergences(self) -> Mapping[QuestionKey, Divergence]:
        """Of every question that was read, how far reader and writer are apart."""
        return {} if self.summary is None else self.summary.questions

    def shaded(self, question: QuestionKey) -> list[tuple[int, ShadedTrace | None]]:
        """Its samples of a question as the reader sees them; None without the trace's tokens."""
        return [
            (one.reading.place.sample, None)
            if one.trace is None
            else (
                one.reading.place.sample,
                shaded_trace(one.reading, one.trace.tokens, self.read.texts, one.shaping),
            )
            for one in self.read.of_question(question)
            if one.trace is None or len(one.trace.tokens) == len(one.reading.written)
        ]

    def kinds(self) -> VariationByKind | None:
        """Where the total variation lies; None where tokens or their texts are not at hand."""
        texts = self.read.texts
        if not texts:
            return None
        return counted_variation(
            (
                one.reading.place.question,
                text_pieces(one.trace.tokens, texts),
                token_shortfalls(one.reading),
            )
            for one in self.read.traces()
            if one.trace is not None and len(one.trace.tokens) == len(one.reading.written)
        )

    def foretold(self, parent: RunRecord, reader: RunRecord) -> Foretold | None:
        """What divergence says of the damage between the two models' runs."""
        return foretold(self.divergences, parent.outcomes, reader.outcomes)


def run_readings(
    store: Store, run: RunHead, baseline: RunHead | None, called: str | None = None
) -> list[RunReading]:
    """The readings that matter to a run, the one to look at first first.

    With a baseline that is the reading of its traces by the run's model. Without one it is what
    other models have read of the run's own traces, the last first, and what the run's model has
    read of others'.

    Args:
        store: where runs and readings are.
        run: the run.
        baseline: what it is compared with; None for nothing.
        called: by what name the user called the baseline.
    """
    found: list[tuple[RunHead, ReadingHead, Path | None]] = []
    if baseline is not None:
        head = reading_by(store, baseline, run)
        file = Path(called) if called is not None and is_file(called) else None
        found += [(baseline, head, file)] if head is not None else []
    else:
        found += [(run, head, None) for head in reversed(readers_of(store, run))]
        found += [(writer, head, None) for writer, head in readings_by(store, run)]
    return [
        reading
        for writer, head, file in found[:MOST_READERS]
        if (reading := _beside(store, writer, head, file)) is not None
    ]


def readings_of(store: Store, run: RunHead) -> list[RunReading]:
    """What other models have read of a run's own traces, the first ones first."""
    found = (_beside(store, run, head, None) for head in readers_of(store, run)[-MOST_READERS:])
    return [reading for reading in found if reading is not None]


def _beside(
    store: Store, writer: RunHead, head: ReadingHead, file: Path | None
) -> RunReading | None:
    """A reading beside its traces; None where these were drawn in a way that is not known here."""
    try:
        return RunReading(writer, ReadTraces(store, head, writer, file))
    except (DataError, UsageError):
        return None
