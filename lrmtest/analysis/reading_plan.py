"""The plan of a reading: whether it can be enough for an ok, and with how many traces.

What is known beforehand is S, the total variation per trace that an earlier reading of a like model
found, and the baseline's samples. S does not say how it is spread, and that matters most. So two
cases are simulated, with the certificate itself, on samples drawn from the baseline's:

- **at worst** all of it is in traces that the candidate would never write: a weight of 0 with
  probability S, which is what a nucleus that excludes a token makes of it;
- **spread out** it is over one token of twenty, where both models' distributions are equally far
  apart, now for the token that was drawn, now against it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, sqrt
from random import Random
from statistics import fmean

from lrmtest.analysis.certificate import certify
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.trace_weights import TraceWeight
from lrmtest.runs.looks import READING_SHARE
from lrmtest.runs.outcomes import Outcomes, QuestionOutcome

_DRAWS = 20
_MOST_SAMPLES = 64
"""Per question; more are proposed to nobody."""
_ONE_IN = 20
_USUAL_TOKENS = 1000.0
"""Of a trace, where the baseline does not tell."""

_Weight = Callable[[], float]


@dataclass(frozen=True, slots=True)
class ReadingPlan:
    """With how many traces reading is enough for a candidate that differs by so much.

    Attributes:
        variation: S, as it was given.
        samples: per question, that the baseline has in the mean.
        at_worst, spread: samples per question with which it is certified as surely as `power` says,
            if S is as in the module's docstring; None if not with `_MOST_SAMPLES`.
    """

    variation: float
    samples: float
    at_worst: int | None
    spread: int | None


def plan_reading(
    baseline: Outcomes,
    settings: GateSettings,
    variation: float,
    metrics: Mapping[str, str] | None = None,
) -> ReadingPlan:
    """Plan a reading.

    Args:
        baseline: with a verdict on at least one question.
        settings: the gate's, of which reading has its share.
        variation: S, at least 0.
        metrics: the primary metric of each suite that is compared by a score.
    """
    asked = [one for one in baseline.values() if one.count]
    told = [sample.tokens for one in asked for sample in one.samples.values() if sample.tokens]
    spread = 2 * variation / sqrt(max(1.0, (fmean(told) if told else _USUAL_TOKENS) / _ONE_IN))
    random = Random(0)

    def lost() -> float:
        return float(random.random() >= variation)

    def shifted() -> float:
        return exp(random.gauss(-(spread**2) / 2, spread))

    def needed(weight: _Weight) -> int | None:
        random.seed(0)
        samples = 1
        while samples <= _MOST_SAMPLES:
            if _certifies(asked, samples, weight, settings, metrics, random):
                return samples
            samples *= 2
        return None

    return ReadingPlan(
        variation=variation,
        samples=fmean(one.count for one in asked),
        at_worst=needed(lost),
        spread=needed(shifted),
    )


def _certifies(
    asked: Sequence[QuestionOutcome],
    samples: int,
    weight: _Weight,
    settings: GateSettings,
    metrics: Mapping[str, str] | None,
    random: Random,
) -> bool:
    """Whether so many samples of each question, drawn from those there are, mostly are enough."""
    level = (1 - settings.power) * READING_SHARE
    failed = 0
    for _ in range(_DRAWS):
        drawn = {
            one.key: replace(
                one,
                samples=dict(enumerate(random.choices(list(one.samples.values()), k=samples))),
            )
            for one in asked
        }
        weights = {
            (key, index): TraceWeight(weight(), 0.0) for key in drawn for index in range(samples)
        }
        found = certify(
            drawn, list(drawn), weights, settings, level=level, metrics=metrics, highest=False
        )
        failed += not found.certified
        if failed > (1 - settings.power) * _DRAWS:
            return False
    return True
