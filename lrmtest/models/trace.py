"""Traces: completions token by token, so that another model can read them.

A text is not enough for that: the same text has many tokenizations, and what a model would have
said at each place is a matter of the very ids it was given and gave.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trace:
    """One completion's tokens, and how probable each was when it was drawn.

    Attributes:
        prompt: ids of the rendered prompt, chat template included, type code ``I``.
        tokens: ids that were generated, in order, the one that ended the text included where the
            engine tells it; type code ``I``.
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
