r"""Grading words or numbers in their order, as in BIG-Bench Extra Hard: ``90, 2``, ``no, yes, no``.

What is equal is what that benchmark's own evaluation calls equal (Kazemi et al. 2025, arXiv
2502.19187, ``evaluate.py`` of its release): case, quotation marks, brackets around all of it, a
full or question mark at the end and the spelling of a number do not count; everything else does,
the order above all. Which part of a text is its answer is read as for every other kind.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from functools import lru_cache, partial

from lrmtest.grading.answer_text import bare, clean
from lrmtest.grading.commitments import NOTHING, Commitment, last_reading
from lrmtest.grading.cues import Languages
from lrmtest.grading.surroundings import conditional, first_sentence, refuted
from lrmtest.grading.verdict import Grade
from lrmtest.questions.question import Question

_SHOWN = 200
_LONGEST = 4000
"""Characters of an answer's line that are read: a sorted list of words takes a few hundred."""
_LONG = 200
_LONGEST_ALONE = 300

_COMMA = re.compile(r"\s{0,4},\s{0,4}(?:and\s+)?")
_COMMA_OR_AND = re.compile(r"\s{0,4},\s{0,4}(?:and\s+)?|\s{1,4}and\s{1,4}")
_REASON = re.compile(r",?\s(?:because|since|as|which)\s", re.I)
_NAMED = re.compile(r"[A-Za-z]'?\s{0,4}=\s{0,4}(?=\S)")
_NUMBER = re.compile(r"[+-]?\d{1,40}(?:\.\d{1,40})?")
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3}){1,12}(?:\.\d{1,40})?")
_BRACKETS = {"(": ")", "[": "]", "<": ">", "{": "}"}
_DEEPEST = 4
_QUOTES = str.maketrans("", "", "'\"`")


def _item(text: str) -> str:
    """One item in the form in which items are compared."""
    text = _NAMED.sub("", text, count=1) if _NAMED.match(text) else text
    text = " ".join(unicodedata.normalize("NFC", text).casefold().split()).strip(" .,;:!?")
    return f"{Decimal(text).normalize() + 0:f}" if _NUMBER.fullmatch(text) else text


def _is_enclosed(text: str) -> bool:
    """Whether a text's first bracket is closed by its last character."""
    closing = _BRACKETS.get(text[:1])
    if closing is None or len(text) < 2 or text[-1] != closing:
        return False
    depth = 0
    for place, character in enumerate(text):
        depth += (character == text[0]) - (character == closing)
        if not depth:
            return place == len(text) - 1
    return False


def _items(text: str, wanted: int) -> tuple[str, ...]:
    """The items of an answer, or of a reference.

    Args:
        text: cleaned.
        wanted: how many there should be, which tells ``1,372`` from two items, and whether "and"
            separates two.
    """
    text = bare(text).translate(_QUOTES).strip(" .,;:!?")
    for _ in range(_DEEPEST):
        if not _is_enclosed(text):
            break
        text = text[1:-1].strip()
    if not text:
        return ()
    if wanted == 1 and _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    parts = _COMMA.split(text)
    if len(parts) != wanted and len(spoken := _COMMA_OR_AND.split(text)) == wanted:
        parts = spoken
    return tuple(map(_item, parts))


@lru_cache(maxsize=1024)
def _reference(text: str) -> tuple[str, ...]:
    return _items(clean(text), wanted=0)


def _written(items: tuple[str, ...]) -> str:
    """In one text, which is never empty."""
    return f"[{', '.join(items)}]"


def _whole_line(text: str, commitment: Commitment) -> str:
    """What a line hands in: a commitment has its beginning only."""
    said = commitment.text
    if len(said) < _LONG:
        return said
    rest = text[commitment.end : commitment.end + _LONGEST]
    return said + rest[rest.find(said) + len(said) :].partition("\n")[0]


def _read(
    text: str, wanted: int, asks: bool, commitment: Commitment, languages: Languages
) -> str | None:
    said = commitment.text
    if commitment.form in ("restated", "retraction"):
        return None
    if commitment.form == "box":
        if refuted(commitment.behind, languages):
            return None
        if conditional(commitment.behind):
            return NOTHING
        items = _items(said, wanted)
        return _written(items) if items or "[" in said else NOTHING
    if "boxed" in said:
        return None  # the box itself is read
    if first_sentence(said).rstrip("* $\"'").endswith("?") and not asks:
        return None
    if commitment.form == "line":
        said = _whole_line(text, commitment)
    else:
        said = _REASON.split(first_sentence(said), maxsplit=1)[0]
    items = _items(said, wanted)
    return _written(items) if items or "[" in said else None


def _alone(wanted: int, text: str, _languages: Languages) -> str | None:
    """A text that is nothing but as many items as are asked for."""
    text = text.strip()
    if not text or len(text) > _LONGEST_ALONE or "\n" in text:
        return None
    items = _items(text, wanted)
    is_answer = len(items) == wanted and all(len(item.split()) <= 4 for item in items)
    return _written(items) if is_answer else None


def grade_sequence(question: Question, answer: str) -> Grade:
    r"""Grade an answer against words or numbers in their order.

    Only a committed answer counts: the last ``Answer: X`` line, box or "the answer is X", or a
    text that is nothing else.

    Args:
        question: its references are items separated by commas, each reference will do.
        answer: the answer text.
    """
    text = clean(answer)
    wanted = [_reference(reference) for reference in question.references]
    count = len(wanted[0])
    asks = any(reference.rstrip().endswith("?") for reference in question.references)
    reading = last_reading(text, partial(_read, text, count, asks), partial(_alone, count))
    if not reading:
        return Grade(extracted=None, correct=False, score=0.0)
    correct = reading in map(_written, wanted)
    extracted = (reading[1:-1] or reading)[:_SHOWN]
    return Grade(extracted=extracted, correct=correct, score=float(correct))


def could_be_sequence(question: Question, said: str) -> bool:
    """Whether a few words have the letters and digits of a reference in them."""
    heard = unicodedata.normalize("NFC", clean(said)).casefold().translate(_QUOTES)
    heard = heard.replace(",", "")
    return any(
        all(part in heard for item in _reference(reference) for part in _parts(item))
        for reference in question.references
    )


def _parts(item: str) -> list[str]:
    # Of a number only the digits before the point: 404.0 is written as 404, too.
    return [item.lstrip("-").partition(".")[0]] if _NUMBER.fullmatch(item) else item.split()
