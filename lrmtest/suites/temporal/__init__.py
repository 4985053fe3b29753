"""Temporal sequences of BIG-Bench Hard: when could somebody have been somewhere?

arXiv 2210.09261. One of four time spans is free of sightings; the others are not.
"""

from __future__ import annotations

import re

from lrmtest.grading.option import grade_option
from lrmtest.questions.data import DataOptions, QuestionSet
from lrmtest.questions.hub import HubFile
from lrmtest.questions.lettered_options import OPTION_LETTERS, story_with_options
from lrmtest.questions.question import OPTION, Question
from lrmtest.questions.rows import Row
from lrmtest.questions.sources import Release, load_release
from lrmtest.suites.suite import DefaultBudget, Suite, SuiteDescription

TEMPORAL_SEQUENCES = Release(
    name="temporal-sequences",
    title="BIG-Bench Hard, temporal sequences",
    names=("bbh_temporal_sequences.json", "temporal_sequences.json"),
    rows=250,
    licence="MIT",
    hub=HubFile(
        repo="lukaemon/bbh",
        path="temporal_sequences/test-00000-of-00001.parquet",
        revision="982bb89fd79532a8ac676a61fc42eb1aeec63f99",
    ),
    obtain="temporal_sequences.json is in bbh/ of github.com/suzgunmirac/BIG-Bench-Hard",
)

_OPTION = re.compile(r"\(([A-Z])\) (\S.*)")
_TARGET = re.compile(r"\(([A-Z])\)")

PROMPT = """{story}

{question}
{options_text}

Exactly one option is possible. Reason step by step. Then end with one line that names its \
letter in parentheses, like this:
Answer: (X)"""


def load_temporal(options: DataOptions) -> QuestionSet:
    """The 250 questions. Ids are the example's numbers from 0.

    Material: ``story``, ``question``, ``options`` (a list) and ``options_text``.
    """
    return load_release(TEMPORAL_SEQUENCES, options, _question)


def _question(row: Row, number: int) -> Question:
    head, mark, tail = row.text("input").partition("\nOptions:\n")
    story, _, question = head.rpartition("\n")
    if not mark or not story:
        raise row.error("input", "no story, question and options in it")
    options = []
    for letter, line in zip(OPTION_LETTERS, tail.split("\n"), strict=False):
        match = _OPTION.fullmatch(line)
        if not match or match.group(1) != letter:
            raise row.error("input", f"option ({letter}) was expected, not {line[:40]!r}")
        options.append(match.group(2))
    target = _TARGET.fullmatch(row.text("target"))
    if not target or target.group(1) not in OPTION_LETTERS[: len(options)]:
        raise row.error("target", f"not the letter of one of the {len(options)} options")
    return Question(
        id=str(number),
        suite="temporal",
        material=story_with_options(story, question, options),
        references=(target.group(1),),
        kind=OPTION,
    )


TEMPORAL = Suite(
    name="temporal",
    load=load_temporal,
    prompt=PROMPT,
    # Far above what answers take that do end; what reaches it is looping.
    max_tokens=DefaultBudget(16384),
    grader=grade_option,
    described=SuiteDescription(
        title="When could somebody have gone somewhere? One of four time spans is free",
        kinds=(OPTION,),
        questions=250,
        releases=(TEMPORAL_SEQUENCES,),
    ),
)
