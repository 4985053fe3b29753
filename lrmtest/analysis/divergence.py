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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import exp, fsum, inf, log
from statistics import fmean, pstdev

from lrmtest.analysis.bootstrap import bootstrap
from lrmtest.analysis.intervals import Interval
from lrmtest.models.reading import Reading, Shaping
from lrmtest.questions.place import Place
from lrmtest.runs.outcomes import QuestionKey

_LEAST = -745.0
"""The logarithm of the least float above 0; below, e to it is 0 all the same."""
_LOG_2 = log(2)


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
        estimated_divergence: sum of log (p_writer / p_reader), where nothing is processed, so
            that its mean over traces is that of `divergence`; None elsewhere.
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
    estimated_divergence: float | None
    loss: float | None
    writers_loss: float | None

    def per_token(self, figure: float | None) -> float | None:
        """A sum over the trace's places as a mean; None of nothing."""
        return None if figure is None or not self.tokens else figure / self.tokens


def trace_figures(reading: Reading, shaping: Shaping) -> TraceFigures:
    """The figures of one reading.

    Args:
        reading: what was read.
        shaping: how the trace's tokens were drawn.
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
        first=half if shaping.greedy else None,
        divergence=_sum_of(reading.divergence, reading),
        estimated_divergence=0.0 - weight.low if shaping.nothing and weight.exact else None,
        loss=_negative(_sum_of(reading.own, reading)),
        writers_loss=_negative(_sum_of(reading.writers_own, reading)),
    )


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

    Means are over a question's traces, then over questions; those per token are over all tokens.

    Attributes:
        questions, traces, tokens: how many were read.
        variation: S, mean of the sums of total variation.
        exact: it is summed from whole distributions, else estimated from the tokens drawn.
        interval: of S, over questions like these; from the lower end of its lower bound to the
            upper end of its upper one.
        variation_per_token: of all tokens.
        own_share: share of the traces that the reader would have written as well.
        kept: share that stands to its end when drafted token by token.
        leaves: tokens before the first that is not kept.
        half: by how many tokens half of the traces have left; None where most never do.
        divergence: KL(writer || reader) in nats per token, unprocessed; None where unknown.
        divergence_exact: it is from whole distributions, else estimated from the tokens drawn.
        loss, writers_loss: -log p per token in nats, unprocessed; None where unknown.
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
    divergence_exact: bool
    loss: float | None
    writers_loss: float | None


def diverge(traces: Sequence[TraceFigures], level: float = 0.95) -> Divergence:
    """The figures of some traces together.

    Args:
        traces: one or more.
        level: nominal coverage of the interval.

    Raises:
        UsageError: `level` is not between 0 and 1.
    """
    groups: dict[QuestionKey, list[TraceFigures]] = {}
    for one in traces:
        groups.setdefault(one.place.question, []).append(one)

    def of_questions(figure: Callable[[TraceFigures], float]) -> list[float]:
        return [fmean(map(figure, group)) for group in groups.values()]

    def ranged(figure: Callable[[TraceFigures], Range]) -> Range:
        ends = (lambda one: figure(one).low), (lambda one: figure(one).high)
        return Range(*(fmean(of_questions(end)) for end in ends))

    tokens = sum(one.tokens for one in traces)
    low = bootstrap(of_questions(lambda one: one.variation.low), fmean, level)
    high = bootstrap(of_questions(lambda one: one.variation.high), fmean, level)
    exact_divergence = _per_token((one.divergence for one in traces), tokens)
    estimated = _per_token((one.estimated_divergence for one in traces), tokens)
    halves = sorted(inf if one.half is None else one.half + 1 for one in traces)
    half = halves[(len(halves) - 1) // 2]
    return Divergence(
        questions=len(groups),
        traces=len(traces),
        tokens=tokens,
        variation=ranged(lambda one: one.variation),
        exact=all(one.exact for one in traces),
        interval=replace(low, high=high.high),
        variation_per_token=Range(
            *(fsum(each) / max(tokens, 1) for each in zip(*map(_ends, traces), strict=True))
        ),
        own_share=ranged(lambda one: one.own_share),
        kept=ranged(lambda one: one.kept),
        leaves=fmean(of_questions(lambda one: one.leaves)),
        half=None if half == inf else half,
        divergence=estimated if exact_divergence is None else exact_divergence,
        divergence_exact=exact_divergence is not None,
        loss=_per_token((one.loss for one in traces), tokens),
        writers_loss=_per_token((one.writers_loss for one in traces), tokens),
    )


def _ends(one: TraceFigures) -> tuple[float, float]:
    return one.variation.low, one.variation.high


def _per_token(sums: Iterable[float | None], tokens: int) -> float | None:
    """Their sum over so many tokens; None where one is unknown, or there are no tokens."""
    known = list(sums)
    if not tokens or any(one is None for one in known):
        return None
    return fsum(one for one in known if one is not None) / tokens


@dataclass(frozen=True, slots=True)
class Floor:
    """What of the figures is the engines' arithmetic: the writer, read by itself.

    Were reading and generating the same to the last bit, all would be 0.

    Attributes:
        variation: S as it is estimated, of the writer against itself.
        spread: standard deviation of log W.
        largest: the greatest difference of a token's log-probability; infinite where a token that
            was drawn is cut off when it is read.
        cut: tokens that were drawn and are cut off when they are read.
        traces, tokens: how many were read.
    """

    variation: float
    spread: float
    largest: float
    cut: int
    traces: int
    tokens: int


def floor_of(readings: Iterable[Reading]) -> Floor | None:
    """The floor, from readings of traces by their writer; None where there are none."""
    sums: dict[QuestionKey, list[float]] = {}
    weights: list[float] = []
    largest, cut, tokens = 0.0, 0, 0
    for one in readings:
        total = fsum(map(_apart, one.written, one.lowest))
        sums.setdefault(one.place.question, []).append(total)
        weight = log_weight(one).low
        if weight > -inf:
            weights.append(weight)
        for written, read in zip(one.written, one.lowest, strict=True):
            largest = max(largest, abs(read - written))
            cut += read == -inf
        tokens += len(one.written)
    if not sums:
        return None
    return Floor(
        variation=fmean(map(fmean, sums.values())),
        spread=pstdev(weights) if weights else 0.0,
        largest=largest,
        cut=cut,
        traces=sum(map(len, sums.values())),
        tokens=tokens,
    )


def token_shortfalls(reading: Reading) -> array[float]:
    """Total variation at each place; where unknown its estimate (1 - w)+, by the lower bound."""
    if len(reading.variation) == len(reading.written):
        return reading.variation
    return array("f", map(_apart, reading.written, reading.lowest))


def token_variations(reading: Reading) -> list[Range]:
    """Total variation at each place; where unknown its estimate (1 - w)+, or bounds on that."""
    if len(reading.variation) == len(reading.written):
        return [Range(value, value) for value in reading.variation]
    return [
        Range(_apart(written, highest), _apart(written, lowest))
        for written, lowest, highest in zip(
            reading.written, reading.lowest, reading.highest, strict=True
        )
    ]
