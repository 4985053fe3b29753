"""Trace weights: how much likelier a reader is to write a trace than its writer was.

The weight of a finished trace x is w(x) = P_reader(x) / P_writer(x), the product over its tokens
of both models' processed probabilities. A sampler draws token after token until an end token, its
budget or a loop stop ends it; each of these is a function of the tokens so far, the same for both
models, so that finished traces are prefixes none of which begins another, and w is the likelihood
ratio on them. Where something is not known the weight is taken too low, which is the safe side of
every bound in `lrmtest.analysis.certificate`:

- a token outside of the reader's nucleus, or of which the reader's engine shows only a bound,
  counts with its lowest probability;
- an end token that the engine kept to itself is a factor that nobody has seen: 0;
- a figure that is no log-probability (not a number, above 0, arrays of unequal length, a writer
  who could not have written it) makes the whole weight 0.

A greedy writer draws nothing: its trace has probability 1, and the reader writes it, too, if each
of its tokens is the reader's first. That is known of a token with more than half of the
probability; of others the reading must say so with a processed log-probability of 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, fsum, isfinite, log

from lrmtest.runs.readings import Reading

_ROUNDING = 1e-3
"""By so much a log-probability may be above 0: what half precision makes of a probability of 1."""
_HALF = log(0.5)


@dataclass(frozen=True, slots=True)
class TraceWeight:
    """What a reading comes to for its whole trace.

    Attributes:
        weight: at most P_reader(x) / P_writer(x); at least 0, and finite.
        variation: sum over its tokens of the total variation between the two next-token
            distributions, or of its estimate from the token itself; 0 where the weight is unknown.
        known: False where the weight is 0 because nothing is known of it.
    """

    weight: float
    variation: float
    known: bool = True


UNKNOWN_WEIGHT = TraceWeight(0.0, 0.0, known=False)
"""Of a trace that was not read, or of which the reading does not say enough."""


def weigh(reading: Reading, *, whole: bool, greedy: bool = False) -> TraceWeight:
    """The weight of a trace, and its total variation.

    Args:
        reading: of the trace.
        whole: the trace has every token that was drawn: an end token is among them, or the text
            ended for another reason, its budget or a loop stop.
        greedy: the writer took the likeliest token each time.
    """
    written, lowest = reading.written, reading.lowest
    if not whole or not lowest or (len(written) != len(lowest) and not greedy):
        return UNKNOWN_WEIGHT
    if not all(-float("inf") <= value <= _ROUNDING for value in lowest):
        return UNKNOWN_WEIGHT
    if greedy:
        agreed = all(value > _HALF for value in lowest)
        return TraceWeight(float(agreed), sum(value <= _HALF for value in lowest))
    if not all(isfinite(value) and value <= _ROUNDING for value in written):
        return UNKNOWN_WEIGHT
    steps = [read - wrote for read, wrote in zip(lowest, written, strict=True)]
    total = fsum(steps) if all(map(isfinite, steps)) else -float("inf")
    return TraceWeight(exp(min(total, _MOST_LOG)), _variation(reading, steps))


_MOST_LOG = 700.0
"""Logarithm of a weight, beyond which it would not be a float any more."""


def _variation(reading: Reading, steps: list[float]) -> float:
    told = reading.variation
    if len(told) == len(steps) and all(0 <= value <= 1 + _ROUNDING for value in told):
        return fsum(told)
    return fsum(max(0.0, 1 - exp(min(step, 0.0))) for step in steps)
