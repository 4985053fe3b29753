"""A model with room for several sequences at once: one slot of key-value cache for each.

The sequences of a batch have different lengths and come and go. Each has a row of one
preallocated cache per layer; the active rows are always the first ones, so that a step runs on
a view of the cache and copies nothing. This is continuous batching (Yu et al. 2022, "Orca: a
distributed serving system for transformer-based generative models", OSDI) without pages.

The library's own manager keeps its cache in pages, which without flash attention means that every
step gathers all keys and that every query is masked against the keys of *all* sequences:
quadratic in the batch. `benchmarks/transformers_batching.py` has both side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from inspect import signature
from itertools import islice
from typing import Any, TypeVar

import torch

from lrmtest.models.engines.transformers.gumbel import NO_CUT, Cut, Draw, pick
from lrmtest.models.engines.transformers.slot_cache import Block, Column, SlotCache, Span

T = TypeVar("T")

_LENGTH_STEP = 256
"""Positions; a cache's length is a multiple, so that it is enlarged rarely."""
PREFILL_CHUNK = 512
"""Prompt tokens per forward pass and row; bounds the memory of activations and of the mask."""
_PLACES = 2048
"""Most places of all slots at which `follow` draws at once; more is not faster."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What a step adds to a slot.

    Attributes:
        token: the token whose successor is wanted.
        position: where it goes: how many positions of the slot are in use.
        last_position: the last that anything may go to, by budget; the slot stays there.
        draw: how the successor is drawn.
    """

    token: int
    position: int
    last_position: int
    draw: Draw


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some tokens that go into a slot, after each of which one is drawn.

    Attributes:
        row: the slot.
        tokens: at least one.
        position: of the first.
        draw: how its successor is drawn; those of the others at the steps that follow.
    """

    row: int
    tokens: Sequence[int]
    position: int
    draw: Draw


class Slots:
    """Runs a model on slots, each step as long as its longest. Not for several threads at once.

    Args:
        model: a decoder whose layers all attend to everything before them, on its device.
        cut: takes tokens out before any is drawn.
        traced: keep how probable each token was when it was drawn.

    Attributes:
        places: most tokens of all slots that `follow` has at once.
        logprobs: of the tokens that `advance` or `follow` returned last, slot by slot, where they
            are kept.
    """

    block = 1
    """Most tokens that `advance` gives a slot."""
    prefill_tokens = 1
    """Tokens of several prompts, padding included, that `fill` takes best at once."""

    def __init__(self, model: Any, cut: Cut = NO_CUT, *, traced: bool = False) -> None:
        self.places = _PLACES
        self._model = model
        self._cut = cut
        self._traced = traced
        self.logprobs: list[list[float]] = []
        self._cache = SlotCache()
        # Renamed in transformers 5; models with code of their own may keep the old name.
        known = signature(model.forward).parameters
        self._cache_argument = "cache" if "cache" in known else "past_key_values"

    def limit_places(self, most: int) -> None:
        """Let `follow` have no more tokens at once than this, for lack of memory."""
        self.places = min(self.places, most)

    def memory(self, length: int) -> int:
        """Bytes that one slot of `length` positions takes; 0 before the first forward pass."""
        return self._rounded(length) * self._cache.position_bytes

    def reserve(self, rows: int, length: int, *, spare: int) -> None:
        """Make room for `rows` slots of `length` positions; what is in those stays.

        Args:
            rows: slots that must be there.
            length: positions that must be there; no slot in use may be longer.
            spare: slots to have, if any have to be made.
        """
        if rows > self._cache.rows or length > self._cache.length:
            self._resize(max(rows, spare), self._rounded(length))

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` positions of a slot to another."""
        self._cache.copy(source, target, length)

    def fill(self, row: int, prompts: Sequence[Sequence[int]], start: int) -> None:
        """Put tokens into slots, from position `start` on; what is before must be there.

        Args:
            row: the first of the slots, which follow on each other.
            prompts: the tokens of each. Shorter ones are padded: what is in a slot behind its
                tokens is nothing.
            start: the same for all.
        """
        device, longest = self._model.device, max(map(len, prompts))
        padded = torch.tensor([[*p, *[0] * (longest - len(p))] for p in prompts], device=device)
        # Padding is at no position that its slot may not have.
        ends = torch.tensor([[start + max(len(p), 1) - 1] for p in prompts], device=device)
        for begin in range(start, start + longest, PREFILL_CHUNK):
            chunk = padded[:, begin - start : begin - start + PREFILL_CHUNK]
            stop = begin + chunk.shape[1]
            self._cache.where = Span(row, row + len(prompts), begin, stop)
            columns = torch.arange(begin, stop, device=device)
            seen = torch.arange(stop, device=device) <= columns[:, None]
            self._forward(chunk, torch.minimum(columns, ends), seen[None, None])

    def advance(self, feeds: Sequence[Feed]) -> list[list[int | None]]:
        """Add its token to each of the first slots, and draw what follows.

        Returns:
            For each slot the tokens that follow, at most `block`; all but the last have been added
            as well. There may be none yet. None stands for logits that are no numbers.
        """
        device = self._model.device
        positions = torch.tensor([feed.position for feed in feeds], device=device)
        rows = torch.arange(len(feeds), device=device)
        tokens = torch.tensor([feed.token for feed in feeds], device=device)
        logits = self._step(rows, tokens, positions, max(f.position for f in feeds) + 1)
        draws = [feed.draw for feed in feeds]
        drawn, logprobs = pick(logits, draws, self._cut, told=self._traced)
        self.logprobs = [[one] for one in logprobs]
        return [[token] for token in drawn]

    def follow(self, stretches: Sequence[Stretch]) -> list[list[int | None]]:
        """Put tokens into slots, and draw what follows each of them.

        What was in a slot from a stretch's first position on is nothing any more, and so is what
        comes to lie behind a token whose successor is another than was drawn.

        Args:
            stretches: of different slots, together no more than `places` tokens if all were as
                long as the longest.

        Returns:
            For each stretch as many tokens as it has. None stands for logits that are no numbers.
        """
        device, longest = self._model.device, max(len(one.tokens) for one in stretches)
        # A shorter one is padded with its last token again, at the same position: what that writes
        # is there already.
        ids = torch.tensor(
            [[*s.tokens, *[s.tokens[-1]] * (longest - len(s.tokens))] for s in stretches],
            device=device,
        )
        begins = torch.tensor([[s.position] for s in stretches], device=device)
        ends = torch.tensor([[s.position + len(s.tokens) - 1] for s in stretches], device=device)
        positions = torch.minimum(begins + torch.arange(longest, device=device), ends)
        rows = torch.tensor([s.row for s in stretches], device=device)
        length = max(s.position + len(s.tokens) for s in stretches)
        self._cache.where = Block(rows, positions, length)
        seen = torch.arange(length, device=device) <= positions[:, :, None]
        logits = self._all_logits(ids, positions, seen[:, None])
        places = [
            (row, column) for row, s in enumerate(stretches) for column in range(len(s.tokens))
        ]
        row_index, column_index = torch.tensor(places, device=device).T
        draws = [
            replace(stretches[row].draw, step=stretches[row].draw.step + column)
            for row, column in places
        ]
        drawn, logprobs = pick(logits[row_index, column_index], draws, self._cut, told=self._traced)
        self.logprobs = _cut_up(logprobs, stretches) if self._traced else []
        return _cut_up(drawn, stretches)

    def _rounded(self, length: int) -> int:
        """How long a cache is made for `length` positions."""
        return -(-length // _LENGTH_STEP) * _LENGTH_STEP

    def _resize(self, rows: int, length: int) -> None:
        self._cache.resize(rows, length)

    def _step(
        self, rows: torch.Tensor, tokens: torch.Tensor, positions: torch.Tensor, length: int
    ) -> torch.Tensor:
        """Logits, shape (rows, vocabulary), of one token more in each of the first slots.

        Args:
            rows: numbers of the slots, from 0 on, shape (rows,); so are the next two.
            tokens: what is added.
            positions: where; all below `length`.
            length: how many positions of each slot are looked at.
        """
        self._cache.where = Column(rows, positions, length)
        seen = torch.arange(length, device=positions.device) <= positions[:, None]
        return self._forward(tokens[:, None], positions[:, None], seen[:, None, None])

    def _forward(
        self, ids: torch.Tensor, positions: torch.Tensor, seen: torch.Tensor
    ) -> torch.Tensor:
        """Logits after the last of `ids`, shape (rows, vocabulary)."""
        return self._all_logits(ids, positions, seen, keep=1)[:, -1]

    def _all_logits(
        self, ids: torch.Tensor, positions: torch.Tensor, seen: torch.Tensor, *, keep: int = 0
    ) -> torch.Tensor:
        """Logits after the last `keep` of `ids`, after all of them if it is 0.

        Args:
            ids: what is put where the cache was told, shape (rows, tokens).
            positions: theirs, shape (rows, tokens).
            seen: which positions each attends to; broadcast to (rows, 1, tokens, length).

        Returns:
            Shape (rows, tokens, vocabulary).
        """
        output = self._model(
            input_ids=ids,
            position_ids=positions,
            attention_mask=seen,
            use_cache=True,
            logits_to_keep=keep,
            **{self._cache_argument: self._cache},
        )
        logits: torch.Tensor = output.logits
        return logits


def _cut_up(values: Sequence[T], stretches: Sequence[Stretch]) -> list[list[T]]:
    """The part of each stretch, of values that follow on each other."""
    rest = iter(values)
    return [list(islice(rest, len(one.tokens))) for one in stretches]
