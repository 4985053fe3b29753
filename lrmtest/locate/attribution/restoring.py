"""Restoring: the parent's weights really put into the variant, and its losses with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache

import torch
from torch import Tensor, nn

from lrmtest.analysis.units import rows_by_module
from lrmtest.locate.attribution.traces_through import begun, together, token_losses
from lrmtest.locate.portions import LayersPassed
from lrmtest.models.engines.transformers.stack import Passage, Stack
from lrmtest.models.reading import Written

Form = Callable[[str, Tensor], Tensor]
"""Makes of a module's name and the parent's weights those that it is restored to."""


def as_it_is(name: str, weight: Tensor) -> Tensor:
    """The parent's weights themselves."""
    return weight


def losses_restored(
    variant: Stack,
    parent: Stack,
    written: Sequence[Written],
    sets: Sequence[frozenset[str]],
    passed: LayersPassed,
    form: Form = as_it_is,
) -> list[list[float]]:
    """The variant's losses with modules really restored.

    What sets have in common with the variant, before the first of their modules, is computed once.

    Args:
        variant, parent: as for `attribute`.
        written: the traces.
        sets: units that are restored together; none for the variant as it is.
        passed: is told once for each layer.
        form: what is made of the parent's weights where a module is restored.

    Returns:
        For each set, the loss of each trace, in nats.

    Raises:
        ModelError: a loss is not a number.
    """
    batches = together(written)
    with torch.no_grad():
        plain = [begun(variant, batch) for batch in batches]
        own: dict[int, list[Passage]] = {}  # of the sets that have parted from it
        for index in range(len(variant.layers)):
            with variant.at_work(index):
                linears, parents = variant.linears(index), parent.linears(index)
                for number, units in enumerate(sets):
                    if number not in own and parts_of(units).keys() & linears.keys():
                        own[number] = [Passage(each.hidden, each.beside) for each in plain]
                    with restored(linears, parents, units, form):
                        for passage in own.get(number, ()):
                            passage.hidden = variant.run(index, passage)
                for passage in plain:
                    passage.hidden = variant.run(index, passage)
            passed()
        ends = [own.get(number, plain) for number in range(len(sets))]
        by_key = [
            {key: sum(losses) for key, losses in token_losses(variant, batches, each)}
            for each in ends
        ]
    return [[losses[one.place.key] for one in written] for losses in by_key]


@contextmanager
def restored(
    linears: Mapping[str, nn.Linear],
    parents: Mapping[str, nn.Linear],
    units: frozenset[str],
    form: Form,
) -> Iterator[None]:
    """Units with the parent's weights meanwhile, as far as they are of these modules."""
    parts = {name: rows for name, rows in parts_of(units).items() if name in linears}
    kept = {name: (linears[name].weight.data, linears[name].bias) for name in parts}
    for name, rows in parts.items():
        own, its = linears[name], parents[name]
        own.weight.data = _with_rows(own.weight.data, form(name, its.weight.data), rows)
        if its.bias is not None and own.bias is not None:
            bias = _with_rows(own.bias.detach(), its.bias.detach(), rows)
            own.bias = nn.Parameter(bias, requires_grad=False)
    try:
        yield
    finally:
        for name, (weight, bias) in kept.items():
            linears[name].weight.data, linears[name].bias = weight, bias


@lru_cache(maxsize=256)
def parts_of(units: frozenset[str]) -> dict[str, list[int] | None]:
    """By module, which of its rows are to be restored; None for all of it."""
    return {
        name: None if rows is None else list(rows) for name, rows in rows_by_module(units).items()
    }


def _with_rows(own: Tensor, its: Tensor, rows: list[int] | None) -> Tensor:
    """The parent's tensor, or one's own with some rows of it, as one's own is stored."""
    if rows is None:
        return its.to(own.device, own.dtype)
    mixed = own.clone()
    mixed[rows] = its[rows].to(own.device, own.dtype)
    return mixed
