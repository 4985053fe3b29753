"""Sets of units that are really restored: the first ranks, random ones, those of the curve."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from random import Random
from types import MappingProxyType

from lrmtest.analysis.location import Sets, fitting
from lrmtest.analysis.restoring import CurveSet, CurveSets
from lrmtest.analysis.units import MODULE, ROW, Unit, row_name, rows_by_module
from lrmtest.compress.protect import Protection
from lrmtest.errors import UsageError
from lrmtest.locate.facts import ModuleFacts
from lrmtest.locate.task import LocateTask
from lrmtest.runs.keys import fingerprint

RANDOM_DRAWS = 20
_ROUNDING = 1e-12
"""Of a share that was made of a number of weights, and is made one again."""
_MLP = re.compile(r"(?:^|\.)layers\.(\d+)\.(?:mlp|feed_forward)\.")

Units = dict[str, frozenset[str]]
"""By the name of a set, its modules, or rows of them."""


def set_name(names: Iterable[str], types: Mapping[str, str] = MappingProxyType({})) -> str:
    """The name of a set of units that are restored.

    Args:
        names: the units.
        types: those that are restored to a type of GGUF, and to which.
    """
    which = sorted(names)
    form = {name: types[name] for name in which if name in types}
    content = {"modules": which, "types": form} if form else {"modules": which}
    return fingerprint(content)[:16]


def unit_weights(unit: Unit, facts: Mapping[str, ModuleFacts]) -> dict[str, int]:
    """How many weights each unit has, in the model's order.

    Args:
        unit: which units.
        facts: of all modules.
    """
    if unit == MODULE:
        return {name: each.weights for name, each in facts.items()}
    return {
        row_name(name, row): each.columns
        for name, each in facts.items()
        for row in range(each.rows)
    }


def sets_of(
    task: LocateTask, first: Sequence[str], order: Sequence[str], facts: Mapping[str, ModuleFacts]
) -> tuple[Sets, Units]:
    """What is to be restored for a task.

    Args:
        task: says which share together, and which shares for the curve, and of which units.
        first: modules that are restored alone.
        order: all of the task's units, as they are restored together.
        facts: of all modules.

    Returns:
        The sets, and the units of each by its name.
    """
    units: Units = {}
    weights = unit_weights(task.unit, facts)

    def named(names: Sequence[str]) -> str:
        whole = whole_modules(names, facts) if task.unit == ROW else frozenset(names)
        name = set_name(whole)
        units[name] = whole
        return name

    top = fitting(order, weights, task.share)
    draws = random_sets(top, weights) if task.unit == MODULE else _random_rows(top, weights, facts)
    others = sorted(facts.keys() - set(first))
    Random(0).shuffle(others)
    sets = Sets(
        alone={name: named([name]) for name in first},
        singles=[named([name]) for name in others[: RANDOM_DRAWS if first else 0]],
        top=top,
        top_set=named(top),
        random=[named(each) for each in draws],
        whole=named(order),
        curve=_CurveMaker(order, weights, named).sets(task) if task.curve else None,
        unit=task.unit,
        top_share=sum(weights[name] for name in top) / sum(weights.values()),
    )
    return sets, units


def whole_modules(rows: Iterable[str], facts: Mapping[str, ModuleFacts]) -> frozenset[str]:
    """Rows, with the module's name in place of all rows of one: it is the same set."""
    found: set[str] = set()
    for name, numbers in rows_by_module(rows).items():
        if numbers is None or len(numbers) == facts[name].rows:
            found.add(name)
        else:
            found.update(row_name(name, number) for number in numbers)
    return frozenset(found)


def random_sets(top: Sequence[str], weights: Mapping[str, int]) -> Iterator[list[str]]:
    """Sets of as many weights as `top` has, drawn from the other modules."""
    for seed in range(RANDOM_DRAWS):
        try:
            yield sorted(Protection(like=tuple(top), seed=seed).chosen(weights))
        except UsageError:  # the others are too few, or too large, to draw from
            return


def _random_rows(
    top: Sequence[str], weights: Mapping[str, int], facts: Mapping[str, ModuleFacts]
) -> Iterator[list[str]]:
    """Rows with as many weights as those of `top` have, drawn from all rows."""
    shapes = {name: (each.rows, each.columns) for name, each in facts.items()}
    half = sum(weights[name] for name in top) + 0.5  # a share is cut off to a number of weights
    share = min(1.0, half / sum(weights.values()))
    for seed in range(RANDOM_DRAWS):
        drawn = Protection(share=share, seed=seed).rows(shapes)
        yield [row_name(name, row) for name, rows in drawn.items() for row in rows]


class _CurveMaker:
    """Makes the sets of a restoring curve; `named` keeps a set's units and gives its name."""

    def __init__(
        self,
        order: Sequence[str],
        weights: Mapping[str, int],
        named: Callable[[Sequence[str]], str],
    ) -> None:
        self._order, self._weights, self._named = order, weights, named
        self._total = sum(weights.values())

    def sets(self, task: LocateTask) -> CurveSets:
        """For the task's shares, and for the one that the last layer's MLP has."""
        last = self._last_mlp()
        own = [] if last is None else [last.share]
        found: dict[str, CurveSet] = {}
        for share in sorted({*task.curve, *own}):
            one = self._set(fitting(self._order, self._weights, share + _ROUNDING))
            if one.units < len(self._order):
                found.setdefault(one.name, one)
        suggested = tuple(found.values())
        draws = [
            Random(seed).sample(sorted(self._order), len(self._order))
            for seed in range(task.curve_draws)
        ]
        return CurveSets(
            suggested=suggested,
            # Of as many weights as were really restored, which a large module makes more.
            random=tuple(
                tuple(
                    self._set(fitting(each, self._weights, one.share + _ROUNDING)) for each in draws
                )
                for one in suggested
            ),
            last_mlp=last,
            none=self._set(()),
            whole=self._set(self._order),
            unit=task.unit,
        )

    def _last_mlp(self) -> CurveSet | None:
        layers = {name: int(found[1]) for name in self._order if (found := _MLP.search(name))}
        if not layers:
            return None
        return self._set([name for name in layers if layers[name] == max(layers.values())])

    def _set(self, names: Sequence[str]) -> CurveSet:
        share = sum(self._weights[each] for each in names) / self._total
        return CurveSet(share, len(names), self._named(names))
