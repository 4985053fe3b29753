"""Bounds on a token's processed log-probability, from the few likeliest tokens that are shown.

Servers show, at each place, the unprocessed log-probabilities of the K likeliest tokens and of
the token that is there. Temperature needs the mass of all tokens, a nucleus the order and the mass
of those in it. Both are sums over tokens of which only the first K terms are known; of the rest
it is known that each is no more probable than the last one shown, and what they have together.
So everything here is an interval, which shrinks to a point as soon as enough is shown.

With weights w = p^a, a = 1 / temperature, and a rest of mass R whose tokens have a probability of
at most m, convexity bounds the rest's weight: for a >= 1 between n (R / n)^a, all n of its tokens
alike, and R m^(a - 1), as few tokens as can have that mass; for a < 1 the other way round
(Jensen 1906; Karamata 1932).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import exp, inf, log

from lrmtest.models.reading import Shaping

_ROUNDING = 1e-6
"""Of masses: servers compute with 24 bits."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a server shows of one place, unprocessed, natural logarithms.

    Attributes:
        token: log-probability of the token that is there.
        top: those of the likeliest tokens, falling; none where only the token is shown.
        rank: of the token among all, from 1; None where it is not told.
        vocabulary: how many tokens there are at most.
    """

    token: float
    top: Sequence[float]
    rank: int | None
    vocabulary: int

    @property
    def place(self) -> int:
        """The token's index among `top`, their number if it is not among them."""
        if self.rank is not None:
            return min(self.rank - 1, len(self.top))
        # The first that is no likelier. A token that is not shown is no likelier than any shown.
        return bisect_left(self.top, -self.token, key=lambda one: -one)


def bounds(shown: Shown, shaping: Shaping) -> tuple[float, float]:
    """The least and the greatest processed log-probability that the token can have.

    Args:
        shown: of its place.
        shaping: as in `Shaping`.

    Returns:
        Both are ``-inf`` where it surely is cut off, only the first where it may be.
    """
    if shaping.greedy:
        if shown.rank is None and not shown.top:
            return -inf, 0.0
        first = shown.place == 0 if shown.rank is None else shown.rank == 1
        return (0.0, 0.0) if first else (-inf, -inf)
    if shaping.nothing:
        exact = min(0.0, shown.token)  # what is all but certain is rounded to above 0
        return exact, exact
    return _Weights(shown, shaping).bounds()


class _Weights:
    """The weights of one place, the likeliest token's being 1."""

    def __init__(self, shown: Shown, shaping: Shaping) -> None:
        power = 1 / shaping.temperature
        top = list(shown.top) or [0.0]  # with nothing shown the likeliest has no more than all
        self._shift = power * top[0]
        logs = [power * (one - top[0]) for one in top]
        self._token_log = power * shown.token - self._shift
        kept, open_ended = _kept(logs, shaping)
        self._index = shown.place if shown.top else shown.vocabulary
        known = bool(shown.top)
        self._cut = known and self._index >= len(kept) and not open_ended
        # Among those that are as probable as the last one kept, all are.
        if self._cut and kept and self._token_log >= logs[kept[-1]]:
            self._cut = False
            self._index = kept[-1]
        # Whether one that is not shown is kept depends on its own rank and probability.
        hidden = self._index >= len(top)
        if known and hidden and shaping.min_p and self._token_log < log(shaping.min_p):
            self._cut = True
        if shown.rank is not None and hidden and 0 < shaping.top_k < shown.rank:
            self._cut = True
        unranked = shaping.top_k > 0 and shown.rank is None
        self._may_be_cut = hidden and (unranked or (shaping.min_p > 0 and not known))
        weights = [exp(logs[i]) for i in kept] if known else []
        self._sums = list(accumulate(weights))
        self._weights = weights
        self._beyond = open_ended or not known
        self._rest = (0.0, 0.0)
        if self._beyond:
            seen = sum(map(exp, shown.top))
            least, most = _rest(
                max(0.0, 1 - seen),
                top[len(shown.top) - 1] if known else 0.0,
                shown.vocabulary - len(shown.top),
                power,
                self._shift,
            )
            cut = shaping.top_k > 0 or shaping.min_p > 0
            if shaping.top_k and weights:
                most = min(most, max(0, shaping.top_k - len(weights)) * weights[-1])
            self._rest = (0.0 if cut else least, most)
        self._top_p = shaping.top_p
        self._hidden = max(0, (shown.rank or len(shown.top) + 1) - 1 - len(shown.top))
        self._ranked = shown.rank is not None

    def bounds(self) -> tuple[float, float]:
        """See the function."""
        if self._cut:
            return -inf, -inf
        mine, sums = exp(self._token_log), self._sums
        seen = sums[-1] if sums else 0.0
        hidden = self._index >= len(sums)
        least_all = seen + max(self._rest[0], mine if hidden else 0.0)
        most_all = max(seen + self._rest[1], least_all)
        if self._top_p >= 1:
            lowest = -inf if self._may_be_cut else self._over(most_all)
            return lowest, self._over(least_all)
        # What comes before the token decides whether it is inside.
        if not hidden:
            before = [sums[self._index] - self._weights[self._index]] * 2
        else:
            least = seen + self._hidden * mine
            each = self._weights[-1] if self._weights else inf
            most = seen + self._hidden * each if self._ranked and self._weights else inf
            before = [least, min(most, most_all - mine)]
        sure = (self._top_p - _ROUNDING) * least_all
        possible = (self._top_p + _ROUNDING) * most_all
        if before[0] >= possible:
            return -inf, -inf
        least_nucleus = max(before[0] + mine, self._nucleus(sure, sure))
        highest = self._over(least_nucleus)
        if self._may_be_cut or before[1] >= sure:
            return -inf, highest
        return self._over(max(self._nucleus(possible, most_all), least_nucleus)), highest

    def _nucleus(self, mass: float, otherwise: float) -> float:
        """Weight of the fewest likeliest tokens with at least `mass`; `otherwise` if unseen.

        Beyond what is shown it is at most one further token's weight above `mass`.
        """
        index = bisect_left(self._sums, mass)
        if index < len(self._sums):
            return self._sums[index]
        last = self._weights[-1] if self._weights else inf
        return max(self._sums[-1] if self._sums else 0.0, min(otherwise, mass + last))

    def _over(self, mass: float) -> float:
        """Logarithm of the token's share of `mass`, which is no more than all of it."""
        return min(0.0, self._token_log - log(mass)) if mass > 0 else 0.0


def _kept(logs: Sequence[float], shaping: Shaping) -> tuple[list[int], bool]:
    """Indices of the shown tokens that top-k and min-p leave; whether they may leave others."""
    floor = log(shaping.min_p) if shaping.min_p > 0 else -inf
    if 0 < shaping.top_k <= len(logs):
        floor = max(floor, logs[shaping.top_k - 1])
    kept = [i for i, one in enumerate(logs) if one >= floor]
    return kept, len(kept) == len(logs) and not 0 < shaping.top_k < len(logs)


def _rest(
    mass: float, most_probable: float, count: int, power: float, shift: float
) -> tuple[float, float]:
    """Least and greatest weight of the tokens that are not shown, see the module.

    Args:
        mass: what they have together, unprocessed.
        most_probable: log-probability that none of them exceeds.
        count: how many there are at most.
        power: one over the temperature.
        shift: is taken from the logarithm of every weight.
    """
    if count <= 0:
        return 0.0, 0.0

    def alike(total: float) -> float:
        return exp(power * log(total / count) + log(count) - shift) if total > 0 else 0.0

    def few(total: float) -> float:
        return exp(log(total) + (power - 1) * most_probable - shift) if total > 0 else 0.0

    least, most = max(0.0, mass - _ROUNDING), mass + _ROUNDING
    spread = (alike, few) if power >= 1 else (few, alike)
    return spread[0](least), spread[1](most)
