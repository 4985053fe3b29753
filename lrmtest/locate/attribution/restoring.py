"""Restoring: the parent's weights really put into the variant, and its losses with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

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
        sets: modules that are restored together; none for the variant as it is.
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
                for number, modules in enumerate(sets):
                    here = modules & linears.keys()
                    if here and number not in own:
                        own[number] = [Passage(each.hidden, each.beside) for each in plain]
                    with restored(linears, parents, here, form):
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
    names: frozenset[str],
    form: Form,
) -> Iterator[None]:
    """Some modules with the parent's weights meanwhile."""
    kept = {name: (linears[name].weight.data, linears[name].bias) for name in names}
    for name in names:
        own, its = linears[name], parents[name]
        own.weight.data = form(name, its.weight.data).to(own.weight.device, own.weight.dtype)
        if its.bias is not None and own.bias is not None:
            own.bias = nn.Parameter(its.bias.detach().to(own.bias), requires_grad=False)
    try:
        yield
    finally:
        for name, (weight, bias) in kept.items():
            linears[name].weight.data, linears[name].bias = weight, bias
