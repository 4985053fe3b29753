"""A completion: one generated text and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Literal, get_args

FinishReason = Literal["stop", "length", "loop", "unknown"]
"""``stop``: the model ended by itself; ``length``: it ran into its token budget;
``loop``: it was stopped because its tail had provably become periodic; ``unknown``: nothing says
how it ended."""

LARGEST = 2**63 - 1
"""The largest whole number that a store, and most of what reads exported runs, can hold."""

_COUNTS = ("prompt_tokens", "completion_tokens", "reasoning_tokens")
_FINISH_REASONS = frozenset(get_args(FinishReason))


@dataclass(frozen=True, slots=True)
class Completion:
    """One generated text, with what it cost.

    Attributes:
        text: everything that was generated, reasoning tags included. When the chat template
            prefills the opening tag, the text has only the closing one.
        finish_reason: how generation ended.
        prompt_tokens: tokens of the prompt; 0 when unknown (recorded outputs).
        completion_tokens: tokens generated, reasoning and answer together.
        reasoning_tokens: those up to and including the closing reasoning tag.
        tokens_estimated: True when the counts come from text length, not from a tokenizer.
        seed: the seed the engine was asked to use, None when it takes none.
        seconds: from submission to the last token, wall time; 0 when unknown.
        finish_word: what the server called the end, in its own word; empty where it said nothing.
        drafted_tokens: of `completion_tokens`, those that were read from a draft and not generated
            (`lrmtest.models.draft`); None where there was no draft, or it could not be used.
    """

    text: str
    finish_reason: FinishReason
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    tokens_estimated: bool = False
    seed: int | None = None
    seconds: float = 0.0
    finish_word: str = ""
    drafted_tokens: int | None = None

    @property
    def generated_tokens(self) -> int:
        """Tokens that were generated: all but those of a draft."""
        return self.completion_tokens - (self.drafted_tokens or 0)

    @property
    def answer_tokens(self) -> int:
        """Tokens after the closing reasoning tag."""
        return self.completion_tokens - self.reasoning_tokens

    @property
    def fault(self) -> str | None:
        """The first field whose value no completion can have, in words; None where all is well.

        Engines, logs and damaged files are asked this before anything relies on the fields.
        """
        for name in _COUNTS:
            if (wrong := count_fault(getattr(self, name))) is not None:
                return f"{name} {wrong}"
        if not isinstance(self.text, str):
            return f"text is a {type(self.text).__name__}"
        if self.finish_reason not in _FINISH_REASONS:
            return f"finish_reason is {self.finish_reason!r:.40}"
        if not isinstance(self.finish_word, str):
            return f"finish_word is a {type(self.finish_word).__name__}"
        if not isinstance(self.tokens_estimated, bool):
            return f"tokens_estimated is {self.tokens_estimated!r:.40}"
        if self.seed is not None and (wrong := _whole_fault(self.seed, -LARGEST - 1)) is not None:
            return f"seed {wrong}"
        if (wrong := self._draft_fault) is not None:
            return f"drafted_tokens {wrong}"
        if not _plausible_seconds(self.seconds):
            return f"seconds is {self.seconds!r:.40}"
        return None

    @property
    def _draft_fault(self) -> str | None:
        if self.drafted_tokens is None:
            return None
        if (wrong := count_fault(self.drafted_tokens)) is not None:
            return wrong
        if self.drafted_tokens > self.completion_tokens:
            return f"is {self.drafted_tokens:,}, of {self.completion_tokens:,} tokens"
        return None

    @property
    def ran_out(self) -> bool:
        """Whether it is known that the model did not end by itself."""
        return self.finish_reason in ("length", "loop")

    def with_reasoning_tokens(self, reasoning_tokens: int, *, estimated: bool) -> Completion:
        """A copy with the reasoning share filled in, kept within the total."""
        return replace(
            self,
            reasoning_tokens=max(0, min(reasoning_tokens, self.completion_tokens)),
            tokens_estimated=estimated,
        )


def count_fault(value: Any) -> str | None:
    """What is wrong with a count, in words that follow its name; None for 0 to `LARGEST`."""
    return _whole_fault(value, 0)


def _whole_fault(value: Any, least: int) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return f"is no whole number but a {type(value).__name__}"
    if least <= value <= LARGEST:
        return None
    # A number of thousands of digits is no text that anybody could read, or Python would write.
    shown = str(value) if value.bit_length() < 128 else f"a number of {value.bit_length()} bits"
    return f"is {shown}, which is out of range"


def _plausible_seconds(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return isfinite(value) and value >= 0
    except OverflowError:  # an integer beyond every float
        return False
