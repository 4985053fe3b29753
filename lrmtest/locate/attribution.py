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
as it comes from the margins. `lrmtest.locate.margins` makes of both what is mended.
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
from lrmtest.locate.margins import mend_of
from lrmtest.models.engines.trace_reader import name_of
from lrmtest.models.engines.transformers.stack import Passage, Stack
from lrmtest.models.reading import Written

_LOGITS_TOGETHER = 1 << 26
"""Logits that a head makes at a time: 256 MiB in float32, and some times that for gradients."""
_TOKENS_TOGETHER = 4096
"""Tokens of traces that run through a layer together; a longer trace runs alone."""
_SIGNS = 4
"""Random sets of signs; more do not change ranks by much, and each costs a pass backward."""

Deltas = Mapping[str, tuple[Tensor, Tensor | None]]
"""By module, what restoring adds to its weight and to its bias."""

Form = Callable[[str, Tensor], Tensor]
"""Makes of a module's name and the parent's weights those that it is restored to."""


def as_it_is(name: str, weight: Tensor) -> Tensor:
    """The parent's weights themselves."""
    return weight


LayersPassed = Callable[[], None]
"""Is told whenever a layer has done a pass over all traces that are at hand."""


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
    batches = _together(written)
    with torch.no_grad():
        for key, losses in _losses(parent, batches, _through(parent, batches, passed)):
            found[key].parents_losses = losses
        before: list[list[Tensor]] = []
        passages = _through(variant, batches, passed, before)
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
    batches = _together(written)
    with torch.no_grad():
        plain = [_begun(variant, batch) for batch in batches]
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
            {key: sum(losses) for key, losses in _losses(variant, batches, each)} for each in ends
        ]
    return [[losses[one.place.key] for one in written] for losses in by_key]


def _together(written: Sequence[Written]) -> list[list[Written]]:
    """Traces that run together: of about one length, since the shorter ones are filled up."""
    batches: list[list[Written]] = []
    for one in sorted(written, key=lambda one: one.length):
        if not batches or (len(batches[-1]) + 1) * one.length > _TOKENS_TOGETHER:
            batches.append([])
        batches[-1].append(one)
    return batches


def _begun(stack: Stack, batch: Sequence[Written]) -> Passage:
    """Traces before the first layer, without their last tokens, after which nothing is asked.

    What a shorter one is filled up with stands behind it, where a causal model does not look.
    """
    rows = [[*one.trace.prompt, *one.trace.tokens][:-1] for one in batch]
    longest = max(map(len, rows))
    return stack.begin(*(row + [row[-1]] * (longest - len(row)) for row in rows))


def _through(
    stack: Stack,
    batches: Sequence[Sequence[Written]],
    passed: LayersPassed,
    before: list[list[Tensor]] | None = None,
) -> list[Passage]:
    """Traces behind the last layer; what is in front of each is added to `before`."""
    passages = [_begun(stack, batch) for batch in batches]
    for index in range(len(stack.layers)):
        if before is not None:
            before.append([passage.hidden for passage in passages])
        with stack.at_work(index):
            for passage in passages:
                passage.hidden = stack.run(index, passage)
        passed()
    return passages


def _losses(
    stack: Stack, batches: Sequence[Sequence[Written]], passages: Sequence[Passage]
) -> Iterator[tuple[str, list[float]]]:
    """The loss of each token of each trace, by the trace's key."""
    with stack.head_at_work():
        for batch, passage in zip(batches, passages, strict=True):
            for row, one in enumerate(batch):
                margins = [_margins(*each)[0] for each in _logits(stack, one, passage.hidden[row])]
                yield one.place.key, functional.softplus(-_numbers(one, margins)).tolist()


def _head(stack: Stack, one: Written, hidden: Tensor) -> tuple[Tensor, list[Tensor]]:
    """A trace's margins, and what goes backward from behind the last layer.

    Returns:
        The margins, float64; gradients of the loss, then of margins with random signs.
    """
    gradients = [torch.zeros_like(hidden) for _ in range(1 + _SIGNS)]
    # By the trace alone, so that figures do not depend on what is computed beside it.
    random = torch.Generator().manual_seed(zlib.crc32(one.place.key.encode()))
    leaf, margins = hidden.detach().requires_grad_(), []
    for logits, tokens, places in _logits(stack, one, leaf):
        margin, others = _margins(logits.detach(), tokens, places)
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
    return _numbers(one, margins), gradients


def _logits(stack: Stack, one: Written, hidden: Tensor) -> Iterator[tuple[Tensor, Tensor, slice]]:
    """Some places at a time: the logits, float32, for a trace's tokens, these, and the places."""
    step = max(1, _LOGITS_TOGETHER // stack.model.config.get_text_config().vocab_size)
    first = len(one.trace.prompt) - 1
    for begin in range(0, len(one.trace.tokens), step):
        tokens = one.trace.tokens[begin : begin + step]
        places = slice(first + begin, first + begin + len(tokens))
        logits = stack.logits(hidden[None, places])[0].float()
        yield logits, torch.tensor(list(tokens), device=logits.device), places


def _margins(logits: Tensor, tokens: Tensor, places: slice) -> tuple[Tensor, Tensor]:
    """The tokens' margins, float64, and the other tokens' shares of what is left to them."""
    others = logits.scatter(1, tokens[:, None], -torch.inf)
    own = logits.gather(1, tokens[:, None])[:, 0]
    return own.double() - others.double().logsumexp(-1), others.softmax(-1)


def _numbers(one: Written, parts: Sequence[Tensor]) -> Tensor:
    margins = torch.cat(list(parts)).cpu()
    if not bool(margins.isfinite().all()):
        raise ModelError(
            f"the loss of {name_of(one)} is not a number",
            hint="float16 may overflow: pass --dtype bfloat16 or float32",
        )
    return margins


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
