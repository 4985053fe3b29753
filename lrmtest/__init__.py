"""lrmtest: does a compressed large reasoning model still reason?

A test asks a suite's questions of the model under test::

    import lrmtest

    @lrmtest.suite("aime")
    def test_aime(question, model):
        attempt = model.solve(question)
        assert attempt.passed, attempt.explain()
"""

from lrmtest.grading import Grade, Grader, Verdict, register
from lrmtest.grading.completion import Completion
from lrmtest.plugin.attempt import Attempt
from lrmtest.plugin.model import Model
from lrmtest.plugin.suites import suite
from lrmtest.questions import Question, QuestionSet, Source
from lrmtest.suites import Suite, suite_from_jsonl

__all__ = [
    "Attempt",
    "Completion",
    "Grade",
    "Grader",
    "Model",
    "Question",
    "QuestionSet",
    "Source",
    "Suite",
    "Verdict",
    "register",
    "suite",
    "suite_from_jsonl",
]
__version__ = "0.1.0"
