"""The contexts in which a MuSiQue question is asked.

What a model does not know can so be told from what it cannot compose: closed-book; open-book,
with all paragraphs; gold, with only those that hold the facts; and hop by hop, each single fact
asked for by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

from lrmtest.questions.data import DataOptions, QuestionSet
from lrmtest.questions.question import SHORT_TEXT, Question

Context = Literal["open", "gold", "hops", "hops-gold"]
"""What a question comes with, beside closed-book: all paragraphs; the supporting ones; or its
hops one by one, closed-book or each with its supporting paragraph."""

CONTEXTS: tuple[Context, ...] = get_args(Context)

_WITH_PARAGRAPHS = """Answer this question from the paragraphs below. Not all of them need have \
to do with it.

{paragraphs}

Question: {question}

Think first. Then end with one line that holds only the answer, a name, a date, a number or a \
few words:
Answer: <short answer>"""

_HOP = """Answer this question from what you know. If you are not sure, give your best guess. \
Where it is written as "subject >> relation", the answer is what stands in that relation to the \
subject.

{question}

Think first. Then end with one line that holds only the answer, a name, a date, a number or a \
few words:
Answer: <short answer>"""

_HOP_WITH_PARAGRAPH = """Answer this question from the paragraph below. Where it is written as \
"subject >> relation", the answer is what stands in that relation to the subject.

{paragraphs}

Question: {question}

Think first. Then end with one line that holds only the answer, a name, a date, a number or a \
few words:
Answer: <short answer>"""

PROMPTS: dict[Context, str] = {
    "open": _WITH_PARAGRAPHS,
    # That of all paragraphs: only the paragraphs may differ.
    "gold": _WITH_PARAGRAPHS,
    "hops": _HOP,
    "hops-gold": _HOP_WITH_PARAGRAPH,
}

TITLES: dict[Context, str] = {
    "open": "MuSiQue's questions with all their paragraphs, most of them distractors",
    "gold": "MuSiQue's questions with the paragraphs that hold the facts",
    "hops": "Each single fact of MuSiQue's questions, from the model's own knowledge",
    "hops-gold": "Each single fact of MuSiQue's questions, with its paragraph",
}

_EARLIER_HOP = re.compile(r"#(\d+)")
_HOPS = re.compile(r"(\d)hop")


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
