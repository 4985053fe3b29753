"""A filter before the graders: could a few words be read as the right answer?

A necessary condition for each of the built-in graders, found by looking for the reference in the
words. Where it does not hold, the grader would say "not correct"; where it does, only the grader
knows.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable

from lrmtest.grading.answer_text import clean
from lrmtest.grading.integer import grade_integer
from lrmtest.grading.numerals import NUMBER_WORD
from lrmtest.grading.option import grade_option
from lrmtest.grading.short_text import grade_short_text, normalize, plain_quantity
from lrmtest.grading.symbolic import could_be_expression, grade_expression
from lrmtest.grading.verdict import Grade
from lrmtest.questions.question import Question

CouldSay = Callable[[Question, str], bool]

_EMPHASIS = re.compile(r"\*\*")
_COMPUTED = re.compile(r"[\^!/*+×·÷]|\d\s?-|\\(?!boxed|text|math|[()\[\]!,;:])")
_NO_SIGNS = str.maketrans("", "", string.punctuation)
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


def _integer(question: Question, said: str) -> bool:
    """The digits are there in their order, or something that could be worked out, or a word."""
    wanted = str(abs(int(question.expected)))
    digits = "".join(filter(str.isdigit, said))
    if wanted in digits or not (digits.isascii() or not digits):
        return True
    plain = _EMPHASIS.sub("", said)
    return bool((digits and _COMPUTED.search(plain)) or NUMBER_WORD.search(plain))


def _option(question: Question, said: str) -> bool:
    """The letter stands by itself, or there are times, other letters, or words of the option."""
    letter = question.expected.strip(" ()")
    if not letter or re.search(r"\d", said) or _NOT_ASCII.search(said):
        return True
    if re.search(rf"(?<![A-Za-z]){re.escape(letter)}(?![A-Za-z])", said, re.I):
        return True
    place = ord(letter.upper()[0]) - ord("A")
    options = question.material["options"]
    text = options[place] if 0 <= place < len(options) else ""
    words = re.findall(r"[a-z]+", text.lower())
    return all(word in said.lower() for word in words)


def _short_text(question: Question, said: str) -> bool:
    """All words of a reference are there."""
    heard = said.lower().translate(_NO_SIGNS)
    return any(
        all(word in heard for word in normalize(plain_quantity(clean(reference))).split())
        for reference in question.references
    )


_KNOWN: dict[Callable[[Question, str], Grade], CouldSay] = {
    grade_integer: _integer,
    grade_option: _option,
    grade_expression: could_be_expression,
    grade_short_text: _short_text,
}


def reads_like(
    grader: Callable[[Question, str], Grade], other: Callable[[Question, str], Grade]
) -> None:
    """Say that a grader calls correct only what has the words that `other` needs."""
    _KNOWN[grader] = _KNOWN[other]


def could_say(grader: Callable[[Question, str], Grade], question: Question, said: str) -> bool:
    """Whether `grader` may call `said` correct; True for a grader of which nothing is known."""
    known = _KNOWN.get(grader)
    return known is None or known(question, said)
