"""MuSR: reasoning over long stories in three domains (arXiv 2310.16049).

Murder mysteries ask who did it, object placements where somebody would look for something, team
allocations who should do which task.
"""

from __future__ import annotations

from functools import partial

from lrmtest.grading.option import grade_option
from lrmtest.questions.data import DataOptions, QuestionSet
from lrmtest.questions.hub import HubFile
from lrmtest.questions.lettered_options import OPTION_LETTERS, story_with_options
from lrmtest.questions.question import OPTION, Question
from lrmtest.questions.rows import Row
from lrmtest.questions.sources import Release, load_parts
from lrmtest.suites.suite import DefaultBudget, Suite, SuiteDescription

_REPO, _REVISION = "TAUR-Lab/MuSR", "7c365b439a222150f317764d4f16ae6c96d7d94a"


def _release(domain: str, file: str, rows: int, sha256: str) -> Release:
    return Release(
        name=f"musr-{domain}",
        title=f"MuSR, {file.removesuffix('.csv').replace('_', ' ')}",
        names=(file, f"musr_{file}"),
        rows=rows,
        licence="CC BY 4.0",
        hub=HubFile(_REPO, file, _REVISION),
        obtain=f"{file} is in {_REPO} on the hub",
        fingerprinted=False,
        sha256=sha256,
    )


MUSR = {
    "murder": _release(
        "murder",
        "murder_mystery.csv",
        250,
        "ce19b6dc0b953f698e79528c72705804bc97e772a4303734808971f63ce233a7",
    ),
    "objects": _release(
        "objects",
        "object_placements.csv",
        256,
        "98cd17d2c9ea53664e274365e901c90dfcaa40d17547dfbd369f1cd26fd2a81c",
    ),
    "teams": _release(
        "teams",
        "team_allocation.csv",
        250,
        "ddbef3bb61857a7cc3b73db62fac4605679e1b7ff4357d57fdfcf91f7caaa1f8",
    ),
}
"""The releases by domain."""

_FILES = [release.names[0] for release in MUSR.values()]
_WHOLE = Release(
    name="musr",
    title="MuSR",
    names=(" and ".join(_FILES),),
    rows=sum(release.rows for release in MUSR.values()),
    licence="CC BY 4.0",
    hub=HubFile(_REPO, ", ".join(_FILES), _REVISION),
    obtain=f"its three files are in {_REPO} on the hub",
    fingerprinted=False,
)

PROMPT = """{story}

{question}
{options_text}

Exactly one option is right. Reason step by step. Then end with one line that names its letter in \
parentheses, like this:
Answer: (X)"""


def load_musr(options: DataOptions) -> QuestionSet:
    """The 756 questions. Ids are a domain and its row's number from 0: ``murder-17``.

    Material: ``story``, ``question``, ``options`` (a list) and ``options_text``.
    """
    return load_parts(
        "musr", [(MUSR[domain], partial(_question, domain)) for domain in MUSR], options
    )


def _question(domain: str, row: Row, number: int) -> Question:
    options = list(row.listed("choices"))
    if not 2 <= len(set(options)) == len(options) <= len(OPTION_LETTERS):
        raise row.error("choices", "from 2 to 26 different options were expected")
    index = row.integer("answer_index", low=0, high=len(options) - 1)
    if row.text("answer_choice") != options[index]:
        raise row.error("answer_choice", f"not the option at {index}, counted from 0")
    return Question(
        id=f"{domain}-{number}",
        suite="musr",
        material=story_with_options(row.text("narrative"), row.text("question"), options),
        references=(OPTION_LETTERS[index],),
        kind=OPTION,
    )


MUSR_SUITE = Suite(
    name="musr",
    load=load_musr,
    prompt=PROMPT,
    # Far above what answers take that do end; what reaches it is looping.
    max_tokens=DefaultBudget(16384),
    grader=grade_option,
    described=SuiteDescription(
        title="Murder mysteries, object placements and team allocations in long stories",
        kinds=(OPTION,),
        questions=_WHOLE.rows,
        releases=(_WHOLE,),
    ),
)
