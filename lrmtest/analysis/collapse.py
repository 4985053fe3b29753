"""The collapse point of a model that is compressed further and further, and how sure it is.

The pass rates along a sweep are fitted by the decreasing sequence that is nearest to them
(isotonic regression by pooling adjacent violators; Barlow, Bartholomew, Bremner & Brunk 1972,
Statistical Inference under Order Restrictions), and the collapse point is where that sequence,
joined by straight lines, has lost a given share of where it began. Its interval is a bootstrap
over questions, each drawn with its results at every level, so that levels stay paired. It says
how much the choice of questions matters; another draw of calibration data or another seed of the
compression is not in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from lrmtest.analysis.bootstrap import bootstrap
from lrmtest.analysis.intervals import Interval
from lrmtest.runs.outcomes import Outcomes, QuestionKey


@dataclass(frozen=True, slots=True)
class Collapse:
    """The collapse point of a sweep.

    Attributes:
        lost: share of the first level's fitted pass rate whose loss counts as collapse.
        questions: how many have a verdict at every level; only these count.
        rates: their pass rate at each level.
        fitted: the decreasing sequence nearest to `rates`.
        point: degree of compression at which the fit has lost that share; infinite when no level
            has, None when the first level passes nothing and so has nothing to lose.
        interval: for it; an end that is infinite lies beyond the last level.
    """

    lost: float
    questions: int
    rates: tuple[float, ...]
    fitted: tuple[float, ...]
    point: float | None
    interval: Interval | None


def collapse(
    degrees: Sequence[float], runs: Sequence[Outcomes], *, lost: float = 0.5, level: float = 0.95
) -> Collapse:
    """Find the collapse point of a sweep.

    Args:
        degrees: how strongly each level is compressed, rising: sparsities, say, or bits per
            weight with a minus sign.
        runs: what became of the questions at each level.
        lost: in (0, 1].
        level: nominal coverage of the interval.

    Raises:
        UsageError: `level` is not between 0 and 1.
        ValueError: there are fewer than two levels, the degrees do not rise, or `lost` is out of
            range.
    """
    if len(degrees) != len(runs) or len(degrees) < 2:
        raise ValueError(f"{len(degrees)} degrees and {len(runs)} runs make no sweep")
    if any(left >= right for left, right in pairwise(degrees)):
        raise ValueError("the degrees of compression do not rise")
    if not 0 < lost <= 1:
        raise ValueError(f"a lost share of {lost} is not in (0, 1]")
    rows = [tuple(run[key].pass_rate for run in runs) for key in _in_all(runs)]
    rates = _means(rows, len(runs))
    fitted = decreasing(rates)
    if not rows or fitted[0] <= 0:
        return Collapse(lost, len(rows), rates, fitted, None, None)

    def point(drawn: Sequence[tuple[float, ...]]) -> float:
        return _crossing(degrees, decreasing(_means(drawn, len(runs))), lost)

    interval = bootstrap(rows, point, level)
    return Collapse(lost, len(rows), rates, fitted, _crossing(degrees, fitted, lost), interval)


def _in_all(runs: Sequence[Outcomes]) -> list[QuestionKey]:
    """The questions that have a verdict in every run, in the first one's order."""
    return [key for key in runs[0] if all(key in run and run[key].count for run in runs)]


def decreasing(values: Sequence[float]) -> tuple[float, ...]:
    """The sequence that never rises and is nearest to `values` in the sum of squares.

    Pool adjacent violators: neighbours that rise are replaced by their mean until none does.
    """
    pools: list[tuple[float, int]] = []
    for value in values:
        pool = (value, 1)
        while pools and pools[-1][0] < pool[0]:
            mean, size = pools.pop()
            whole = size + pool[1]
            pool = ((mean * size + pool[0] * pool[1]) / whole, whole)
        pools.append(pool)
    return tuple(mean for mean, size in pools for _ in range(size))


def _means(rows: Sequence[tuple[float, ...]], levels: int) -> tuple[float, ...]:
    if not rows:
        return (0.0,) * levels
    return tuple(sum(column) / len(rows) for column in zip(*rows, strict=True))


def _crossing(degrees: Sequence[float], fitted: Sequence[float], lost: float) -> float:
    """Where the fit has lost that share of its beginning, linear between levels."""
    target = fitted[0] * (1 - lost)
    for (left, high), (right, low) in pairwise(zip(degrees, fitted, strict=True)):
        if low <= target < high:
            return left + (right - left) * (high - target) / (high - low)
    # A draw of questions of which none passes at first has nothing that could be lost.
    return inf
