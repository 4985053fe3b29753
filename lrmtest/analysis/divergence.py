"""Divergence: how far a reader is from the model that wrote the traces it has read.

All of it follows from one ratio at each place, w = p_reader / p_writer of the token that is there,
processed alike on both sides, and from what whole distributions say where they are at hand.

The total variation of the two next-token distributions at a place is E[(1 - w)+] over tokens that
the writer draws, so (1 - w)+ estimates it without bias from the very token that was drawn. S, the
sum over a trace's places, mean over traces, bounds how far the two models' distributions of whole
traces are apart: coupled place by place, they part with a chance of no more than S (a union
bound; Lindvall 1992, "Lectures on the Coupling Method", chapter I).

For a whole trace W = the product of w is the ratio of its probabilities. E[min(1, W)] over the
writer's traces is 1 less the total variation of the two distributions of traces: the share of them
that the reader would have written as well. Where only bounds on w are known, so are figures.

Samples of one question are no independent draws of questions: means are over a question's traces
first, then over questions, which are what intervals draw.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import accumulate
from math import exp, fsum, inf, log

from lrmtest.analysis.intervals import Interval
from lrmtest.models.reading import Reading
from lrmtest.questions.place import Place

_LEAST = -745.0
"""The logarithm of the least float above 0; below, e to it is 0 all the same."""


@dataclass(frozen=True, slots=True)
class Range:
    """A figure that is known exactly, where both ends are the same, or between two."""

    low: float
    high: float

    @property
    def exact(self) -> bool:
        """Whether nothing is open."""
        return self.low == self.high


def log_weight(reading: Reading) -> Range:
    """Bounds on log W, W = P_reader / P_writer of the whole trace; ``-inf`` where it is cut off."""
    written = fsum(reading.written)
    low, high = _total(reading.lowest), _total(reading.highest)
    return Range(low - written, high - written)


def shortfall(reading: Reading) -> Range:
    """Bounds on (1 - W)+ of the whole trace, in [0, 1]: what the certificate is made of."""
    weight = log_weight(reading)
    return Range(_one_less(weight.high), _one_less(weight.low))


def _total(values: array[float]) -> float:
    return -inf if -inf in values else fsum(values)


def _one_less(log_w: float) -> float:
    """(1 - e^x)+."""
    return 1 - exp(max(log_w, _LEAST)) if log_w < 0 else 0.0


@dataclass(frozen=True, slots=True)
class TraceFigures:
    """What one reading comes to.

    Attributes:
        place: of the trace.
        tokens: how many it has.
        variation: sum over its places of the total variation, or of its estimates.
        exact: `variation` is summed from whole distributions.
        weight: bounds on log W.
        own_share: bounds on min(1, W).
        kept: bounds on the product of min(1, w): the chance that the trace stands to its end, if
            each token is kept as often as the reader allows (speculative sampling).
        leaves: expected place, from 0, of the first token that is not kept, and the number of
            tokens if all are; by the lower bounds.
        half: the place at which more than half have left; None if that is nowhere.
        first: of a greedy trace, the first place at which the reader's likeliest token is another.
        divergence: sum of KL(writer || reader), unprocessed, in nats; None where unknown.
        estimated_divergence: log (p_writer / p_reader), where nothing is processed and the mean
            is therefore an estimate of it; None elsewhere.
        loss, writers_loss: sum of -log p, unprocessed, for the reader and for the writer, in nats;
            None where unknown.
    """

    place: Place
    tokens: int
    variation: Range
    exact: bool
    weight: Range
    own_share: Range
    kept: Range
    leaves: float
    half: int | None
    first: int | None
    divergence: float | None
    loss: float | None
    writers_loss: float | None


def trace_figures(reading: Reading, *, greedy: bool) -> TraceFigures:
    """The figures of one reading.

    Args:
        reading: what was read.
        greedy: nothing was drawn: each token was the writer's likeliest.
    """
    exact = len(reading.variation) == len(reading.written)
    if exact:
        total = fsum(reading.variation)
        variation = Range(total, total)
    else:
        variation = Range(
            *(fsum(map(_apart, reading.written, p)) for p in (reading.highest, reading.lowest))
        )
    weight = log_weight(reading)
    steps = [min(0.0, b - a) for a, b in zip(reading.written, reading.lowest, strict=True)]
    survival = list(accumulate(steps))  # logarithms; the sum of floats and -inf is -inf
    most = (
        fsum(min(0.0, b - a) for a, b in zip(reading.written, reading.highest, strict=True))
        if -inf not in reading.highest
        else -inf
    )
    half = next((i for i, each in enumerate(survival) if each < -_LOG_2), None)
    return TraceFigures(
        place=reading.place,
        tokens=len(reading.written),
        variation=variation,
        exact=exact,
        weight=weight,
        own_share=Range(1 - _one_less(weight.low), 1 - _one_less(weight.high)),
        kept=Range(_power(survival[-1] if survival else 0.0), _power(most)),
        leaves=fsum(map(_power, survival)),
        half=half,
        first=half if greedy else None,
        divergence=_sum_of(reading.divergence, reading),
        loss=_negative(_sum_of(reading.own, reading)),
        writers_loss=_negative(_sum_of(reading.writers_own, reading)),
    )


_LOG_2 = log(2)


def _apart(written: float, read: float) -> float:
    """(1 - w)+ of one token."""
    return _one_less(read - written)


def _power(log_p: float) -> float:
    return exp(max(log_p, _LEAST)) if log_p > -inf else 0.0


def _sum_of(values: array[float], reading: Reading) -> float | None:
    return fsum(values) if len(values) == len(reading.written) else None


def _negative(value: float | None) -> float | None:
    return None if value is None else 0.0 - value


@dataclass(frozen=True, slots=True)
class Divergence:
    """How far a reader is from the writer, over the traces of some questions.

    Means are over a question's traces, then over questions, but where they are of tokens.

    Attributes:
        questions, traces, tokens: how many were read.
        variation: S, mean of the sums of total variation.
        exact: it is summed from whole distributions, else estimated from the tokens drawn.
        interval: of S, over questions like these; of its upper bound where it is a range.
        variation_per_token: S's traces' sums over all tokens.
        own_share: share of the traces that the reader would have written as well.
        kept: share that stands to its end when drafted token by token.
        leaves: tokens before the first that is not kept, mean.
        half: the median place by which half have left; None where most traces have none.
        divergence: KL(writer || reader) in nats per token, unprocessed; None where unknown.
        divergence_exact: it is from whole distributions, else estimated from the tokens.
        loss, writers_loss: mean -log p per token in nats, unprocessed; None where unknown.
        agreeing: of greedy traces, the share that the reader would have written; else None.
    """

    questions: int
    traces: int
    tokens: int
    variation: Range
    exact: bool
    interval: Interval
    variation_per_token: Range
    own_share: Range
    kept: Range
    leaves: float
    half: float | None
    divergence: float | None
    loss: float | None
    writers_loss: float | None
    agreeing: float | None
