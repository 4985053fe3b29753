"""Drafts: traces that another model has written, as what a sample may begin with.

The model walks along the trace. As long as it would say the same itself, the tokens need not be
generated; from the first place on where it would not, the turning place, it goes on by itself.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Literal

from lrmtest.models.reading import Shaping
from lrmtest.models.trace import Trace

DraftWay = Literal["noise", "rejection"]
"""How a model finds its turning place.

``noise``: it draws a token of its own at each place, with the noise of the sample's seed, and turns
at the first that is not the trace's. What comes out is the plain sample of that seed, whatever the
trace is; where the trace was drawn with the same noise, the two agree often.

``rejection``: it takes each token with probability min(1, p / q), p being its own probability of it
and q that of the trace's writer, and turns at the first that it does not take, with a token drawn
from (p - q)+, renormalized (speculative sampling: Leviathan, Kalman and Matias 2023, "Fast
inference from transformers via speculative decoding", arXiv 2211.17192, section 2.3). What comes
out is an exact draw of the model, but depends on the trace as well as on the seed."""


@dataclass(frozen=True, slots=True)
class DraftTurn:
    """A turning place that was found before the sample is generated: what the sample begins with.

    Attributes:
        tokens: those of the trace that were taken, and behind them the one that was drawn in the
            place of the next, if one was; type code ``I``.
        taken: how many were taken.
        logprobs: of each of `tokens`, processed (unprocessed of a greedy sample), type code ``f``;
            empty where not all are known.
        may_end: the last of them may be an end token.
        silent: those of them that stand for no text.
    """

    tokens: array[int]
    taken: int
    logprobs: array[float] = field(default_factory=lambda: array("f"))
    may_end: bool = False
    silent: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class TraceDraft:
    """A trace that a sample may begin with.

    Attributes:
        trace: the tokens, with the prompt that they follow on. A model that is asked with another
            prompt does not use it.
        shaping: how they were drawn.
        way: how the turning place is found.
        turning: what was found; None where the engine finds it by itself.
    """

    trace: Trace
    shaping: Shaping
    way: DraftWay
    turning: DraftTurn | None = None
