"""Fresh questions: suites that are made on the spot, so that no model can have seen them.

`lrmtest.questions.fresh` makes the questions. Where a family resembles a benchmark, its prompt
and its grader are the benchmark's.
"""

from __future__ import annotations

from lrmtest.grading import Grader
from lrmtest.grading.integer import grade_integer
from lrmtest.grading.short_text import grade_short_text
from lrmtest.questions.fresh import FAMILIES, load_fresh
from lrmtest.questions.question import INTEGER, LABEL, OPTION, SHORT_TEXT
from lrmtest.suites.folio import FOLIO
from lrmtest.suites.suite import DefaultBudget, Suite, SuiteDescription
from lrmtest.suites.temporal import TEMPORAL

ARITHMETIC_PROMPT = r"""{problem}

Reason step by step. Then give the final answer once, as an integer from 0 to 999, in \boxed{}."""

HOPS_PROMPT = """{facts}

{question}

Use these facts only. Think first. Then end with one line that holds only the answer:
Answer: <short answer>"""


def _suite(family: str, title: str, kind: str, prompt: str, grader: Grader) -> Suite:
    return Suite(
        name=f"fresh-{family}",
        load=load_fresh(family),
        prompt=prompt,
        max_tokens=DefaultBudget(16384),
        grader=grader,
        family=FAMILIES[family],
        described=SuiteDescription(title, (kind,)),
    )


FRESH_SUITES = (
    _suite(
        "temporal",
        "Generated: when could somebody have gone somewhere?",
        OPTION,
        TEMPORAL.prompt,
        TEMPORAL.grader,
    ),
    _suite(
        "arithmetic",
        "Generated: how many of something somebody has in the end",
        INTEGER,
        ARITHMETIC_PROMPT,
        grade_integer,
    ),
    _suite(
        "logic",
        "Generated: whether premises prove a conclusion, refute it or leave it open",
        LABEL,
        FOLIO.prompt,
        FOLIO.grader,
    ),
    _suite(
        "hops",
        "Generated: a question that needs several of the facts given with it",
        SHORT_TEXT,
        HOPS_PROMPT,
        grade_short_text,
    ),
)
