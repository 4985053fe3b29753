"""The paired comparison, question by question: pass rate, truncation, looping, tokens.

A positive change of a rate is always a change for the worse: fewer passes, more truncations,
more loops. Questions that only one run answered are named and enter no figure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import chain
from statistics import fmean, median
from types import MappingProxyType
from typing import Literal

from lrmtest.analysis.bootstrap import bootstrap
from lrmtest.analysis.claims import RateName, What, shared_metric
from lrmtest.analysis.holm import adjust
from lrmtest.analysis.intervals import Interval, tail
from lrmtest.analysis.mean_ratio import PairedTokens, pair_tokens
from lrmtest.analysis.pairs import PairedQuestion, Pairs, general_interval, pair
from lrmtest.analysis.summary import ALL_SUITES
from lrmtest.natural_order import in_order
from lrmtest.runs.outcomes import (
    Outcomes,
    QuestionKey,
    QuestionOutcome,
    SampleOutcome,
    only_scores_of,
)
from lrmtest.suites.suite import PASS

Bad = Literal["failed", "truncated", "looped", "short"]
"""What a sample can be counted as; failed: it did not pass, for whatever reason; truncated: it
ran out, looped: it did in a provable loop, both whatever its failure class; short: by how much its
value (its score, else 1 if it passed) is short of 1."""

BAD: Mapping[RateName, Bad] = {
    "pass rate": "failed",
    "score": "short",
    "truncation": "truncated",
    "looping": "looped",
}
"""Which samples are bad, by the rate that a gate makes a claim about."""

Side = Literal["baseline", "candidate"]


@dataclass(frozen=True)
class RateChange:
    """How the share of bad samples changed.

    Its intervals are computed when they are asked for: a gate's decision needs none.

    Attributes:
        bad: which samples are bad.
        baseline, candidate: mean over questions of their share, in [0, 1]. The pass rate is
            1 minus the share that failed.
        questions: how often each question was bad.
        pairs: the paired samples; its p-values are for a claim about these questions.
        level: confidence level of both intervals.
        noise: the interval on these questions where it is that of the engine's noise alone.
    """

    bad: Bad
    baseline: float
    candidate: float
    questions: Sequence[PairedQuestion]
    pairs: Pairs
    level: float
    noise: Interval | None = None

    @property
    def worsening(self) -> float:
        """By how much the candidate's share is higher; of "failed", the drop in pass rate."""
        return self.candidate - self.baseline

    @cached_property
    def interval(self) -> Interval:
        """For the worsening, in [-1, 1], on these questions."""
        return self.noise or self.pairs.interval(self.level)

    @cached_property
    def general_interval(self) -> Interval:
        """For the worsening on questions like these.

        Equal to `interval` when every question has one sample, else wider.
        """
        return general_interval(self.questions, self.level)


_TokenCounts = tuple[Sequence[int], Sequence[int]]


@dataclass(frozen=True)
class TokenChange:
    """How the tokens per completion changed.

    Its intervals are computed when they are asked for: a gate's decision needs none.

    Attributes:
        baseline, candidate: per question, mean tokens of its completions.
        ratio: of the means over questions, candidate to baseline.
        pairs: the paired samples; its p-values are for a claim about these questions.
        median_ratio: of the medians over completions.
        completions: per question, the tokens of each of baseline and candidate, sorted.
        level: confidence level of both intervals.
    """

    baseline: Sequence[float]
    candidate: Sequence[float]
    ratio: float
    pairs: PairedTokens
    median_ratio: float
    completions: Sequence[_TokenCounts] = field(repr=False)
    level: float

    @cached_property
    def interval(self) -> Interval:
        """For the ratio, on these questions; its upper end may be infinite."""
        return self.pairs.interval(self.level)

    @cached_property
    def median_interval(self) -> Interval:
        """For the ratio of medians, by bootstrap over questions."""
        return bootstrap(self.completions, _median_ratio, self.level)

    @property
    def baseline_mean(self) -> float:
        """Mean tokens in the baseline, over questions."""
        return fmean(self.baseline)

    @property
    def candidate_mean(self) -> float:
        """Mean tokens in the candidate, over questions."""
        return fmean(self.candidate)

    def p_above(self, ratio: float) -> float:
        """P-value of the hypothesis that the true ratio of means is at most `ratio`."""
        return self.pairs.p_above(ratio)

    def p_below(self, ratio: float) -> float:
        """P-value of the hypothesis that the true ratio of means is at least `ratio`."""
        return self.pairs.p_below(ratio)

    def p_below_as_seen(self, ratio: float) -> float:
        """The same, as far as completions are no longer than the longest that was seen."""
        return self.pairs.p_below_as_seen(ratio)


@dataclass(frozen=True, slots=True)
class SuiteComparison:
    """One suite in both runs, or all suites pooled.

    Attributes:
        suite: its name, or `ALL_SUITES`.
        questions: how many are compared.
        baseline_samples, candidate_samples: on these.
        failed, truncated, looped: the changes of the three rates.
        metric: its primary metric; of all suites, the one that they share, else ``score``.
        score: the change of the primary metric, if that is a score: all that is short of 1. Over
            all suites, what passed counts 1 in those that have none. None where none has.
        tokens: None when a run has no token counts.
        p_different: two-sided p-value of no change in the pass rate, by the test of
            `lrmtest.analysis.pairs`.
        p_adjusted: the same, adjusted by Holm's method for the number of suites; for all suites
            pooled, as it is.
    """

    suite: str
    questions: int
    baseline_samples: int
    candidate_samples: int
    failed: RateChange
    truncated: RateChange
    looped: RateChange
    tokens: TokenChange | None
    p_different: float
    p_adjusted: float
    metric: str = PASS
    score: RateChange | None = None

    def change(self, what: RateName) -> RateChange:
        """The change of one of the rates that a gate makes claims about."""
        if what == "score":
            assert self.score is not None
            return self.score
        return {
            "pass rate": self.failed,
            "truncation": self.truncated,
            "looping": self.looped,
        }[what]

    def questions_of(self, what: What) -> Sequence[PairedQuestion]:
        """The questions of one of these rates; none of tokens."""
        return () if what == "tokens" else self.change(what).questions


@dataclass(frozen=True, slots=True)
class MissingQuestion:
    """A question that one of the runs has no verdict on.

    Attributes:
        key: its suite and id.
        side: the run that lacks it.
        asked: it was asked there, but every sample ended in an engine error.
    """

    key: QuestionKey
    side: Side
    asked: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs.

    Attributes:
        level: confidence level of every interval.
        suites: in the baseline's order; only those with a question in both runs.
        total: all questions in both runs pooled, each with the same weight.
        missing: questions in one run only.
        by_index: samples of the same index were drawn with the same random numbers, and are paired
            with each other.
    """

    level: float
    suites: tuple[SuiteComparison, ...]
    total: SuiteComparison
    missing: tuple[MissingQuestion, ...]
    by_index: bool = False


_Pair = tuple[QuestionOutcome, QuestionOutcome]


Budgets = Mapping[str, int]
"""By suite, the most tokens that a completion can have in either run; a suite may be missing."""


def compare_outcomes(
    baseline: Outcomes,
    candidate: Outcomes,
    level: float = 0.95,
    budgets: Budgets = MappingProxyType({}),
    metrics: Mapping[str, str] | None = None,
    *,
    by_index: bool = False,
) -> Comparison:
    """Compare two runs question by question.

    Args:
        baseline, candidate: from `outcomes_of`, or a baseline's file.
        level: confidence level.
        budgets: for the claims about tokens. One that is not known is taken from the longest
            completion that ran out; where none did, as twice the longest of all.
        metrics: the primary metric of each suite that is compared by a score, which all its
            samples have; the others are compared by what passed.
        by_index: samples of the same index were drawn with the same random numbers
            (`lrmtest.runs.same_draws`), so that they depend on each other and are paired.

    Raises:
        UsageError: `level` is not between 0 and 1.
    """
    tail(level)  # Intervals are computed later.
    metrics = metrics or {}
    baseline, candidate = (only_scores_of(each, metrics) for each in (baseline, candidate))
    both: list[_Pair] = []
    missing: list[MissingQuestion] = []
    for key in dict.fromkeys(chain(baseline, candidate)):
        before, after = baseline.get(key), candidate.get(key)
        if before is not None and after is not None and before.count and after.count:
            both.append((before, after))
        if before is None or not before.count:
            missing.append(MissingQuestion(key, "baseline", asked=before is not None))
        if after is None or not after.count:
            missing.append(MissingQuestion(key, "candidate", asked=after is not None))
    by_suite: dict[str, list[_Pair]] = {}
    for before, after in both:
        by_suite.setdefault(before.suite, []).append((before, after))
    raw = {
        name: pair(paired(part, "failed", by_index=by_index)).p_different()
        for name, part in by_suite.items()
    }
    adjusted = adjust(raw)
    most = {name: _most_tokens(part, budgets.get(name)) for name, part in by_suite.items()}
    suites = tuple(
        _compare(
            name, part, raw[name], adjusted[name], level, most, metrics.get(name, PASS), by_index
        )
        for name, part in by_suite.items()
    )
    if len(suites) == 1:
        # Of thousands of questions this takes seconds.
        total = replace(suites[0], suite=ALL_SUITES)
    else:
        p_different = pair(paired(both, "failed", by_index=by_index)).p_different()
        metric = shared_metric([part.metric for part in suites])
        total = _compare(ALL_SUITES, both, p_different, p_different, level, most, metric, by_index)
    places = {key: place for place, key in enumerate(in_order(each.key for each in missing))}
    missing.sort(key=lambda each: places[each.key])
    return Comparison(level, suites, total, tuple(missing), by_index)


def paired(questions: Sequence[_Pair], bad: Bad, *, by_index: bool = False) -> list[PairedQuestion]:
    """How often each question was bad in either run; of scores, how bad.

    Args:
        questions: in both runs.
        bad: which samples are bad.
        by_index: samples of the same index are paired.
    """
    if bad == "short":
        return [
            PairedQuestion.of_values(
                [1 - value for value in before.values],
                [1 - value for value in after.values],
                [
                    (1 - before.samples[index].value, 1 - after.samples[index].value)
                    for index in _shared(before, after, by_index)
                ],
            )
            for before, after in questions
        ]
    found = []
    for before, after in questions:
        shared = _shared(before, after, by_index)
        differ = sum(
            _is_bad(before.samples[index], bad) != _is_bad(after.samples[index], bad)
            for index in shared
        )
        counts = how_many_bad(before, bad), before.count, how_many_bad(after, bad), after.count
        found.append(PairedQuestion(*counts, indexed=len(shared), indexed_squares=differ))
    return found


def _shared(before: QuestionOutcome, after: QuestionOutcome, by_index: bool) -> list[int]:
    """The indices of samples that both runs have, where they are paired by these."""
    return [index for index in before.samples if index in after.samples] if by_index else []


def _is_bad(sample: SampleOutcome, bad: Literal["failed", "truncated", "looped"]) -> bool:
    if bad == "failed":
        return not sample.passed
    return sample.end == ("ran-out" if bad == "truncated" else "loop")


def how_many_bad(question: QuestionOutcome, bad: Literal["failed", "truncated", "looped"]) -> int:
    """How many of a question's samples were bad."""
    if bad == "failed":
        return question.count - question.passes
    return question.ends("ran-out" if bad == "truncated" else "loop")


def _compare(
    name: str,
    questions: Sequence[_Pair],
    p_different: float,
    p_adjusted: float,
    level: float,
    most: Mapping[str, int],
    metric: str,
    by_index: bool,
) -> SuiteComparison:
    change: Callable[[Bad], RateChange] = partial(
        _rate_change, questions, level=level, by_index=by_index
    )
    return SuiteComparison(
        suite=name,
        questions=len(questions),
        baseline_samples=sum(before.count for before, _ in questions),
        candidate_samples=sum(after.count for _, after in questions),
        failed=change("failed"),
        truncated=change("truncated"),
        looped=change("looped"),
        tokens=_token_change(questions, level, most, by_index),
        p_different=p_different,
        p_adjusted=p_adjusted,
        metric=metric,
        score=None if metric == PASS else change("short"),
    )


def _rate_change(questions: Sequence[_Pair], bad: Bad, level: float, by_index: bool) -> RateChange:
    counts = paired(questions, bad, by_index=by_index)
    pairs = pair(counts)
    n = max(1, len(counts))
    return RateChange(
        bad=bad,
        baseline=sum(count.baseline / count.baseline_samples for count in counts) / n,
        candidate=sum(count.candidate / count.candidate_samples for count in counts) / n,
        questions=counts,
        pairs=pairs,
        level=level,
    )


def _token_change(
    questions: Sequence[_Pair], level: float, most: Mapping[str, int], by_index: bool
) -> TokenChange | None:
    before = [question.tokens / question.count for question, _ in questions]
    after = [question.tokens / question.count for _, question in questions]
    if not any(before) or not any(after):
        return None
    counts = _token_counts(questions)
    pairs = pair_tokens(
        [_in_order(one, other, by_index) for one, other in questions],
        [most[one.suite] for one, _ in questions],
    )
    return TokenChange(
        baseline=before,
        candidate=after,
        ratio=sum(after) / sum(before),
        pairs=pairs,
        median_ratio=_median_ratio(counts),
        completions=counts,
        level=level,
    )


def _most_tokens(questions: Sequence[_Pair], budget: int | None) -> int:
    """The most tokens that a completion can have."""
    samples = [sample for pair in questions for one in pair for sample in one.samples.values()]
    longest = max(sample.tokens for sample in samples)
    if budget is not None:
        # Counts that are estimated can be above it.
        return max(budget, longest)
    ran_out = [s.tokens for s in samples if s.end in ("ran-out", "loop")]
    return longest if longest in ran_out else 2 * longest


def _in_order(
    before: QuestionOutcome, after: QuestionOutcome, by_index: bool
) -> tuple[list[int], list[int]]:
    """Tokens of a question's samples, in the order in which `pair_tokens` pairs parts of it.

    By their index; where samples are paired by it, those of the same index are in parts that are
    paired with each other.
    """
    shared = sorted(_shared(before, after, by_index))
    parts = min(before.count, after.count)
    return _tokens(before, shared, parts), _tokens(after, shared, parts)


def _tokens(question: QuestionOutcome, shared: Sequence[int], parts: int) -> list[int]:
    order = sorted(question.samples)
    if shared:
        also = set(shared)
        rest = [index for index in order if index not in also]
        first = {number * len(order) // parts: index for number, index in enumerate(shared)}
        order = [first[place] if place in first else rest.pop(0) for place in range(len(order))]
    return [question.samples[index].tokens for index in order]


def _token_counts(questions: Sequence[_Pair]) -> list[_TokenCounts]:
    # Sorted, because the bootstrap sorts their concatenation a thousand times.
    def tokens(question: QuestionOutcome) -> list[int]:
        return sorted(sample.tokens for sample in question.samples.values())

    return [(tokens(before), tokens(after)) for before, after in questions]


def _median_ratio(questions: Sequence[_TokenCounts]) -> float:
    before = median(chain.from_iterable(tokens for tokens, _ in questions))
    after = median(chain.from_iterable(tokens for _, tokens in questions))
    return after / before if before else float("inf")
