"""Triage: which questions broke, which were fixed, which are merely unsteady."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import Literal

from lrmtest.grading.verdict import FailureClass, classes_of
from lrmtest.runs.outcomes import Outcomes, QuestionOutcome

FlipKind = Literal["broken", "fixed", "flaky", "both fail", "both pass"]

FLIP_KINDS: tuple[FlipKind, ...] = ("broken", "fixed", "flaky", "both fail", "both pass")

_CHANCE = 0.05


@dataclass(frozen=True, slots=True)
class Flip:
    """One question in two runs.

    Attributes:
        kind: what became of it.
        baseline, candidate: how it went in each.
        failure: the candidate's most frequent failure class on it; None when it never failed.
    """

    kind: FlipKind
    baseline: QuestionOutcome
    candidate: QuestionOutcome
    failure: FailureClass | None


def flips(baseline: Outcomes, candidate: Outcomes, threshold: float = 0.5) -> list[Flip]:
    """What became of every question that both runs have a verdict on, in the baseline's order.

    A question passes in a run when at least `threshold` of its samples pass. One that passes in
    the baseline only is broken, in the candidate only fixed, if both runs are unanimous (as they
    are with one sample) or the change is more than chance does (Fisher's test at 5 %); else it
    is flaky.
    """
    return [
        Flip(
            _kind(before, candidate[key], threshold),
            before,
            candidate[key],
            usual_failure(candidate[key]),
        )
        for key, before in baseline.items()
        if before.count and key in candidate and candidate[key].count
    ]


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
    """One-sided p-value of Fisher's exact test that `better` passes a question more often.

    Reference: Fisher (1935), The Logic of Inductive Inference. Journal of the Royal Statistical
    Society 98.
    """
    passes = better.passes + worse.passes
    samples = better.count + worse.count
    most = min(passes, better.count)
    ways = sum(
        comb(better.count, n) * comb(worse.count, passes - n)
        for n in range(better.passes, most + 1)
    )
    return ways / comb(samples, passes)


def _kind(before: QuestionOutcome, after: QuestionOutcome, threshold: float) -> FlipKind:
    passed, passes = before.passed(threshold), after.passed(threshold)
    if passed and passes:
        return "both pass"
    if not passed and not passes:
        return "both fail"
    better, worse = (before, after) if passed else (after, before)
    unanimous = better.passes == better.count and worse.passes == 0
    if unanimous or p_by_chance(better, worse) <= _CHANCE:
        return "broken" if passed else "fixed"
    return "flaky"
