"""The runs that a report shows, from the store or from a baseline's file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lrmtest.grading.verdict import Verdict
from lrmtest.runs.baseline import (
    Baseline,
    baseline_of,
    incompleteness,
    is_file,
    read_baseline,
)
from lrmtest.runs.outcomes import QuestionOutcome
from lrmtest.runs.records import RunRecord, SampleRecord
from lrmtest.runs.store import Store, StoredRun


@dataclass(frozen=True, slots=True)
class ReportRun:
    """One run in a report.

    Attributes:
        outcomes: the run as comparisons see it.
        record: the run as summaries see it.
        store: the SQLite file with its texts; None for a baseline's file, which has none.
        finished: when everything planned was there; None if it never was, or is not known.
        lacking: what it lacks, in words.
    """

    outcomes: Baseline
    record: RunRecord
    store: Path | None
    finished: str | None = None
    lacking: tuple[str, ...] = ()

    @property
    def run_id(self) -> str:
        """The run's name."""
        return self.record.run_id


def load_run(reference: str, store: Path) -> ReportRun:
    """A run by its name, or a baseline by its file.

    Args:
        reference: a run as in `Store.run`, or a baseline's file.
        store: the SQLite file that runs are looked up in.

    Raises:
        DataError: the file is missing or malformed.
        UsageError: no run or several runs answer to the name.
        StoreError: the store is not there or cannot be read.
    """
    if is_file(reference):
        return run_of_file(read_baseline(Path(reference)))
    with Store(store, create=False) as opened:
        return run_of(opened, opened.run(reference))


def run_of(
    store: Store,
    run: StoredRun,
    outcomes: Baseline | None = None,
    samples: Sequence[SampleRecord] | None = None,
) -> ReportRun:
    """A run in the store, or the part of it that is given.

    Args:
        store: where its texts are.
        run: the run.
        outcomes: how its questions went; None for all of it.
        samples: their records; None for all of it.

    Raises:
        StoreError: the store cannot be read.
    """
    records = store.sample_records(run) if samples is None else samples
    return ReportRun(
        outcomes=baseline_of(store, run, records) if outcomes is None else outcomes,
        record=RunRecord(run.run_id, run.model, run.manifest, tuple(records)),
        store=store.path,
        finished=run.finished,
        lacking=tuple(incompleteness(store, run)),
    )


def run_of_file(baseline: Baseline) -> ReportRun:
    """A baseline that was read from its file: how every sample went, without a text."""
    samples = tuple(
        record
        for outcome in baseline.outcomes.values()
        for record in _records(baseline.model, outcome, estimated=baseline.tokens_estimated)
    )
    record = RunRecord(baseline.name, baseline.model, baseline.manifest, samples)
    return ReportRun(outcomes=baseline, record=record, store=None)


def _records(model: str, outcome: QuestionOutcome, *, estimated: bool) -> Iterator[SampleRecord]:
    if not outcome.count:
        yield SampleRecord(
            model, outcome.suite, outcome.question_id, 0, None, error="no completion"
        )
    for index, sample in outcome.samples.items():
        verdict = Verdict(
            correct=sample.passed,
            score=float(sample.passed),
            extracted=None,
            failure=sample.failure,
            lenient_correct=sample.passed,
        )
        yield SampleRecord(
            model,
            outcome.suite,
            outcome.question_id,
            index,
            verdict,
            # The file does not tell reasoning from answer.
            answer_tokens=sample.tokens,
            tokens_estimated=estimated,
        )
