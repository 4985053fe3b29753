"""MuSiQue: questions that need several facts in a row (arXiv 2108.00573).

Each is asked closed-book, and in the contexts of `lrmtest.suites.musique_contexts`.

The official figures, exact match and token F1, judge the whole answer unless it ends with a line
of its own for it. Reasoning models answer in sentences, also when such a line is asked for, and an
exact match with a sentence is never one: it measures the form. So here both judge the short answer
that is found in the text, with the official normalization: a completion passes when that is an
exact match, and runs are compared by its F1. The official figures stand beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from lrmtest.grading import Grade
from lrmtest.grading.could_say import reads_like
from lrmtest.grading.short_text import grade_short_text
from lrmtest.questions.data import DataOptions, QuestionSet
from lrmtest.questions.hub import HubFile
from lrmtest.questions.question import SHORT_TEXT, Question
from lrmtest.questions.released import in_released_order, released_fingerprints
from lrmtest.questions.rows import Row
from lrmtest.questions.sources import Release, load_release
from lrmtest.suites.musique_contexts import (
    CONTEXTS,
    PROMPTS,
    TITLES,
    Context,
    hop_ids,
    load_in_context,
)
from lrmtest.suites.suite import DefaultBudget, Suite, SuiteDescription

MUSIQUE_DEV = Release(
    name="musique-dev",
    title="MuSiQue-Ans v1.0, development split",
    names=("musique_ans_v1.0_dev.jsonl",),
    rows=2417,
    licence="CC BY 4.0",
    hub=HubFile(
        repo="dgslibisey/MuSiQue",
        path="musique_ans_v1.0_dev.jsonl",
        revision="c8f4f8c9465fb69d31a8eae894c3fd509c4ca321",
    ),
    obtain="musique_ans_v1.0_dev.jsonl is in dgslibisey/MuSiQue on the hub",
    fingerprinted=False,
    sha256="15fa63794d18a94ce12411aca6e2327e65b6e83b0b1490efab3f1962e48abf3b",
)
MUSIQUE_100 = Release(
    name="musique-100",
    title="MuSiQue, the 100 questions of arXiv 2504.02010",
    names=("musique_100.jsonl",),
    rows=100,
    licence="CC BY 4.0",
    hub=None,
    obtain="musique_100.jsonl, or the whole split: " + MUSIQUE_DEV.obtain,
)

PROMPT = """Answer this question from what you know. If you are not sure, give your best guess.

{question}

Think first. Then end with one line that holds only the answer, a name, a date, a number or a \
few words:
Answer: <short answer>"""


def load_musique(options: DataOptions) -> QuestionSet:
    """The 100 questions of arXiv 2504.02010, from their own file or from the whole split.

    Ids are MuSiQue's: ``2hop__151750_141308``. Material: ``question``, ``paragraphs`` and
    ``question_decomposition``, the last two as released.
    """
    own_file = options.data_dir is not None and MUSIQUE_100.local_file(options.data_dir)
    has_dev = options.data_dir is None or MUSIQUE_DEV.local_file(options.data_dir)
    if own_file or not has_dev:
        return load_release(MUSIQUE_100, options, partial(_question, "musique"))
    whole = load_musique_dev(options, suite="musique")
    asked = released_fingerprints(MUSIQUE_100.name)
    chosen = [question for question in whole.questions if question.id in asked]
    file = MUSIQUE_DEV.names[0]
    in_order = in_released_order(
        MUSIQUE_100.name, chosen, [file] * len(chosen), file=file, hint=MUSIQUE_100.obtain
    )
    return replace(whole, questions=in_order)


def load_musique_dev(options: DataOptions, suite: str = "musique-dev") -> QuestionSet:
    """The 2,417 questions of the development split, ids and material as in the 100."""
    return load_release(MUSIQUE_DEV, options, partial(_question, suite))


def _question(suite: str, row: Row, _number: int) -> Question:
    if row.value("answerable") is not True:
        raise row.error("answerable", "only answerable questions are expected")
    names = (row.text("answer"), *row.texts("answer_aliases"))
    return Question(
        id=row.text("id"),
        suite=suite,
        material={
            "question": row.text("question"),
            "paragraphs": row.objects("paragraphs", texts=("title", "paragraph_text")),
            "question_decomposition": row.objects(
                "question_decomposition", texts=("question", "answer")
            ),
        },
        references=tuple(dict.fromkeys(names)),
        kind=SHORT_TEXT,
    )


def grade_musique(question: Question, text: str) -> Grade:
    """Grade the short answer that a text gives: it passes by exact match, its score is F1."""
    grade = grade_short_text(question, text)
    short = grade.metrics
    return replace(grade, correct=short["em_short"] == 1.0, score=short["f1_short"])


reads_like(grade_musique, grade_short_text)


def _suite(
    name: str,
    load: Callable[[DataOptions], QuestionSet],
    prompt: str,
    described: SuiteDescription,
) -> Suite:
    # A fact is known or read, or it is not: little to think about.
    budget = DefaultBudget(8192)
    return Suite(
        name,
        load,
        prompt,
        budget,
        grader=grade_musique,
        primary="f1_short",
        described=described,
    )


def _in_all_contexts(
    name: str, load: Callable[[DataOptions], QuestionSet], *releases: Release
) -> tuple[Suite, ...]:
    """The suites of one set of questions: closed-book, then every other context."""
    closed_book = SuiteDescription(
        title="Questions that need two to four facts, from the model's own knowledge",
        kinds=(SHORT_TEXT,),
        questions=releases[0].rows,
        releases=releases,
        base=load,
    )
    return (
        _suite(name, load, PROMPT, closed_book),
        *(
            _suite(
                own,
                load_in_context(load, own, context),
                PROMPTS[context],
                replace(
                    closed_book,
                    title=TITLES[context],
                    questions=_number(context, releases[0]),
                ),
            )
            for context in CONTEXTS
            for own in (f"{name}-{context}",)
        ),
    )


def _number(context: Context, release: Release) -> int | None:
    """How many questions there are in a context; of hops the ids tell, where they are listed."""
    if context not in ("hops", "hops-gold"):
        return release.rows
    if not release.fingerprinted:
        return None
    return sum(len(hop_ids(id_)) for id_ in released_fingerprints(release.name))


MUSIQUE_SUITES = (
    *_in_all_contexts("musique", load_musique, MUSIQUE_100, MUSIQUE_DEV),
    *_in_all_contexts("musique-dev", load_musique_dev, MUSIQUE_DEV),
)
