"""The place of damage: a variant's modules, ranked by what restoring them would mend.

A figure of a trace is in nats: how much less probable the variant finds it, or would find it less.
Of several traces of a question the mean counts, and of several questions the mean of theirs, so
that its interval is one over questions like these.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from types import MappingProxyType

from lrmtest.analysis.bootstrap import bootstrap_together
from lrmtest.analysis.intervals import Interval
from lrmtest.analysis.restoring import BEATEN, Curve, CurveSets, Passes, curve
from lrmtest.analysis.summary import Rate
from lrmtest.analysis.units import MODULE, Unit, rows_by_module
from lrmtest.counted import counted
from lrmtest.runs.outcomes import QuestionKey

_LAYER = re.compile(r"(?:^|\.)layers\.(\d+)\.(.+)$")
LITTLE = 0.01
"""Mean loss of a trace, in nats, below which a variant has lost next to nothing: it would write
what its parent has written with a probability that is 1 % lower."""


@dataclass(frozen=True, slots=True)
class TraceLocation:
    """What was found of one trace, in nats.

    Attributes:
        question: whose it is.
        losses, parents_losses: of its tokens by kind.
        mends: by module, what restoring it would mend.
        slopes: by module the same to first order, by the kind of token that it works on.
        restored: the loss with sets of modules really restored, by the sets' names.
    """

    question: QuestionKey
    losses: Mapping[str, float]
    parents_losses: Mapping[str, float]
    mends: Mapping[str, float]
    slopes: Mapping[str, Mapping[str, float]]
    restored: Mapping[str, float]

    @property
    def loss(self) -> float:
        """The variant's."""
        return fsum(self.losses.values())

    @property
    def parents_loss(self) -> float:
        """The parent's."""
        return fsum(self.parents_losses.values())

    @property
    def lost(self) -> float:
        """How much less probable the variant finds it."""
        return self.loss - self.parents_loss

    def mend(self, name: str, alone: Mapping[str, str]) -> float:
        """What restoring a module would mend: measured where it was, else as predicted.

        Args:
            name: the module.
            alone: modules that were restored alone: by module, its set.
        """
        return self.loss - self.restored[alone[name]] if name in alone else self.mends[name]


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over questions, with its interval over questions like these."""

    value: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Restored:
    """What was measured with modules really restored.

    Attributes:
        mend: by how much the loss fell.
        beaten: how many random draws mend less.
        draws: how many there are.
    """

    mend: Mean
    beaten: int
    draws: int

    @property
    def confirmed(self) -> bool:
        """Whether it mends for certain, and more than at least 19 of 20 random draws do."""
        surpasses = self.draws > 0 and self.beaten >= BEATEN * self.draws
        return self.mend.interval.low > 0 and surpasses


@dataclass(frozen=True, slots=True)
class ModuleMend:
    """One module.

    Attributes:
        rank: from 1, by what restoring it would mend: measured where it was, else as predicted.
        name: dotted, in the model.
        weights: how many it has.
        predicted: what restoring it alone would mend.
        share: what it mends, by which it is ranked, of what the variant has lost; the shares of all
            need not add up to 1.
        by_kind: shares of its slope by the kind of token that it works on; empty where that is
            nothing.
        restored: what restoring it alone really mends; None where it was not restored.
    """

    rank: int
    name: str
    weights: int
    predicted: Mean
    share: float | None
    by_kind: Mapping[str, float]
    restored: Restored | None

    @property
    def layer(self) -> int:
        """The number of its layer; -1 of a name without one."""
        return layer_of(self.name)

    @property
    def kind(self) -> str:
        """Its name within the layer, such as ``mlp.down_proj``."""
        return kind_of_module(self.name)


@dataclass(frozen=True, slots=True)
class KindLoss:
    """What tokens of one kind have lost: their share of all, its interval, and how many nats."""

    kind: str
    share: float
    interval: Interval
    lost: float


@dataclass(frozen=True, slots=True)
class QuestionLocation:
    """One question: what was lost, and the modules that would mend most of it, most first."""

    question: QuestionKey
    traces: int
    lost: float
    modules: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Location:
    """Where a variant was damaged.

    Attributes:
        questions, traces: how many there are.
        loss, parents_loss: of a trace, in nats, mean.
        lost: the one less the other.
        modules: all of them, ranked.
        layout: their kinds, in the model's order.
        kinds: tokens by kind, in the order of their losses; empty where nothing was lost.
        per_question: in the order of what they lost, most first.
        top: units that were restored together, and what that mends; None where none were.
        all_restored: the loss with all modules restored; None where it was not measured.
        passes: what passes with the units of `top` restored; None where nothing was generated.
        curve: what more and more units restored come to; None where it was not asked for.
        unit: of `top` and `curve`.
        top_share: which share of the weights `top` has.
    """

    questions: int
    traces: int
    loss: Mean
    parents_loss: Mean
    lost: Mean
    modules: tuple[ModuleMend, ...]
    layout: tuple[str, ...]
    kinds: tuple[KindLoss, ...]
    per_question: tuple[QuestionLocation, ...]
    top: tuple[tuple[str, ...], Restored] | None
    all_restored: float | None
    passes: Passes | None = None
    curve: Curve | None = None
    unit: Unit = MODULE
    top_share: float = 0.0

    @property
    def little(self) -> bool:
        """Whether next to nothing was lost, so that ranks say next to nothing."""
        return self.lost.value < LITTLE or self.lost.interval.low <= 0

    @property
    def restored_together(self) -> tuple[float, str]:
        """Which share of the weights `top` has, and how many units it is, in words."""
        return self.top_share, counted(0 if self.top is None else len(self.top[0]), self.unit)

    @property
    def top_rows(self) -> dict[str, tuple[int, ...]]:
        """The rows of `top` by module, those with most rows first; none where it is of modules."""
        if self.top is None or self.unit == MODULE:
            return {}
        rows = {name: each for name, each in rows_by_module(self.top[0]).items() if each}
        return dict(sorted(rows.items(), key=lambda each: (-len(each[1]), each[0])))


@dataclass(frozen=True, slots=True)
class Sets:
    """Sets of units that were really restored, by the names that `TraceLocation` knows them by.

    Attributes:
        alone: modules that were measured, to be ranked by that: by module, its set.
        singles: modules drawn at random from the others, one a set.
        top: the first units, taken in turn, that fit into the budget.
        top_set: their set.
        random: as many weights drawn at random.
        whole: all modules.
        curve: those of the restoring curve; None without one.
        unit: of `top`, `random` and `curve`.
        top_share: which share of the weights `top` has.
    """

    alone: Mapping[str, str]
    singles: Sequence[str]
    top: tuple[str, ...]
    top_set: str
    random: Sequence[str]
    whole: str
    curve: CurveSets | None = None
    unit: Unit = MODULE
    top_share: float = 0.0


def shares_of(questions: Iterable[QuestionKey]) -> list[float]:
    """How much each trace counts in a mean over questions, by the question whose it is."""
    each = list(questions)
    counts = Counter(each)
    return [1 / (len(counts) * counts[question]) for question in each]


def gains(
    traces: Sequence[TraceLocation], alone: Mapping[str, str] = MappingProxyType({})
) -> dict[str, float]:
    """Modules by what restoring them would mend, most first: measured where they were.

    Args:
        traces: at least one.
        alone: modules that were restored alone: by module, its set.
    """
    names = [*traces[0].mends]
    means = _means(
        [[one.mend(name, alone) for name in names] for one in traces], _questions(traces)
    )
    found = dict(zip(names, _columns(means), strict=True))
    return dict(sorted(found.items(), key=lambda each: (-each[1], each[0])))


def fitting(names: Iterable[str], weights: Mapping[str, int], share: float) -> tuple[str, ...]:
    """Units in their order as long as all of them are within a share of the weights.

    One that is too large is passed over; if all are, the first one stands for itself.

    Args:
        names: units, in the order of preference.
        weights: of every unit there is.
        share: in (0, 1].
    """
    names, left, found = list(names), share * sum(weights.values()), []
    for name in names:
        if weights[name] <= left:
            found.append(name)
            left -= weights[name]
    return tuple(found or names[:1])


def locate(
    traces: Sequence[TraceLocation],
    weights: Mapping[str, int],
    sets: Sets | None,
    level: float = 0.95,
    *,
    passes: Passes | None = None,
    rates: Mapping[str, Rate] = MappingProxyType({}),
) -> Location:
    """Rank modules.

    Args:
        traces: at least one; all of the same modules.
        weights: of every module, in the model's order.
        sets: what was restored; None for nothing.
        level: nominal coverage of the intervals.
        passes: what passes with the first ranks restored; None where nothing was generated.
        rates: what passes with the curve's sets restored, as far as it was generated.

    Raises:
        UsageError: `level` is not between 0 and 1.
    """
    measured = {} if sets is None else sets.alone
    order, questions = [*gains(traces, measured)], _questions(traces)
    figures = _means(
        [
            [one.loss, one.parents_loss, one.lost, *(one.mends[name] for name in order)]
            for one in traces
        ],
        questions,
    )
    loss, parents, lost, *mends = _with_intervals(figures, level)
    alone, top, whole = _restored(traces, questions, sets, level)
    modules = tuple(
        ModuleMend(
            rank=rank,
            name=name,
            weights=weights[name],
            predicted=mend,
            share=_share(alone.get(name), mend, lost),
            by_kind=_shares(one.slopes.get(name, {}) for one in traces),
            restored=alone.get(name),
        )
        for rank, (name, mend) in enumerate(zip(order, mends, strict=True), start=1)
    )
    return Location(
        questions=len(figures),
        traces=len(traces),
        loss=loss,
        parents_loss=parents,
        lost=lost,
        modules=modules,
        layout=tuple(dict.fromkeys(map(kind_of_module, weights))),
        kinds=_kinds(traces, questions, level) if lost.value > 0 else (),
        per_question=_per_question(traces, order, measured),
        top=None if top is None or sets is None else (sets.top, top),
        all_restored=whole,
        passes=passes,
        curve=_curve(traces, questions, sets, rates, level),
        unit=MODULE if sets is None else sets.unit,
        top_share=0.0 if sets is None else sets.top_share,
    )


def restored_against(
    traces: Sequence[TraceLocation],
    names: Sequence[str],
    draws: Sequence[str],
    level: float = 0.95,
) -> dict[str, Restored]:
    """What restoring sets of modules mends, each against the same random ones.

    Args:
        traces: with the losses of all of them.
        names: the sets.
        draws: those that were drawn at random.
        level: nominal coverage of the intervals.
    """
    every = list(dict.fromkeys((*names, *draws)))
    rows = [[one.loss - one.restored[name] for name in every] for one in traces]
    figures = _with_intervals(_means(rows, _questions(traces)), level)
    means = dict(zip(every, figures, strict=True))
    return {
        name: Restored(
            means[name], sum(means[each].value < means[name].value for each in draws), len(draws)
        )
        for name in names
    }


def _restored(
    traces: Sequence[TraceLocation],
    questions: Mapping[QuestionKey, Sequence[int]],
    sets: Sets | None,
    level: float,
) -> tuple[dict[str, Restored], Restored | None, float | None]:
    """What was measured: by module, of the first ranks together, and the loss with all."""
    if sets is None:
        return {}, None, None
    names = list(
        dict.fromkeys((*sets.alone.values(), *sets.singles, sets.top_set, *sets.random, sets.whole))
    )
    figures = _means(
        [[one.loss - one.restored[name] for name in names] for one in traces], questions
    )
    means = dict(zip(names, _with_intervals(figures, level), strict=True))

    def against(name: str, draws: Sequence[str]) -> Restored:
        beaten = sum(means[other].value < means[name].value for other in draws)
        return Restored(means[name], beaten, len(draws))

    alone = {module: against(name, sets.singles) for module, name in sets.alone.items()}
    whole = _columns(_means([[one.restored[sets.whole]] for one in traces], questions))[0]
    return alone, against(sets.top_set, sets.random), whole


def _curve(
    traces: Sequence[TraceLocation],
    questions: Mapping[QuestionKey, Sequence[int]],
    sets: Sets | None,
    rates: Mapping[str, Rate],
    level: float,
) -> Curve | None:
    if sets is None or sets.curve is None:
        return None
    names = [one.name for one in sets.curve.every]
    figures = _means([[one.restored[name] for name in names] for one in traces], questions)
    means = zip(names, _with_intervals(figures, level), strict=True)
    return curve(sets.curve, {name: (mean.value, mean.interval) for name, mean in means}, rates)


def _kinds(
    traces: Sequence[TraceLocation], questions: Mapping[QuestionKey, Sequence[int]], level: float
) -> tuple[KindLoss, ...]:
    names = sorted({kind for one in traces for kind in one.losses})
    figures = _means(
        [
            [one.losses.get(kind, 0.0) - one.parents_losses.get(kind, 0.0) for kind in names]
            for one in traces
        ],
        questions,
    )

    def shares(drawn: Sequence[Sequence[float]]) -> list[float]:
        parts = [fsum(column) for column in zip(*drawn, strict=True)]
        whole = fsum(parts)
        return [part / whole if whole > 0 else 0.0 for part in parts]

    found = zip(
        names,
        shares(figures),
        bootstrap_together(figures, shares, level),
        _columns(figures),
        strict=True,
    )
    return tuple(sorted((KindLoss(*each) for each in found), key=lambda each: -each.lost))


def _share(restored: Restored | None, predicted: Mean, lost: Mean) -> float | None:
    """Of what was lost, what restoring a module mends."""
    mend = predicted if restored is None else restored.mend
    return mend.value / lost.value if lost.value > 0 else None


def _per_question(
    traces: Sequence[TraceLocation], order: Sequence[str], alone: Mapping[str, str]
) -> tuple[QuestionLocation, ...]:
    found = []
    for question, places in _questions(traces).items():
        its = [traces[place] for place in places]
        mends = [(name, fsum(one.mend(name, alone) for one in its) / len(its)) for name in order]
        found.append(
            QuestionLocation(
                question,
                len(its),
                fsum(one.lost for one in its) / len(its),
                tuple(sorted(mends, key=lambda each: -each[1])),
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.lost, one.question)))


def _shares(slopes: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """By kind, the share of the sum of all; empty where that is not above 0."""
    sums: dict[str, float] = {}
    for one in slopes:
        for kind, value in one.items():
            sums[kind] = sums.get(kind, 0.0) + value
    whole = fsum(sums.values())
    return {kind: value / whole for kind, value in sorted(sums.items())} if whole > 0 else {}


def layer_of(name: str) -> int:
    """The number of a module's layer; -1 of a name without one."""
    found = _LAYER.search(name)
    return int(found[1]) if found else -1


def kind_of_module(name: str) -> str:
    """A module's name within its layer, such as ``mlp.down_proj``."""
    found = _LAYER.search(name)
    return found[2] if found else name


def _questions(traces: Sequence[TraceLocation]) -> dict[QuestionKey, list[int]]:
    """The places of each question's traces."""
    found: dict[QuestionKey, list[int]] = {}
    for place, one in enumerate(traces):
        found.setdefault(one.question, []).append(place)
    return found


def _means(
    rows: Sequence[Sequence[float]], questions: Mapping[QuestionKey, Collection[int]]
) -> list[list[float]]:
    """For each question the means of its traces' rows."""
    return [_columns([rows[place] for place in places]) for places in questions.values()]


def _columns(rows: Sequence[Sequence[float]]) -> list[float]:
    """The mean of each column."""
    return [fsum(column) / len(rows) for column in zip(*rows, strict=True)]


def _with_intervals(rows: Sequence[Sequence[float]], level: float) -> list[Mean]:
    def means(drawn: Sequence[Sequence[float]]) -> list[float]:
        return [sum(column) / len(drawn) for column in zip(*drawn, strict=True)]

    pairs = zip(_columns(rows), bootstrap_together(rows, means, level), strict=True)
    return [Mean(*each) for each in pairs]
