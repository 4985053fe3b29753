"""A completion: one generated text and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

FinishReason = Literal["stop", "length", "loop", "unknown"]
"""``stop``: the model ended by itself; ``length``: it ran into its token budget;
``loop``: it was stopped because its tail had provably become periodic; ``unknown``: nothing says
how it ended."""


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

    @property
    def answer_tokens(self) -> int:
        """Tokens after the closing reasoning tag."""
        return self.completion_tokens - self.reasoning_tokens

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
