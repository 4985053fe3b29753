"""What is asked: questions, the suites they form, and where both come from."""

from lrmtest.questions.inline import questions_from_jsonl, suite_from_jsonl
from lrmtest.questions.question import INTEGER, LABEL, OPTION, SHORT_TEXT, Question
from lrmtest.questions.registry import SUITES, suite_named
from lrmtest.questions.suite import DataOptions, QuestionSet, Source, Suite, render_prompt

__all__ = [
    "INTEGER",
    "LABEL",
    "OPTION",
    "SHORT_TEXT",
    "SUITES",
    "DataOptions",
    "Question",
    "QuestionSet",
    "Source",
    "Suite",
    "questions_from_jsonl",
    "render_prompt",
    "suite_from_jsonl",
    "suite_named",
]
