"""Test-time compute: what tokens buy.

"Are shorter outputs better?" has two readings. Between questions: are the questions that take
few tokens the ones that are passed? They are, if only because easy questions are both. Within a
question: of two samples of the same question, is the shorter one more often the right one?
Difficulty is the same for both, so only this one speaks about length itself.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import inf

from lrmtest.analysis.bootstrap import bootstrap
from lrmtest.analysis.bounded_mean import GAFFKE, lowest_mean
from lrmtest.analysis.intervals import Interval, clustered, tail, wilson
from lrmtest.analysis.pairs import PairedQuestion, pair
from lrmtest.analysis.summary import Rate
from lrmtest.runs.outcomes import Outcomes, QuestionKey, QuestionOutcome
from lrmtest.runs.records import SampleRecord, outcomes_of


@dataclass(frozen=True, slots=True)
class LengthEffect:
    """How often the shorter of two samples, one right and one wrong, is the right one.

    0.5: length says nothing; above: shorter is better; equal lengths count half. This is the
    area under the ROC curve of "short" as a predictor of "right".

    Attributes:
        rate: the share, with its interval; its value is None without such pairs.
        questions: questions that enter.
        pairs: pairs that enter.
    """

    rate: Rate
    questions: int
    pairs: int


@dataclass(frozen=True, slots=True)
class BudgetPoint:
    """A token budget and what it would have bought.

    Attributes:
        budget: tokens per completion.
        accuracy: pass rate when completions longer than the budget are failed.
        mean_tokens: tokens per completion; a longer one costs the budget.
        cut: share of completions that the budget cuts off; at the run's own, those it did.
    """

    budget: int
    accuracy: Rate
    mean_tokens: float
    cut: float


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of totals and its bootstrap interval; None when there is nothing to divide."""

    value: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Compute:
    """Tokens against correctness in one run.

    Attributes:
        between: over pairs of samples of different questions.
        within: over pairs of samples of one question; every question that was both passed and
            failed has the same weight.
        reasoning_share: reasoning tokens to all tokens generated; None when it is not known.
        tokens_per_correct: all tokens generated to the number of correct completions.
        budgets: accuracy as a function of the budget.
    """

    between: LengthEffect
    within: LengthEffect
    reasoning_share: Ratio | None
    tokens_per_correct: Ratio
    budgets: tuple[BudgetPoint, ...]


@dataclass(frozen=True, slots=True)
class BudgetChange:
    """Two runs at one token budget.

    Attributes:
        budget: tokens per completion.
        baseline, candidate: pass rates when longer completions are failed.
        change: the candidate's less the baseline's.
        interval: for it, on these questions; paired by question.
    """

    budget: int
    baseline: float
    candidate: float
    change: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class ComputeChange:
    """What tokens buy in two runs, on the questions that both answered.

    Attributes:
        questions: how many.
        budgets: the two at equal budgets.
        tokens_per_correct: ratio of the costs per correct answer, candidate to baseline.
    """

    questions: int
    budgets: tuple[BudgetChange, ...]
    tokens_per_correct: Ratio


@dataclass(frozen=True, slots=True)
class _Question:
    """One question's completions.

    Attributes:
        right, wrong: tokens of the right and of the wrong ones, sorted.
        unended: of the wrong ones, those that did not end by themselves.
    """

    right: Sequence[int]
    wrong: Sequence[int]
    unended: Sequence[int]

    @property
    def lengths(self) -> list[int]:
        return [*self.right, *self.wrong]

    @property
    def tokens(self) -> int:
        return sum(self.lengths)

    @property
    def count(self) -> int:
        return len(self.right) + len(self.wrong)


def compute(
    samples: Sequence[SampleRecord], budgets: Sequence[int] | None = None, level: float = 0.95
) -> Compute | None:
    """Tokens against correctness in one suite; None when no sample has a token count.

    Args:
        samples: of one run; engine errors are left out. Pool no suites: their questions differ in
            length for reasons of their own.
        budgets: at which to give the accuracy; None for `usual_budgets`.
        level: of all intervals.

    Raises:
        UsageError: `level` is not between 0 and 1.
    """
    result = compute_outcomes(outcomes_of(samples).values(), budgets, level)
    if result is None or all(sample.verdict is None for sample in samples):
        return result
    return replace(result, reasoning_share=_reasoning_share(samples, level))


def compute_outcomes(
    outcomes: Iterable[QuestionOutcome], budgets: Sequence[int] | None = None, level: float = 0.95
) -> Compute | None:
    """`compute` of outcomes, which say nothing of the reasoning share."""
    questions = [_question(outcome) for outcome in outcomes if outcome.count]
    lengths = [length for question in questions for length in question.lengths]
    if not any(lengths):
        return None
    return Compute(
        between=_between(questions, level),
        within=_within(questions, level),
        reasoning_share=None,
        tokens_per_correct=_ratio([(q.tokens, len(q.right)) for q in questions], level),
        budgets=tuple(
            _budget_point(questions, budget, level) for budget in budgets or usual_budgets(lengths)
        ),
    )


def compare_compute(
    baseline: Outcomes,
    candidate: Outcomes,
    budgets: Sequence[int] | None = None,
    level: float = 0.95,
) -> ComputeChange | None:
    """Two runs at equal budgets; None when they share no question with token counts.

    Args:
        baseline, candidate: of one suite.
        budgets, level: as in `compute`.

    Raises:
        UsageError: `level` is not between 0 and 1.
    """
    both = [
        (_question(before), _question(candidate[key]))
        for key, before in baseline.items()
        if before.count and key in candidate and candidate[key].count
    ]
    sides = [[length for pair in both for length in pair[side].lengths] for side in (0, 1)]
    if not all(any(lengths) for lengths in sides):
        return None
    return ComputeChange(
        questions=len(both),
        budgets=tuple(
            _budget_change(both, budget, level)
            for budget in budgets or usual_budgets(chain(*sides))
        ),
        tokens_per_correct=_cost_ratio(both, level),
    )


def usual_budgets(lengths: Iterable[int]) -> list[int]:
    """Powers of 2 from the shortest completion to the longest, and its length.

    Below, all is cut off; above a run's own budget nothing is known.

    Args:
        lengths: of completions, in tokens; at least one that is not 0.
    """
    known = [length for length in lengths if length]
    shortest, longest = min(known), max(known)
    powers = [2**power for power in range(longest.bit_length())]
    return [power for power in powers if shortest <= power < longest] + [longest]


def _question(outcome: QuestionOutcome) -> _Question:
    samples = outcome.samples.values()
    return _Question(
        sorted(sample.tokens for sample in samples if sample.passed),
        sorted(sample.tokens for sample in samples if not sample.passed),
        [sample.tokens for sample in samples if sample.end],
    )


def _reasoning_share(samples: Iterable[SampleRecord], level: float) -> Ratio:
    totals_of: dict[QuestionKey, list[int]] = {}
    for sample in samples:
        if sample.verdict is not None:
            totals = totals_of.setdefault(sample.place.question, [0, 0])
            totals[0] += sample.reasoning_tokens
            totals[1] += sample.tokens
    return _ratio([(part, whole) for part, whole in totals_of.values()], level)


def _shorter(right: Iterable[int], wrong: Sequence[int]) -> float:
    """Pairs in which the right one is shorter, ties counting half. `wrong` is sorted."""
    return sum(
        len(wrong) - (bisect_left(wrong, length) + bisect_right(wrong, length)) / 2
        for length in right
    )


def _within(questions: Sequence[_Question], level: float) -> LengthEffect:
    mixed = [question for question in questions if question.right and question.wrong]
    pairs = [len(question.right) * len(question.wrong) for question in mixed]
    shares = [
        _shorter(question.right, question.wrong) / count
        for question, count in zip(mixed, pairs, strict=True)
    ]
    alpha = tail(level)
    low = lowest_mean([(share, 1.0) for share in shares], 0.0, alpha)
    high = 1 - lowest_mean([(1 - share, 1.0) for share in shares], 0.0, alpha)
    value = sum(shares) / len(shares) if shares else None
    return LengthEffect(Rate(value, Interval(low, high, level, GAFFKE)), len(mixed), sum(pairs))


def _between(questions: Sequence[_Question], level: float) -> LengthEffect:
    """The share over pairs of different questions.

    Its variance comes from leaving out one question at a time (the jackknife for U-statistics,
    Arvesen 1969, Annals of Mathematical Statistics 40); the interval is Wilson's at the number
    of independent pairs that would vary as much.
    """
    right = sorted(length for question in questions for length in question.right)
    wrong = sorted(length for question in questions for length in question.wrong)
    inside = [_shorter(question.right, question.wrong) for question in questions]
    pairs_inside = [len(question.right) * len(question.wrong) for question in questions]
    total = _shorter(right, wrong) - sum(inside)
    pairs = len(right) * len(wrong) - sum(pairs_inside)
    if not pairs:
        return LengthEffect(Rate(None, Interval(0.0, 1.0, level, "jackknife")), 0, 0)
    share = total / pairs
    left_out = []
    for question, own, own_pairs in zip(questions, inside, pairs_inside, strict=True):
        # The question's right ones against all wrong ones, and the other way round.
        as_right = _shorter(question.right, wrong) - own
        as_wrong = len(question.wrong) * len(right) - _shorter(question.wrong, right) - own
        rest = pairs - len(question.right) * len(wrong) - len(question.wrong) * len(right)
        rest += 2 * own_pairs
        if rest > 0:
            left_out.append((total - as_right - as_wrong) / rest)
    n = len(left_out)
    mean = sum(left_out) / n if n else share
    variance = (n - 1) / n * sum((value - mean) ** 2 for value in left_out) if n else 0.0
    fewest = min(
        sum(bool(question.right) for question in questions),
        sum(bool(question.wrong) for question in questions),
    )
    # One pair for and one against added: a share of 0 or 1 is not thereby certain.
    padded = (share * fewest + 1) / (fewest + 2)
    effective = padded * (1 - padded) / variance if variance else float(fewest)
    effective = min(max(effective, 1.0), float(len(questions)))
    interval = wilson(min(share * effective, effective), effective, level)
    return LengthEffect(
        Rate(share, Interval(interval.low, interval.high, level, "jackknife")),
        len(questions),
        pairs,
    )


def _budget_point(questions: Sequence[_Question], budget: int, level: float) -> BudgetPoint:
    counts = [(bisect_right(question.right, budget), question.count) for question in questions]
    accuracy = sum(passes / count for passes, count in counts) / len(counts)
    lengths = [length for question in questions for length in question.lengths]
    cut_here = sum(length == budget for question in questions for length in question.unended)
    return BudgetPoint(
        budget=budget,
        accuracy=Rate(accuracy, clustered([(float(p), count) for p, count in counts], level)),
        mean_tokens=sum(min(length, budget) for length in lengths) / len(lengths),
        cut=(sum(length > budget for length in lengths) + cut_here) / len(lengths),
    )


def _budget_change(
    questions: Sequence[tuple[_Question, _Question]], budget: int, level: float
) -> BudgetChange:
    """A completion that the budget cuts off has failed, whatever it would have come to."""
    failed = [
        PairedQuestion(
            before.count - bisect_right(before.right, budget),
            before.count,
            after.count - bisect_right(after.right, budget),
            after.count,
        )
        for before, after in questions
    ]
    worsening = pair(failed).interval(level)
    baseline = sum(1 - one.baseline / one.baseline_samples for one in failed) / len(failed)
    candidate = sum(1 - one.candidate / one.candidate_samples for one in failed) / len(failed)
    change = Interval(-worsening.high, -worsening.low, level, worsening.method)
    return BudgetChange(budget, baseline, candidate, candidate - baseline, change)


def _cost_ratio(questions: Sequence[tuple[_Question, _Question]], level: float) -> Ratio:
    def ratio(drawn: Sequence[tuple[_Question, _Question]]) -> float:
        costs = []
        for side in (1, 0):
            right = sum(len(pair[side].right) for pair in drawn)
            costs.append(sum(pair[side].tokens for pair in drawn) / right if right else inf)
        return costs[0] / costs[1] if costs[1] < inf else (1.0 if costs[0] == inf else 0.0)

    if not all(any(pair[side].right for pair in questions) for side in (0, 1)):
        return Ratio(None, None)
    return Ratio(ratio(questions), bootstrap(questions, ratio, level))


def _ratio(parts: Sequence[tuple[int, int]], level: float) -> Ratio:
    def ratio(drawn: Sequence[tuple[int, int]]) -> float:
        below = sum(part[1] for part in drawn)
        return sum(part[0] for part in drawn) / below if below else inf

    if not any(below for _, below in parts):
        return Ratio(None, None)
    return Ratio(ratio(parts), bootstrap(parts, ratio, level))
