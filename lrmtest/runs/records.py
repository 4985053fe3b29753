"""Records: what a run remembers of itself and of each sample, without texts.

Texts can be megabytes; they stay in the store and are read one at a time. Everything that
`lrmtest.analysis` needs is here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from lrmtest.errors import UsageError
from lrmtest.grading.completion import Completion, FinishReason
from lrmtest.grading.verdict import Verdict
from lrmtest.models.trace import Trace
from lrmtest.questions.place import Place
from lrmtest.questions.question import Question
from lrmtest.runs.extent import EVERYTHING, Extent, left_out, narrowed_manifest, reaches
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.outcomes import (
    Outcomes,
    QuestionKey,
    QuestionOutcome,
    SampleOutcome,
    outcome_of,
)
from lrmtest.suites.registry import SUITES
from lrmtest.suites.suite import PASS


@dataclass(frozen=True, slots=True)
class SampleRecord:
    """One sample of one question by one model: its cost and how it went, or its engine error.

    Attributes:
        model: the model's name, as in test ids and reports.
        place: which sample of which question.
        verdict: None when the engine failed, or where only `summed_up` is known.
        error: what the engine said; None when there is a completion.
        summed_up: how it went, where that is all that was kept, as in a baseline's file.
        finish_reason: as in `lrmtest.grading.completion`; None when not known.
        prompt_tokens, reasoning_tokens, answer_tokens: token counts; 0 when unknown.
        tokens_estimated: counts come from text length, not from a tokenizer.
        seconds: wall time from submission to the last token; 0 when unknown.
        drafted_tokens: of its tokens, those that were read from a draft and not generated; None
            where there was none.
        reused: the completion was in the store already and was not generated this time.
    """

    model: str
    place: Place
    verdict: Verdict | None = None
    error: str | None = None
    summed_up: SampleOutcome | None = None
    finish_reason: FinishReason | None = None
    prompt_tokens: int = 0
    reasoning_tokens: int = 0
    answer_tokens: int = 0
    tokens_estimated: bool = False
    seconds: float = 0.0
    drafted_tokens: int | None = None
    reused: bool = False

    @classmethod
    def of(
        cls, model: str, place: Place, completion: Completion, verdict: Verdict, *, reused: bool
    ) -> SampleRecord:
        """The record of a graded completion."""
        return cls(
            model=model,
            place=place,
            verdict=verdict,
            finish_reason=completion.finish_reason,
            prompt_tokens=completion.prompt_tokens,
            reasoning_tokens=completion.reasoning_tokens,
            answer_tokens=completion.answer_tokens,
            tokens_estimated=completion.tokens_estimated,
            seconds=completion.seconds,
            drafted_tokens=completion.drafted_tokens,
            reused=reused,
        )

    @property
    def tokens(self) -> int:
        """Its tokens, reasoning and answer together, a draft's included; 0 when unknown."""
        if self.summed_up is not None:
            return self.summed_up.tokens
        return self.reasoning_tokens + self.answer_tokens

    @property
    def outcome(self) -> SampleOutcome | None:
        """How it went, but for its score; None when the engine failed."""
        return self.outcome_by(PASS)

    def outcome_by(self, metric: str) -> SampleOutcome | None:
        """How it went by its suite's primary metric; None when the engine failed."""
        if self.verdict is not None:
            untold = self.finish_reason == "unknown"
            return outcome_of(self.verdict, self.tokens, metric, unknown_end=untold)
        return self.summed_up


@dataclass(frozen=True, slots=True)
class RunTiming:
    """How long this session took to generate, for rates.

    Attributes:
        wall_seconds: from the first submission to the last completion; 0 when nothing was
            generated.
        startup_seconds: until the engine was ready.
        generated_tokens: tokens generated in `wall_seconds` (reused completions not counted).
        drafted_tokens: tokens of the same completions that came from drafts.
    """

    wall_seconds: float = 0.0
    startup_seconds: float = 0.0
    generated_tokens: int = 0
    drafted_tokens: int = 0


@dataclass(frozen=True)
class RunHead:
    """A run without its samples: a model at stated settings.

    Attributes:
        run_id: the run's name in the store.
        model: the model's name.
        created: when it began, UTC, ISO 8601.
        finished: when everything planned was there; None if it never was, or is not known.
        manifest: every setting that changes an outcome; no secrets.
        identity: by which the same command finds the run again; empty outside a store.
    """

    run_id: str
    model: str
    created: str = ""
    finished: str | None = None
    manifest: Manifest = field(default_factory=Manifest)
    identity: str = ""

    def with_samples(
        self,
        samples: Iterable[SampleRecord],
        *,
        timing: RunTiming | None = None,
        store: Path | None = None,
        lacking: Iterable[str] = (),
    ) -> RunRecord:
        """The run with its samples; the arguments are as in `RunRecord`."""
        return RunRecord(
            run_id=self.run_id,
            model=self.model,
            created=self.created,
            finished=self.finished,
            manifest=self.manifest,
            identity=self.identity,
            samples=tuple(samples),
            timing=timing or RunTiming(),
            store=store,
            lacking=tuple(lacking),
        )


@dataclass(frozen=True, slots=True)
class TracesMark:
    """By what a baseline knows the file with its traces.

    Attributes:
        file: its name.
        sha256: of its content.
        kept: how many traces it has.
    """

    file: str
    sha256: str
    kept: int


@dataclass(frozen=True)
class RunRecord(RunHead):
    """One run, with what it did: from the store, from this session, or from a baseline's file.

    Attributes:
        samples: one record per sample.
        timing: of this session; zeros when read back.
        store: the store that has its texts; None for a baseline's file, which has none.
        lacking: what it lacks to be a baseline, in words.
        extent: what of the stored run this is; everything where it is empty.
        left_out: what of the stored run this is not, in words; empty for nothing.
        traces: the file with its traces that a baseline was saved with; None for none.
    """

    samples: tuple[SampleRecord, ...] = ()
    timing: RunTiming = field(default_factory=RunTiming)
    store: Path | None = None
    lacking: tuple[str, ...] = ()
    extent: Extent = field(default_factory=lambda: EVERYTHING)
    left_out: str = ""
    traces: TracesMark | None = None

    @cached_property
    def outcomes(self) -> Outcomes:
        """How every question went; of a greedy run one sample per question."""
        suites = dict.fromkeys(sample.place.suite for sample in self.samples)
        metrics = {suite: primary_metric(self.manifest, suite) for suite in suites}
        return outcomes_of(self.samples, greedy=self.manifest.greedy, metrics=metrics)

    @property
    def suites(self) -> tuple[str, ...]:
        """The suites that it asked, in its order."""
        return tuple(dict.fromkeys(sample.place.suite for sample in self.samples))

    @cached_property
    def tokens_estimated(self) -> bool:
        """Whether the total of at least one completion comes from text length."""
        if self.manifest.totals_counted:
            return False
        return any(sample.tokens_estimated for sample in self.samples)

    def within(self, extent: Extent) -> RunRecord:
        """The part of the run that an extent has; its manifest speaks of nothing else."""
        return replace(
            self,
            manifest=narrowed_manifest(self.manifest, extent),
            samples=tuple(sample for sample in self.samples if reaches(extent, sample.place)),
            extent=extent,
            left_out=left_out((sample.place for sample in self.samples), extent),
        )

    def only_suite(self, suite: str) -> RunRecord:
        """The part of the run that is one suite's.

        Raises:
            UsageError: the run did not ask it.
        """
        samples = tuple(sample for sample in self.samples if sample.place.suite == suite)
        if not samples:
            raise UsageError(
                f"run {self.run_id} did not ask suite {suite!r}",
                hint=f"it asked {', '.join(self.suites) or 'none'}",
            )
        return replace(self, samples=samples)


@dataclass(frozen=True, slots=True)
class StoredCompletion:
    """A completion's row with where it belongs.

    Attributes:
        place: which sample it is.
        completion: what was generated.
        created: when, ISO 8601.
        verdict: None where it has not been graded.
        trace: its tokens; None where none is kept, or where it was not asked for.
    """

    place: Place
    completion: Completion
    created: str
    verdict: Verdict | None
    trace: Trace | None = None


@dataclass(frozen=True, slots=True)
class StoredError:
    """An engine error that no later attempt has repaired."""

    place: Place
    message: str
    attempts: int


@dataclass(frozen=True, slots=True)
class StoredQuestion:
    """A question as it was asked, with the conversation that asked it."""

    question: Question | None
    prompt: tuple[tuple[str, str], ...]


def by_question(records: Iterable[SampleRecord]) -> dict[QuestionKey, list[SampleRecord]]:
    """The records of each question, both in the order in which they come."""
    found: dict[QuestionKey, list[SampleRecord]] = {}
    for record in records:
        found.setdefault(record.place.question, []).append(record)
    return found


def primary_metric(manifest: Manifest, suite: str) -> str:
    """By what a suite's runs are compared: as its manifest says, else as the suite of that name.

    Runs of lrmtest 0.1 say nothing of it, nor do logs of other tools.
    """
    known = SUITES.get(suite)
    return manifest.suite(suite).metric or (PASS if known is None else known.primary)


def outcomes_of(
    records: Iterable[SampleRecord],
    *,
    greedy: bool = False,
    metrics: Mapping[str, str] | None = None,
) -> Outcomes:
    """Sum records up by question. A question with engine errors only is there, without samples.

    Args:
        records: one run's samples.
        greedy: the run decoded at temperature 0. Its samples of one question are copies of each
            other, so only the first is kept: counted as independent, they would make chance look
            certain.
        metrics: the primary metric of each suite; whether a sample passed where it is not there.
    """
    samples: dict[QuestionKey, dict[int, SampleOutcome]] = {}
    for record in records:
        of_question = samples.setdefault(record.place.question, {})
        outcome = record.outcome_by((metrics or {}).get(record.place.suite, PASS))
        if outcome is not None and not (greedy and of_question):
            of_question[record.place.sample] = outcome
    return {key: QuestionOutcome(*key, part) for key, part in samples.items()}
