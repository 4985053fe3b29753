"""The question's side: what its text says of the answer, and whether an answer only repeats it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from lrmtest.grading.answer_text import clean
from lrmtest.grading.symbolic.equality import QuestionTerms
from lrmtest.grading.symbolic.node import Node
from lrmtest.grading.symbolic.spelling import tree_of
from lrmtest.questions.question import Question

_MOST_READ = 20_000
_PERCENT = re.compile(
    r"\b(?:what|which|how\smany|find\sthe|as\san?|in|nearest)\b[^.?!]{0,60}?\bper\s?cent(?:age)?s?\b"
    r"|\b(?:what|which|find\sthe)\b[^.?!]{0,60}?\bpercentage\b",
    re.I,
)
_FORMULA = re.compile(r"\$\$?([^$]{1,300})\$\$?|\\\((.{1,300}?)\\\)|\\\[(.{1,300}?)\\\]", re.DOTALL)
_WORKED_OUT = frozenset(("sum", "product", "quotient", "power", "root", "call", "factorial"))
"""Heads of formulas that can be a task. A number, a fraction of two, a point or an
interval is a value, and repeated as it is."""


def terms_of(question: Question) -> QuestionTerms:
    """What a question's text says of its answer."""
    return _terms_of(" ".join(_texts(question))[:_MOST_READ])


@lru_cache(maxsize=64)
def _terms_of(text: str) -> QuestionTerms:
    words = frozenset(re.findall(r"[^\W\d_]{2,}", text.casefold()))
    formulas = frozenset(
        next(filter(None, found.groups())).strip(" \n.,;:")
        for found in _FORMULA.finditer(clean(text))
    )
    return QuestionTerms(words=words, percent=_PERCENT.search(text) is not None, formulas=formulas)


def _texts(question: Question) -> Iterator[str]:
    for value in question.material.values():
        if isinstance(value, str):
            yield value[:_MOST_READ]


def restates(reference: str, answer: str, asked: QuestionTerms) -> bool:
    """Whether an answer is a formula of the question's text, to be worked out, and not worked out.

    It equals the reference, as the task does. Where the reference is that very formula, or the
    answer a plain value, repeating it is answering.
    """
    tree, wanted = tree_of(clean(answer)), tree_of(clean(reference))
    if wanted is not None and wanted.head == "quantity":
        wanted = wanted.parts[0]
    return (
        tree is not None
        and tree != wanted
        and _to_be_worked_out(tree)
        and any(tree_of(formula) == tree for formula in asked.formulas)
    )


def _to_be_worked_out(tree: Node) -> bool:
    while tree.head == "negative":
        tree = tree.parts[0]
    fraction = tree.head == "quotient" and all(part.head == "number" for part in tree.parts)
    return tree.head in _WORKED_OUT and not fraction
