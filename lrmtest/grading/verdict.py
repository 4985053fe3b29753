"""A verdict: what grading says of a completion."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, cast, get_args

FailureClass = Literal["wrong", "no-answer", "lost-answer", "unclosed", "truncated", "looped"]
"""How a completion failed; `lrmtest.grading.failure_class` says when each applies."""

FAILURE_CLASSES: tuple[FailureClass, ...] = get_args(FailureClass)

End = Literal["", "ran-out", "loop"]
"""How a completion was graded to have ended: empty for by itself, ``loop`` for in a provable one,
``ran-out`` for neither. What a failure class alone does not tell: an answer can be lost either way,
and a near-loop is of class ``looped`` but ran out. The shares of truncated and of looped
completions that runs are compared by count these, so that they mean what they always did."""

ENDS: tuple[End, ...] = get_args(End)


def usual_end(failure: FailureClass | None) -> End:
    """How a completion of this class ends where nothing else is said."""
    return "ran-out" if failure == "truncated" else "loop" if failure == "looped" else ""


_ALWAYS: frozenset[FailureClass] = frozenset({"wrong", "no-answer", "truncated", "looped"})


def classes_of(found: Iterable[FailureClass | None]) -> tuple[FailureClass, ...]:
    """The failure classes that are to be spoken of, in their order.

    Those that there always were, which a reader expects to see with a 0; of the others those that
    are `found`, last of all what a newer lrmtest named.
    """
    present = {name for name in found if name is not None}
    known = (name for name in FAILURE_CLASSES if name in present | _ALWAYS)
    return (*known, *sorted(present - set(FAILURE_CLASSES)))


_CLASS_NAME = re.compile(r"[a-z][a-z-]{0,31}")


def failure_class(name: object) -> FailureClass:
    """A failure class that was read from a file, which a newer lrmtest may have written.

    One that is not known here is kept under its name: it is a failure, shown and given back as
    what it was.

    Raises:
        ValueError: no class can have that name.
    """
    if not isinstance(name, str) or not _CLASS_NAME.fullmatch(name):
        raise ValueError(f"{str(name)[:40]!r} names no failure class")
    return cast("FailureClass", name)


@dataclass(frozen=True, slots=True)
class Grade:
    """What one grader says of one answer text, before the rules of honesty apply.

    Attributes:
        extracted: the answer the model committed to, normalized; None when it gave none.
        score: in [0, 1]; what it means is the grader's to say (F1 for short texts).
        correct: whether it counts.
        metrics: further figures by name, each in [0, 1].

    Raises:
        TypeError: one of them is of another type.
        ValueError: a figure is not in [0, 1].
    """

    extracted: str | None
    correct: bool
    score: float
    metrics: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Graders are written by users, and what they give is stored, counted and shown.
        if not (self.extracted is None or isinstance(self.extracted, str)):
            raise TypeError(
                f"Grade.extracted is a text or None, not {type(self.extracted).__name__}"
            )
        if not isinstance(self.correct, bool):
            raise TypeError(f"Grade.correct is True or False, not {type(self.correct).__name__}")
        if not isinstance(self.metrics, Mapping):
            raise TypeError(f"Grade.metrics is a mapping, not {type(self.metrics).__name__}")
        for name, figure in (("score", self.score), *self.metrics.items()):
            if not isinstance(name, str):
                raise TypeError(f"Grade.metrics has texts as names, not {type(name).__name__}")
            if not isinstance(figure, int | float):
                raise TypeError(f"Grade: {name} is a number, not {type(figure).__name__}")
            if not 0 <= figure <= 1:
                raise ValueError(f"Grade: {name} is {figure}, which is not in [0, 1]")


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
        end: how it was graded to have ended; by its class where it is not given.
    """

    correct: bool
    score: float
    extracted: str | None
    failure: FailureClass | None
    lenient_correct: bool
    provisional: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    end: End = ""

    def __post_init__(self) -> None:
        if not self.end:
            object.__setattr__(self, "end", usual_end(self.failure))
