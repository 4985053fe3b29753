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
from lrmtest.models.engines.transformers.gumbel import Draw
from lrmtest.models.engines.transformers.slots import PREFILL_CHUNK, Feed, Slots, Stretch

WATCHED_TOKENS = 32
"""A watcher sees a sequence's tokens in pieces of this many, whatever else is in the batch."""


_FIRST_STRETCH, _STRETCH = 32, 64
"""Tokens of a draft that are looked at first, since many a model turns soon; and at least, where
there are so many drafts that the places must be divided among them."""


@dataclass(slots=True, eq=False)
class Running:
    """A request on its way to a completion.

    Attributes:
        request: what was asked for.
        submitted: when, on the monotonic clock, in seconds.
        prompt: the prompt's tokens.
        generated: tokens generated so far, the end-of-sequence token included.
        logprobs: how probable each of them was when it was drawn, where that is kept.
        loops: told each `WATCHED_TOKENS` new tokens; True when they have fallen into a loop.
        draft: tokens that `generated` may become, as long as they are what is drawn; none any
            more once it has turned from them or has come to their end.
        drafted: how many of `generated` came from a draft; None where there was none.
        finish_reason: set once it ended.
        error: set instead when it cannot go on.
    """

    request: Request
    submitted: float
    prompt: list[int]
    loops: Callable[[list[int]], bool] | None = None
    draft: Sequence[int] | None = None
    drafted: int | None = None
    generated: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    error: EngineError | None = None

    def __post_init__(self) -> None:
        if self.draft is not None:
            self.draft = self.draft[: self.request.sampling.max_tokens]
            self.drafted = 0

    @property
    def length(self) -> int:
        """Tokens of prompt and completion."""
        return len(self.prompt) + len(self.generated)

    @property
    def fed(self) -> list[int]:
        """What its slot has to hold before a step: all tokens but the last."""
        return (self.prompt + self.generated)[:-1]

    @property
    def last_position(self) -> int:
        """Where the last token but one of its budget goes; the last is never fed."""
        return len(self.prompt) + self.request.sampling.max_tokens - 2

    @property
    def ended(self) -> bool:
        """Nothing more will be generated."""
        return self.finish_reason is not None or self.error is not None

    @property
    def feed(self) -> Feed:
        """What the next step adds to its slot."""
        return Feed(
            token=self._last_token,
            position=self.length - 1,
            last_position=self.last_position,
            draw=self._draw,
        )

    @property
    def _last_token(self) -> int:
        return self.generated[-1] if self.generated else self.prompt[-1]

    @property
    def _draw(self) -> Draw:
        """How the next token is drawn."""
        sampling, step = self.request.sampling, len(self.generated)
        return Draw(sampling.temperature, sampling.top_p, self.request.seed, step)

    def reach(self, block: int) -> int:
        """Positions that its slot takes when so many tokens more are fed, budget permitting.

        While there is a draft, the whole of it may come to be fed.
        """
        more = max(block, len(self.draft) - len(self.generated)) if self.draft else block
        return min(self.length - 1 + more, self.last_position + 1)

    def stretch(self, row: int, most: int) -> Stretch:
        """What its slot, `row`, is to be given of the draft next, at most `most` tokens.

        It is as much as was right so far, so that little is looked at in vain.
        """
        done = len(self.generated)
        width = min(most, max(_FIRST_STRETCH, self.drafted or 0))
        ahead = (self.draft or ())[done : done + width]
        return Stretch(row, [self._last_token, *ahead[:-1]], self.length - 1, self._draw)

    def follow(
        self, drawn: Sequence[int | None], told: Sequence[float], eos: frozenset[int]
    ) -> None:
        """Take what was drawn along the draft, up to where it is something else.

        Args:
            drawn: the token of each place of a stretch.
            told: how probable each was, where that is kept.
            eos: tokens that end a completion.
        """
        done = len(self.generated)
        draft = self.draft or ()
        for token, given in zip(drawn, draft[done : done + len(drawn)], strict=True):
            self.take(token, eos)
            if token != given:
                self.draft = None
                break
            self.drafted = (self.drafted or 0) + 1
            if self.ended:
                break
        if self.ended or (self.draft and len(self.generated) == len(self.draft)):
            self.draft = None
        self.logprobs += told[: len(self.generated) - done]

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

    A sequence with a draft follows it once it has a slot: that is filled with the draft a stretch
    at a time, and at each place the sequence's own token is drawn. Where that is not the draft's,
    the slot holds all that is before it already, and the sequence goes on like any other.

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
        self.taken = 0
        """Tokens generated so far, over all sequences, those of drafts left out."""
        self.drafted = 0
        """Tokens taken from drafts so far, over all sequences."""

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
        """Generate a few tokens for every active sequence, on most slots one.

        While some follow drafts, theirs is the step: so all slots are full when tokens are
        generated, and nothing waits for a whole trace to be read.

        Returns:
            The sequences that ended, by themselves or by an error of their own.
        """
        ended = self._admit()
        if drafts := [row for row, s in enumerate(self._active) if s.draft]:
            self._follow(drafts)
            return ended + self._remove_ended()
        if not self._active:
            return ended
        self._make_room()
        active = self._active
        block = self._slots.advance([s.feed for s in active])
        logprobs = self._slots.logprobs or [[]] * len(active)
        for sequence, tokens, told in zip(active, block, logprobs, strict=True):
            before = len(sequence.generated)
            for token in tokens:
                sequence.take(token, self._eos)
                if sequence.ended:
                    break  # a block goes on behind an end
            new = len(sequence.generated) - before
            sequence.logprobs += told[:new]
            self.taken += new
        return ended + self._remove_ended()

    def _admit(self) -> list[Running]:
        """Give waiting sequences free slots; returns those for which that failed."""
        failed = []
        while wave := self._wave():
            together, rest = self._apart(wave) if len(wave) > 1 else ([], wave)
            try:
                if together:
                    self._reserve(together)
                    self._slots.fill(len(self._active), [s.fed for s in together], 0)
                    self._active += together
            except Exception:
                rest = wave  # each by itself, so that one's accident is its own
            for sequence in rest:
                try:
                    self._reserve([sequence])
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

    def _follow(self, rows: Sequence[int]) -> None:
        """Let some of these sequences go along their drafts for a stretch."""
        part = rows[: max(1, self._slots.places // _STRETCH)]
        try:
            self._follow_together(part)
        except Exception:
            for row in part:  # each by itself, so that one's accident is its own
                self._follow_alone(row)

    def _follow_alone(self, row: int) -> None:
        sequence = self._active[row]
        try:
            if sequence.draft:
                self._follow_together([row])
        except Exception as error:
            sequence.draft = None
            sequence.error = EngineError(
                f"the model failed on the draft: {first_line(error)}",
                hint="if memory ran out, lower --concurrency or --max-tokens",
            )

    def _follow_together(self, rows: Sequence[int]) -> None:
        most = max(1, min(PREFILL_CHUNK, self._slots.places // len(rows)))
        sequences = [self._active[row] for row in rows]
        drawn = self._slots.follow(
            [s.stretch(row, most) for row, s in zip(rows, sequences, strict=True)]
        )
        logprobs = self._slots.logprobs or [[]] * len(rows)
        for sequence, tokens, told in zip(sequences, drawn, logprobs, strict=True):
            drafted, before = sequence.drafted or 0, len(sequence.generated)
            sequence.follow(tokens, told, self._eos)
            of_draft = (sequence.drafted or 0) - drafted
            self.drafted += of_draft
            self.taken += len(sequence.generated) - before - of_draft

    def _wave(self) -> list[Running]:
        """Waiting sequences, taken out, for which there are slots: as many as are filled at once.

        Those of one wave are padded to its longest.
        """
        wave: list[Running] = []
        longest = self._longest(self._active)
        while self._waiting:
            sequence = self._waiting[0]
            longest = max(longest, sequence.reach(self._slots.block))
            if len(self._active) + len(wave) >= self._room(longest):
                break
            width = max(s.length for s in (*wave, sequence))
            if wave and width * (len(wave) + 1) > self._slots.prefill_tokens:
                break
            wave.append(self._waiting.popleft())
        return wave

    def _apart(self, wave: list[Running]) -> tuple[list[Running], list[Running]]:
        """Those that are filled together, and those whose tokens another slot will mostly have."""
        together: list[Running] = []
        rest: list[Running] = []
        for sequence in wave:
            others = chain(self._active, together)
            shared = max((_common_prefix(sequence.fed, s.prompt) for s in others), default=0)
            (rest if 2 * shared > len(sequence.fed) else together).append(sequence)
        return together, rest

    def _prefill(self, sequence: Running) -> None:
        """Fill the next free slot with all tokens but the last.

        What another slot has already, as with several samples of one question, is copied.
        """
        row, tokens = len(self._active), sequence.fed
        source, shared = 0, 0
        for i, other in enumerate(self._active):
            common = _common_prefix(tokens, other.prompt)
            if common > shared:
                source, shared = i, min(common, other.length - 1)
        if shared:
            self._slots.copy(source, row, shared)
        self._slots.fill(row, [tokens[shared:]], shared)

    def _longest(self, sequences: Iterable[Running]) -> int:
        """Positions that the longest takes in the next step."""
        return max((s.reach(self._slots.block) for s in sequences), default=0)

    def _reserve(self, new: Sequence[Running]) -> None:
        """Make room for these beside the active ones."""
        longest = self._longest(chain(self._active, new))
        self._slots.reserve(len(self._active) + len(new), longest, spare=self._room(longest))

    def _room(self, length: int) -> int:
        """How many slots of `length` positions there may be."""
        each = self._slots.memory(length)
        affordable = self._memory // each if each else 1  # not known before the first pass
        return max(1, min(self._limit, affordable))

    def _make_room(self) -> None:
        """Before a step: positions for its tokens, at the cost of the youngest."""
        while len(self._active) > self._room(self._longest(self._active)):
            self._waiting.appendleft(self._active.pop())
        self._reserve([])

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
