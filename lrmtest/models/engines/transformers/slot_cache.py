"""The slots' key-value cache: for every layer one preallocated tensor of keys and one of values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import Cache


@dataclass(frozen=True, slots=True)
class Span:
    """Where prompts' keys go: rows `first` to `last`, positions `start` to `stop`, ends excluded.

    Nothing attends to more than `stop` positions.
    """

    first: int
    last: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Column:
    """Where a step's keys go: one position in each of the first rows.

    Attributes:
        rows: their numbers, from 0 on, shape (rows,).
        positions: shape (rows,).
        length: how many positions anything attends to.
    """

    rows: torch.Tensor
    positions: torch.Tensor
    length: int


@dataclass(frozen=True, slots=True)
class Block:
    """Where the keys of several tokens in each of some rows go.

    Attributes:
        rows: their numbers, shape (rows,).
        positions: shape (rows, tokens).
        length: how many positions anything attends to.
    """

    rows: torch.Tensor
    positions: torch.Tensor
    length: int


class SlotCache(Cache):  # type: ignore[misc]  # transformers is untyped here
    """Keys and values of all slots, per layer a tensor (rows, heads, length, head size).

    The model's attention layers call `update`; `where` says beforehand what they write. The
    library's own StaticCache counts one position for all rows, so that they could not differ in
    length without padding on their left, which would have to grow when a row comes or goes.
    """

    def __init__(self) -> None:
        super().__init__(layers=[])
        self.where: Span | Column | Block
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
        if isinstance(where, Span):
            pair = [tensor[where.first : where.last, :, : where.stop] for tensor in pair]
            for tensor, x in zip(pair, new, strict=True):
                tensor[:, :, where.start :] = x
        elif isinstance(where, Block):
            for tensor, x in zip(pair, new, strict=True):
                tensor[where.rows[:, None], :, where.positions] = x.transpose(1, 2)
            # A copy of the rows, of one layer at a time.
            pair = [tensor[where.rows, :, : where.length] for tensor in pair]
        else:
            for tensor, x in zip(pair, new, strict=True):
                tensor[where.rows, :, where.positions] = x[:, :, 0]
            pair = [tensor[: len(where.rows), :, : where.length] for tensor in pair]
        keys, values = pair
        return keys, values
