"""MATH-500: 500 problems of the MATH test set, whose answers are expressions (arXiv 2305.20050).

The 500 that "Let's Verify Step by Step" kept for its evaluation, out of MATH (arXiv 2103.03874).
"""

from __future__ import annotations

from lrmtest.grading.symbolic import grade_expression
from lrmtest.questions.data import DataOptions, QuestionSet
from lrmtest.questions.hub import HubFile
from lrmtest.questions.question import EXPRESSION, Question
from lrmtest.questions.rows import Row
from lrmtest.questions.sources import Release, load_release
from lrmtest.suites.suite import DefaultBudget, Suite, SuiteDescription

MATH_500 = Release(
    name="math-500",
    title="MATH-500",
    names=("math_500.jsonl",),
    rows=500,
    licence="MIT",
    hub=HubFile(
        repo="HuggingFaceH4/MATH-500",
        path="test.jsonl",
        revision="6e4ed1a2a79af7d8630a6b768ec859cb5af4d3be",
    ),
    obtain="it is test.jsonl in HuggingFaceH4/MATH-500 on the hub",
)

PROMPT = r"""Solve this problem.

{problem}

Reason step by step. Then give the final answer once, in \boxed{}."""


def load_math_500(options: DataOptions) -> QuestionSet:
    """The 500 questions. Ids are MATH's: ``test/precalculus/807.json``.

    Material: ``problem``, ``subject``, and ``level`` from 1 to 5.
    """
    return load_release(MATH_500, options, _question)


def _question(row: Row, _number: int) -> Question:
    return Question(
        id=row.text("unique_id"),
        suite="math-500",
        material={
            "problem": row.text("problem"),
            "subject": row.text("subject"),
            "level": row.integer("level", low=1, high=5),
        },
        references=(row.text("answer"),),
        kind=EXPRESSION,
    )


MATH_500_SUITE = Suite(
    name="math-500",
    load=load_math_500,
    prompt=PROMPT,
    # DeepSeek's limit for R1 and its distils. The hardest fifth of the problems need thousands.
    max_tokens=DefaultBudget(32768),
    grader=grade_expression,
    described=SuiteDescription(
        title="500 competition problems of the MATH test set, answered by expressions",
        kinds=(EXPRESSION,),
        questions=500,
        releases=(MATH_500,),
    ),
)
