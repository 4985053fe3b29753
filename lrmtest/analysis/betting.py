"""Evidence that may be looked at after every observation: testing by betting.

A gambler starts with 1 and bets, before each observation, that bounded figures exceed a mean m.
If their mean is m or lower the game is at best fair, and the chance that the capital *ever*
reaches 1 / alpha is at most alpha (Ville's inequality): one may stop the moment it does. The
gambler here splits the capital evenly over 16 constant bets, from timid to bold, and lets them
run; the best of them soon owns nearly all. The capital depends on which figures came, not on
their order. `benchmarks/gate.py` finds that this decides as early as the predictable bets (aGRAPA)
of the same paper, or earlier.

References:
    Waudby-Smith & Ramdas (2024), Estimating means of bounded random variables by betting.
    Journal of the Royal Statistical Society B 86: the capital process (equation 23), and mixing
    bets.
    Howard, Ramdas, McAuliffe & Sekhon (2021), Time-uniform, nonparametric, nonasymptotic
    confidence sequences. Annals of Statistics 49.
    Ville (1939), Etude critique de la notion de collectif.
"""

from __future__ import annotations

from math import exp, log, log1p

BETS = 16


class Capital:
    """The capital of a gambler who bets that figures in [-1, 1] exceed a mean.

    Args:
        mean: the hypothesis is that each figure's expectation is at most this; in (-1, 1).
    """

    def __init__(self, mean: float) -> None:
        self._mean = mean
        # A bet of 1 / (1 + mean) would be ruined by a figure of -1.
        self._bets = [(bet + 0.5) / BETS / (1 + mean) for bet in range(BETS)]
        self._logs = [0.0] * BETS
        self._steps: dict[float, list[float]] = {}

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

    @property
    def log(self) -> float:
        """Natural logarithm of the capital."""
        best = max(self._logs)
        return best + log(sum(exp(total - best) for total in self._logs) / BETS)
