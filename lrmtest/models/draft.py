"""Drafts: traces that another model has written, as what a sample may begin with.

The model walks along the trace. As long as it would say the same itself, the tokens need not be
generated; from the first place on where it would not, the turning place, it goes on by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
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
class TraceDraft:
    """A trace that a sample may begin with.

    Attributes:
        trace: the tokens, with the prompt that they follow on. A model that is asked with another
            prompt does not use it.
        shaping: how they were drawn.
        way: how the turning place is found.
    """

    trace: Trace
    shaping: Shaping
    way: DraftWay
