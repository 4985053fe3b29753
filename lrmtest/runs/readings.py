"""Readings: what one model says of the traces of another, token by token, without generating."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from lrmtest.questions.place import Place


@dataclass(frozen=True, slots=True)
class Reading:
    """One trace as another model, the reader, would have continued it at each of its places.

    All arrays are as long as the trace's tokens, type code ``f``; a bound that is not needed
    because the figure is exact is the same array. Logarithms are natural.

    Attributes:
        place: of the trace that was read.
        written: log-probability of each token for the model that wrote it, processed: kept when it
            was drawn, or read again where it was not kept (the reading's head says which).
        lowest, highest: bounds on each token's log-probability for the reader, processed with
            the writer's sampling; equal where the engine gives all that is needed, ``-inf`` where
            the token is outside of the reader's nucleus.
        variation: total variation between the two next-token distributions at each place, in
            [0, 1]; empty where the engine does not show whole distributions. Its estimate from
            `written` and `lowest` is then (1 - p_reader / p_writer)+, whose mean it is.
        divergence: Kullback-Leibler divergence of the reader's unprocessed distribution from the
            writer's, in nats (KL(writer || reader)), at each place; empty where unknown.
    """

    place: Place
    written: array[float]
    lowest: array[float]
    highest: array[float]
    variation: array[float]
    divergence: array[float]
