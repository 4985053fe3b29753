"""Traces: completions token by token, so that another model can read them.

A text is not enough for that: the same text has many tokenizations, and what a model would have
said at each place is a matter of the very ids it was given and gave.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class Trace:
    """One completion's tokens, and how probable each was when it was drawn.

    Attributes:
        prompt: ids of the rendered prompt, chat template included, type code ``I``.
        tokens: ids that were generated, in order, the one that ended the text included where the
            engine tells it; type code ``I``. Of a completion that was stopped in a loop they may
            go on a little beyond its text.
        logprobs: natural log of each of `tokens`' probability at that place under the *processed*
            distribution, the one it was drawn from: temperature, top-p and whatever else cuts
            applied, renormalized. Type code ``f``, as long as `tokens`; empty where the engine
            does not tell. Of a greedy completion they are those of the unprocessed distribution.
        ended: the last of `tokens` is an end token, drawn like the others. False where the text
            ended otherwise (budget, loop) or the engine kept the end token to itself.
    """

    prompt: array[int]
    tokens: array[int]
    logprobs: array[float]
    ended: bool

    @property
    def fault(self) -> str | None:
        """The first thing that no trace can have, in words; None where all is well."""
        if {self.prompt.typecode, self.tokens.typecode} != {"I"} or self.logprobs.typecode != "f":
            return "a trace's arrays are of the wrong type"
        if self.logprobs and len(self.logprobs) != len(self.tokens):
            return f"{len(self.logprobs):,} log-probabilities for {len(self.tokens):,} tokens"
        # One comparison refuses NaN, too; minus infinity is of a token that could not be drawn.
        if not all(map((0.0).__ge__, self.logprobs)) or -inf in self.logprobs:
            return "a log-probability is none: a token that was drawn has one of at most 0"
        if self.ended and not self.tokens:
            return "it ended with a token, and has none"
        return None
