"""The ratio of the mean tokens of two runs over the same questions, by Gaffke's method.

The claim is about *these* questions and about tokens spent: a completion cut off at its budget
counts with the budget, whatever it would have come to. Lengths are skewed, and a model that loops
spends ten times as much on a few completions. If the other run does not, their differences are
skewed to one side, and no test that takes them for symmetric or normal holds. What is known of
every length is that it lies between 0 and the budget, and that is all that is assumed.

If the candidate's mean is r times the baseline's, the differences ``candidate - r * baseline``
are 0 on average, and none is below ``-r * budget``. Gaffke's method (`lrmtest.analysis.
bounded_mean`) adds one such difference to those seen: the loop that a few more samples might have
shown. So few samples bound the ratio loosely where the budget is far above what completions take.
The samples of a question are taken in pairs, one of each run; a question with unequal numbers has
as many as the run with fewer, and each is weighted so that all questions count the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from statistics import fmean

from lrmtest.analysis.bounded_mean import GAFFKE, highest_rejected, weighted_mean_at_most
from lrmtest.analysis.intervals import Interval, tail

_EXTREMES = 10
_GROUPS = 12


@dataclass(frozen=True, slots=True)
class PairedTokens:
    """The tokens of two runs, in pairs.

    Attributes:
        baseline, candidate: of every pair, not negative.
        weights: of every pair: one over its question's number of pairs.
        most: the most tokens that a completion can have, times its weight; mean over questions.
        longest: the same of the longest completion seen in either run.
    """

    baseline: Sequence[float]
    candidate: Sequence[float]
    weights: Sequence[float]
    most: float
    longest: float

    def p_above(self, ratio: float) -> float:
        """P-value of the hypothesis that the true ratio of means is at most `ratio`."""
        return _p_none_above(
            [weight * (after - ratio * before) for before, after, weight in self._pairs()],
            -ratio * self.most,
        )

    def p_below(self, ratio: float) -> float:
        """P-value of the hypothesis that the true ratio of means is at least `ratio`."""
        return self._p_below(ratio, self.most)

    def p_below_as_seen(self, ratio: float) -> float:
        """The same, of means in which a completion counts up to the longest that was seen.

        It says nothing of loops so rare that none was seen, and so can be small with few samples
        and a large budget, where `p_below` cannot.
        """
        return self._p_below(ratio, self.longest)

    def _p_below(self, ratio: float, most: float) -> float:
        return _p_none_above(
            [weight * (ratio * before - after) for before, after, weight in self._pairs()], -most
        )

    def interval(self, level: float = 0.95) -> Interval:
        """For the true ratio; its upper end is infinite when too few samples tell.

        Raises:
            UsageError: `level` is not between 0 and 1.
        """
        alpha = tail(level)
        before = sum(
            weight * tokens for weight, tokens in zip(self.weights, self.baseline, strict=True)
        )
        after = sum(
            weight * tokens for weight, tokens in zip(self.weights, self.candidate, strict=True)
        )
        low = high = 0.0
        if after and before:
            low = highest_rejected(self.p_above, 0.0, after / before, alpha, 1e-4 * after / before)
            # The upper end is found as the lower end of the inverse ratio.
            high = highest_rejected(
                lambda inverse: self.p_below(1 / inverse),
                0.0,
                before / after,
                alpha,
                1e-4 * before / after,
            )
        return Interval(low, 1 / high if high else inf, level, GAFFKE)

    def _pairs(self) -> zip[tuple[float, float, float]]:
        return zip(self.baseline, self.candidate, self.weights, strict=True)


def pair_tokens(
    questions: Sequence[tuple[Sequence[float], Sequence[float]]], most: Sequence[float]
) -> PairedTokens:
    """Pair the samples of every question.

    Args:
        questions: tokens of the samples of baseline and candidate, in an order that does not
            depend on them; at least one each.
        most: per question, the most tokens that a completion of it can have.
    """
    before: list[float] = []
    after: list[float] = []
    weights: list[float] = []
    for baseline, candidate in questions:
        count = min(len(baseline), len(candidate))
        before += _blocks(baseline, count)
        after += _blocks(candidate, count)
        weights += [1 / count] * count
    bounds = [
        bound / min(map(len, question)) for question, bound in zip(questions, most, strict=True)
    ]
    longest = max((max(map(max, question)) for question in questions), default=0)
    share = fmean(1 / min(map(len, question)) for question in questions) if questions else 0.0
    return PairedTokens(before, after, weights, fmean(bounds) if bounds else 0.0, longest * share)


def _blocks(tokens: Sequence[float], count: int) -> list[float]:
    """Means of `count` parts of nearly equal size."""
    edges = [number * len(tokens) // count for number in range(count + 1)]
    return [fmean(tokens[start:end]) for start, end in pairwise(edges)]


def _p_none_above(differences: Sequence[float], least: float) -> float:
    """P-value of the hypothesis that the differences are at most 0 on average."""
    ordered = sorted(differences)
    split = next((place for place, one in enumerate(ordered) if one >= 0), len(ordered))
    groups = _grouped(ordered[:split]) + _grouped(ordered[split:][::-1])
    return weighted_mean_at_most([*groups, (least, 1.0)], 0.0)


def _grouped(differences: Sequence[float]) -> list[tuple[float, float]]:
    """As pairs (difference, how many): the 10 largest each by itself, the others in 12 groups.

    A group has the sum and the sum of squares of its members, and so the mean and the variance
    that they have under random weights. A p-value of thousands of differences takes milliseconds
    so, and no figure changes by 1 %.

    Args:
        differences: all of one sign, the largest in size first.
    """
    groups = [(one, 1.0) for one in differences[:_EXTREMES]]
    rest = differences[_EXTREMES:]
    size = max(1, -(-len(rest) // _GROUPS))
    for start in range(0, len(rest), size):
        part = rest[start : start + size]
        total, squares = sum(part), sum(one * one for one in part)
        if squares:
            groups.append((squares / total, total * total / squares))
    return groups
