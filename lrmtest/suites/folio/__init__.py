"""FOLIO: does a conclusion follow from premises in plain English? (arXiv 2209.00840)

Two releases of its validation split are in use. v0.0 has 204 questions without ids, and the
paper's released outputs answer them by row number. The revised one, v2, has 203 questions with
corrected labels; it is the only one on the hub, behind a form.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from lrmtest.grading.label import grade_label
from lrmtest.questions.data import DataOptions, QuestionSet
from lrmtest.questions.hub import HubFile
from lrmtest.questions.question import LABEL, LABELS, Question
from lrmtest.questions.rows import Row
from lrmtest.questions.sources import Release, load_release
from lrmtest.suites.suite import DefaultBudget, Suite, SuiteDescription

FOLIO_V0 = Release(
    name="folio-v0.0",
    title="FOLIO v0.0, validation split",
    names=("folio_validation.jsonl", "folio-validation.jsonl"),
    rows=204,
    licence="CC BY-SA 4.0",
    hub=None,
    obtain="folio-validation.jsonl is in data/v0.0 of github.com/Yale-LILY/FOLIO",
)
FOLIO_V2 = Release(
    name="folio-v2",
    title="FOLIO v2, validation split",
    names=("folio_v2_validation.jsonl",),
    rows=203,
    licence="CC BY-SA 4.0",
    # Gated, so that neither a commit nor a hash could be verified when this was written.
    hub=HubFile(
        repo="yale-nlp/FOLIO",
        path="folio_v2_validation.jsonl",
        revision="main",
        is_gated=True,
    ),
    obtain="folio_v2_validation.jsonl is in yale-nlp/FOLIO on the hub, after signing in",
    fingerprinted=False,
)

PROMPT = """Take the premises as true, and nothing else. Decide whether the conclusion follows.

Premises:
{premises}

Conclusion:
{conclusion}

True: the conclusion must hold. False: it cannot hold. Uncertain: the premises do not settle it.

Reason step by step. Then end with one line that is exactly one of these:
Answer: True
Answer: False
Answer: Uncertain"""


def load_folio(options: DataOptions) -> QuestionSet:
    """v0.0 when it is in the local folder, else v2. The source says which it was."""
    if options.data_dir is None:
        return load_folio_v2(options, suite="folio")
    has_v0 = FOLIO_V0.local_file(options.data_dir) is not None
    has_v2 = FOLIO_V2.local_file(options.data_dir) is not None
    load = load_folio_v2 if has_v2 and not has_v0 else load_folio_v0
    return load(options, suite="folio")


def load_folio_v0(options: DataOptions, suite: str = "folio-v0.0") -> QuestionSet:
    """The 204 questions of v0.0. Ids are row numbers from 0.

    Material: ``premises`` (a list) and ``conclusion``.
    """
    return load_release(FOLIO_V0, options, partial(_question_v0, suite))


def load_folio_v2(options: DataOptions, suite: str = "folio-v2") -> QuestionSet:
    """The 203 questions of v2. Ids are ``v2-`` and the example's number.

    The prefix keeps them apart from v0.0's row numbers in baselines. Material as in v0.0.
    """
    return load_release(FOLIO_V2, options, partial(_question_v2, suite))


def _question_v0(suite: str, row: Row, number: int) -> Question:
    premises = row.texts("premises")
    if not premises:
        raise row.error("premises", "empty")
    return _question(str(number), suite, premises, row)


def _question_v2(suite: str, row: Row, _number: int) -> Question:
    premises = tuple(line for line in row.text("premises").split("\n") if line.strip())
    return _question(f"v2-{row.integer('example_id')}", suite, premises, row)


def _question(id_: str, suite: str, premises: tuple[str, ...], row: Row) -> Question:
    label = row.text("label")
    if label not in LABELS:
        raise row.error("label", f"{label!r} is not one of {', '.join(LABELS)}")
    return Question(
        id=id_,
        suite=suite,
        material={"premises": list(premises), "conclusion": row.text("conclusion")},
        references=(label,),
        kind=LABEL,
    )


def _suite(
    name: str, load: Callable[[DataOptions], QuestionSet], *releases: Release, which: str = ""
) -> Suite:
    return Suite(
        name,
        load,
        PROMPT,
        # Far above what answers take that do end; what reaches it is looping.
        max_tokens=DefaultBudget(16384),
        grader=grade_label,
        described=SuiteDescription(
            title=f"Does a conclusion follow from premises in plain English?{which}",
            kinds=(LABEL,),
            questions=releases[0].rows if len(releases) == 1 else None,
            releases=releases,
        ),
    )


FOLIO = _suite("folio", load_folio, FOLIO_V0, FOLIO_V2, which=" v0.0 if its file is there, else v2")
FOLIO_BY_RELEASE = (
    _suite("folio-v0.0", load_folio_v0, FOLIO_V0),
    _suite("folio-v2", load_folio_v2, FOLIO_V2),
)
