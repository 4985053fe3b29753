"""The plan of drafts: what a candidate need not generate, and what pairing its samples is worth.

A sample that begins with the baseline's trace is generated from the turning place on
(`lrmtest.models.draft`). Where a token stands whose two probabilities have the ratio w =
p_candidate / p_baseline, it is kept

- by rejection with probability min(1, w), which is what speculative sampling does;
- with shared noise with at least min(1, w) / (1 + V) and at most min(1, w), V being the total
  variation of the two distributions there. Given that the baseline drew y, the candidate draws y,
  too, with probability 1 / sum_j max(p_j, q_j p_y / q_y), p being the baseline's probabilities and
  q the candidate's (Gumbel-max with common noise; Daliri, Musco and Suresh 2024, "Coupling without
  communication and drafter-invariant speculative decoding", arXiv 2408.07978). That sum is at most
  (1 + V) max(1, p_y / q_y), since sum_j max(p_j, q_j) = 1 + V.

The chance that a trace stands up to a place is the product over those before it: each place has
noise of its own. From traces that a like model has read, both ends follow trace by trace. From S
alone, their total variation, there is only a bound: the chance that a trace is left is at most the
sum of 2 V / (1 + V), which is at most 2 S.

What is said of tokens supposes that the candidate writes as many as the baseline did. Two samples
of the same number can only differ in their verdict where the trace was left, so that the same
chance bounds how many pairs differ, and with it the samples that a gate needs which pairs by index.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, fsum
from statistics import fmean

from lrmtest.analysis.divergence import Range, token_shortfalls
from lrmtest.models.reading import Reading
from lrmtest.runs.outcomes import QuestionKey


@dataclass(frozen=True, slots=True)
class DraftPlan:
    """What drafts save a candidate that differs by so much.

    Attributes:
        variation: S, the total variation per trace.
        left: the share of the traces that the candidate leaves somewhere.
        generated: the share of the traces' tokens that it would have to generate.
        read: both are from traces that were read; else they are bounds that follow from S alone,
            and their lower ends 0.
        estimated: total variation was not read but estimated from the tokens that stand there, so
            that the upper ends are estimates, too.
    """

    variation: float
    left: Range
    generated: Range
    read: bool
    estimated: bool


def drafts_from_variation(variation: float) -> DraftPlan:
    """What follows from S alone, which is at least 0."""
    most = min(1.0, 2 * variation)
    return DraftPlan(variation, Range(0.0, most), Range(0.0, most), read=False, estimated=False)


def drafts_from_readings(readings: Iterable[Reading]) -> DraftPlan | None:
    """What follows from traces that a candidate has read; None where there are none.

    Means are over a question's traces, then over questions; shares of tokens are over all tokens.
    """
    variations: dict[QuestionKey, list[float]] = {}
    stands: dict[QuestionKey, list[tuple[float, float]]] = {}
    tokens = 0
    kept = [0.0, 0.0]
    estimated = False
    for one in readings:
        apart = token_shortfalls(one)
        estimated |= len(one.variation) != len(one.written)
        variations.setdefault(one.place.question, []).append(fsum(apart))
        least, most = _survival(one, apart)
        tokens += len(one.written)
        kept[0] += fsum(least)
        kept[1] += fsum(most)
        ends = (least[-1], most[-1]) if least else (1.0, 1.0)
        stands.setdefault(one.place.question, []).append(ends)
    if not stands or not tokens:
        return None
    left = [
        1 - fmean(fmean(one[end] for one in each) for each in stands.values()) for end in (1, 0)
    ]
    return DraftPlan(
        variation=fmean(map(fmean, variations.values())),
        left=Range(*(max(0.0, end) for end in left)),
        generated=Range(*(max(0.0, 1 - end / tokens) for end in reversed(kept))),
        read=True,
        estimated=estimated,
    )


def _survival(reading: Reading, apart: Iterable[float]) -> tuple[list[float], list[float]]:
    """Least and greatest chance that a trace stands up to each of its places, itself included."""
    least, most = 1.0, 1.0
    found: tuple[list[float], list[float]] = ([], [])
    for written, lowest, highest, variation in zip(
        reading.written, reading.lowest, reading.highest, apart, strict=True
    ):
        least *= exp(min(0.0, lowest - written)) / (1 + variation)
        most *= exp(min(0.0, highest - written))
        found[0].append(least)
        found[1].append(most)
    return found
