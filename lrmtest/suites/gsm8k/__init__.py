"""GSM8K: grade-school word problems of a few steps, each with an integer (arXiv 2110.14168)."""

from __future__ import annotations

import re

from lrmtest.grading.integer import grade_integer
from lrmtest.questions.data import DataOptions, QuestionSet
from lrmtest.questions.hub import HubFile
from lrmtest.questions.question import INTEGER, Question
from lrmtest.questions.rows import Row
from lrmtest.questions.sources import Release, load_release
from lrmtest.suites.suite import DefaultBudget, Suite, SuiteDescription

GSM8K_TEST = Release(
    name="gsm8k",
    title="GSM8K, test split",
    names=("gsm8k_test.jsonl", "gsm8k_test.parquet"),
    rows=1319,
    licence="MIT",
    hub=HubFile(
        repo="openai/gsm8k",
        path="main/test-00000-of-00001.parquet",
        revision="cc7b047b6e5bb11b4f1af84efc572db110a51b3c",
    ),
    obtain="it is main/test-00000-of-00001.parquet in openai/gsm8k on the hub, or test.jsonl in "
    "grade_school_math/data of github.com/openai/grade-school-math",
)

_ANSWER = re.compile(r"#### (-?\d{1,3}(?:,\d{3})+|-?\d{1,12})\s*\Z")

PROMPT = r"""Solve this problem. The answer is an integer.

{question}

Reason step by step. Then give the final answer once, as an integer in \boxed{}."""


def load_gsm8k(options: DataOptions) -> QuestionSet:
    """The 1,319 questions. Ids are row numbers from 0. Material: ``question``."""
    return load_release(GSM8K_TEST, options, _question)


def _question(row: Row, number: int) -> Question:
    answer = _ANSWER.search(row.text("answer"))
    if answer is None:
        raise row.error("answer", "it does not end in a line '#### ' and an integer")
    return Question(
        id=str(number),
        suite="gsm8k",
        material={"question": row.text("question")},
        references=(answer[1].replace(",", ""),),
        kind=INTEGER,
    )


GSM8K = Suite(
    name="gsm8k",
    load=load_gsm8k,
    prompt=PROMPT,
    # Far above what answers take that do end; what reaches it is looping.
    max_tokens=DefaultBudget(16384),
    grader=grade_integer,
    described=SuiteDescription(
        title="Grade-school word problems of a few steps",
        kinds=(INTEGER,),
        questions=1319,
        releases=(GSM8K_TEST,),
    ),
)
