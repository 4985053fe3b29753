"""Triage: the questions of a run sorted by what became of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from lrmtest.analysis.divergence import Divergence
from lrmtest.analysis.flips import Flip, FlipKind, flips, is_flaky, size_key, usual_failure
from lrmtest.analysis.triage_kinds import TRIAGE_KINDS, TriageKind
from lrmtest.grading.verdict import FailureClass
from lrmtest.natural_order import in_order
from lrmtest.runs.outcomes import QuestionKey, QuestionOutcome
from lrmtest.runs.records import RunRecord

_FLIPS: dict[FlipKind, TriageKind] = {
    "broken": "broken",
    "fixed": "fixed",
    "flaky": "flaky",
    "both fail": "both-fail",
    "both pass": "both-pass",
}


@dataclass(frozen=True, slots=True)
class TriagedQuestion:
    """One question of a run.

    Attributes:
        outcome: how it went.
        flip: what became of it since the baseline; None when it has no verdict there.
        kinds: all that it is.
        failure: its usual failure class; None when no sample failed.
    """

    outcome: QuestionOutcome
    flip: Flip | None
    kinds: frozenset[TriageKind]
    failure: FailureClass | None

    @property
    def baseline(self) -> QuestionOutcome | None:
        """How it went in the baseline; None when it has no verdict there."""
        return None if self.flip is None else self.flip.baseline


def triage(
    candidate: RunRecord, baseline: RunRecord | None = None, threshold: float = 0.5
) -> list[TriagedQuestion]:
    """Every question of `candidate`, in its order, with what it is.

    Args:
        candidate: the run.
        baseline: what it is compared with, if anything.
        threshold: share of a question's samples that must pass.
    """
    before = baseline.outcomes if baseline is not None else {}
    flipped = {flip.candidate.key: flip for flip in flips(before, candidate.outcomes, threshold)}
    return [
        _triaged(
            candidate.outcomes[key], flipped.get(key), threshold, compared=baseline is not None
        )
        for key in in_order(candidate.outcomes)
    ]


def of_kinds(
    questions: Sequence[TriagedQuestion], kinds: Collection[TriageKind]
) -> list[TriagedQuestion]:
    """Those that are of at least one of `kinds`."""
    return [question for question in questions if not question.kinds.isdisjoint(kinds)]


def by_size_of_change(questions: Sequence[TriagedQuestion]) -> list[TriagedQuestion]:
    """The largest change first; those that were not compared last, in their order."""
    return sorted(
        questions, key=lambda one: (0.5, True, 1.0) if one.flip is None else size_key(one.flip)
    )


def by_divergence(
    questions: Sequence[TriagedQuestion], divergences: Mapping[QuestionKey, Divergence]
) -> list[TriagedQuestion]:
    """Those first of which reading finds the models furthest apart; those not read last."""
    return sorted(
        questions,
        key=lambda one: (
            -divergences[one.outcome.key].variation.high if one.outcome.key in divergences else 1.0
        ),
    )


def _triaged(
    question: QuestionOutcome, flip: Flip | None, threshold: float, *, compared: bool
) -> TriagedQuestion:
    kinds: set[TriageKind] = set()
    if flip is not None:
        kinds |= {_FLIPS[flip.kind], flip.change}
        if flip.difference:
            kinds.add("fell" if flip.difference < 0 else "rose")
    elif not compared and is_flaky(question):
        kinds.add("flaky")
    if not question.count:
        return TriagedQuestion(question, None, frozenset({"error"}), None)
    failure = usual_failure(question)
    if failure is not None and not question.passed(threshold):
        kinds.add("failed")
        kinds.update(kind for kind in TRIAGE_KINDS if kind == failure)
    return TriagedQuestion(question, flip, frozenset(kinds), failure)
