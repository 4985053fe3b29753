"""Readings: what one model says of the traces of another, token by token, without generating."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from typing import Any

from lrmtest.questions.place import Place

FIGURES = ("written", "lowest", "highest", "variation", "divergence")
"""The arrays of a reading, in the order in which they are kept."""


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

    @property
    def fault(self) -> str | None:
        """The first thing that no reading can have, in words; None where all is well."""
        length = len(self.written)
        for name in FIGURES:
            values = getattr(self, name)
            if values.typecode != "f":
                return f"{name} is of the wrong type"
            may_lack = name in ("variation", "divergence")
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


@dataclass(frozen=True, slots=True)
class ReadingHead:
    """What a reading of a run's traces is of, its figures apart.

    Attributes:
        reading_id: names it in the store.
        run_id: the run whose traces are read; it need not be in this store.
        reader: the name of the model that reads.
        identity: equal for readings that continue each other.
        created: when it began, ISO 8601.
        finished: when all that was planned had been read; None before.
        manifest: its settings, JSON values.
    """

    reading_id: str
    run_id: str
    reader: str
    identity: str
    created: str
    finished: str | None
    manifest: Mapping[str, Any]
