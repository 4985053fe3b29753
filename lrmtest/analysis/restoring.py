"""Restoring, measured: what passes again with modules restored, and how it grows with their share.

Pass rates are of questions that were generated anew with the weights changed. Sets of modules are
known by the names that were given to them where they were restored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from math import fsum

from lrmtest.analysis.intervals import Interval
from lrmtest.analysis.paired_comparison import RateChange, compare_outcomes
from lrmtest.analysis.summary import Rate, mean_rate
from lrmtest.analysis.units import MODULE, Unit
from lrmtest.runs.outcomes import Outcomes

BEATEN = 0.95
"""Share of random draws that a module, or a set of them, must surpass."""


@dataclass(frozen=True)
class Passes:
    """What passes of questions that were generated again.

    Attributes:
        questions: how many there are.
        samples: of all of them, with each set of weights.
        parent: of the parent, as its own run has them. Where the questions were chosen by what
            passed in it, that is more than it passes of others.
        variant: of the variant as it is.
        restored: with the modules of the first ranks restored.
        failed: how the share of samples that failed changes from the variant to the restored.
        p_different: two-sided p-value of no change, on these questions.
        random: with as many weights restored that were drawn at random, a rate for each draw.
        by_index: samples of the same index were drawn with the same random numbers, and are paired.
    """

    questions: int
    samples: int
    parent: Rate
    variant: Rate
    restored: Rate
    failed: RateChange
    p_different: float
    random: tuple[Rate, ...]
    by_index: bool

    @property
    def gain(self) -> float:
        """By how much more passes than with the variant."""
        return -self.failed.worsening

    @property
    def gain_interval(self) -> Interval:
        """For it, over questions like these."""
        fall = self.failed.general_interval
        return Interval(-fall.high, -fall.low, fall.level, fall.method)

    @cached_property
    def beaten(self) -> int:
        """With how many of the random draws less passes."""
        return sum(_value(one) < _value(self.restored) for one in self.random)

    @property
    def confirmed(self) -> bool:
        """Whether more passes for certain, and more than with at least 19 of 20 random draws."""
        surpasses = bool(self.random) and self.beaten >= BEATEN * len(self.random)
        return self.gain_interval.low > 0 and surpasses


def passes(
    parent: Outcomes,
    variant: Outcomes,
    restored: Outcomes,
    random: Sequence[Outcomes],
    *,
    by_index: bool,
    level: float = 0.95,
) -> Passes:
    """Compare what passes.

    Args:
        parent, variant, restored: of the same questions.
        random: of each random draw.
        by_index: as for `compare_outcomes`.
        level: nominal coverage of the intervals.

    Raises:
        UsageError: `level` is not between 0 and 1.
    """
    total = compare_outcomes(variant, restored, level, by_index=by_index).total
    return Passes(
        questions=total.questions,
        samples=total.baseline_samples,
        parent=pass_rate(parent, level),
        variant=pass_rate(variant, level),
        restored=pass_rate(restored, level),
        failed=total.failed,
        p_different=total.p_different,
        random=tuple(pass_rate(one, level) for one in random),
        by_index=by_index,
    )


def pass_rate(outcomes: Outcomes, level: float = 0.95) -> Rate:
    """The share of samples that passed: mean over questions, with its interval over them."""
    figures = [
        [float(sample.passed) for sample in question.samples.values()]
        for question in outcomes.values()
    ]
    return mean_rate(figures, level)


@dataclass(frozen=True, slots=True)
class CurveSet:
    """Units that are restored together, as a point of the curve.

    Attributes:
        share: of all weights.
        units: how many they are.
        name: of the set.
    """

    share: float
    units: int
    name: str


@dataclass(frozen=True, slots=True)
class CurveSets:
    """The sets of a restoring curve.

    Attributes:
        suggested: in the order of the ranks, more and more of them.
        random: for each of these, as many weights in random orders.
        last_mlp: the MLP of the last layer; None where no module is called so.
        none, whole: the variant as it is, and with all modules restored.
        unit: which units they are of.
    """

    suggested: tuple[CurveSet, ...]
    random: tuple[tuple[CurveSet, ...], ...]
    last_mlp: CurveSet | None
    none: CurveSet
    whole: CurveSet
    unit: Unit = MODULE

    @property
    def every(self) -> tuple[CurveSet, ...]:
        """All of them, each once."""
        found = [self.none, *self.suggested, *chain.from_iterable(self.random), self.whole]
        if self.last_mlp is not None:
            found.append(self.last_mlp)
        return tuple({one.name: one for one in found}.values())


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A point of the curve: its share of the weights, how many units, loss and pass rate."""

    share: float
    units: int
    loss: float
    interval: Interval
    passes: Rate | None = None


@dataclass(frozen=True, slots=True)
class Band:
    """What random orders come to at about one share: their mean, lowest and highest."""

    share: float
    draws: int
    loss: tuple[float, float, float]
    passes: tuple[float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """Loss and pass rate against the share of the weights that is restored.

    Attributes:
        suggested: in the order of the ranks, from nothing to everything.
        random: random orders, at the shares of these between the two.
        last_mlp: the MLP of the last layer.
        unit: what is restored.
    """

    suggested: tuple[CurvePoint, ...]
    random: tuple[Band, ...]
    last_mlp: CurvePoint | None
    unit: Unit = MODULE


def curve(
    sets: CurveSets,
    losses: Mapping[str, tuple[float, Interval]],
    rates: Mapping[str, Rate],
) -> Curve:
    """Put a curve together.

    Args:
        sets: its sets.
        losses: by set, the loss of a trace with its interval.
        rates: by set, what passes; empty where nothing was generated.
    """

    def point(one: CurveSet) -> CurvePoint:
        return CurvePoint(one.share, one.units, *losses[one.name], rates.get(one.name))

    def band(draws: Sequence[CurveSet]) -> Band:
        values = [losses[one.name][0] for one in draws]
        passing = [_value(rates[one.name]) for one in draws if one.name in rates]
        return Band(
            share=fsum(one.share for one in draws) / len(draws),
            draws=len(draws),
            loss=_spread(values),
            passes=_spread(passing) if passing else None,
        )

    return Curve(
        suggested=tuple(map(point, (sets.none, *sets.suggested, sets.whole))),
        random=tuple(band(draws) for draws in sets.random if draws),
        last_mlp=None if sets.last_mlp is None else point(sets.last_mlp),
        unit=sets.unit,
    )


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    return fsum(values) / len(values), min(values), max(values)


def _value(rate: Rate) -> float:
    return 0.0 if rate.value is None else rate.value
