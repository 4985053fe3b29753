"""Questions: what one is, where they come from, and how a prompt asks one."""

from lrmtest.questions.data import DataOptions, QuestionSet, Source
from lrmtest.questions.prompt import render_prompt
from lrmtest.questions.question import (
    EXPRESSION,
    INTEGER,
    LABEL,
    LABELS,
    OPTION,
    SHORT_TEXT,
    Question,
)

__all__ = [
    "EXPRESSION",
    "INTEGER",
    "LABEL",
    "LABELS",
    "OPTION",
    "SHORT_TEXT",
    "DataOptions",
    "Question",
    "QuestionSet",
    "Source",
    "render_prompt",
]
