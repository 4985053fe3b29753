"""AIME 2024: the 30 problems of both American Invitational Mathematics Examinations."""

from __future__ import annotations

from lrmtest.grading.integer import grade_integer
from lrmtest.questions.data import DataOptions, QuestionSet
from lrmtest.questions.hub import HubFile
from lrmtest.questions.question import INTEGER, Question
from lrmtest.questions.rows import Row
from lrmtest.questions.sources import Release, load_release
from lrmtest.suites.suite import DefaultBudget, Suite, SuiteDescription

AIME_2024 = Release(
    name="aime-2024",
    title="AIME 2024",
    names=("aime_2024.jsonl", "aime_2024_problems.parquet"),
    rows=30,
    licence="the MAA's",
    hub=HubFile(
        repo="Maxwell-Jia/AIME_2024",
        path="aime_2024_problems.parquet",
        revision="8d88b2876a82a080e2f172cc9b25d0d9d2cb4792",
    ),
    obtain="aime_2024_problems.parquet is in Maxwell-Jia/AIME_2024 on the hub",
)

PROMPT = r"""Solve this competition problem. The answer is an integer from 0 to 999.

{problem}

Reason step by step. Then give the final answer once, as an integer in \boxed{}."""


def load_aime(options: DataOptions) -> QuestionSet:
    """The 30 questions. Ids are the contest's: ``2024-I-4``. Material: ``problem``."""
    return load_release(AIME_2024, options, _question)


def _question(row: Row, _number: int) -> Question:
    return Question(
        id=row.text("ID"),
        suite="aime",
        material={"problem": row.text("Problem")},
        references=(str(row.integer("Answer", low=0, high=999)),),
        kind=INTEGER,
    )


AIME = Suite(
    name="aime",
    load=load_aime,
    prompt=PROMPT,
    # The paper's limit of new tokens, and DeepSeek's for R1. Hard problems need it.
    max_tokens=DefaultBudget(32768),
    grader=grade_integer,
    described=SuiteDescription(
        title="Competition problems of both American Invitational Mathematics Examinations of 2024",
        kinds=(INTEGER,),
        questions=30,
        releases=(AIME_2024,),
    ),
)
