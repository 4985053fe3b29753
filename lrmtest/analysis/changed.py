"""A lower bound for how many questions really changed: of those that fell, and of those that rose.

That a question went from 4/4 to 2/4 says little of it; that 99 of 100 did, and none the other way,
says much of them together. The bound counts falls, and asks how many of them at least cannot be
chance: given how many samples passed in both runs together, a question that is no worse than it was
falls with a known probability (`lrmtest.analysis.two_rates.chance_of_less`). If no more than u - 1
questions are worse, the others' falls are a sum of such chances, whichever they are; where that sum
is too large, at least u are worse. Falls are counted twice: all of them, which is all that one
sample of a question tells, and those that are large (Fisher's p-value at 10 % or less), of which
chance makes few where samples are many. Each count has half of the error rate, or all of it where
no fall could be large: what can be is known from how many samples passed in both runs together.

References:
    Benjamini & Heller (2008), Screening for partial conjunction hypotheses. Biometrics 64.
    Goeman & Solari (2011), Multiple testing for exploratory research. Statistical Science 26: such
    bounds hold for all u at once.
    Hoeffding (1956), On the distribution of the number of successes in independent trials. Annals
    of Mathematical Statistics 27: unequal chances make a sum above its mean vary less.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import exp, lgamma, log

from lrmtest.analysis.flips import CHANGES, ChangeKind, Flip
from lrmtest.analysis.intervals import tail
from lrmtest.analysis.two_rates import chance_of_less, fisher_p, highest_p_at_most
from lrmtest.runs.outcomes import QuestionOutcome

_LARGE = 0.1
"""Fisher's p-value at which a fall counts as large."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of many questions.

    Attributes:
        counts: how many are of each kind; all kinds present.
        fell, rose: how many passed in a smaller or a larger share of their samples.
        surely_worse, surely_better: how many of these at least are really worse, and better; both
            hold together with probability `level`, if samples are independent.
        level: in (0, 1).
    """

    counts: Mapping[ChangeKind, int]
    fell: int
    rose: int
    surely_worse: int
    surely_better: int
    level: float


def changed(flips: Sequence[Flip], level: float = 0.95) -> Changed:
    """Count the changes of questions, and bound how many of them are no chance.

    Raises:
        UsageError: `level` is not between 0 and 1.
    """
    kinds = Counter(flip.change for flip in flips)
    alpha = tail(level)
    fell = [flip.difference < 0 for flip in flips]
    rose = [flip.difference > 0 for flip in flips]
    pairs = [(flip.baseline, flip.candidate) for flip in flips]
    return Changed(
        counts={kind: kinds[kind] for kind in CHANGES},
        fell=sum(fell),
        rose=sum(rose),
        surely_worse=_surely(pairs, fell, alpha),
        surely_better=_surely([(after, before) for before, after in pairs], rose, alpha),
        level=level,
    )


def _surely(
    pairs: Sequence[tuple[QuestionOutcome, QuestionOutcome]], fell: Sequence[bool], alpha: float
) -> int:
    """How many questions of (higher, lower) at least are no chance, of those that fell."""
    events, large = [], []
    for (higher, lower), happened in zip(pairs, fell, strict=True):
        passes = higher.passes + lower.passes
        events.append((chance_of_less(passes, higher.count, lower.count), happened))
        most = highest_p_at_most(_LARGE, passes, higher.count, lower.count)
        p = fisher_p(higher.passes, higher.count, lower.passes, lower.count)
        large.append((most, happened and p <= most))
    if not any(chance for chance, _ in large):
        return at_least(events, alpha)
    return max(at_least(events, alpha / 2), at_least(large, alpha / 2))


def at_least(events: Sequence[tuple[float, bool]], alpha: float) -> int:
    """How many events at least had another cause than chance.

    Args:
        events: independent; of each how likely it was by chance at most, and whether it came.
        alpha: how often the answer may be too large.
    """
    chances = [chance for chance, _ in events if chance > 0]
    came = sorted(chance for chance, happened in events if happened)
    explained = [0.0, *accumulate(came)]
    total = sum(chances)

    def too_many(found: int) -> bool:
        """Whether all but `found` could hardly have come by chance: the likeliest are left."""
        number, left = len(came) - found, len(chances) - found
        mean = max(0.0, total - explained[found])
        return number > mean + 1 and _binomial_tail(number, left, mean / left) <= alpha

    low, high = 0, len(came)
    while low < high:
        middle = (low + high) // 2
        if too_many(middle):
            low = middle + 1
        else:
            high = middle
    return low


def _binomial_tail(least: int, trials: int, chance: float) -> float:
    """Probability of `least` or more of `trials`, where that is above the mean."""
    if chance <= 0:
        return 0.0
    if chance >= 1:
        return 1.0
    ways = lgamma(trials + 1) - lgamma(least + 1) - lgamma(trials - least + 1)
    term = exp(ways + least * log(chance) + (trials - least) * log(1 - chance))
    total = term
    odds = chance / (1 - chance)
    for number in range(least, trials):
        term *= (trials - number) / (number + 1) * odds
        total += term
        if term < 1e-17 * total:
            break
    return min(1.0, total)
