"""Grading: splitting reasoning from answer, grading each answer kind, failure classes."""

from lrmtest.grading.completion import Completion, FinishReason
from lrmtest.grading.graders import Grader, grade, grade_by_kind, grader_for, register
from lrmtest.grading.split import Parts, split
from lrmtest.grading.verdict import FAILURE_CLASSES, FailureClass, Grade, Verdict

__all__ = [
    "FAILURE_CLASSES",
    "Completion",
    "FailureClass",
    "FinishReason",
    "Grade",
    "Grader",
    "Parts",
    "Verdict",
    "grade",
    "grade_by_kind",
    "grader_for",
    "register",
    "split",
]
