"""GPQA Diamond: science questions that experts answer and others, with the web, do not.

arXiv 2311.12022. The 198 of its 448 on which both expert validators agreed and most others failed.
"""

from __future__ import annotations

from lrmtest.grading.option import grade_option
from lrmtest.questions.data import DataOptions, QuestionSet
from lrmtest.questions.hub import HubFile
from lrmtest.questions.lettered_options import OPTION_LETTERS, drawn_order, lettered
from lrmtest.questions.question import OPTION, Question
from lrmtest.questions.rows import Row
from lrmtest.questions.sources import Release, load_release
from lrmtest.suites.suite import DefaultBudget, Suite, SuiteDescription

GPQA_DIAMOND = Release(
    name="gpqa-diamond",
    title="GPQA Diamond",
    names=("gpqa_diamond.csv", "gpqa_diamond.parquet"),
    rows=198,
    licence="CC BY 4.0",
    hub=HubFile(
        repo="Idavidrein/gpqa",
        path="gpqa_diamond.csv",
        revision="633f5ee89ab8ad4522a9f850766b73f62147ffdd",
        is_gated=True,
    ),
    obtain="gpqa_diamond.csv is in Idavidrein/gpqa on the hub, after signing in and accepting its "
    "terms, and in dataset.zip of github.com/idavidrein/gpqa, whose README has the password",
    request="do not reveal its questions in plain text or images online",
)

_ANSWERS = ("Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")

PROMPT = """{question}

{options_text}

Exactly one option is right. Reason step by step. Then end with one line that names its letter in \
parentheses, like this:
Answer: (X)"""


def load_gpqa_diamond(options: DataOptions) -> QuestionSet:
    """The 198 questions. Ids are the release's: ``rec06pnAkLOr2t2mp``.

    The options' order follows from the id alone, so that it is the same for every seed, sample
    and machine. Material: ``question``, ``options`` (a list), ``options_text`` and ``domain``.
    """
    return load_release(GPQA_DIAMOND, options, _question)


def _question(row: Row, _number: int) -> Question:
    id_ = row.text("Record ID")
    # The release has the right answer first.
    order = drawn_order(id_, _ANSWERS)
    options = [row.text(answer).strip() for answer in order]
    return Question(
        id=id_,
        suite="gpqa-diamond",
        material={
            "question": row.text("Question").strip(),
            "options": options,
            "options_text": lettered(options),
            "domain": row.text("High-level domain"),
        },
        references=(OPTION_LETTERS[order.index(_ANSWERS[0])],),
        kind=OPTION,
    )


GPQA_DIAMOND_SUITE = Suite(
    name="gpqa-diamond",
    load=load_gpqa_diamond,
    prompt=PROMPT,
    # DeepSeek's limit for R1 and its distils.
    max_tokens=DefaultBudget(32768),
    grader=grade_option,
    described=SuiteDescription(
        title="Questions of biology, chemistry and physics that only experts answer",
        kinds=(OPTION,),
        questions=198,
        releases=(GPQA_DIAMOND,),
    ),
)
