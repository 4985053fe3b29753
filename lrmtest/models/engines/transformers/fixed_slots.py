"""Slots whose steps are computations on fixed tensors, so that a CUDA graph can repeat them.

A step in Python takes a GPU milliseconds however little there is to compute: hundreds of kernels
are launched one by one, and each token is waited for. Here the number of rows and of positions is
padded to a few shapes, tokens are drawn and fed on the device, and the host reads them `block`
steps at a time. What a step computes depends on its shape alone, not on who repeats it: run
eagerly or replayed from a graph, it is the same kernels on the same tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from lrmtest.models.engines.transformers.gumbel import (
    BROKEN,
    NO_CUT,
    UNDECIDED,
    Cut,
    pick_fixed,
)
from lrmtest.models.engines.transformers.slots import Feed, Slots
from lrmtest.models.engines.transformers.steps import EagerSteps, Shape, StepBuffers, Steps

_BLOCK = 16
"""Steps between two looks at the tokens; divides `batcher.WATCHED_TOKENS`. A sequence may run on
for so many less one after its end, and a cancellation waits as long."""
_FEWEST_ROWS = 8
"""Fewer rows take a GPU as long."""
_LENGTH_STEPS_PER_DOUBLING = 8
_CANDIDATES, _ALL = 1024, 1 << 30
"""Most probable tokens that are looked at for a nucleus; where one is wider, all are sorted."""
_MOST_WIDE_BLOCKS = 64


class FixedSlots(Slots):
    """Runs a model on slots in steps of a few fixed shapes.

    Args:
        model: as for `Slots`; `runs_fixed` is true of it.
        steps: runs the steps; eagerly if not given.
        cut: takes tokens out before any is drawn.
        traced: as for `Slots`.
    """

    block = _BLOCK
    prefill_tokens = 8192

    def __init__(
        self,
        model: Any,
        steps: Steps | None = None,
        cut: Cut = NO_CUT,
        *,
        traced: bool = False,
    ) -> None:
        super().__init__(model, cut, traced=traced)
        self._steps: Steps = steps or EagerSteps()
        self._buffers: StepBuffers | None = None
        self._wide, self._wide_next = 0, 1  # blocks that sort whole vocabularies: left, next time

    def advance(self, feeds: Sequence[Feed]) -> list[list[int | None]]:
        """Add its token to each of the first slots and up to `block` - 1 more, as drawn.

        A slot that reached its last position stays there and draws its last token again.
        """
        if not self._cache.position_bytes:
            # Prompts of one token only: nothing has made the cache yet, and a graph must not.
            self.fill(0, [[feeds[0].token]], feeds[0].position)
        buffers = self._buffers
        if buffers is None:
            buffers = StepBuffers(self._cache.rows, self.block, self._model.device)
            self._buffers = buffers
        count = min(self.block, 1 + max(f.last_position - f.position for f in feeds))
        length = max(min(f.position + count, f.last_position + 1) for f in feeds)
        drawn = [feed.draw for feed in feeds if feed.draw.temperature > 0]
        candidates = 0
        if any(draw.top_p < 1 for draw in drawn):
            candidates = _ALL if self._wide else _CANDIDATES
        shape = Shape(
            rows=min(max(_FEWEST_ROWS, _power_of_two(len(feeds))), self._cache.rows),
            length=min(self._rounded(length), self._cache.length),
            whole=any(draw.top_p >= 1 for draw in drawn),
            candidates=candidates,
        )
        buffers.load(shape.rows, feeds)
        self._steps.run(lambda: self._once(buffers, shape), shape, buffers, count)
        codes = buffers.codes[: len(feeds), :count].tolist()
        tokens = self._tokens(codes)
        if self._traced:
            told = buffers.logprobs[: len(feeds), :count].tolist()
            self.logprobs = [row[: len(drawn)] for row, drawn in zip(told, tokens, strict=True)]
        return tokens

    def _tokens(self, codes: list[list[int]]) -> list[list[int | None]]:
        """Tokens of each slot up to the first that is not decided; the next block takes that up.

        Should nothing of any slot be decided, nothing is lost but time: then all are sorted.
        """
        undecided = any(UNDECIDED in row for row in codes)
        if undecided:
            self._wide = self._wide_next
            self._wide_next = min(2 * self._wide_next, _MOST_WIDE_BLOCKS)
        elif self._wide:
            self._wide -= 1
        else:
            self._wide_next = 1
        return [
            [None if code == BROKEN else code for code in _until(row, UNDECIDED)] for row in codes
        ]

    def _once(self, buffers: StepBuffers, shape: Shape) -> None:
        """One step of the first `shape.rows` slots, from buffers to buffers.

        Nothing in it waits for the device, allocates on the host's say or reads a number there.
        """
        rows = shape.rows
        token, position, last_position, state, step = buffers.integers[:, :rows]
        temperature, top_p = buffers.reals[:, :rows]
        logits = self._step(buffers.numbers[:rows], token, position, shape.length).float()
        codes, highest, logprobs = pick_fixed(
            logits,
            temperature.float(),
            top_p,
            state,
            step,
            whole=shape.whole,
            candidates=shape.candidates,
            cut=self._cut,
            told=self._traced,
        )
        going = (codes >= 0) & (position < last_position)
        column = buffers.column.expand(rows, 1)
        buffers.codes[:rows].scatter_(1, column, codes[:, None])
        if self._traced:
            buffers.logprobs[:rows].scatter_(1, column, logprobs[:, None])
        buffers.highest[:rows].copy_(highest)
        buffers.column.add_(1)
        token.copy_(torch.where(going, codes, token))
        position.add_(going)
        step.add_(going)

    def _rounded(self, length: int) -> int:
        """In steps of an eighth of the power of two below it, so that 32,768 takes 40 shapes."""
        below = _power_of_two(length) // 2
        step = max(super()._rounded(1), below // _LENGTH_STEPS_PER_DOUBLING)
        return -(-length // step) * step

    def _resize(self, rows: int, length: int) -> None:
        self._steps.forget()  # they hold the tensors that now go
        self._buffers = None
        super()._resize(rows, length)


def why_not_fixed(model: Any) -> str | None:
    """Why a model's steps cannot be computations on fixed tensors; None if they can.

    The library's own word is taken: what it compiles whole, waits for no value of a tensor. Rotary
    embeddings that change with the longest sequence do so in Python.
    """
    if not getattr(model, "_can_compile_fullgraph", False):
        return "its kind of model computes what values of tensors decide"
    quantizer = getattr(model, "hf_quantizer", None)
    if quantizer is not None and not getattr(quantizer, "is_compileable", False):
        return "so does the way it is quantized"
    rotary = getattr(model.config.get_text_config(), "rope_parameters", None) or {}
    kinds = [rotary, *(value for value in rotary.values() if isinstance(value, dict))]
    if any(kind.get("rope_type") in ("dynamic", "longrope") for kind in kinds):
        return "its rotary embedding changes with the longest sequence"
    return None


def _until(values: list[int], end: int) -> list[int]:
    return values[: values.index(end)] if end in values else values


def _power_of_two(number: int) -> int:
    """The least power of two that is not below `number`."""
    return 1 << max(number - 1, 0).bit_length()
