"""The grade of an expression, and a first glance at a few words that may be one."""

from __future__ import annotations

from functools import lru_cache

from lrmtest.grading.answer_text import clean
from lrmtest.grading.surroundings import first_sentence
from lrmtest.grading.symbolic.answer import answer_in, of_sentence
from lrmtest.grading.symbolic.equality import QuestionTerms, decide, undecided
from lrmtest.grading.symbolic.question_terms import restates, terms_of
from lrmtest.grading.symbolic.spelling import is_text
from lrmtest.grading.verdict import Grade
from lrmtest.questions.question import Question

_SHOWN = 200


def _in_words(question: Question) -> bool:
    return any(is_text(clean(reference)) for reference in question.references)


def graded(question: Question, answer: str) -> Grade:
    """The grade of an answer, see `lrmtest.grading.symbolic.grade_expression`."""
    reading = answer_in(clean(answer), words=_in_words(question))
    if not reading:
        return Grade(extracted=None, correct=False, score=0.0, metrics={"undecided": 0.0})
    asked = terms_of(question)
    undecided = correct = False
    for reference in question.references:
        decision = decide(reference, reading, asked)
        correct = decision is True and not restates(reference, reading, asked)
        if correct:
            break
        undecided = undecided or decision is None
    return Grade(
        extracted=reading[:_SHOWN],
        correct=correct,
        score=float(correct),
        metrics={"undecided": float(undecided and not correct)},
    )


_LONGEST_LOOKED_AT = 200
_STEPS_LOOKED_AT = 500


def could_be(question: Question, said: str) -> bool:
    """Whether a few words give the right answer, as far as that is seen at a glance."""
    return len(said) <= _LONGEST_LOOKED_AT and _could_be(
        question.references, said, terms_of(question)
    )


@lru_cache(maxsize=1024)
def _could_be(references: tuple[str, ...], said: str, asked: QuestionTerms) -> bool:
    found = {said.strip(), of_sentence(first_sentence(said)) or ""} - {""}
    return any(
        decide(reference, one, asked, undecided, steps=_STEPS_LOOKED_AT)
        for reference in references
        for one in found
    )
