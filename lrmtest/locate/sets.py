"""Sets of modules that are really restored: the first ranks, random ones, those of the curve."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random
from types import MappingProxyType

from lrmtest.analysis.location import Sets, fitting
from lrmtest.analysis.restoring import CurveSet, CurveSets
from lrmtest.compress.protect import Protection
from lrmtest.errors import UsageError
from lrmtest.locate.task import LocateTask
from lrmtest.runs.keys import fingerprint

RANDOM_DRAWS = 20
_ROUNDING = 1e-12
"""Of a share that was made of a number of weights, and is made one again."""
_MLP = re.compile(r"(?:^|\.)layers\.(\d+)\.(?:mlp|feed_forward)\.")

Modules = dict[str, frozenset[str]]
"""By the name of a set, its modules."""


def set_name(names: Iterable[str], types: Mapping[str, str] = MappingProxyType({})) -> str:
    """The name of a set of modules that are restored.

    Args:
        names: the modules.
        types: those that are restored to a type of GGUF, and to which.
    """
    which = sorted(names)
    form = {name: types[name] for name in which if name in types}
    content = {"modules": which, "types": form} if form else {"modules": which}
    return fingerprint(content)[:16]


def sets_of(
    task: LocateTask, first: Sequence[str], order: Sequence[str], weights: Mapping[str, int]
) -> tuple[Sets, Modules]:
    """What is to be restored for a task.

    Args:
        task: says which share together, and which shares for the curve.
        first: modules that are restored alone.
        order: all modules, as they are restored together.
        weights: how many each has.

    Returns:
        The sets, and the modules of each by its name.
    """
    modules: Modules = {}

    def named(names: Sequence[str]) -> str:
        name = set_name(names)
        modules[name] = frozenset(names)
        return name

    top = fitting(order, weights, task.share)
    others = sorted(set(order) - set(first))
    Random(0).shuffle(others)
    sets = Sets(
        alone={name: named([name]) for name in first},
        singles=[named([name]) for name in others[: RANDOM_DRAWS if first else 0]],
        top=top,
        top_set=named(top),
        random=[named(each) for each in random_sets(top, weights)],
        whole=named(order),
        curve=_CurveMaker(order, weights, modules).sets(task) if task.curve else None,
    )
    return sets, modules


def random_sets(top: Sequence[str], weights: Mapping[str, int]) -> Iterator[list[str]]:
    """Sets of as many weights as `top` has, drawn from the other modules."""
    for seed in range(RANDOM_DRAWS):
        try:
            yield sorted(Protection(like=tuple(top), seed=seed).chosen(weights))
        except UsageError:  # the others are too few, or too large, to draw from
            return


class _CurveMaker:
    """Makes the sets of a restoring curve, and tells their modules to `modules`."""

    def __init__(self, order: Sequence[str], weights: Mapping[str, int], modules: Modules) -> None:
        self._order, self._weights, self._modules = order, weights, modules
        self._total = sum(weights.values())

    def sets(self, task: LocateTask) -> CurveSets:
        """For the task's shares, and for the one that the last layer's MLP has."""
        last = self._last_mlp()
        own = [] if last is None else [last.share]
        found: dict[str, CurveSet] = {}
        for share in sorted({*task.curve, *own}):
            one = self._set(fitting(self._order, self._weights, share + _ROUNDING))
            if one.modules < len(self._order):
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
        )

    def _last_mlp(self) -> CurveSet | None:
        layers = {name: int(found[1]) for name in self._order if (found := _MLP.search(name))}
        if not layers:
            return None
        return self._set([name for name in layers if layers[name] == max(layers.values())])

    def _set(self, names: Sequence[str]) -> CurveSet:
        name = set_name(names)
        self._modules[name] = frozenset(names)
        return CurveSet(sum(self._weights[each] for each in names) / self._total, len(names), name)
