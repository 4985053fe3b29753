"""Margins: how much of its loss a trace would lose if those of its tokens moved so far.

A token's margin is the logit of its probability, log p/(1-p); its loss is log(1 + e^-margin). The
gradient says by how much a small change moves the margins. Restoring a module is no small change:
where a model is nearly sure of everything, a margin that grows by 3 mends 95 % of a loss, and not
300 % as the gradient says; and where some margins fall as others rise, the loss of those that fall
grows faster than the others' shrinks. So of every module the mean by which it moves a trace's
margins and their spread are taken from gradients, and the loss itself is computed.
"""

from __future__ import annotations

from math import sqrt

from torch import Tensor
from torch.nn import functional

WIDEST = 2.0
"""Largest spread of margins that is believed, in nats: beyond it a gradient no longer tells them,
and the exponential of it would be all that counts."""

# Three-point Gauss-Hermite quadrature: exact for polynomials up to degree 5.
_NODES = ((-sqrt(3.0), 1 / 6), (0.0, 2 / 3), (sqrt(3.0), 1 / 6))


def mend_of(margins: Tensor, slope: float, square: float) -> float:
    """By how much a trace's loss falls where its margins move.

    Args:
        margins: of its tokens, float64.
        slope: how much the loss falls to first order: the sum of s_t d_t, d_t being the move of
            token t's margin and s_t = 1 - p_t.
        square: the sum of s_t (1 - s_t) d_t^2.

    Returns:
        In nats. The moves are taken to be normal with the mean and the variance that these sums
        have by their weights, the latter at most `WIDEST` squared.
    """
    unsure = (-margins).sigmoid()
    first, second = float(unsure.sum()), float((unsure * margins.sigmoid()).sum())
    if not (first > 0 and second > 0):  # surer than a float can tell: nothing to mend
        return slope
    mean = slope / first
    spread = min(WIDEST, sqrt(max(square / second - mean * mean, 0.0)))
    before = functional.softplus(-margins)
    # Differences of each token, so that no move at all mends nothing at all.
    return sum(
        weight * float((before - functional.softplus(-(margins + mean + spread * node))).sum())
        for node, weight in _NODES
    )
