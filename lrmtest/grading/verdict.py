"""A verdict: what grading says of a completion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

FailureClass = Literal["wrong", "no-answer", "truncated", "looped"]

FAILURE_CLASSES: tuple[FailureClass, ...] = ("wrong", "no-answer", "truncated", "looped")


@dataclass(frozen=True, slots=True)
class Grade:
    """What one grader says of one answer text, before the rules of honesty apply.

    Attributes:
        extracted: the answer the model committed to, normalized; None when it gave none.
        score: in [0, 1]; what it means is the grader's to say (F1 for short texts).
        correct: whether it counts.
        metrics: further figures by name, each in [0, 1].
    """

    extracted: str | None
    correct: bool
    score: float
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What grading says of a completion.

    Attributes:
        correct: the strict verdict: the model ended by itself with the right answer.
        score: in [0, 1]; 0 when the completion ran out of its budget.
        extracted: the committed answer; None without one.
        failure: why it is not correct; None when it is.
        lenient_correct: correct when a completion that ran out is graded on whatever it said.
        provisional: what an unfinished completion would have answered; None otherwise.
        metrics: the grader's further figures (``em``, ``f1``, ...), each in [0, 1].
    """

    correct: bool
    score: float
    extracted: str | None
    failure: FailureClass | None
    lenient_correct: bool
    provisional: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
