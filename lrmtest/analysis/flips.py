"""Flips: what became of each question in two runs, by its direction and its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lrmtest.analysis.two_rates import p_higher
from lrmtest.grading.verdict import FailureClass, classes_of
from lrmtest.natural_order import in_order
from lrmtest.runs.outcomes import Outcomes, QuestionOutcome

ChangeKind = Literal["broken", "worse", "unstable", "unchanged", "better", "fixed"]
"""Where a question's pass rate went: down, so that it fails now (broken) or not (worse); up, so
that it passes now (fixed) or not (better); nowhere (unchanged); or up or down by no more than
chance does, so that neither can be told (unstable)."""

CHANGES: tuple[ChangeKind, ...] = ("broken", "worse", "unstable", "unchanged", "better", "fixed")

FlipKind = Literal["broken", "fixed", "flaky", "both fail", "both pass"]
"""Whether a question passes, in either run; flaky: in one, where the change cannot be told from
chance. Stored and committed files know these words."""

FLIP_KINDS: tuple[FlipKind, ...] = ("broken", "fixed", "flaky", "both fail", "both pass")

_CHANCE = 0.05


@dataclass(frozen=True, slots=True)
class Flip:
    """One question in two runs.

    Attributes:
        kind: whether it passes, before and now.
        change: where its pass rate went.
        p: one-sided p-value of no change, in the direction that was seen; 1 where there is none.
        baseline, candidate: how it went in each.
        failure: the candidate's most frequent failure class on it; None when it never failed.
    """

    kind: FlipKind
    change: ChangeKind
    p: float
    baseline: QuestionOutcome
    candidate: QuestionOutcome
    failure: FailureClass | None

    @property
    def difference(self) -> float:
        """The candidate's pass rate less the baseline's, in [-1, 1]."""
        before, after = self.baseline, self.candidate
        # As whole numbers, so that equal rates differ by nothing.
        shared = after.passes * before.count - before.passes * after.count
        return shared / (before.count * after.count)


def flips(baseline: Outcomes, candidate: Outcomes, threshold: float = 0.5) -> list[Flip]:
    """What became of every question that both runs have a verdict on, as people count them.

    A question passes in a run when at least `threshold` of its samples pass. Its change can be told
    if both runs are unanimous (as they are with one sample), or it is more than chance does:
    Boschloo's exact test, one-sided, at 5 % for each question by itself. How many of many such
    changes are real is for `lrmtest.analysis.changed` to say.
    """
    return [
        _flip(baseline[key], candidate[key], threshold)
        for key in in_order(baseline)
        if baseline[key].count and key in candidate and candidate[key].count
    ]


def by_size(flips: Sequence[Flip]) -> list[Flip]:
    """The largest change first, a fall before a rise of the same size, the surer one of equals."""
    return sorted(flips, key=size_key)


def size_key(flip: Flip) -> tuple[float, bool, float]:
    """By which changes are ordered by size."""
    return -abs(flip.difference), flip.difference > 0, flip.p


def is_flaky(question: QuestionOutcome) -> bool:
    """Whether, within one run, some samples passed and some failed."""
    return 0 < question.passes < question.count


def usual_failure(question: QuestionOutcome) -> FailureClass | None:
    """The failure class of most failed samples; of equals the one named first in reports."""
    if question.passes == question.count:
        return None
    classes = classes_of(sample.failure for sample in question.samples.values())
    return max(classes, key=question.failures)


def p_by_chance(better: QuestionOutcome, worse: QuestionOutcome) -> float:
    """One-sided p-value of Boschloo's exact test that `better` passes a question more often."""
    return p_higher(better.passes, better.count, worse.passes, worse.count)


def _flip(before: QuestionOutcome, after: QuestionOutcome, threshold: float) -> Flip:
    passed, passes = before.passed(threshold), after.passed(threshold)
    fell = before.passes * after.count - after.passes * before.count
    change: ChangeKind = "unchanged"
    p = 1.0
    if fell:
        higher, lower = (before, after) if fell > 0 else (after, before)
        p = p_by_chance(higher, lower)
        unanimous = higher.passes == higher.count and lower.passes == 0
        if not unanimous and p > _CHANCE:
            change = "unstable"
        elif fell > 0:
            change = "broken" if passed and not passes else "worse"
        else:
            change = "fixed" if passes and not passed else "better"
    return Flip(_kind(change, passed, passes), change, p, before, after, usual_failure(after))


def _kind(change: ChangeKind, passed: bool, passes: bool) -> FlipKind:
    if passed == passes:
        return "both pass" if passed else "both fail"
    return "broken" if change == "broken" else "fixed" if change == "fixed" else "flaky"
