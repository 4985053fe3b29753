"""Agreement of two who label the same things: Cohen's kappa, with its interval over questions.

Reference:
    Cohen (1960), A coefficient of agreement for nominal scales. The interval is the percentile
    bootstrap over questions, since labels of one trace are not independent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lrmtest.analysis.bootstrap import bootstrap_together
from lrmtest.analysis.intervals import Interval

LabelPairs = Mapping[tuple[str, str], int]
"""How often the first said the one thing where the second said the other."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two agree.

    Attributes:
        kappa: 1 for always, 0 for as often as by chance.
        interval: over questions like these.
        same: share of things that both call the same.
        things: how many there are.
        questions: of how many questions.
    """

    kappa: float
    interval: Interval
    same: float
    things: int
    questions: int


def agreement(questions: Sequence[LabelPairs], level: float = 0.95) -> Agreement | None:
    """Kappa of all pairs; None where there are none.

    Where both say one thing only, they agree on everything, and kappa is 1.

    Args:
        questions: the pairs of each question.
        level: nominal coverage of the interval.

    Raises:
        UsageError: `level` is not between 0 and 1.
    """
    held = [pairs for pairs in questions if sum(pairs.values())]
    if not held:
        return None

    def statistics(drawn: Sequence[LabelPairs]) -> tuple[float, float]:
        return _kappa(drawn)

    kappa, same = _kappa(held)
    interval = bootstrap_together(held, statistics, level)[0]
    things = sum(sum(pairs.values()) for pairs in held)
    return Agreement(kappa, interval, same, things, len(held))


def one_against_rest(pairs: LabelPairs, label: str) -> LabelPairs:
    """The pairs where only that label and "other" can be said."""
    found: Counter[tuple[str, str]] = Counter()
    for (first, second), count in pairs.items():
        found[str(first == label), str(second == label)] += count
    return found


def _kappa(questions: Sequence[LabelPairs]) -> tuple[float, float]:
    """Kappa, and the share that is called the same."""
    firsts: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    whole = same = 0
    for pairs in questions:
        for (first, second), count in pairs.items():
            firsts[first] += count
            seconds[second] += count
            whole += count
            same += count * (first == second)
    chance = sum(count * seconds[label] for label, count in firsts.items()) / whole**2
    share = same / whole
    return ((share - chance) / (1 - chance) if chance < 1 else 1.0), share
