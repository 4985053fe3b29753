"""A model with room for several sequences at once: one slot of key-value cache for each.

The sequences of a batch have different lengths and come and go. Each has a row of one
preallocated cache per layer; the active rows are always the first ones, so that a step runs on
a view of the cache and copies nothing. This is continuous batching (Yu et al. 2022, "Orca: a
distributed serving system for transformer-based generative models", OSDI) without pages.

The library's own manager keeps its cache in pages, which on a CPU and without flash attention
means that every step gathers all keys and that every query is masked against the keys of *all*
sequences: quadratic in the batch. `benchmarks/transformers_batching.py` has both
side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
from transformers.cache_utils import Cache

_LENGTH_STEP = 256
"""Positions; a cache's length is a multiple, so that it is enlarged rarely."""
_PREFILL_CHUNK = 512
"""Prompt tokens per forward pass; bounds the memory of activations and of the mask."""


@dataclass(frozen=True, slots=True)
class _Span:
    """Where a prompt's keys go: one row, positions `start` to `stop`."""

    row: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class _Column:
    """Where a step's keys go: one position in each of the first rows.

    `length` is how many positions anything attends to.
    """

    rows: torch.Tensor
    positions: torch.Tensor
    length: int


class _SlotCache(Cache):  # type: ignore[misc]  # transformers is untyped here
    """Keys and values of all slots, per layer a tensor (rows, heads, length, head size).

    The model's attention layers call `update`; `where` says beforehand what they write.
    """

    def __init__(self) -> None:
        super().__init__(layers=[])
        self.where: _Span | _Column
        self.rows, self.length = 0, 0
        self._pairs: dict[int, list[torch.Tensor]] = {}

    @property
    def position_bytes(self) -> int:
        """Memory of one position of one slot, in bytes; 0 before the first forward pass."""
        return sum(
            tensor.shape[1] * tensor.shape[3] * tensor.element_size()
            for pair in self._pairs.values()
            for tensor in pair
        )

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Positions are always given to the model, so that it need not count them."""
        return 0

    def resize(self, rows: int, length: int) -> None:
        """Make room, keeping what is there; one layer at a time, so that little is held twice."""
        # Should memory run out half way, this much is there in every layer.
        self.rows, self.length = kept = min(rows, self.rows), min(length, self.length)
        for pair in self._pairs.values():
            for i, old in enumerate(pair):
                # Zeros, because what is masked is still multiplied by zero: NaN would stay NaN.
                new = old.new_zeros(rows, old.shape[1], length, old.shape[3])
                new[: kept[0], :, : kept[1]] = old[: kept[0], :, : kept[1]]
                pair[i] = new
        self.rows, self.length = rows, length

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the first positions of one row to another."""
        for pair in self._pairs.values():
            for tensor in pair:
                tensor[target, :, :length] = tensor[source, :, :length]

    def update(
        self,
        key_states: torch.Tensor,
        value_states: torch.Tensor,
        layer_idx: int,
        *args: Any,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store a layer's new keys and values, return all that its queries may attend to."""
        new = (key_states, value_states)
        if layer_idx not in self._pairs:
            self._pairs[layer_idx] = [
                x.new_zeros(self.rows, x.shape[1], self.length, x.shape[3]) for x in new
            ]
        pair, where = self._pairs[layer_idx], self.where
        for tensor, x in zip(pair, new, strict=True):
            if isinstance(where, _Span):
                tensor[where.row, :, where.start : where.stop] = x[0]
            else:
                tensor[where.rows, :, where.positions] = x[:, :, 0]
        if isinstance(where, _Span):
            keys, values = (t[where.row : where.row + 1, :, : where.stop] for t in pair)
        else:
            keys, values = (t[: len(where.rows), :, : where.length] for t in pair)
        return keys, values


class Slots:
    """Runs a model on slots. Not for use from several threads at once.

    Args:
        model: a decoder whose layers all attend to everything before them, on its device.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._cache = _SlotCache()
        # Renamed in transformers 5; models with code of their own may keep the old name.
        known = signature(model.forward).parameters
        self._cache_argument = "cache" if "cache" in known else "past_key_values"

    def memory(self, length: int) -> int:
        """Bytes that one slot of `length` positions takes; 0 before the first forward pass."""
        return _rounded(length) * self._cache.position_bytes

    def reserve(self, rows: int, length: int, *, spare: int) -> None:
        """Make room for `rows` slots of `length` positions; what is in those stays.

        Args:
            rows: slots that must be there.
            length: positions that must be there; no slot in use may be longer.
            spare: slots to have, if any have to be made.
        """
        if rows > self._cache.rows or length > self._cache.length:
            self._cache.resize(max(rows, spare), _rounded(length))

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` positions of a slot to another."""
        self._cache.copy(source, target, length)

    def fill(self, row: int, tokens: Sequence[int], start: int) -> None:
        """Put `tokens` into a slot, from position `start` on; what is before must be there."""
        device = self._model.device
        for begin in range(start, start + len(tokens), _PREFILL_CHUNK):
            chunk = tokens[begin - start : begin - start + _PREFILL_CHUNK]
            stop = begin + len(chunk)
            self._cache.where = _Span(row, begin, stop)
            positions = torch.arange(begin, stop, device=device)
            seen = torch.arange(stop, device=device) <= positions[:, None]
            self._forward(torch.tensor([chunk], device=device), positions[None], seen[None, None])

    def step(self, tokens: Sequence[int], positions: Sequence[int]) -> torch.Tensor:
        """Add one token to each of the first slots.

        Args:
            tokens: the token of each slot.
            positions: where it goes: how many positions of the slot are in use.

        Returns:
            Logits of the next token, shape (slots, vocabulary).
        """
        device = self._model.device
        at = torch.tensor(positions, device=device)
        length = max(positions) + 1
        self._cache.where = _Column(torch.arange(len(tokens), device=device), at, length)
        seen = torch.arange(length, device=device) <= at[:, None]
        ids = torch.tensor(tokens, device=device)
        return self._forward(ids[:, None], at[:, None], seen[:, None, None])

    def _forward(
        self, ids: torch.Tensor, positions: torch.Tensor, seen: torch.Tensor
    ) -> torch.Tensor:
        """Logits after the last of `ids`, shape (rows, vocabulary)."""
        output = self._model(
            input_ids=ids,
            position_ids=positions,
            attention_mask=seen,
            use_cache=True,
            logits_to_keep=1,
            **{self._cache_argument: self._cache},
        )
        logits: torch.Tensor = output.logits[:, -1]
        return logits


def _rounded(length: int) -> int:
    return -(-length // _LENGTH_STEP) * _LENGTH_STEP
