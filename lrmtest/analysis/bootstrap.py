"""The percentile bootstrap over questions, for ratios and medians, which nothing exact serves.

Questions are drawn with replacement, each with all its samples in both runs, so that pairing and
clustering are kept. The seed is fixed: the same records give the same interval.

Reference:
    Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

from lrmtest.analysis.intervals import Interval, tail

BOOTSTRAP = "bootstrap"
_DRAWS, _FEWEST_DRAWS, _DRAWN = 1000, 200, 1_000_000
_SEED = 20260101

T = TypeVar("T")


def bootstrap(
    questions: Sequence[T], statistic: Callable[[Sequence[T]], float], level: float = 0.95
) -> Interval:
    """An interval for `statistic`, from 1,000 draws of the questions.

    Of more than 1,000 questions so many that a million are drawn in all, but 200 draws at least.

    Args:
        questions: one figure or group of figures per question; at least one.
        statistic: of such a sequence. It may be infinite.
        level: nominal coverage. With fewer than some 20 questions the true one is lower.

    Raises:
        UsageError: `level` is not between 0 and 1.
    """
    return bootstrap_together(questions, lambda drawn: (statistic(drawn),), level)[0]


def bootstrap_together(
    questions: Sequence[T], statistics: Callable[[Sequence[T]], Sequence[float]], level: float
) -> list[Interval]:
    """Intervals for several statistics from the same draws; each as `bootstrap` gives it.

    Args:
        questions, level: as there.
        statistics: of a sequence of questions, always as many.

    Raises:
        UsageError: `level` is not between 0 and 1.
    """
    alpha = tail(level)
    if len(questions) == 1:  # every draw is the same
        return [Interval(value, value, level, BOOTSTRAP) for value in statistics(questions)]
    # The seed makes results repeatable; nothing here has to be hard to guess.
    random = Random(_SEED)
    draws = max(_FEWEST_DRAWS, min(_DRAWS, _DRAWN // len(questions)))
    drawn = [statistics(random.choices(questions, k=len(questions))) for _ in range(draws)]
    rank = min(int(alpha * (draws + 1)), draws // 2 - 1)
    ordered = map(sorted, zip(*drawn, strict=True))
    return [Interval(found[rank], found[-1 - rank], level, BOOTSTRAP) for found in ordered]
