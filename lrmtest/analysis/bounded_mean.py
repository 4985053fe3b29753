"""Exact bounds for the mean of bounded figures: Gaffke's method.

To bound the mean of n independent figures from below, add one more at the least value they can
have, give all n + 1 random weights, uniform over the weights that sum to 1 (a Dirichlet
distribution), and look how often the weighted mean falls at or below a hypothetical mean. That
share is the p-value of the hypothesis that the true mean is no higher. It needs no normal
approximation, so it serves 30 questions as well as 3,000, and it contains the classics: of zeros
and ones it is Clopper and Pearson's exact binomial bound, and of paired differences -1, 0 and 1
against a mean of 0 it is McNemar's exact test.

References:
    Gaffke (2005), Three test statistics for a nonparametric one-sided hypothesis on the mean of
    a nonnegative variable. Mathematical Methods of Statistics 14.
    Learned-Miller & Thomas (2020), A new confidence interval for the mean of a bounded random
    variable. arXiv:1905.06208: coverage conjectured for every bounded distribution, none known
    to break it. For the three-valued figures of a paired comparison `benchmarks/gate.py` and the
    tests compute its error rate by enumeration.
    Daniels (1954), Saddlepoint approximations in statistics. Annals of Mathematical Statistics
    25: the path of integration used here.
"""

from __future__ import annotations

from cmath import exp, log
from collections.abc import Callable, Sequence
from math import cosh, pi, sinh, sqrt

GAFFKE = "gaffke"
_TOLERANCE = 1e-6
_SAME = 1e-12
# The trapezoid rule; the sinh brings the slowly falling ends of small samples near.
_STEP = 0.05
_NODES = [(sinh(_STEP * node), cosh(_STEP * node)) for node in range(1, 1000)]


def p_mean_at_most(
    groups: Sequence[tuple[float, float]], least: float, mean: float, extra: float = 1.0
) -> float:
    """One-sided p-value of the hypothesis that the true mean is at most `mean`.

    Args:
        groups: distinct figures as (figure, how many). The numbers may be fractional.
        least: the least value that a figure can have.
        mean: the hypothetical mean.
        extra: how many figures to add at `least`; 1 is Gaffke's method.
    """
    return weighted_mean_at_most([*groups, (least, extra)], mean)


def lowest_mean(groups: Sequence[tuple[float, float]], least: float, alpha: float) -> float:
    """The one-sided lower confidence bound: the highest mean that `p_mean_at_most` rejects.

    Args:
        groups, least: as in `p_mean_at_most`.
        alpha: its error rate, in (0, 1).
    """
    high = max([least, *(figure for figure, _ in groups)])
    return highest_rejected(lambda mean: p_mean_at_most(groups, least, mean), least, high, alpha)


def highest_rejected(
    p_value: Callable[[float], float],
    low: float,
    high: float,
    alpha: float,
    tolerance: float = _TOLERANCE,
) -> float:
    """The highest mean between `low` and `high` whose p-value is at most `alpha`; else `low`.

    Args:
        p_value: of a hypothetical mean; it does not fall as the mean rises.
        low, high: where to look.
        alpha: in (0, 1).
        tolerance: how far below the exact one the result may be.
    """
    while high - low > tolerance:
        middle = (low + high) / 2
        if p_value(middle) <= alpha:
            low = middle
        else:
            high = middle
    return low


def weighted_mean_at_most(groups: Sequence[tuple[float, float]], mean: float) -> float:
    """P(sum of w_g x_g <= mean) for Dirichlet(s) weights w, s and x given as pairs (x, s).

    Dirichlet weights are gamma variables over their sum, so this is the probability that
    ``Q = sum of G_g (x_g - mean)``, G_g ~ Gamma(s_g), is at most 0. It is an integral of Q's
    moment generating function along a vertical line in the complex plane, here through the
    integrand's saddlepoint, where it neither oscillates nor cancels: some 100 terms give 8
    digits, relative to the result, however small that is.
    """
    slopes = [
        (figure - mean, shape)
        for figure, shape in groups
        if shape > 0 and abs(figure - mean) > _SAME
    ]
    if all(slope > 0 for slope, _ in slopes):
        return 0.0 if slopes else 1.0
    if all(slope < 0 for slope, _ in slopes):
        return 1.0
    if sum(slope * shape for slope, shape in slopes) < 0:
        # Always integrate the smaller tail.
        return 1.0 - _below_zero([(-slope, shape) for slope, shape in slopes])
    return _below_zero(slopes)


def _below_zero(slopes: Sequence[tuple[float, float]]) -> float:
    """P(Q < 0) when Q's mean is not negative."""
    low, high = 1 / min(slope for slope, _ in slopes), 0.0
    # Any path would do; one near the saddlepoint needs the fewest terms.
    for _ in range(24):
        point = (low + high) / 2
        gradient = 0.0
        for slope, shape in slopes:
            gradient += shape * slope / (1 - slope * point)
        if gradient - 1 / point < 0:
            low = point
        else:
            high = point
    point = (low + high) / 2
    curvature = sum(shape * (slope / (1 - slope * point)) ** 2 for slope, shape in slopes)
    width = 1 / sqrt(curvature + 1 / point**2)

    def integrand(height: float) -> complex:
        z = complex(point, height)
        exponent = 0j
        for slope, shape in slopes:
            exponent += shape * log(1 - slope * z)
        return exp(-exponent) / z

    first = integrand(0)
    total, least = first.real / 2, abs(first) * 1e-12
    for place, weight in _NODES:
        term = integrand(width * place) * weight
        total += term.real
        if abs(term) < least:
            break
    return min(1.0, max(0.0, -total * _STEP * width / pi))
