"""Readings: what one model says of the traces of another, token by token, without generating."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from math import isnan

from lrmtest.models.trace import Trace
from lrmtest.questions.place import Place

FIGURES = ("written", "lowest", "highest", "variation", "divergence", "own", "writers_own")
"""The arrays of a reading, in the order in which they are kept."""


@dataclass(frozen=True, slots=True)
class Shaping:
    """What makes the processed distribution, the one that is drawn from, out of a model's own.

    Attributes:
        temperature: 0 is greedy: all mass is on the likeliest token.
        top_p: nucleus mass in (0, 1], of what the other cuts leave.
        top_k: most tokens that stay, and those as probable as the last of them; 0 for all.
        min_p: tokens less probable than this share of the likeliest one's probability go.
    """

    temperature: float
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0

    @property
    def greedy(self) -> bool:
        """Whether nothing is drawn."""
        return self.temperature == 0

    @property
    def nothing(self) -> bool:
        """Whether the processed distribution is the model's own."""
        cut = self.top_p < 1 or self.top_k > 0 or self.min_p > 0
        return self.temperature == 1 and not cut


@dataclass(frozen=True, slots=True)
class Written:
    """A trace that is to be read, which sample it is, and how its tokens were drawn."""

    place: Place
    trace: Trace
    shaping: Shaping

    @property
    def length(self) -> int:
        """Tokens of prompt and completion."""
        return len(self.trace.prompt) + len(self.trace.tokens)


@dataclass(frozen=True, slots=True)
class Reading:
    """One trace as another model, the reader, would have continued it at each of its places.

    All arrays are as long as the trace's tokens, type code ``f``; a bound that is not needed
    because the figure is exact is the same array. Logarithms are natural.

    Attributes:
        place: of the trace that was read.
        written: log-probability of each token for the model that wrote it, processed: kept when it
            was drawn, or read again where it was not kept (the reading's head says which). Of a
            greedy trace all are 0.
        lowest, highest: bounds on each token's log-probability for the reader, processed with
            the writer's sampling; equal where the engine gives all that is needed, ``-inf`` where
            the token is outside of the reader's nucleus.
        variation: total variation between the two next-token distributions at each place, in
            [0, 1]; empty where the engine does not show whole distributions. Its estimate from
            `written` and `lowest` is then (1 - p_reader / p_writer)+, whose mean it is.
        divergence: Kullback-Leibler divergence of the reader's unprocessed distribution from the
            writer's, in nats (KL(writer || reader)), at each place; empty where unknown.
        own: log-probability of each token for the reader, unprocessed; empty where unknown.
        writers_own: the same for the model that wrote it.
    """

    place: Place
    written: array[float]
    lowest: array[float]
    highest: array[float]
    variation: array[float]
    divergence: array[float]
    own: array[float] = field(default_factory=lambda: array("f"))
    writers_own: array[float] = field(default_factory=lambda: array("f"))

    @property
    def fault(self) -> str | None:
        """The first thing that no reading can have, in words; None where all is well."""
        length = len(self.written)
        for name in FIGURES:
            values = getattr(self, name)
            if values.typecode != "f":
                return f"{name} is of the wrong type"
            may_lack = name not in ("written", "lowest", "highest")
            if len(values) != length and not (may_lack and not values):
                return f"{name} has {len(values):,} figures for {length:,} tokens"
            if any(map(isnan, values)):
                return f"{name} holds what is no number"
            most = {"variation": 1.0, "divergence": None}.get(name, 0.0)
            if most is not None and values and max(values) > most:
                return f"{name} holds {max(values):g}; {most:g} is the most that can be"
            if name == "variation" and values and min(values) < 0:
                return f"{name} holds {min(values):g}, which is below 0"
        return None
