"""The expected power of a gate on questions of which only their suites' pass rates are known.

A plan (`lrmtest.analysis.plan`) knows a baseline. Before there is one, a suite's rate r at some
model has to do: its questions' pass probabilities count as draws from a Beta distribution of mean r
and of the concentration of the plan's prior, so that p (1 - p) has expectation
r (1 - r) c / (c + 1). Each claim of the gate on the primary metric is then a normal test of the
mean of paired differences (Connor 1987, as in the plan), and the gate sees the drop as often as the
best of its claims does, at least.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from lrmtest.analysis.claims import claims
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.plan import PRIOR_FAILURES, PRIOR_PASSES
from lrmtest.analysis.summary import ALL_SUITES
from lrmtest.suites.set_listing import SetRow

_CONCENTRATION = PRIOR_PASSES + PRIOR_FAILURES


@dataclass(frozen=True, slots=True)
class ExpectedSuite:
    """A suite as a gate will ask it.

    Attributes:
        questions: how many.
        samples: of each, in both runs.
        rate: the baseline's pass rate, in [0, 1].
        drop: by how much the candidate's is lower, in [0, 1]; 0.1 is 10 points. It falls no
            further than to 0.
    """

    questions: int
    samples: int
    rate: float
    drop: float

    @property
    def fall(self) -> float:
        """By how much its rate really falls."""
        return min(self.drop, self.rate)

    @property
    def variance(self) -> float:
        """Of the sum over its questions of the differences between both runs' rates."""
        after = self.rate - self.fall
        spread = self.rate * (1 - self.rate) + after * (1 - after)
        return self.questions * spread * _CONCENTRATION / (_CONCENTRATION + 1) / self.samples


def expected_power(
    suites: Mapping[str, ExpectedSuite], settings: GateSettings | None = None
) -> float:
    """How often a gate's first look calls a worse model regressed.

    Args:
        suites: by name, at least one, each with a question.
        settings: the gate's.

    Returns:
        In [0, 1]; where nothing falls by more than is tolerated, it is no more than chance.
    """
    settings = settings or GateSettings()
    z = NormalDist()
    best = 0.0
    for claim in claims(list(suites), settings, tokens=True):
        if not claim.primary:
            continue
        of = [suite for name, suite in suites.items() if claim.suite in (name, ALL_SUITES)]
        questions = sum(suite.questions for suite in of)
        fallen = sum(suite.questions * suite.fall for suite in of) / questions
        # No figure is finer than half a question.
        error = max(0.5, sqrt(sum(suite.variance for suite in of))) / questions
        level = settings.look_alpha * claim.share
        best = max(best, z.cdf((fallen - claim.margin) / error - z.inv_cdf(1 - level)))
    return best


def power_of(row: SetRow, drop: float, settings: GateSettings | None = None) -> float | None:
    """How often a gate on a set sees such a drop of every suite; None where a rate is not known."""
    parts = {
        part.suite: ExpectedSuite(part.questions, part.samples, part.rate, drop)
        for part in row.parts
        if part.questions and part.rate is not None
    }
    return expected_power(parts, settings) if len(parts) == len(row.parts) else None
