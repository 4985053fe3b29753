"""Attribution: what restoring each module would mend, from one pass forward and a few backward.

L is the negative log-likelihood of a trace, in nats. A module of the variant with weights W is
restored by D = W_parent - W, so that to first order L falls by -<dL/dW, D>: attribution patching
(Nanda 2023, "Attribution patching: activation patching at industrial scale"; Syed, Rager and Conmy
2023, arXiv 2310.10348), with weights in place of activations. With x the module's inputs and g the
gradient by its outputs, dL/dW = sum over tokens of g x^T, so that

    <dL/dW, D> = sum over tokens of g . (D x)

No gradient of a weight is ever held, and every trace has its own sum. The backward pass goes layer
by layer, from the hidden states that the forward pass has left in front of each, so that only one
layer of each model is at work at a time.

Beside the gradient of L, some more go backward through the same graph: those of the tokens'
margins, each with a random sign (Hutchinson 1990, "A stochastic estimator of the trace of the
influence matrix"), weighted so that the mean of <that, D>^2 is the curvature of L along D as far
as it comes from the margins. `lrmtest.locate.attribution.margins` makes of both what is mended.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lrmtest.errors import ModelError, UsageError
from lrmtest.locate.attribution.margins import mend_of
from lrmtest.locate.attribution.traces_through import (
    logits_of,
    margins_of,
    numbers_of,
    through,
    together,
    token_losses,
)
from lrmtest.locate.portions import LayersPassed
from lrmtest.models.engines.transformers.stack import Stack
from lrmtest.models.reading import Written

_SIGNS = 4
"""Random sets of signs; more do not change ranks by much, and each costs a pass backward."""

Deltas = Mapping[str, tuple[Tensor, Tensor | None]]
"""By module, what restoring adds to its weight and to its bias."""


@dataclass(slots=True)
class TraceMends:
    """One trace.

    Attributes:
        key: of its sample.
        losses: the variant's negative log-likelihood of each of its tokens, in nats.
        parents_losses: the parent's.
        mends: by module, by how much their sum would fall, were it restored.
        slopes: by module the same to first order, added up by the group of the token that the
            module is at work on.
    """

    key: str
    losses: list[float] = field(default_factory=list)
    parents_losses: list[float] = field(default_factory=list)
    mends: dict[str, float] = field(default_factory=dict)
    slopes: dict[str, list[float]] = field(default_factory=dict)


def refuse_unlike(variant: Stack, parent: Stack) -> None:
    """Refuse models whose modules do not correspond.

    Raises:
        UsageError: they differ in names or shapes.
    """
    if variant.shapes.keys() != parent.shapes.keys():
        other = sorted(variant.shapes.keys() ^ parent.shapes.keys())
        raise UsageError(
            f"variant and parent do not have the same modules: {other[0]} is in one of them",
            hint="--parent must be the model that the variant was made from",
        )
    for index in range(len(variant.layers)):
        its = parent.linears(index)
        for name, linear in variant.linears(index).items():
            if (linear.bias is None) != (its[name].bias is None):
                raise UsageError(
                    f"{name} has a bias in one of variant and parent only",
                    hint="--parent must be the model that the variant was made from",
                )
    for name, shape in variant.shapes.items():
        if shape != parent.shapes[name]:
            raise UsageError(
                f"{name} is {' x '.join(map(str, shape))} in the variant and "
                f"{' x '.join(map(str, parent.shapes[name]))} in the parent",
                hint="--parent must be the model that the variant was made from",
            )


def attribute(
    variant: Stack,
    parent: Stack,
    written: Sequence[Written],
    groups: Mapping[str, Sequence[int]],
    passed: LayersPassed,
) -> list[TraceMends]:
    """The mends of some traces. Their hidden states in front of every layer are held meanwhile.

    Args:
        variant: what is to be mended.
        parent: what it was made from.
        written: the traces.
        groups: by key, the group of each of a trace's tokens, those of its prompt first; from 0.
        passed: is told three times for each layer.

    Raises:
        ModelError: a loss is not a number, or a module does not see whole sequences.
    """
    found = {one.place.key: TraceMends(one.place.key) for one in written}
    batches = together(written)
    with torch.no_grad():
        for key, losses in token_losses(parent, batches, through(parent, batches, passed)):
            found[key].parents_losses = losses
        before: list[list[Tensor]] = []
        passages = through(variant, batches, passed, before)
    gradients: list[list[Tensor]] = []
    margins: dict[str, Tensor] = {}
    with variant.head_at_work():
        for batch, passage in zip(batches, passages, strict=True):
            heads = [_head(variant, one, passage.hidden[row]) for row, one in enumerate(batch)]
            gradients.append(
                [torch.stack(each) for each in zip(*(g for _, g in heads), strict=True)]
            )
            for one, (margin, _) in zip(batch, heads, strict=True):
                margins[one.place.key] = margin
                found[one.place.key].losses = functional.softplus(-margin).tolist()
    squares: dict[str, dict[str, float]] = {key: {} for key in found}
    for index in reversed(range(len(variant.layers))):
        with variant.at_work(index):
            linears, deltas = variant.linears(index), _deltas(variant, parent, index)
            for at, (batch, passage) in enumerate(zip(batches, passages, strict=True)):
                passage.hidden = before[index][at].detach().requires_grad_()
                with _noting(linears, deltas) as noted:
                    output = variant.run(index, passage)
                    gradients[at] = [
                        torch.autograd.grad(
                            output, passage.hidden, gradient, retain_graph=number < _SIGNS
                        )[0]
                        for number, gradient in enumerate(gradients[at])
                    ]
                for name in linears:
                    _add(found, squares, batch, groups, name, noted.get(name, ()))
        before.pop()
        passed()
    for key, mends in found.items():
        for name, slopes in mends.slopes.items():
            mends.mends[name] = mend_of(margins[key], sum(slopes), squares[key][name])
    return list(found.values())


def _add(
    found: Mapping[str, TraceMends],
    squares: Mapping[str, dict[str, float]],
    batch: Sequence[Written],
    groups: Mapping[str, Sequence[int]],
    name: str,
    noted: Sequence[Tensor],
) -> None:
    """Add what was noted of a module: of each gradient, what every token has of the sum."""
    if len(noted) != 1 + _SIGNS:
        raise ModelError(
            f"{name} is not at work once on every text",
            hint="models with experts, of which a text takes some, cannot be located in",
        )
    whole = [each.sum(1).tolist() for each in noted[1:]]
    for row, one in enumerate(batch):
        key, mine = one.place.key, groups[one.place.key]
        index = torch.tensor(mine[: one.length - 1])
        slopes = torch.zeros(max(mine) + 1, dtype=torch.float64)
        slopes.index_add_(0, index, noted[0][row, : len(index)])
        found[key].slopes[name] = slopes.tolist()
        squares[key][name] = sum(each[row] ** 2 for each in whole) / _SIGNS


def _head(stack: Stack, one: Written, hidden: Tensor) -> tuple[Tensor, list[Tensor]]:
    """A trace's margins, and what goes backward from behind the last layer.

    Returns:
        The margins, float64; gradients of the loss, then of margins with random signs.
    """
    gradients = [torch.zeros_like(hidden) for _ in range(1 + _SIGNS)]
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
                signs = torch.randint(0, 2, margin.shape, generator=random) * 2.0 - 1.0
                weights = signs.to(margin.device) * curvature
            else:
                weights = -unsure
            (part,) = torch.autograd.grad(
                logits,
                leaf,
                (weights[:, None] * moves).to(logits.dtype),
                retain_graph=number < _SIGNS,
            )
            gradient[places] = part[places].to(gradient)
        margins.append(margin)
    return numbers_of(one, margins), gradients


def _deltas(variant: Stack, parent: Stack, index: int) -> Deltas:
    """What restoring adds to the modules of a layer of the variant that is at work."""
    parents = parent.linears(index)
    return {
        name: (
            _difference(parents[name].weight, linear.weight),
            None if linear.bias is None else _difference(parents[name].bias, linear.bias),
        )
        for name, linear in variant.linears(index).items()
    }


def _difference(parents: Tensor, own: Tensor) -> Tensor:
    # Both may be of few digits, and of different ones; what they differ by is small.
    return (parents.detach().to(own.device).float() - own.detach().float()).to(own.dtype)


@contextmanager
def _noting(linears: Mapping[str, nn.Linear], deltas: Deltas) -> Iterator[dict[str, list[Tensor]]]:
    """Note meanwhile, by module, what of each gradient every token has, (sequences, tokens).

    It is the fall of what the gradient is of, were the module restored: for a loss, what is mended.
    """
    noted: dict[str, list[Tensor]] = {}

    def listener(name: str) -> Callable[..., None]:
        def note(module: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> None:
            with torch.no_grad():
                moved = functional.linear(arguments[0], *deltas[name]).float()

            def falls(gradient: Tensor) -> None:
                each = -(gradient.float() * moved).sum(-1).double().cpu()
                if each.dim() == 2:  # else a module that sees tokens out of their sequences
                    noted.setdefault(name, []).append(each)

            output.register_hook(falls)

        return note

    hooks = [linear.register_forward_hook(listener(name)) for name, linear in linears.items()]
    try:
        yield noted
    finally:
        for hook in hooks:
            hook.remove()
