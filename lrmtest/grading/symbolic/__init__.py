r"""Grading an expression, as in MATH-500: ``\boxed{\frac{3}{2}}``, "the answer is $(3, 4]$".

`answer` finds the expression that a text commits itself to; `tokens` and `parse` read it; `exact`
and `approximate` work values out; `equality` decides, within bounds on everything; `grade` puts
them together. None of them is loaded before there is an expression to grade.
"""

from __future__ import annotations

from lrmtest.grading.verdict import Grade
from lrmtest.questions.question import Question

__all__ = ["could_be_expression", "grade_expression"]


def grade_expression(question: Question, answer: str) -> Grade:
    r"""Grade an answer against an expression: a number, a formula, a tuple, an interval, a set, ...

    Only a committed answer counts, as for an integer. It is correct when it is proved to be equal
    to the reference, see `lrmtest.grading.symbolic.equality`, which has no tolerance. The formula
    that the question asks to work out is no answer to it, though it has its value.

    Args:
        question: its references are expressions in LaTeX or as typed, each of which will do; its
            material says which units an answer may name.
        answer: the answer text.

    Returns:
        The metrics have ``undecided``: 1 where equality could be neither shown nor refuted within
        bounds. Such an answer is not correct.
    """
    from lrmtest.grading.symbolic.grade import graded

    return graded(question, answer)


def could_be_expression(question: Question, said: str) -> bool:
    """Whether a few words give the right answer, as far as that is seen at a glance."""
    from lrmtest.grading.symbolic.grade import could_be

    return could_be(question, said)
