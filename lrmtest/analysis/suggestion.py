"""The suggestion of what to protect: so many bits, spent where they mend most.

A knapsack: every module costs the bits that compression has saved on it, and gains what restoring
it mends. But gains do not add up, since what two modules break together, either may mend. So four
ways propose a set: the ranks in their order; the knapsack as if gains added up; gains that add up
trace by trace until the trace has got back what it lost, so that a second module which mends the
same traces counts for little (weighted coverage under a budget; Khuller, Moss and Naor 1999, "The
budgeted maximum coverage problem": greedily by gain per bit, from every module as the first); and
modules taken in turn, each by what it mends beside those that were taken before it. Which is best
is not believed but measured, by whoever asks.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from lrmtest.analysis.location import Restored

_FIRSTS = 64
"""Modules that a greedy set may begin with: those that gain most by the bit."""
_MOST_STATES = 20_000
"""Sums of costs that the knapsack tells apart; of more, evenly taken ones."""
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Candidate:
    """A module that could be protected.

    Attributes:
        name: its name.
        cost: bits that protecting it takes, above 0.
        mends: by trace, what it would mend.
    """

    name: str
    cost: float
    mends: Sequence[float]


@dataclass(frozen=True, slots=True)
class SuggestedModule:
    """A module that is to be protected.

    Attributes:
        name: dotted, in the model.
        weights: how many it has.
        cost: bits that this takes.
        type: the type of GGUF that it is to have; empty to stay as it is.
        mend: what restoring it alone mends, in nats a trace.
        measured: whether that was measured, and not predicted.
    """

    name: str
    weights: int
    cost: float
    type: str
    mend: float
    measured: bool


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What to protect.

    Attributes:
        modules: in the order of their gain by the bit.
        budget: share that may be spent.
        of: what it is a share of, in words.
        spent, whole: bits that protecting these takes, and what that is a share of.
        share: of the weights of all modules that these have.
        lost: what the variant has lost, in nats a trace.
        together: what restoring all of them mends, measured, against random sets.
        tried: how many sets were measured to choose this one.
    """

    modules: tuple[SuggestedModule, ...]
    budget: float
    of: str
    spent: float
    whole: float
    share: float
    lost: float
    together: Restored
    tried: int


def proposals(
    candidates: Sequence[Candidate],
    lost: Sequence[float],
    weights: Sequence[float],
    budget: float,
) -> list[frozenset[str]]:
    """Sets within a budget, without equal ones.

    Args:
        candidates: in the order of their ranks.
        lost: by trace, how much there is to mend.
        weights: of the traces, in their mean.
        budget: bits.

    Returns:
        At most three; none where no module fits.
    """
    fit = [one for one in candidates if one.cost <= budget * (1 + _ROUNDING)]
    gains = {one.name: _mean(one.mends, weights) for one in fit}
    useful = [one for one in fit if gains[one.name] > 0]
    found = [
        _in_order(useful, budget),
        _added_up(useful, gains, budget),
        _covering(useful, gains, lost, weights, budget),
    ]
    return [each for each in dict.fromkeys(found) if each]


def taken_in_turn(
    gains: Mapping[str, float],
    costs: Mapping[str, float],
    budget: float,
    beside: Callable[[frozenset[str]], Mapping[str, float]],
    *,
    by_cost: bool,
) -> list[str]:
    """Modules within a budget, each taken by what it mends beside those before it.

    With every look at what others mend beside the taken ones, as many are taken as there are
    already: one, one more, two, four. So the looks grow with the logarithm of the modules only.

    Args:
        gains: by module, what it mends alone.
        costs: of the modules that may be taken, each above 0.
        budget: what may be spent.
        beside: what each of the others mends beside these; asked no more often than it must be.
        by_cost: the gain by what it costs counts, not the gain itself.

    Returns:
        In the order in which they were taken; none where none fits or gains.
    """
    taken: list[str] = []
    left = budget * (1 + _ROUNDING)
    while True:
        worth = {
            name: gains[name] / (costs[name] if by_cost else 1.0)
            for name in costs.keys() - taken
            if costs[name] <= left and gains[name] > 0
        }
        for name in sorted(worth, key=lambda name: (-worth[name], name))[: max(1, len(taken))]:
            if costs[name] <= left:
                taken.append(name)
                left -= costs[name]
        if not worth or not any(costs[name] <= left for name in costs.keys() - taken):
            return taken
        gains = beside(frozenset(taken))


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    return fsum(value * weight for value, weight in zip(values, weights, strict=True))


def _in_order(candidates: Iterable[Candidate], budget: float) -> frozenset[str]:
    found, left = [], budget * (1 + _ROUNDING)
    for one in candidates:
        if one.cost <= left:
            found.append(one.name)
            left -= one.cost
    return frozenset(found)


def _added_up(
    candidates: Sequence[Candidate], gains: Mapping[str, float], budget: float
) -> frozenset[str]:
    """The best set where gains add up (Nemhauser and Ullmann 1969): of all sets, those that no
    other surpasses at a lower cost are kept, module by module."""
    most = budget * (1 + _ROUNDING)
    states: list[tuple[float, float, tuple[str, ...]]] = [(0.0, 0.0, ())]
    for one in candidates:
        gain = gains[one.name]
        room = bisect_right(states, most - one.cost, key=lambda state: state[0])
        more = [
            (cost + one.cost, whole + gain, (*names, one.name))
            for cost, whole, names in states[:room]
        ]
        kept: list[tuple[float, float, tuple[str, ...]]] = []
        for state in sorted([*states, *more], key=lambda state: (state[0], -state[1])):
            if not kept or state[1] > kept[-1][1]:
                kept.append(state)
        if len(kept) > _MOST_STATES:
            step = -(-len(kept) // _MOST_STATES)
            kept = [*kept[:-1:step], kept[-1]]
        states = kept
    return frozenset(states[-1][2])


def _covering(
    candidates: Sequence[Candidate],
    gains: Mapping[str, float],
    lost: Sequence[float],
    weights: Sequence[float],
    budget: float,
) -> frozenset[str]:
    """The best of greedy sets where a trace gets back no more than it lost."""
    by_bit = sorted(candidates, key=lambda one: (-gains[one.name] / one.cost, one.name))
    best: tuple[float, frozenset[str]] = (0.0, frozenset())
    for first in by_bit[:_FIRSTS]:
        value, names = _greedy(first, by_bit, lost, weights, budget)
        if value > best[0]:
            best = value, names
    return best[1]


def _greedy(
    first: Candidate,
    candidates: Sequence[Candidate],
    lost: Sequence[float],
    weights: Sequence[float],
    budget: float,
) -> tuple[float, frozenset[str]]:
    def value(mended: Sequence[float]) -> float:
        return fsum(
            weight * min(mend, max(most, 0.0))
            for mend, most, weight in zip(mended, lost, weights, strict=True)
        )

    names, left = [first.name], budget * (1 + _ROUNDING) - first.cost
    mended, reached = list(first.mends), value(first.mends)
    others = [one for one in candidates if one is not first]
    while others := [one for one in others if one.cost <= left]:
        tried = []
        for one in others:
            sums = [a + b for a, b in zip(mended, one.mends, strict=True)]
            tried.append(((value(sums) - reached) / one.cost, sums, one))
        gain, sums, one = max(tried, key=lambda each: each[0])
        if gain <= 0:
            break
        names.append(one.name)
        mended, reached, left = sums, value(sums), left - one.cost
        others.remove(one)
    return reached, frozenset(names)
