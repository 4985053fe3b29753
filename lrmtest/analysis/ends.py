"""Unknown ends: samples of which nothing says how they ended, and what hangs on them.

A text that was cut off is taken for one that had ended, and the other way round, without anything
that would show it. So their number is told, with the pass rate that would hold if none of them had
ended; and no gate decides on runs that have too many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import fmean

from lrmtest.analysis.gate import Decision
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.runs.outcomes import QuestionOutcome, SampleOutcome


@dataclass(frozen=True, slots=True)
class UnknownEnds:
    """The unknown ends of one run, on the questions that are looked at.

    Attributes:
        samples: with a verdict.
        unknown: those of them of which nothing says how they ended.
        rate: pass rate, mean over questions, in [0, 1]; 0 without a question.
        known: the same if none of the unknown ones had ended.
    """

    samples: int
    unknown: int
    rate: float
    known: float

    @property
    def share(self) -> float:
        """Share of the samples, in [0, 1]."""
        return self.unknown / self.samples if self.samples else 0.0


@dataclass(frozen=True, slots=True)
class EndCounts:
    """How some samples with a verdict ended, in numbers of samples.

    Attributes:
        finished: by themselves.
        truncated: out of their budget.
        looped: in a provable loop.
        unknown: nothing says how.
    """

    finished: int
    truncated: int
    looped: int
    unknown: int


def ends_of(outcomes: Iterable[SampleOutcome]) -> EndCounts:
    """Count how samples ended; a provable loop is one, whatever else is known of the text."""
    found = Counter(one.end or ("unknown" if one.unknown_end else "") for one in outcomes)
    return EndCounts(found[""], found["ran-out"], found["loop"], found["unknown"])


NO_ENDS = UnknownEnds(0, 0, 0.0, 0.0)
"""Of no sample."""


def unknown_ends(questions: Iterable[QuestionOutcome]) -> UnknownEnds:
    """Count the samples whose end is not known; questions without a verdict play no part."""
    asked = [question for question in questions if question.count]
    return UnknownEnds(
        samples=sum(question.count for question in asked),
        unknown=sum(question.unknown_ends for question in asked),
        rate=fmean(question.pass_rate for question in asked) if asked else 0.0,
        known=fmean(one.known_passes / one.count for one in asked) if asked else 0.0,
    )


def refused(
    decision: Decision, baseline: UnknownEnds, candidate: UnknownEnds, settings: GateSettings
) -> Decision:
    """The decision, or undecided with the reason where either run has too many unknown ends.

    Whatever was decided is withdrawn, a regression too: it may be nothing but texts that look
    unfinished.
    """
    reasons = [
        f"{ends.unknown:,} of {ends.samples:,} samples of the {side} do not say how they ended "
        f"({100 * ends.share:.3g} %): no verdict above {100 * settings.max_unknown_ends:.3g} % "
        "(--max-unknown-ends)"
        for side, ends in (("candidate", candidate), ("baseline", baseline))
        if ends.share > settings.max_unknown_ends
    ]
    if not reasons:
        return decision
    return replace(decision, result="undecided", reasons=tuple(reasons), samples_needed=None)
