"""Spearman's rank correlation with ties, its interval and its p-value, over questions.

Reference:
    Spearman (1904), The proof and measurement of association between two things. Ties share the
    mean of their ranks, and the coefficient is Pearson's of the ranks (Kendall 1948, Rank
    Correlation Methods, chapter 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from math import sqrt
from random import Random

from lrmtest.analysis.bootstrap import bootstrap_together
from lrmtest.analysis.intervals import Interval

_ALL_ORDERS = 7
"""Questions up to which all orders are gone through: 5,040."""
_SHUFFLES, _FEWEST_SHUFFLES, _SHUFFLED = 2000, 200, 2_000_000
"""Orders that are tried: so many that so many questions are shuffled in all, within these."""
_SEED = 20260101
_TIE = 1e-9
"""Within so much two coefficients are the same: sums in another order differ by less."""


@dataclass(frozen=True, slots=True)
class RankCorrelation:
    """How two figures of the same questions go together.

    Attributes:
        value: Spearman's coefficient, in [-1, 1].
        interval: percentile bootstrap over questions. A draw that leaves one of the figures
            without any difference has no coefficient; it counts as -1 for the lower end and as 1
            for the upper one, so that two or three questions alone never make an interval short.
        p: two-sided p-value that the one figure is exchangeable over the questions, whatever the
            other: of all permutations of up to 7 questions, else of up to 2,000 random ones and
            the one that was seen, so that it is never below what so many can show.
        questions: how many there are.
    """

    value: float
    interval: Interval
    p: float
    questions: int


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's coefficient; None where one of them does not vary."""
    return _pearson(ranks(first), ranks(second))


def rank_correlation(
    first: Sequence[float], second: Sequence[float], level: float = 0.95
) -> RankCorrelation | None:
    """Spearman's coefficient with its interval and p-value; None where one does not vary.

    Args:
        first, second: a figure of each question, in the same order; finite.
        level: nominal coverage of the interval. With fewer than some 20 questions the true one is
            lower.

    Raises:
        UsageError: `level` is not between 0 and 1.
        ValueError: they differ in length.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} figures beside {len(second)}")
    value = spearman(first, second)
    if value is None:
        return None
    return RankCorrelation(value, _interval(first, second, level), _p(first, second), len(first))


def ranks(values: Sequence[float]) -> list[float]:
    """The rank of each value, from 1; equal ones share the mean of theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    found = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for place in order[start:end]:
            found[place] = (start + 1 + end) / 2
        start = end
    return found


def _pearson(first: Sequence[float], second: Sequence[float]) -> float | None:
    n = len(first)
    if n < 2:
        return None
    middle = (n + 1) / 2  # the mean of all ranks, ties or not
    a = [value - middle for value in first]
    b = [value - middle for value in second]
    squares = sum(x * x for x in a) * sum(y * y for y in b)
    if squares <= 0:
        return None
    return max(-1.0, min(1.0, sum(x * y for x, y in zip(a, b, strict=True)) / sqrt(squares)))


def _interval(first: Sequence[float], second: Sequence[float], level: float) -> Interval:
    def ends(drawn: Sequence[tuple[float, float]]) -> tuple[float, float]:
        value = spearman([x for x, _ in drawn], [y for _, y in drawn])
        return (-1.0, 1.0) if value is None else (value, value)

    low, high = bootstrap_together(list(zip(first, second, strict=True)), ends, level)
    return replace(low, high=high.high)


def _p(first: Sequence[float], second: Sequence[float]) -> float:
    a, b = ranks(first), ranks(second)
    n = len(a)
    # Of the coefficient only this sum changes with the order; its mean over all orders is taken
    # off, so that both tails are measured from no correlation.
    mean = n * ((n + 1) / 2) ** 2
    seen = abs(_product(a, b, mean)) - _TIE * max(1.0, abs(mean))
    if n <= _ALL_ORDERS:
        found = [abs(_product(a, order, mean)) >= seen for order in permutations(b)]
        return sum(found) / len(found)
    random = Random(_SEED)
    shuffles = max(_FEWEST_SHUFFLES, min(_SHUFFLES, _SHUFFLED // n))
    as_far = 0
    for _ in range(shuffles):
        random.shuffle(b)
        as_far += abs(_product(a, b, mean)) >= seen
    return (1 + as_far) / (1 + shuffles)


def _product(first: Sequence[float], second: Sequence[float], less: float) -> float:
    return sum(map(float.__mul__, first, second)) - less
