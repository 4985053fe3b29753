"""AIME: the 30 problems of both American Invitational Mathematics Examinations of a year.

The suite `aime` is 2024's. `aime_suite` makes that of another year, of the data in its own file.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial

from lrmtest.grading.integer import grade_integer
from lrmtest.questions.data import DataOptions, QuestionSet
from lrmtest.questions.hub import HubFile
from lrmtest.questions.question import INTEGER, Question
from lrmtest.questions.released import fingerprint, released_fingerprints
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

_YEARS = range(2022, 2027)
"""Those that have a list in ``released/``."""

_ID = re.compile(r"(20\d\d)-(I{1,2})-([1-9]|1[0-5])")
_URL = re.compile(r"https?://.{,80}/(20\d\d)_AIME_(I{1,2})_Problems/Problem_([1-9]|1[0-5])")


def aime_suite(name: str, release: Release) -> Suite:
    """The suite of one year's contests, which its release is named after: ``aime-2025``."""
    year = int(release.name.removeprefix("aime-"))
    return Suite(
        name=name,
        load=partial(load_aime, name, release, year),
        prompt=PROMPT,
        # The paper's limit of new tokens, and DeepSeek's for R1. Hard problems need it.
        max_tokens=DefaultBudget(32768),
        grader=grade_integer,
        described=SuiteDescription(
            title="Competition problems of both American Invitational Mathematics Examinations "
            f"of {year}",
            kinds=(INTEGER,),
            questions=release.rows,
            releases=(release,),
        ),
    )


def load_aime(suite: str, release: Release, year: int, options: DataOptions) -> QuestionSet:
    """The 30 questions of a year. Ids are the contest's: ``2024-I-4``. Material: ``problem``.

    A row says its contest in one of the forms that are published: in ``ID`` or ``id``, as the ids
    here; in ``problem_idx``, 1 to 15 for AIME I and 16 to 30 for AIME II; or in the ``url`` of
    the problem's page. A file of rows with ``url`` may have further years.
    """

    def belongs(row: Row) -> bool:
        found = _URL.fullmatch(str(row.values.get("url")))
        return found is None or int(found[1]) == year

    return load_release(release, options, partial(_question, suite, year), belongs=belongs)


def _question(suite: str, year: int, row: Row, _number: int) -> Question:
    is_lower = bool(row.values.keys() & {"id", "problem_idx", "url", "problem", "answer"})
    problem, answer = ("problem", "answer") if is_lower else ("Problem", "Answer")
    question = Question(
        id=_contest_id(row, year, "id" if is_lower else "ID"),
        suite=suite,
        material={"problem": row.text(problem).strip()},
        references=(str(row.integer(answer, low=0, high=999)),),
        kind=INTEGER,
    )
    if "problem_idx" in row.values and (other := _other_year(question, year)):
        raise row.error("problem", f"this is a problem of AIME {other}, not of AIME {year}")
    return question


def _contest_id(row: Row, year: int, field: str) -> str:
    """The contest's id of a row's problem: ``2024-II-15``."""
    if "problem_idx" in row.values:
        number = row.integer("problem_idx", low=1, high=30)
        return f"{year}-I-{number}" if number <= 15 else f"{year}-II-{number - 15}"
    field = "url" if "url" in row.values else field
    found = (_URL if field == "url" else _ID).fullmatch(row.text(field))
    if found is None:
        raise row.error(field, "no problem of an AIME, such as 2024-I-4")
    if int(found[1]) != year:
        raise row.error(field, f"this is a problem of AIME {found[1]}, not of AIME {year}")
    return "-".join(found.groups())


def _other_year(question: Question, year: int) -> int | None:
    """The year whose contest has the question, if that is another than its id says."""
    for other in sorted(_YEARS, key=lambda each: each != year):
        renamed = replace(question, id=question.id.replace(str(year), str(other), 1))
        if released_fingerprints(f"aime-{other}").get(renamed.id) == fingerprint(renamed):
            return other if other != year else None
    return None


AIME = aime_suite("aime", AIME_2024)
