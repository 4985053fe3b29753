"""MuSiQue: questions that need several facts in a row (arXiv 2108.00573).

Each question is asked in several contexts, so that what a model does not know can be told from
what it cannot compose: closed-book; open-book, with all paragraphs; gold, with only those that
hold the facts; and hop by hop, each single fact asked for by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, get_args

from lrmtest.questions.hub import HubFile
from lrmtest.questions.question import SHORT_TEXT, Question
from lrmtest.questions.released import in_released_order, released_fingerprints
from lrmtest.questions.rows import Row
from lrmtest.questions.sources import Release, load_release
from lrmtest.questions.suite import DataOptions, QuestionSet

MUSIQUE_DEV = Release(
    name="musique-dev",
    title="MuSiQue-Ans v1.0, development split",
    names=("musique_ans_v1.0_dev.jsonl",),
    rows=2417,
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
    hub=None,
    obtain="musique_100.jsonl, or the whole split: " + MUSIQUE_DEV.obtain,
)

Context = Literal["open", "gold", "hops", "hops-gold"]
"""What a question comes with, beside closed-book: all paragraphs; the supporting ones; or its
hops one by one, closed-book or each with its supporting paragraph."""

CONTEXTS: tuple[Context, ...] = get_args(Context)

_EARLIER_HOP = re.compile(r"#(\d+)")
_HOPS = re.compile(r"(\d)hop")


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


def load_in_context(
    load: Callable[[DataOptions], QuestionSet], suite: str, context: Context
) -> Callable[[DataOptions], QuestionSet]:
    """The loader of the same questions in another context.

    Ids stay; those of hops are the question's with ``-hop1``, ``-hop2``, ... Material:
    ``question`` and, but for closed-book hops, ``paragraphs``: a list of texts, each with its
    title before it, in the released order, which gives away nothing.

    Args:
        load: loads the closed-book questions.
        suite: name of the suite in this context.
        context: which.
    """

    def in_context(options: DataOptions) -> QuestionSet:
        closed_book = load(options)
        questions = (
            asked
            for question in closed_book.questions
            for asked in _in_context(question, suite, context)
        )
        return replace(closed_book, questions=tuple(questions))

    return in_context


def hop_id(question_id: str, number: int) -> str:
    """The id of a question's `number`-th hop, from 1."""
    return f"{question_id}-hop{number}"


def hop_ids(question_id: str) -> list[str]:
    """The ids of all hops of a question: MuSiQue's ids begin with their number, ``3hop1__...``.

    Empty for an id of another form.
    """
    match = _HOPS.match(question_id)
    return [hop_id(question_id, n) for n in range(1, int(match[1]) + 1)] if match else []


def _in_context(question: Question, suite: str, context: Context) -> list[Question]:
    if context in ("hops", "hops-gold"):
        return _hops(question, suite, with_paragraph=context == "hops-gold")
    paragraphs = question.material["paragraphs"]
    if context == "gold":
        paragraphs = [paragraph for paragraph in paragraphs if paragraph["is_supporting"]]
    material = {
        "question": question.material["question"],
        "paragraphs": [_paragraph(paragraph) for paragraph in paragraphs],
    }
    return [replace(question, suite=suite, material=material)]


def _hops(question: Question, suite: str, *, with_paragraph: bool) -> list[Question]:
    """The single hops, references to earlier ones replaced by what is expected there.

    Only the last hop has aliases: its answer is the question's.
    """
    hops: Sequence[Mapping[str, Any]] = question.material["question_decomposition"]
    by_idx = {paragraph["idx"]: paragraph for paragraph in question.material["paragraphs"]}
    answers = [hop["answer"] for hop in hops]
    asked = []
    for number, hop in enumerate(hops, start=1):
        material: dict[str, Any] = {"question": _filled_in(hop["question"], answers[: number - 1])}
        if with_paragraph:
            material["paragraphs"] = [_paragraph(by_idx[hop["paragraph_support_idx"]])]
        names = [hop["answer"]]
        if number == len(hops) and hop["answer"] in question.references:
            names += question.references
        asked.append(
            Question(
                id=hop_id(question.id, number),
                suite=suite,
                material=material,
                references=tuple(dict.fromkeys(names)),
                kind=SHORT_TEXT,
            )
        )
    return asked


def _filled_in(text: str, answers: Sequence[str]) -> str:
    """`text` with ``#1`` replaced by the first of the answers so far, and so on.

    A number that is no earlier hop's is part of the text, as in "the #1 song".
    """

    def answer(match: re.Match[str]) -> str:
        number = int(match.group(1))
        return answers[number - 1] if 1 <= number <= len(answers) else match.group(0)

    return _EARLIER_HOP.sub(answer, text)


def _paragraph(paragraph: Mapping[str, Any]) -> str:
    return f"{paragraph['title']}: {paragraph['paragraph_text']}"


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
