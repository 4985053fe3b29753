"""The sign-flip test, for paired figures without a useful bound, such as token counts.

If a question costs as much in either run but for chance, its difference is as likely to be +d as
-d. The p-value is the share of all ways to choose the signs that give a sum at least as high as
the one seen. This is exact whatever the distribution of the differences is, heavy tails included;
no samples within a question need be independent. Of many questions the 300 with the largest
differences are counted so; the sum of the others, of which none stands out, is taken as normal.

Reference:
    Fisher (1935), The Design of Experiments, section 21.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import erfc, inf, sqrt

from lrmtest.analysis.intervals import Interval, tail

SIGN_FLIP = "sign-flip"
_UNITS = 4000
_MOST_COUNTED = 300


def p_sum_this_high(differences: Sequence[float]) -> float:
    """One-sided p-value of the hypothesis that the differences are symmetric about 0 or lower.

    Up to 300 differences every choice of signs is counted, with the sizes rounded to a 4,000th of
    their sum: the test remains exact, for the sum of the rounded figures.
    """
    total = sum(map(abs, differences))
    if not total:
        return 1.0
    if len(differences) > _MOST_COUNTED:
        return _p_of_many([difference / total for difference in differences])
    units = [round(difference / total * _UNITS) for difference in differences]
    # Each count has a field of n + 1 bits.
    width = len(units) + 1
    positive = sum(unit for unit in units if unit > 0)
    # Modulo 2^width - 1 a number is the sum of its fields.
    as_high = (_counts(units, width) >> (width * positive)) % ((1 << width) - 1)
    return as_high / (1 << len(units))


def _counts(units: Sequence[int], width: int) -> int:
    """How many choices of signs have positive differences that sum to s, for every s.

    One integer holds the polynomial, product of (1 + y^|d|), whose coefficient at y^s is the
    count, in the `width` bits from s * width on.
    """
    counts = 1
    for unit in units:
        counts += counts << (width * abs(unit))
    return counts


def _p_of_many(differences: Sequence[float]) -> float:
    """The p-value when the largest differences are counted and the rest is normal."""
    sizes = sorted(map(abs, differences), reverse=True)
    large, rest = sizes[:_MOST_COUNTED], sizes[_MOST_COUNTED:]
    spread = sqrt(sum(size * size for size in rest))
    unit = sum(large) / _UNITS
    units = [round(size / unit) for size in large]
    width = -(-(len(units) + 1) // 8)  # bytes
    most = sum(units)
    fields = _counts(units, 8 * width).to_bytes(width * (most + 1), "little")
    seen = sum(differences)
    higher = 0.0
    for positive in range(most + 1):
        count = int.from_bytes(fields[width * positive : width * (positive + 1)], "little")
        if count:
            gap = seen - (2 * positive - most) * unit
            share = erfc(gap / (spread * sqrt(2))) / 2 if spread else float(gap <= 0)
            higher += count / (1 << len(units)) * share
    return min(1.0, higher)


def ratio_interval(
    baseline: Sequence[float], candidate: Sequence[float], level: float = 0.95
) -> Interval:
    """For the ratio of the candidate's mean to the baseline's, paired by question.

    All ratios r that the test of ``candidate - r * baseline`` does not reject. The upper end is
    infinite when too few questions tell.

    Args:
        baseline, candidate: per question, not negative; the baseline's not all 0.
        level: nominal coverage.

    Raises:
        UsageError: `level` is not between 0 and 1.
    """
    alpha = tail(level)
    ratio = sum(candidate) / sum(baseline)
    low = _boundary(lambda r: p_ratio_above(baseline, candidate, r), alpha, 0.0, ratio)
    # The upper end is found as the lower end of the inverse ratio.
    inverse = 0.0
    if ratio > 0:
        inverse = _boundary(lambda r: p_ratio_above(candidate, baseline, r), alpha, 0.0, 1 / ratio)
    return Interval(low, 1 / inverse if inverse > 0 else inf, level, SIGN_FLIP)


def p_ratio_above(baseline: Sequence[float], candidate: Sequence[float], ratio: float) -> float:
    """P-value of the hypothesis that the ratio of means is at most `ratio`."""
    return p_sum_this_high([c - ratio * b for b, c in zip(baseline, candidate, strict=True)])


def p_ratio_below(baseline: Sequence[float], candidate: Sequence[float], ratio: float) -> float:
    """P-value of the hypothesis that the ratio of means is at least `ratio`."""
    return p_sum_this_high([ratio * b - c for b, c in zip(baseline, candidate, strict=True)])


def _boundary(p_value: Callable[[float], float], alpha: float, low: float, high: float) -> float:
    """The highest ratio that is rejected; `low` when none is."""
    if p_value(low) > alpha:
        return low
    tolerance = 1e-5 * high
    while high - low > tolerance:
        middle = (low + high) / 2
        if p_value(middle) <= alpha:
            low = middle
        else:
            high = middle
    return low
