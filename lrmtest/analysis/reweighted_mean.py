"""Bounds for the mean of figures in (-inf, 1], by betting: questions unequal, samples clustered.

A question's figures are drawn independently from a distribution of its own; the claim is about the
mean over questions of their expectations. The hypothesis is that this mean is at least m. A gambler
who bets on less multiplies a capital of 1, figure by figure z of a question with k of them, by

    1 + bet x (k_min / k) x (m - z),   0 < bet < 1 / (1 - m),

which is above 0 because z is at most 1. In expectation the product is at most

    prod_q (1 + bet (k_min / k_q) (m - mean_q))^k_q <= exp(bet k_min sum_q (m - mean_q)) <= 1

under the hypothesis, by 1 + x <= exp(x): whatever the questions are, however unequal, and however
unequal their numbers of samples. It stays so for an average over bets that are fixed beforehand. So
1 / capital is a p-value (Markov's inequality), with nothing assumed of tails: a figure far below 0
makes the capital large, and may, because it is rare when the hypothesis holds.

Stakes per sample fall with k / k_min, or a question with many samples would count more than one.
Where a few questions have fewer samples than the others, it pays to give these up: a question that
is set aside counts as 1, the worst there is, and the others must make up for it. Which ones is
settled by the numbers of samples alone. A question without a sample is always set aside.

All bets are near the boldest: to exclude a mean of 0.1 with thirty figures at level 0.1, all must
be near 0 and the bet must be nearly all there is. One figure of 1 costs a bold bet nearly
everything, so timid ones are in the average for where there are more of them. Gaffke's method
(`lrmtest.analysis.bounded_mean`) is a little sharper and proved for nothing but two-valued figures;
this one is proved, and needs no lower end of the figures.

References:
    Waudby-Smith & Ramdas (2024), Estimating means of bounded random variables by betting.
    Journal of the Royal Statistical Society B 86.
    Waudby-Smith, Wu, Ramdas, Karampatziakis & Mineiro (2024), Anytime-valid off-policy inference
    for contextual bandits. ACM/IMS Journal of Data Science 1: importance weights need no upper end
    when one bets that a mean is high.
    Hoeffding (1963), Probability inequalities for sums of bounded random variables. Journal of the
    American Statistical Association 58: unequal means vary a sum less, not more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import ceil, exp, log, log1p

_HELD_BACK = (0.01, 0.05, 0.12, 0.25, 0.45, 0.7)
"""Of the boldest bet, the part that each bet holds back."""
_CAPITAL = (0.3, 0.25, 0.15, 0.12, 0.1, 0.08)
"""Of the capital, what each bet has; they sum to 1."""
_GRID = 1 << 13
"""Figures are rounded up to this part of 1, so that thousands of them take milliseconds."""
_TOLERANCE = 1e-4

Figures = Sequence[Sequence[float]]
"""By question, the figures of its samples; each at most 1."""


def p_mean_at_least(figures: Figures, mean: float) -> float:
    """P-value of the hypothesis that the mean over questions of their expectations is so high.

    Args:
        figures: by question; at least one question.
        mean: below 1.

    Raises:
        ValueError: a figure is above 1.
    """
    return _Bets(figures, mean).p_value(mean)


def highest_mean(figures: Figures, level: float, settled: float) -> float:
    """The upper confidence bound: the lowest mean that is rejected with all above it; at most 1.

    Args:
        figures: as in `p_mean_at_least`.
        level: its error rate, in (0, 1).
        settled: the mean for which it is settled which questions are set aside, below 1.
    """
    bets = _Bets(figures, settled)
    low, high = min((min(part) for part in figures if part), default=1.0), 1.0
    while high - low > _TOLERANCE:
        middle = (low + high) / 2
        if bets.p_value(middle) <= level:
            high = middle
        else:
            low = middle
    return high


class _Bets:
    """The game on given figures, with the questions that it is played on."""

    def __init__(self, figures: Figures, mean: float) -> None:
        counts = [len(part) for part in figures]
        least = _fewest_kept(counts, mean)
        kept = [part for part in figures if least and len(part) >= least]
        self._questions, self._aside = len(figures), len(figures) - len(kept)
        self._groups: Counter[tuple[float, float]] = Counter()
        for part in kept:
            stake = least / len(part)
            for figure in part:
                if not figure <= 1:
                    raise ValueError(f"{figure} is not a figure of at most 1")
                self._groups[ceil(figure * _GRID) / _GRID, stake] += 1

    def p_value(self, mean: float) -> float:
        """Of the hypothesis that the mean over all questions is at least this."""
        kept = self._questions - self._aside
        if not kept or mean >= 1:
            return 1.0
        # Those set aside count 1 each, so that the others need the less.
        mean = (self._questions * mean - self._aside) / kept
        logs = []
        for held, part in zip(_HELD_BACK, _CAPITAL, strict=True):
            bet = (1 - held) / (1 - mean)
            total = sum(
                number * log1p(bet * stake * (mean - figure))
                for (figure, stake), number in self._groups.items()
            )
            logs.append(total + log(part))
        best = max(logs)
        capital = best + log(sum(exp(value - best) for value in logs))
        return exp(-max(0.0, capital))


def _fewest_kept(counts: Sequence[int], mean: float) -> int:
    """The number of samples from which on a question is not set aside; 0 if none can be kept.

    That with which figures of 0 would be the most evidence against `mean`; of a mean below 0, which
    they are none against, the fewest samples that a question has.
    """
    ordered = sorted(counts, reverse=True)
    best, least = 0.0, 0
    for number, count in enumerate(ordered, start=1):
        last = number == len(ordered)
        if not count or (not last and ordered[number] == count):
            continue
        left = (len(counts) * mean - (len(counts) - number)) / number
        evidence = -number * count * log1p(-left)
        if evidence > best or (last and not least):
            best, least = evidence, count
    return least
