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

That sum says by the work of which tokens the loss falls. By how much it falls, it says badly where
a layer bends: in attention's softmax, in the MLP's gate. But a layer that is at work is quickly run
once more. So it is run with each of its modules really restored, and with h its outputs and e what
they change by, L falls by

    -(sum over tokens of dL/dh . e)

which is exact through the module's own layer and first order behind it. Where that is not enough,
some layers behind its own are run with it too, h and e being the last one's: with all of them only
the head is left to the gradient.

Beside the gradient of L, some more go backward through the same graph: those of the tokens'
margins, each with a random sign (Hutchinson 1990, "A stochastic estimator of the trace of the
influence matrix"), weighted so that the mean of (sum of that . e)^2 is the curvature of L along e,
as far as it comes from the margins. `lrmtest.locate.attribution.margins` makes of both what is
mended.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from lrmtest.errors import ModelError, UsageError
from lrmtest.locate.attribution.margins import mend_of
from lrmtest.locate.attribution.restoring import Form, as_it_is, restored
from lrmtest.locate.attribution.traces_through import (
    logits_of,
    margins_of,
    numbers_of,
    through,
    together,
    token_losses,
)
from lrmtest.locate.portions import LayersPassed
from lrmtest.models.engines.transformers.stack import Passage, Stack
from lrmtest.models.reading import Written

SIGNS = 4
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
        slopes: by module the same, to first order all the way, added up by the group of the token
            that the module is at work on.
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
    beside: frozenset[str] = frozenset(),
    form: Form = as_it_is,
    through_layers: int = 1,
) -> list[TraceMends]:
    """The mends of some traces. Their hidden states in front of every layer are held meanwhile,
    and behind `through_layers` of them the gradients.

    Args:
        variant: what is to be mended.
        parent: what it was made from.
        written: the traces.
        groups: by key, the group of each of a trace's tokens, those of its prompt first; from 0.
        passed: is told three times for each layer.
        beside: modules that are restored already: the others' mends are beside these.
        form: what is made of the parent's weights where a module is restored.
        through_layers: so many layers are run with a module restored, its own the first of them;
            from there on gradients tell what comes of it. At least 1.

    Raises:
        ModelError: a loss is not a number, or a module does not see whole sequences.
    """

    @contextmanager
    def at_work(index: int) -> Iterator[None]:
        linears = variant.linears(index)
        with (
            variant.at_work(index),
            restored(linears, parent.linears(index), beside & linears.keys(), form),
        ):
            yield

    found = {one.place.key: TraceMends(one.place.key) for one in written}
    batches = together(written)
    with torch.no_grad():
        for key, losses in token_losses(parent, batches, through(parent, batches, passed)):
            found[key].parents_losses = losses
        states: list[list[Tensor]] = []
        passages = through(variant, batches, passed, states, at_work)
        states.append([passage.hidden for passage in passages])  # behind the last layer
    last = len(variant.layers) - 1
    behind: dict[int, list[list[Tensor]]] = {last: []}
    margins: dict[str, Tensor] = {}
    with variant.head_at_work():
        for batch, passage in zip(batches, passages, strict=True):
            heads = [_head(variant, one, passage.hidden[row]) for row, one in enumerate(batch)]
            behind[last].append(
                [torch.stack(each) for each in zip(*(g for _, g in heads), strict=True)]
            )
            for one, (margin, _) in zip(batch, heads, strict=True):
                margins[one.place.key] = margin
                found[one.place.key].losses = functional.softplus(-margin).tolist()
    moves: dict[str, dict[str, list[float]]] = {key: {} for key in found}
    working: dict[int, ExitStack] = {}
    try:
        for index in reversed(range(last + 1)):
            far = min(last, index + through_layers - 1)
            for beyond in [each for each in working if each > far]:
                working.pop(beyond).close()
                del behind[beyond], states[beyond + 1 :]
            working[index] = ExitStack()
            working[index].enter_context(at_work(index))
            linears, parents = variant.linears(index), parent.linears(index)
            deltas = _deltas(linears, parents)
            if index:
                behind[index - 1] = []
            for at, (batch, passage) in enumerate(zip(batches, passages, strict=True)):
                passage.hidden = states[index][at].detach().requires_grad_()
                with _noting(linears, deltas) as noted:
                    output = variant.run(index, passage)
                    gradients = [
                        _backward(output, passage.hidden, behind[index][at][0], last=False)
                    ]
                gradients += [
                    _backward(output, passage.hidden, gradient, last=number == SIGNS)
                    for number, gradient in enumerate(behind[index][at][1:], start=1)
                ]
                if index:
                    behind[index - 1].append(gradients)
                passage.hidden = passage.hidden.detach()
                for name in linears:
                    _add(found, batch, groups, name, noted.get(name, ()))
                    with restored(linears, parents, frozenset([name]), form):
                        hidden = _run(variant, passage, index, far)
                    moved = (hidden - states[far + 1][at]).float()
                    falls = [
                        -(each.float() * moved).sum(-1).double().sum(-1) for each in behind[far][at]
                    ]
                    for one, *fall in zip(batch, *(each.tolist() for each in falls), strict=True):
                        moves[one.place.key][name] = fall
            passed()
    finally:
        for each in working.values():
            each.close()
    for key, mends in found.items():
        for name in variant.shapes:  # in the model's order, whatever the layers were taken in
            slope, *random = moves[key][name]
            square = sum(each**2 for each in random) / SIGNS
            mends.mends[name] = mend_of(margins[key], slope, square)
    return list(found.values())


def _run(stack: Stack, passage: Passage, first: int, last: int) -> Tensor:
    """What layers that are at work make of a passage, which stays where it is; without a graph."""
    own = Passage(passage.hidden, passage.beside)
    with torch.no_grad():
        for index in range(first, last + 1):
            own.hidden = stack.run(index, own)
    return own.hidden


def _add(
    found: Mapping[str, TraceMends],
    batch: Sequence[Written],
    groups: Mapping[str, Sequence[int]],
    name: str,
    noted: Sequence[Tensor],
) -> None:
    """Add what was noted of a module: what every token has of the loss's fall."""
    if len(noted) != 1:
        raise ModelError(
            f"{name} is not at work once on every text",
            hint="models with experts, of which a text takes some, cannot be located in",
        )
    for row, one in enumerate(batch):
        key, mine = one.place.key, groups[one.place.key]
        index = torch.tensor(mine[: one.length - 1])
        slopes = torch.zeros(max(mine) + 1, dtype=torch.float64)
        slopes.index_add_(0, index, noted[0][row, : len(index)])
        found[key].slopes[name] = slopes.tolist()


def _head(stack: Stack, one: Written, hidden: Tensor) -> tuple[Tensor, list[Tensor]]:
    """A trace's margins, and what goes backward from behind the last layer.

    Returns:
        The margins, float64; gradients of the loss, then of margins with random signs.
    """
    gradients = [torch.zeros_like(hidden) for _ in range(1 + SIGNS)]
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
                retain_graph=number < SIGNS,
            )
            gradient[places] = part[places].to(gradient)
        margins.append(margin)
    return numbers_of(one, margins), gradients


def _backward(output: Tensor, hidden: Tensor, gradient: Tensor, *, last: bool) -> Tensor:
    return torch.autograd.grad(output, hidden, gradient, retain_graph=not last)[0]


def _deltas(linears: Mapping[str, nn.Linear], parents: Mapping[str, nn.Linear]) -> Deltas:
    """What restoring adds to the modules of a layer of the variant that is at work."""
    return {
        name: (
            _difference(parents[name].weight, linear.weight),
            None if linear.bias is None else _difference(parents[name].bias, linear.bias),
        )
        for name, linear in linears.items()
    }


def _difference(parents: Tensor, own: Tensor) -> Tensor:
    # Both may be of few digits, and of different ones; what they differ by is small.
    return (parents.detach().to(own.device).float() - own.detach().float()).to(own.dtype)


@contextmanager
def _noting(linears: Mapping[str, nn.Linear], deltas: Deltas) -> Iterator[dict[str, list[Tensor]]]:
    """Note meanwhile, by module, what every token has of the fall, (sequences, tokens), of what a
    gradient is of, were the module restored: for a loss, what is mended."""
    noted: dict[str, list[Tensor]] = {}
    hooks: list[RemovableHandle] = []

    def listener(name: str) -> Callable[..., None]:
        def note(module: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> None:
            with torch.no_grad():
                moved = functional.linear(arguments[0], *deltas[name]).float()

            def falls(gradient: Tensor) -> None:
                each = -(gradient.float() * moved).sum(-1).double().cpu()
                if each.dim() == 2:  # else a module that sees tokens out of their sequences
                    noted.setdefault(name, []).append(each)

            hooks.append(output.register_hook(falls))

        return note

    hooks += [linear.register_forward_hook(listener(name)) for name, linear in linears.items()]
    try:
        yield noted
    finally:
        for hook in hooks:
            hook.remove()
