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
from statistics import NormalDist

GAFFKE = "gaffke"
_TOLERANCE = 1e-6
_SAME = 1e-12
_NORMAL = NormalDist()
# The trapezoid rule; the sinh brings the slowly falling ends of small samples near. Each finer
# rule is the mean of the one before and one with the nodes between, and its error about the square
# of that one's: once two agree to `_AGREE` the finer has 9 digits. The finest is taken as it is.
_AGREE = 1e-6
_NEAR = 1e-4
"""How near the saddlepoint a path goes: the square of its distance, in its own widths."""
_COARSEST, _RULES = 0.4, 4
_FARTHEST = 50.0


def _nodes(step: float, first: float) -> list[tuple[float, float]]:
    places = [first + step * number for number in range(int((_FARTHEST - first) / step))]
    return [(sinh(place), cosh(place)) for place in places]


_BETWEEN = [
    _nodes(_COARSEST, _COARSEST),
    *(_nodes(_COARSEST / 2**rule, _COARSEST / 2 ** (rule + 1)) for rule in range(_RULES - 1)),
]
"""By rule, the nodes that it adds to those before."""


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
    rejected, kept = _crossing(p_value, low, high, alpha, tolerance)
    while high - low > tolerance:
        middle = (low + high) / 2
        # What is outside the crossing is known, since the p-value does not fall.
        if middle <= rejected or (middle < kept and p_value(middle) <= alpha):
            low = middle
        else:
            high = middle
    return low


def _crossing(
    p_value: Callable[[float], float], low: float, high: float, alpha: float, tolerance: float
) -> tuple[float, float]:
    """A mean that is rejected and one that is not, about `tolerance` apart; else `low` or `high`.

    As a number of standard deviations a p-value is nearly straight in the mean, so that the line
    through two of them meets alpha close by: half of the p-values that halving alone asks for.
    """
    sought = _NORMAL.inv_cdf(alpha)
    # The distances from what is sought, at both ends; 0 for not known.
    below = above = 0.0
    rejects = False
    while high - low > tolerance:
        at = (low + high) / 2
        if below and above:
            at = low + (high - low) * below / (below + above)
            # A bit beyond, to have it in between.
            at += tolerance / 3 if rejects else -tolerance / 3
            if not low < at < high:
                at = (low + high) / 2
        p = p_value(at)
        distance = abs(_NORMAL.inv_cdf(p) - sought) if 0 < p < 1 else 0.0
        again, rejects = rejects == (p <= alpha), p <= alpha
        if rejects:
            # An end that stays where it is counts less and less (the Illinois rule).
            low, below, above = at, distance, above / 2 if again else above
        else:
            high, above, below = at, distance, below / 2 if again else below
    return low, high


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
    point = low / 2
    # Any path would do; one near the saddlepoint needs the fewest terms.
    for _ in range(24):
        gradient, curvature = -1 / point, 1 / point**2
        for slope, shape in slopes:
            each = slope / (1 - slope * point)
            gradient += shape * each
            curvature += shape * each * each
        if gradient < 0:
            low = point
        else:
            high = point
        if gradient**2 < _NEAR * curvature:
            break
        newton = point - gradient / curvature
        point = newton if low < newton < high else (low + high) / 2
    width = 1 / sqrt(curvature)

    def integrand(height: float) -> complex:
        z = complex(point, height)
        exponent = 0j
        for slope, shape in slopes:
            exponent += shape * log(1 - slope * z)
        return exp(-exponent) / z

    first = integrand(0)
    least = abs(first) * 1e-12
    total, step = first.real / 2, _COARSEST
    found = 0.0
    for rule, nodes in enumerate(_BETWEEN):
        for place, weight in nodes:
            term = integrand(width * place) * weight
            total += term.real
            if abs(term) < least:
                break
        step = _COARSEST / 2**rule
        before, found = found, -total * step * width / pi
        if abs(found - before) <= _AGREE * abs(found):
            break
    return min(1.0, max(0.0, found))
