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

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from lrmtest.errors import UsageError
from lrmtest.locate.attribution.gradients import (
    Forward,
    backward,
    beside_at_work,
    deltas_of,
    forward,
    noting,
    once,
)
from lrmtest.locate.attribution.margins import mend_of
from lrmtest.locate.attribution.restoring import Form, as_it_is, restored
from lrmtest.locate.attribution.traces_through import through, together, token_losses
from lrmtest.locate.portions import LayersPassed
from lrmtest.models.engines.transformers.stack import Passage, Stack
from lrmtest.models.reading import Written

SIGNS = 4
"""Random sets of signs; more do not change ranks by much, and each costs a pass backward."""

_Moves = dict[str, dict[str, list[float]]]
"""By trace and module, by how much falls what each gradient is of."""


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
        beside: units that are restored already: the modules' mends are beside these.
        form: what is made of the parent's weights where a module is restored.
        through_layers: so many layers are run with a module restored, its own the first of them;
            from there on gradients tell what comes of it. At least 1.

    Raises:
        ModelError: a loss is not a number, or a module does not see whole sequences.
    """
    at_work = beside_at_work(variant, parent, beside, form)
    found = {one.place.key: TraceMends(one.place.key) for one in written}
    batches = together(written)
    with torch.no_grad():
        for key, losses in token_losses(parent, batches, through(parent, batches, passed)):
            found[key].parents_losses = losses
    run = forward(variant, written, at_work, passed, SIGNS)
    for key, margin in run.margins.items():
        found[key].losses = functional.softplus(-margin).tolist()
    last = len(variant.layers) - 1
    behind = {last: run.gradients}
    moves: _Moves = {key: {} for key in found}
    working: dict[int, ExitStack] = {}
    try:
        for index in reversed(range(last + 1)):
            far = min(last, index + through_layers - 1)
            for beyond in [each for each in working if each > far]:
                working.pop(beyond).close()
                del behind[beyond], run.states[beyond + 1 :]
            working[index] = ExitStack()
            working[index].enter_context(at_work(index))
            before = _layer_back(variant, parent, index, run, behind[index], groups, found)
            _layer_restored(variant, parent, (index, far), run, behind[far], form, moves)
            if index:
                behind[index - 1] = before
            passed()
    finally:
        for each in working.values():
            each.close()
    for key, mends in found.items():
        for name in variant.shapes:  # in the model's order, whatever the layers were taken in
            slope, *random = moves[key][name]
            square = sum(each**2 for each in random) / SIGNS
            mends.mends[name] = mend_of(run.margins[key], slope, square)
    return list(found.values())


def _layer_back(
    variant: Stack,
    parent: Stack,
    index: int,
    run: Forward,
    behind: Sequence[Sequence[Tensor]],
    groups: Mapping[str, Sequence[int]],
    found: Mapping[str, TraceMends],
) -> list[list[Tensor]]:
    """The gradients in front of a layer that is at work, of those behind it, by batch; what its
    modules have of the loss's fall is added to what was found."""
    linears, before = variant.linears(index), []
    deltas = deltas_of(linears, parent.linears(index))
    for at, (batch, passage) in enumerate(zip(run.batches, run.passages, strict=True)):
        passage.hidden = run.states[index][at].detach().requires_grad_()
        loss, *others = behind[at]
        with noting(linears, deltas, over=-1) as noted:
            output = variant.run(index, passage)
            gradients = torch.autograd.grad(output, passage.hidden, loss, retain_graph=True)
        before.append([*gradients, *backward(output, passage.hidden, others)])
        passage.hidden = passage.hidden.detach()
        for name in linears:
            _add(found, batch, groups, name, once(name, noted))
    return before


def _layer_restored(
    variant: Stack,
    parent: Stack,
    layers: tuple[int, int],
    run: Forward,
    behind: Sequence[Sequence[Tensor]],
    form: Form,
    moves: _Moves,
) -> None:
    """Run layers with each module of the first really restored: by how much what the gradients
    behind the last of them are of falls."""
    index, far = layers
    linears, parents = variant.linears(index), parent.linears(index)
    for at, (batch, passage) in enumerate(zip(run.batches, run.passages, strict=True)):
        for name in linears:
            with restored(linears, parents, frozenset([name]), form):
                hidden = _run(variant, passage, index, far)
            moved = (hidden - run.states[far + 1][at]).float()
            falls = [-(each.float() * moved).sum(-1).double().sum(-1) for each in behind[at]]
            for one, *fall in zip(batch, *(each.tolist() for each in falls), strict=True):
                moves[one.place.key][name] = fall


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
    noted: Tensor,
) -> None:
    """Add what was noted of a module: what every token has of the loss's fall."""
    for row, one in enumerate(batch):
        key, mine = one.place.key, groups[one.place.key]
        index = torch.tensor(mine[: one.length - 1])
        slopes = torch.zeros(max(mine) + 1, dtype=torch.float64)
        slopes.index_add_(0, index, noted[row, : len(index)])
        found[key].slopes[name] = slopes.tolist()
