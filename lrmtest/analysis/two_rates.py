"""Two pass rates of one question, by few samples each: exact tests that one is really higher.

References:
    Fisher (1935), The Logic of Inductive Inference. Journal of the Royal Statistical Society 98.
    Boschloo (1970), Raised conditional level of significance for the 2x2-table when testing the
    equality of two probabilities. Statistica Neerlandica 24: Fisher's p-value as a statistic, its
    distribution at the common rate that is worst. Never above Fisher's own, and valid as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from math import comb, exp, lgamma

_RATES = 128
"""At so many common rates, less one, the worst is looked for; between them nothing changes by more
than one part in a hundred."""
_MOST_TABLES = 10_000
"""Above so many tables Fisher's test is taken itself, to which Boschloo's comes near."""
_ALIKE = 1 + 1e-9


def p_higher(passes: int, samples: int, other_passes: int, other_samples: int) -> float:
    """One-sided p-value that the first rate is no higher than the other one (Boschloo 1970).

    Args:
        passes, samples: of the rate that may be higher; ``0 <= passes <= samples``, 1 or more.
        other_passes, other_samples: of the other.
    """
    if (samples + 1) * (other_samples + 1) > _MOST_TABLES:
        return fisher_p(passes, samples, other_passes, other_samples)
    return _boschloo(passes, samples, other_passes, other_samples)


@lru_cache(maxsize=10_000)
def chance_of_less(passes: int, samples: int, later_samples: int) -> float:
    """How often the later rate is the lower one, if both are one and `passes` passed in all.

    Given how many samples passed in both together, which of them did is a draw without
    replacement, whatever the common rate is (Fisher 1935).
    """
    first = max(0, passes - later_samples)
    tail = _upper_tail(passes, samples, later_samples)
    for index in range(len(tail)):
        earlier = first + index
        if (passes - earlier) * samples < earlier * later_samples:
            return tail[index]
    return 0.0


@lru_cache(maxsize=10_000)
def fisher_p(passes: int, samples: int, later_passes: int, later_samples: int) -> float:
    """One-sided p-value that the first rate is no higher than the later one (Fisher 1935)."""
    both = passes + later_passes
    return _upper_tail(both, samples, later_samples)[passes - max(0, both - later_samples)]


@lru_cache(maxsize=10_000)
def highest_p_at_most(alpha: float, passes: int, samples: int, later_samples: int) -> float:
    """The highest of Fisher's p-values that is `alpha` at most, if `passes` passed in all; or 0.

    As often does the p-value fall so low by chance: it takes few values, so less often than alpha.
    """
    tail = _upper_tail(passes, samples, later_samples)
    return max((p for p in tail if p <= alpha), default=0.0)


def _upper_tail(passes: int, samples: int, other_samples: int) -> list[float]:
    """Fisher's p-values, by how many of `passes` are the first's, from the fewest possible on."""
    first, last = max(0, passes - other_samples), min(samples, passes)
    total = _log_ways(samples + other_samples, passes)
    chances = [
        exp(_log_ways(samples, k) + _log_ways(other_samples, passes - k) - total)
        for k in range(last, first - 1, -1)
    ]
    return [min(1.0, tail) for tail in accumulate(chances)][::-1]


def _log_ways(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


@lru_cache(maxsize=10_000)
def _boschloo(passes: int, samples: int, other_passes: int, other_samples: int) -> float:
    fisher = _fisher(samples, other_samples)
    seen = fisher[passes][other_passes] * _ALIKE
    # Of each row the tables up to here are at least as unlikely: Fisher's p grows along it.
    ends = [sum(p <= seen for p in row) for row in fisher]
    worst = 0.0
    first, other = _distributions(samples), _distributions(other_samples)
    for chances, below in zip(first, other, strict=True):
        sums = [0.0, *accumulate(below)]
        worst = max(worst, sum(a * sums[end] for a, end in zip(chances, ends, strict=True)))
    return min(1.0, worst, fisher[passes][other_passes])


@lru_cache(maxsize=64)
def _fisher(samples: int, other_samples: int) -> Sequence[Sequence[float]]:
    """Fisher's p-value of every table: by the first's passes, then the other's."""
    table = [[0.0] * (other_samples + 1) for _ in range(samples + 1)]
    for passes in range(samples + other_samples + 1):
        first = max(0, passes - other_samples)
        for index, tail in enumerate(_upper_tail(passes, samples, other_samples)):
            table[first + index][passes - first - index] = tail
    return table


@lru_cache(maxsize=64)
def _distributions(samples: int) -> Sequence[Sequence[float]]:
    """Binomial probabilities of 0 to `samples` passes, at every rate that is tried."""
    ways = [comb(samples, k) for k in range(samples + 1)]
    rates = [place / _RATES for place in range(1, _RATES)]
    return [
        [way * rate**k * (1 - rate) ** (samples - k) for k, way in enumerate(ways)]
        for rate in rates
    ]
