"""Slots that are filled with whole traces, and say the logits at every place of them."""

from __future__ import annotations

from typing import Any

import torch

from lrmtest.models.engines.transformers.slot_cache import Span
from lrmtest.models.engines.transformers.slots import PREFILL_CHUNK, Slots


class ReadingSlots(Slots):
    """A model's slots, for reading.

    Args:
        model: as in `Slots`.
    """

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self.reserve(1, 1, spare=1)
        first = torch.zeros(1, 1, dtype=torch.long, device=self.device)
        self.vocabulary: int = self.logits(first, 0).shape[-1]

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        device: torch.device = self._model.device
        return device

    def begin(self, rows: int, length: int) -> None:
        """Make room for so many traces; what was in the slots is nothing any more."""
        self.reserve(rows, length, spare=rows)

    def fill_prompt(self, ids: torch.Tensor, *, shared: bool) -> None:
        """Put the first tokens of all traces into their slots.

        Args:
            ids: shape (rows, tokens).
            shared: they are the same in all rows.
        """
        if not ids.shape[1]:
            return
        rows = ids[:1] if shared else ids
        for begin in range(0, ids.shape[1], PREFILL_CHUNK):
            self._run(rows[:, begin : begin + PREFILL_CHUNK], begin, keep=1)
        if shared:
            for row in range(1, len(ids)):
                self.copy(0, row, ids.shape[1])

    def logits(self, ids: torch.Tensor, begin: int) -> torch.Tensor:
        """What follows each of some tokens, which are put behind those that are there.

        Args:
            ids: shape (rows, tokens).
            begin: position of the first.

        Returns:
            Shape (rows, tokens, vocabulary).
        """
        return self._run(ids, begin, keep=0)

    def _run(self, ids: torch.Tensor, begin: int, *, keep: int) -> torch.Tensor:
        """Logits after the last `keep` of `ids`, after all of them if it is 0."""
        stop = begin + ids.shape[1]
        self._cache.where = Span(0, len(ids), begin, stop)
        columns = torch.arange(begin, stop, device=self.device)
        seen = torch.arange(stop, device=self.device) <= columns[:, None]
        return self._all_logits(ids, columns.expand(len(ids), -1), seen[None, None], keep=keep)
