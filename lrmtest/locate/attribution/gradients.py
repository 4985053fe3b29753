"""Gradients of traces, layer by layer from behind, and what modules have in them.

The backward pass starts from the hidden states that the forward pass has left in front of each
layer, so that only one layer of each model is at work at a time.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from lrmtest.errors import ModelError
from lrmtest.locate.attribution.restoring import Form, restored
from lrmtest.locate.attribution.traces_through import (
    logits_of,
    margins_of,
    numbers_of,
    through,
    together,
)
from lrmtest.locate.portions import LayersPassed
from lrmtest.models.engines.transformers.stack import Passage, Stack
from lrmtest.models.reading import Written

AtWork = Callable[[int], AbstractContextManager[object]]
"""Puts a layer to work."""
Deltas = Mapping[str, tuple[Tensor, Tensor | None]]
"""By module, what restoring adds to its weight and to its bias."""


@dataclass(slots=True)
class Forward:
    """Traces that have been through all layers.

    Attributes:
        batches: traces that run together.
        passages: theirs.
        states: hidden states in front of each layer and behind the last, by batch.
        gradients: by batch those by the states behind the last layer: of the loss, then of margins
            with random signs; (sequences, tokens, width) each.
        margins: of each trace's tokens, float64, by its key.
    """

    batches: list[list[Written]]
    passages: list[Passage]
    states: list[list[Tensor]]
    gradients: list[list[Tensor]]
    margins: dict[str, Tensor]


def beside_at_work(variant: Stack, parent: Stack, beside: frozenset[str], form: Form) -> AtWork:
    """Puts a layer of the variant to work with those of some units restored that are in it."""

    @contextmanager
    def at_work(index: int) -> Iterator[None]:
        with (
            variant.at_work(index),
            restored(variant.linears(index), parent.linears(index), beside, form),
        ):
            yield

    return at_work


def forward(
    stack: Stack, written: Sequence[Written], at_work: AtWork, passed: LayersPassed, signs: int
) -> Forward:
    """Have traces go through all layers.

    Args:
        stack: the model.
        written: the traces.
        at_work: puts its layers to work.
        passed: is told once for each layer.
        signs: how many gradients of margins with random signs there are beside the loss's.

    Raises:
        ModelError: a loss is not a number.
    """
    batches = together(written)
    states: list[list[Tensor]] = []
    with torch.no_grad():
        passages = through(stack, batches, passed, states, at_work)
        states.append([passage.hidden for passage in passages])
    found = Forward(batches, passages, states, [], {})
    with stack.head_at_work():
        for batch, passage in zip(batches, passages, strict=True):
            heads = [_head(stack, one, passage.hidden[row], signs) for row, one in enumerate(batch)]
            found.gradients.append(
                [torch.stack(each) for each in zip(*(g for _, g in heads), strict=True)]
            )
            for one, (margin, _) in zip(batch, heads, strict=True):
                found.margins[one.place.key] = margin
    return found


def backward(output: Tensor, hidden: Tensor, gradients: Sequence[Tensor]) -> Iterator[Tensor]:
    """By what went into a layer the gradients of what those by its output are of."""
    for number, gradient in enumerate(gradients, start=1):
        more = number < len(gradients)
        yield torch.autograd.grad(output, hidden, gradient, retain_graph=more)[0]


def deltas_of(linears: Mapping[str, nn.Linear], parents: Mapping[str, nn.Linear]) -> Deltas:
    """What restoring adds to the modules of a layer of the variant that is at work."""
    return {
        name: (
            _difference(parents[name].weight, linear.weight),
            None if linear.bias is None else _difference(parents[name].bias, linear.bias),
        )
        for name, linear in linears.items()
    }


@contextmanager
def noting(
    linears: Mapping[str, nn.Linear], deltas: Deltas, over: int
) -> Iterator[dict[str, list[Tensor]]]:
    """Note meanwhile, by module, the fall of what a gradient is of, were the module restored: for a
    loss, what is mended.

    Args:
        linears: modules of a layer at work.
        deltas: what restoring adds to them.
        over: what is added up of (sequences, tokens, outputs): -1 for what every token has of it,
            1 for what every output has.
    """
    noted: dict[str, list[Tensor]] = {}
    hooks: list[RemovableHandle] = []

    def listener(name: str) -> Callable[..., None]:
        def note(module: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> None:
            with torch.no_grad():
                moved = functional.linear(arguments[0], *deltas[name]).float()

            def falls(gradient: Tensor) -> None:
                if gradient.dim() == 3:  # else a module that sees tokens out of their sequences
                    each = -(gradient.float() * moved).sum(over).double().cpu()
                    noted.setdefault(name, []).append(each)

            hooks.append(output.register_hook(falls))

        return note

    hooks += [linear.register_forward_hook(listener(name)) for name, linear in linears.items()]
    try:
        yield noted
    finally:
        for hook in hooks:
            hook.remove()


def once(name: str, noted: Mapping[str, Sequence[Tensor]]) -> Tensor:
    """What was noted of a module.

    Raises:
        ModelError: it was not noted exactly once.
    """
    if len(found := noted.get(name, ())) != 1:
        raise ModelError(
            f"{name} is not at work once on every text",
            hint="models with experts, of which a text takes some, cannot be located in",
        )
    return found[0]


def _head(stack: Stack, one: Written, hidden: Tensor, signs: int) -> tuple[Tensor, list[Tensor]]:
    """A trace's margins, and what goes backward from behind the last layer.

    Returns:
        The margins, float64; gradients of the loss, then of margins with random signs.
    """
    gradients = [torch.zeros_like(hidden) for _ in range(1 + signs)]
    # By the trace alone, so that figures do not depend on what is computed beside it.
    random = torch.Generator().manual_seed(zlib.crc32(one.place.key.encode()))
    leaf, margins = hidden.detach().requires_grad_(), []
    for logits, tokens, places in logits_of(stack, one, leaf):
        margin, others = margins_of(logits.detach(), tokens, places)
        # d margin / d logits: 1 at the token itself, less the others' shares of what is not its.
        moves = -others
        moves.scatter_(1, tokens[:, None], 1.0)
        unsure = (-margin).sigmoid()
        curvature = (unsure * margin.sigmoid()).sqrt()
        for number, gradient in enumerate(gradients):
            if number:
                coins = torch.randint(0, 2, margin.shape, generator=random) * 2.0 - 1.0
                weights = coins.to(margin.device) * curvature
            else:
                weights = -unsure
            (part,) = torch.autograd.grad(
                logits,
                leaf,
                (weights[:, None] * moves).to(logits.dtype),
                retain_graph=number < signs,
            )
            gradient[places] = part[places].to(gradient)
        margins.append(margin)
    return numbers_of(one, margins), gradients


def _difference(parents: Tensor, own: Tensor) -> Tensor:
    # Both may be of few digits, and of different ones; what they differ by is small.
    return (parents.detach().to(own.device).float() - own.detach().float()).to(own.dtype)
