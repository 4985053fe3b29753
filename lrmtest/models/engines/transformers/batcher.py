"""Continuous batching: which sequences are generated together, one token of each per step."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain

from lrmtest.errors import EngineError
from lrmtest.grading.completion import FinishReason
from lrmtest.models.engines.base import Request
from lrmtest.models.engines.tokenizers.checkpoint_files import first_line
from lrmtest.models.engines.transformers.gumbel import Draw, pick
from lrmtest.models.engines.transformers.slots import Slots

WATCHED_TOKENS = 32
"""A watcher sees a sequence's tokens in pieces of this many, whatever else is in the batch."""


@dataclass(slots=True, eq=False)
class Running:
    """A request on its way to a completion.

    Attributes:
        request: what was asked for.
        submitted: when, on the monotonic clock, in seconds.
        prompt: the prompt's tokens.
        generated: tokens generated so far, the end-of-sequence token included.
        loops: told each `WATCHED_TOKENS` new tokens; True when they have fallen into a loop.
        finish_reason: set once it ended.
        error: set instead when it cannot go on.
    """

    request: Request
    submitted: float
    prompt: list[int]
    loops: Callable[[list[int]], bool] | None = None
    generated: list[int] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    error: EngineError | None = None

    @property
    def length(self) -> int:
        """Tokens of prompt and completion."""
        return len(self.prompt) + len(self.generated)

    @property
    def last(self) -> int:
        """The token whose successor is generated next."""
        return self.generated[-1] if self.generated else self.prompt[-1]

    @property
    def ended(self) -> bool:
        """Nothing more will be generated."""
        return self.finish_reason is not None or self.error is not None

    @property
    def draw(self) -> Draw:
        """How the next token is drawn."""
        sampling = self.request.sampling
        return Draw(sampling.temperature, sampling.top_p, self.request.seed, len(self.generated))

    def take(self, token: int | None, eos: frozenset[int]) -> None:
        """Add a generated token and see whether it was the last one.

        Everything that ends a sequence early belongs here.
        """
        if token is None:
            self.error = EngineError(
                "the model's logits are not numbers (NaN)",
                hint="float16 may overflow: pass --dtype bfloat16 or float32",
            )
            return
        self.generated.append(token)
        if token in eos:
            self.finish_reason = "stop"
        elif len(self.generated) >= self.request.sampling.max_tokens:
            self.finish_reason = "length"
        elif self._loops_now():
            self.finish_reason = "loop"

    def _loops_now(self) -> bool:
        if self.loops is None or len(self.generated) % WATCHED_TOKENS:
            return False
        return self.loops(self.generated[-WATCHED_TOKENS:])


class Batcher:
    """Keeps as many sequences in flight as there is room for, first come, first served.

    A sequence's slot holds all its tokens but the last, which the next step feeds. When the
    sequences grow out of the memory there is, the youngest give their slots back and are
    continued later; as a draw depends on seed and step alone, that does not change their text.

    Args:
        slots: the model.
        eos: tokens that end a completion.
        limit: most sequences in flight at once.
        memory: bytes that the slots may take together. One sequence always runs.
    """

    def __init__(self, slots: Slots, eos: frozenset[int], *, limit: int, memory: int) -> None:
        self._slots = slots
        self._eos = eos
        self._limit = limit
        self._memory = memory
        self._waiting: deque[Running] = deque()
        self._active: list[Running] = []  # its index is the slot

    @property
    def running(self) -> int:
        """Sequences being generated now."""
        return len(self._active)

    def add(self, sequences: Iterable[Running]) -> None:
        """Queue sequences."""
        self._waiting.extend(sequences)

    def unfinished(self) -> list[Running]:
        """All that were added and did not end."""
        return [*self._active, *self._waiting]

    def step(self) -> list[Running]:
        """Generate one token for every active sequence.

        Returns:
            The sequences that ended, by themselves or by an error of their own.
        """
        ended = self._admit()
        if not self._active:
            return ended
        self._make_room()
        active = self._active
        logits = self._slots.step([s.last for s in active], [s.length - 1 for s in active])
        for sequence, token in zip(active, pick(logits, [s.draw for s in active]), strict=True):
            sequence.take(token, self._eos)
        return ended + self._remove_ended()

    def _admit(self) -> list[Running]:
        """Give waiting sequences free slots; returns those for which that failed."""
        failed = []
        while self._waiting:
            longest = max(s.length for s in chain(self._active, [self._waiting[0]]))
            room = self._room(longest)
            if len(self._active) >= room:
                break
            sequence = self._waiting.popleft()
            try:
                self._slots.reserve(len(self._active) + 1, longest, spare=room)
                self._prefill(sequence)
            except Exception as error:
                sequence.error = EngineError(
                    f"the model failed on the prompt: {first_line(error)}",
                    hint="if memory ran out, lower --concurrency or --max-tokens",
                )
                failed.append(sequence)
            else:
                self._active.append(sequence)
        return failed

    def _prefill(self, sequence: Running) -> None:
        """Fill the next free slot with all tokens but the last.

        What another slot has already, as with several samples of one question, is copied.
        """
        row = len(self._active)
        tokens = (sequence.prompt + sequence.generated)[:-1]
        source, shared = 0, 0
        for i, other in enumerate(self._active):
            common = _common_prefix(tokens, other.prompt)
            if common > shared:
                source, shared = i, min(common, other.length - 1)
        if shared:
            self._slots.copy(source, row, shared)
        self._slots.fill(row, tokens[shared:], shared)

    def _room(self, length: int) -> int:
        """How many slots of `length` positions there may be."""
        each = self._slots.memory(length)
        affordable = self._memory // each if each else 1  # not known before the first pass
        return max(1, min(self._limit, affordable))

    def _make_room(self) -> None:
        """Before a step: a position more for every sequence, at the cost of the youngest."""
        while True:
            longest = max(s.length for s in self._active)
            room = self._room(longest)
            if len(self._active) <= room:
                break
            self._waiting.appendleft(self._active.pop())
        self._slots.reserve(len(self._active), longest, spare=room)

    def _remove_ended(self) -> list[Running]:
        """Take out what ended and close the gaps with the last sequences."""
        ended = [s for s in self._active if s.ended]
        for row in reversed(range(len(self._active))):
            if self._active[row].ended:
                last = self._active.pop()
                if row < len(self._active):
                    self._slots.copy(len(self._active), row, last.length - 1)
                    self._active[row] = last
        return ended


def _common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens two sequences begin with in common."""
    shorter = min(len(a), len(b))
    for i in range(shorter):
        if a[i] != b[i]:
            return i
    return shorter
