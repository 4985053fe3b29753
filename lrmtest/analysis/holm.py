"""Several hypotheses at once, with one error rate for all of them.

Reference:
    Holm (1979), A simple sequentially rejective multiple test procedure. Scandinavian Journal
    of Statistics 6; section 4 for weights.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


def adjust(p_values: Mapping[K, float], weights: Mapping[K, float] | None = None) -> dict[K, float]:
    """Holm's adjusted p-values: one at or below alpha is established at that level.

    The probability that any true hypothesis is rejected is at most alpha, however the p-values
    depend on each other.

    Args:
        p_values: by hypothesis.
        weights: positive; which share of the error rate is each one's own to begin with. What a
            rejected hypothesis had is passed on to the others. Equal when None.
    """
    weight = {key: 1.0 if weights is None else weights[key] for key in p_values}
    remaining = sum(weight.values())
    adjusted: dict[K, float] = {}
    highest = 0.0
    for key in sorted(p_values, key=lambda name: p_values[name] / weight[name]):
        highest = min(1.0, max(highest, p_values[key] / weight[key] * remaining))
        adjusted[key] = highest
        remaining -= weight[key]
    return {key: adjusted[key] for key in p_values}
