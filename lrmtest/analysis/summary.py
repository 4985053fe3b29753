"""The summary of a run: pass rates, failure classes and tokens, by suite and in all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lrmtest.analysis.intervals import Interval, clustered
from lrmtest.analysis.several_samples import SeveralSamples, several_samples
from lrmtest.grading.verdict import FailureClass, Verdict, classes_of
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.records import RunRecord, RunTiming, SampleRecord, by_question

ALL_SUITES = "all suites"
"""Name of the summary that pools the questions of every suite."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A mean over questions, each with the mean over its samples, and its interval.

    Attributes:
        value: in [0, 1]; None when there is no verdict to take it from.
        interval: [0, 1] when there is none.
    """

    value: float | None
    interval: Interval


@dataclass(frozen=True, slots=True)
class TokenStats:
    """Tokens per completion.

    Attributes:
        mean, median, p95: over completions; percentiles interpolate linearly.
        total: the sum.
    """

    mean: float
    median: float
    p95: float
    total: int


@dataclass(frozen=True, slots=True)
class DraftStats:
    """What drafts have saved.

    Attributes:
        samples: samples that began with one.
        tokens: theirs, in all.
        drafted: of these, how many came from the drafts and were not generated.
    """

    samples: int
    tokens: int
    drafted: int

    @property
    def generated(self) -> int:
        """Of the tokens, how many were generated."""
        return self.tokens - self.drafted


@dataclass(frozen=True, slots=True)
class SuiteSummary:
    """One suite in one run, or all of them pooled.

    Engine errors are counted and are in nothing else: no rate, no failure class, no tokens.

    Attributes:
        suite: the suite's name, or `ALL_SUITES`.
        questions: those with at least one verdict; the rates are means over these.
        unanswered: questions whose every sample ended in an engine error.
        samples: samples with a verdict.
        errors: samples that ended in an engine error.
        reused: samples with a verdict whose completion was in the store already.
        strict: pass rate; the model ended by itself with the right answer.
        unknown_ends: samples with a verdict of which nothing says how they ended.
        known: pass rate when none of those had ended; equal to `strict` without any.
        lenient: pass rate when completions that ran out are graded on what they said.
        score: mean score.
        metrics: the grader's further figures, those that every verdict has.
        failures: samples by failure class, in the classes' order; those that are younger than 0.1.0
            only where there is one.
        tokens: generated, reasoning and answer together; None when no count is known.
        prompt_tokens, reasoning_tokens, answer_tokens: None when no count is known.
        tokens_estimated: at least one count comes from text length.
        drafts: None where no sample began with one.
        several: pass@k and maj@k, by rising k; empty where a question has one sample, and at
            temperature 0.
    """

    suite: str
    questions: int
    unanswered: int
    samples: int
    errors: int
    reused: int
    unknown_ends: int
    strict: Rate
    known: Rate
    lenient: Rate
    score: Rate
    metrics: Mapping[str, Rate]
    failures: Mapping[FailureClass, int]
    tokens: TokenStats | None
    prompt_tokens: TokenStats | None
    reasoning_tokens: TokenStats | None
    answer_tokens: TokenStats | None
    tokens_estimated: bool
    drafts: DraftStats | None = None
    several: tuple[SeveralSamples, ...] = ()


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run.

    Attributes:
        run_id, model, manifest, timing: as in `RunRecord`.
        level: confidence level of every interval in it.
        suites: in the order in which the run asked them.
        total: the questions of every suite pooled, each with the same weight.
    """

    run_id: str
    model: str
    manifest: Manifest
    timing: RunTiming
    level: float
    suites: tuple[SuiteSummary, ...]
    total: SuiteSummary

    @property
    def tokens_per_second(self) -> float | None:
        """Generated tokens per second of wall time; None when nothing was generated."""
        if self.timing.wall_seconds <= 0 or self.timing.generated_tokens <= 0:
            return None
        return self.timing.generated_tokens / self.timing.wall_seconds


def summarize(run: RunRecord, level: float = 0.95) -> RunSummary:
    """Sum up a run, complete or not.

    Raises:
        UsageError: `level` is not between 0 and 1.
    """
    by_suite: dict[str, list[SampleRecord]] = {}
    for sample in run.samples:
        by_suite.setdefault(sample.place.suite, []).append(sample)

    def of_suite(name: str, samples: Sequence[SampleRecord]) -> SuiteSummary:
        return _summarize_suite(name, samples, level, alike=run.manifest.greedy)

    suites = tuple(of_suite(name, part) for name, part in by_suite.items())
    return RunSummary(
        run_id=run.run_id,
        model=run.model,
        manifest=run.manifest,
        timing=run.timing,
        level=level,
        suites=suites,
        # Of one suite all is the same.
        total=replace(suites[0], suite=ALL_SUITES)
        if len(suites) == 1
        else of_suite(ALL_SUITES, run.samples),
    )


def _summarize_suite(
    name: str, samples: Sequence[SampleRecord], level: float, *, alike: bool
) -> SuiteSummary:
    """One suite; the samples of a question are `alike` where nothing is drawn at random."""
    done = [sample for sample in samples if sample.outcome is not None]
    asked = by_question(samples)
    outcomes = {
        key: [sample.outcome for sample in part if sample.outcome is not None]
        for key, part in asked.items()
    }
    # Where only the outcomes were kept, as in a baseline's file, nothing else is known.
    verdicts = [
        [sample.verdict for sample in part if sample.verdict is not None] for part in asked.values()
    ]
    failed = Counter(outcome.failure for part in outcomes.values() for outcome in part)
    unanswered = sum(not part for part in outcomes.values())

    def rate(figure: Callable[[Verdict], float]) -> Rate:
        return mean_rate([[figure(verdict) for verdict in part] for part in verdicts], level)

    return SuiteSummary(
        suite=name,
        questions=len(outcomes) - unanswered,
        unanswered=unanswered,
        samples=len(done),
        errors=len(samples) - len(done),
        reused=sum(sample.reused for sample in done),
        strict=mean_rate(
            [[outcome.passed for outcome in part] for part in outcomes.values()], level
        ),
        unknown_ends=sum(outcome.unknown_end for part in outcomes.values() for outcome in part),
        known=mean_rate(
            [
                [outcome.passed and not outcome.unknown_end for outcome in part]
                for part in outcomes.values()
            ],
            level,
        ),
        lenient=rate(lambda verdict: verdict.lenient_correct),
        score=rate(lambda verdict: verdict.score),
        metrics={
            metric: rate(_metric(metric))
            for metric in _common_metrics(part for parts in verdicts for part in parts)
        },
        failures={name: failed[name] for name in classes_of(failed)},
        tokens=_token_stats([sample.tokens for sample in done]),
        prompt_tokens=_token_stats([sample.prompt_tokens for sample in done]),
        reasoning_tokens=_token_stats([sample.reasoning_tokens for sample in done]),
        answer_tokens=_token_stats([sample.answer_tokens for sample in done]),
        tokens_estimated=any(sample.tokens_estimated for sample in done),
        drafts=_draft_stats(done),
        several=() if alike else several_samples(outcomes.values(), level),
    )


def _draft_stats(samples: Sequence[SampleRecord]) -> DraftStats | None:
    begun = [sample for sample in samples if sample.drafted_tokens is not None]
    if not begun:
        return None
    return DraftStats(
        samples=len(begun),
        tokens=sum(sample.tokens for sample in begun),
        drafted=sum(sample.drafted_tokens or 0 for sample in begun),
    )


def _metric(name: str) -> Callable[[Verdict], float]:
    return lambda verdict: verdict.metrics[name]


def _common_metrics(verdicts: Iterable[Verdict]) -> list[str]:
    """Names of the metrics that every verdict has, in the grader's order.

    A figure that only some graders give would be a mean over an unnamed part of the questions.
    """
    common: list[str] | None = None
    for verdict in verdicts:
        names = verdict.metrics
        common = [name for name in (names if common is None else common) if name in names]
    return common or []


def mean_rate(figures: Sequence[Sequence[float]], level: float = 0.95) -> Rate:
    """The mean over questions of the mean over samples, with its interval.

    Args:
        figures: per question, per sample; a question without a sample does not count.
        level: nominal coverage.

    Raises:
        UsageError: `level` is not between 0 and 1.
    """
    asked = [part for part in figures if part]
    interval = clustered(
        [(sum(min(max(figure, 0.0), 1.0) for figure in part), len(part)) for part in asked], level
    )
    if not asked:
        return Rate(None, interval)
    return Rate(sum(sum(part) / len(part) for part in asked) / len(asked), interval)


def _token_stats(counts: Sequence[int]) -> TokenStats | None:
    """Statistics of token counts; None when all are 0, that is, unknown."""
    if not any(counts):
        return None
    ordered = sorted(counts)
    total = sum(ordered)
    return TokenStats(
        mean=total / len(ordered),
        median=quantile(ordered, 0.5),
        p95=quantile(ordered, 0.95),
        total=total,
    )


def quantile(ordered: Sequence[int], share: float) -> float:
    """The quantile of sorted values, linear between neighbours (Hyndman & Fan 1996, type 7)."""
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])
