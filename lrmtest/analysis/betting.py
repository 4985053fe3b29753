"""Evidence that may be looked at after every observation: testing by betting.

A gambler starts with 1 and bets, before each observation, that bounded figures exceed a mean m.
If their mean is m or lower the game is at best fair, and the chance that the capital *ever*
reaches 1 / alpha is at most alpha (Ville's inequality): one may stop the moment it does. The
gambler here splits the capital over 16 constant bets, from timid to bold, and lets them run; the
best of them soon owns nearly all. The split is even, or, where something outside says which of them
will be best (`lrmtest.analysis.foresight`), half of it is on that one. The capital depends on which
figures came, not on their order. `benchmarks/gate.py` finds that this decides as early as the
predictable bets (aGRAPA) of the same paper, or earlier.

References:
    Waudby-Smith & Ramdas (2024), Estimating means of bounded random variables by betting.
    Journal of the Royal Statistical Society B 86: the capital process (equation 23), and mixing
    bets.
    Howard, Ramdas, McAuliffe & Sekhon (2021), Time-uniform, nonparametric, nonasymptotic
    confidence sequences. Annals of Statistics 49.
    Ville (1939), Etude critique de la notion de collectif.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, fsum, inf, log, log1p

BETS = 16
_ALL = log(BETS)
FORESEEN_PART = 0.5
"""Of the capital, on the bet that is foreseen to be the best; if it is not, the other half loses
log 2 against having foreseen nothing."""


class Capital:
    """The capital of a gambler who bets that figures in [-1, 1] exceed a mean.

    Args:
        mean: the hypothesis is that each figure's expectation is at most this; in (-1, 1).
        foreseen: by figure, how often it is thought to come; the bet that would grow fastest if it
            did gets half of the capital. It must not depend on what is observed, and may otherwise
            be anything.
    """

    def __init__(self, mean: float, foreseen: Mapping[float, float] | None = None) -> None:
        self._mean = mean
        # A bet of 1 / (1 + mean) would be ruined by a figure of -1.
        self._bets = [(bet + 0.5) / BETS / (1 + mean) for bet in range(BETS)]
        parts = [1 / BETS] * BETS
        if foreseen:
            grows = [
                fsum(often * log1p(bet * (figure - mean)) for figure, often in foreseen.items())
                for bet in self._bets
            ]
            parts = [part * (1 - FORESEEN_PART) for part in parts]
            parts[grows.index(max(grows))] += FORESEEN_PART
        self._logs = [log(part) for part in parts]
        self._steps: dict[float, list[float]] = {}
        self.most = -inf
        """Natural logarithm of the highest capital after any figure so far."""

    def observe(self, figure: float) -> None:
        """Settle the bets on one figure in [-1, 1].

        Raises:
            ValueError: it is outside.
        """
        if not -1 <= figure <= 1:
            raise ValueError(f"{figure} is not in [-1, 1]")
        steps = self._steps.get(figure)
        if steps is None:
            steps = [log1p(bet * (figure - self._mean)) for bet in self._bets]
            if figure in (-1, 0, 1):
                self._steps[figure] = steps
        self._logs = [total + step for total, step in zip(self._logs, steps, strict=True)]
        # All bets together have no more than if each had as much as the best.
        if max(self._logs) + _ALL > self.most:
            self.most = max(self.most, self.log)

    @property
    def log(self) -> float:
        """Natural logarithm of the capital."""
        best = max(self._logs)
        return best + log(sum([exp(total - best) for total in self._logs]))
