"""HMMT: problems of the Harvard-MIT Mathematics Tournament, answered by expressions.

The suite `hmmt` is February 2025's, as MathArena published it (arXiv 2505.23281): ten problems
each of algebra and number theory, combinatorics, and geometry. `matharena_suite` makes that of
another contest of which MathArena publishes final answers, of the data in its own file.
"""

from __future__ import annotations

from functools import partial

from lrmtest.grading.symbolic import grade_expression
from lrmtest.questions.data import DataOptions, QuestionSet
from lrmtest.questions.hub import HubFile
from lrmtest.questions.question import EXPRESSION, Question
from lrmtest.questions.rows import Row
from lrmtest.questions.sources import Release, load_release
from lrmtest.suites.suite import DefaultBudget, Suite, SuiteDescription

HMMT_FEB_2025 = Release(
    name="hmmt-feb-2025",
    title="HMMT February 2025",
    names=("hmmt_feb_2025.jsonl", "hmmt_feb_2025.parquet"),
    rows=30,
    licence="CC BY-NC-SA 4.0",
    hub=HubFile(
        repo="MathArena/hmmt_feb_2025",
        path="data/train-00000-of-00001.parquet",
        revision="6fdc4277120810ff75aa22d2d5489b91f7a262a1",
    ),
    obtain="save data/train-00000-of-00001.parquet of MathArena/hmmt_feb_2025 on the hub as "
    "hmmt_feb_2025.parquet",
)

PROMPT = r"""Solve this competition problem.

{problem}

Reason step by step. Then give the final answer once, in \boxed{}."""


def matharena_suite(name: str, title: str, release: Release) -> Suite:
    """The suite of a contest of which MathArena publishes final answers."""
    return Suite(
        name=name,
        load=partial(load_matharena, name, release),
        prompt=PROMPT,
        # DeepSeek's limit for R1 and its distils. Hard problems need it.
        max_tokens=DefaultBudget(32768),
        grader=grade_expression,
        described=SuiteDescription(
            title=title,
            kinds=(EXPRESSION,),
            questions=release.rows,
            releases=(release,),
        ),
    )


def load_matharena(suite: str, release: Release, options: DataOptions) -> QuestionSet:
    """The questions of a contest. Ids are the release's name and the problem's number from 1.

    As in ``hmmt-feb-2025-7``. Material: ``problem``.
    """
    return load_release(release, options, partial(_question, suite, release))


def _question(suite: str, release: Release, row: Row, _number: int) -> Question:
    number = row.integer("problem_idx", low=1, high=release.rows)
    return Question(
        id=f"{release.name}-{number}",
        suite=suite,
        material={"problem": row.text("problem").strip()},
        references=(row.text("answer"),),
        kind=EXPRESSION,
    )


HMMT = matharena_suite(
    "hmmt",
    "Competition problems of the Harvard-MIT Mathematics Tournament of February 2025",
    HMMT_FEB_2025,
)
