"""Traces through a model's layers, several at a time, and what its head makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor
from torch.nn import functional

from lrmtest.errors import ModelError
from lrmtest.locate.portions import LayersPassed
from lrmtest.models.engines.trace_reader import name_of
from lrmtest.models.engines.transformers.stack import Passage, Stack
from lrmtest.models.reading import Written

_LOGITS_TOGETHER = 1 << 26
"""Logits that a head makes at a time: 256 MiB in float32, and some times that for gradients."""
_TOKENS_TOGETHER = 4096
"""Tokens of traces that run through a layer together; a longer trace runs alone."""


def together(written: Sequence[Written]) -> list[list[Written]]:
    """Traces that run together: of about one length, since the shorter ones are filled up."""
    batches: list[list[Written]] = []
    for one in sorted(written, key=lambda one: one.length):
        if not batches or (len(batches[-1]) + 1) * one.length > _TOKENS_TOGETHER:
            batches.append([])
        batches[-1].append(one)
    return batches


def begun(stack: Stack, batch: Sequence[Written]) -> Passage:
    """Traces before the first layer, without their last tokens, after which nothing is asked.

    What a shorter one is filled up with stands behind it, where a causal model does not look.
    """
    rows = [[*one.trace.prompt, *one.trace.tokens][:-1] for one in batch]
    longest = max(map(len, rows))
    return stack.begin(*(row + [row[-1]] * (longest - len(row)) for row in rows))


def through(
    stack: Stack,
    batches: Sequence[Sequence[Written]],
    passed: LayersPassed,
    before: list[list[Tensor]] | None = None,
    at_work: Callable[[int], AbstractContextManager[object]] | None = None,
) -> list[Passage]:
    """Traces behind the last layer.

    Args:
        stack: the model.
        batches: the traces.
        passed: is told once for each layer.
        before: gets what is in front of each layer.
        at_work: puts a layer to work, in place of `Stack.at_work`.
    """
    passages = [begun(stack, batch) for batch in batches]
    for index in range(len(stack.layers)):
        if before is not None:
            before.append([passage.hidden for passage in passages])
        with (at_work or stack.at_work)(index):
            for passage in passages:
                passage.hidden = stack.run(index, passage)
        passed()
    return passages


def token_losses(
    stack: Stack, batches: Sequence[Sequence[Written]], passages: Sequence[Passage]
) -> Iterator[tuple[str, list[float]]]:
    """The loss of each token of each trace, by the trace's key."""
    with stack.head_at_work():
        for batch, passage in zip(batches, passages, strict=True):
            for row, one in enumerate(batch):
                margins = [
                    margins_of(*each)[0] for each in logits_of(stack, one, passage.hidden[row])
                ]
                yield one.place.key, functional.softplus(-numbers_of(one, margins)).tolist()


def logits_of(stack: Stack, one: Written, hidden: Tensor) -> Iterator[tuple[Tensor, Tensor, slice]]:
    """Some places at a time: the logits, float32, for a trace's tokens, these, and the places."""
    step = max(1, _LOGITS_TOGETHER // stack.model.config.get_text_config().vocab_size)
    first = len(one.trace.prompt) - 1
    for begin in range(0, len(one.trace.tokens), step):
        tokens = one.trace.tokens[begin : begin + step]
        places = slice(first + begin, first + begin + len(tokens))
        logits = stack.logits(hidden[None, places])[0].float()
        yield logits, torch.tensor(list(tokens), device=logits.device), places


def margins_of(logits: Tensor, tokens: Tensor, places: slice) -> tuple[Tensor, Tensor]:
    """The tokens' margins, float64, and the other tokens' shares of what is left to them."""
    others = logits.scatter(1, tokens[:, None], -torch.inf)
    own = logits.gather(1, tokens[:, None])[:, 0]
    return own.double() - others.double().logsumexp(-1), others.softmax(-1)


def numbers_of(one: Written, parts: Sequence[Tensor]) -> Tensor:
    """A trace's margins together.

    Raises:
        ModelError: one of them is not a number.
    """
    margins = torch.cat(list(parts)).cpu()
    if not bool(margins.isfinite().all()):
        raise ModelError(
            f"the loss of {name_of(one)} is not a number",
            hint="float16 may overflow: pass --dtype bfloat16 or float32",
        )
    return margins
