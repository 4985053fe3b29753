"""lrmtest: does a compressed large reasoning model still reason?

A test asks a suite's questions of the model under test::

    import lrmtest

    @lrmtest.suite("aime")
    def test_aime(question, model):
        attempt = model.solve(question)
        assert attempt.passed, attempt.explain()
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lrmtest.grading import Grade, Grader, Verdict, register
    from lrmtest.grading.completion import Completion
    from lrmtest.plugin.attempt import Attempt
    from lrmtest.plugin.model import Model
    from lrmtest.plugin.suites import suite
    from lrmtest.questions import Question, QuestionSet, Source
    from lrmtest.suites import Suite, suite_from_hub, suite_from_jsonl

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
    "suite_from_hub",
    "suite_from_jsonl",
]
__version__ = "0.1.0"

_HOMES = {
    "Attempt": "lrmtest.plugin.attempt",
    "Completion": "lrmtest.grading.completion",
    "Grade": "lrmtest.grading",
    "Grader": "lrmtest.grading",
    "Model": "lrmtest.plugin.model",
    "Question": "lrmtest.questions",
    "QuestionSet": "lrmtest.questions",
    "Source": "lrmtest.questions",
    "Suite": "lrmtest.suites",
    "Verdict": "lrmtest.grading",
    "register": "lrmtest.grading",
    "suite": "lrmtest.plugin.suites",
    "suite_from_hub": "lrmtest.suites",
    "suite_from_jsonl": "lrmtest.suites",
}
"""Where each name is defined. They are imported when they are used: pytest's plugin is in this
package, too, and every session of its environment loads it, most of which ask for no more."""


def __getattr__(name: str) -> object:
    """A name of the package's, on its first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found
