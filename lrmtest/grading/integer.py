r"""Grading an integer, as in AIME: ``\boxed{073}``, "the answer is 73"."""

from __future__ import annotations

import re

from lrmtest.grading.answer_text import bare, clean
from lrmtest.grading.commitments import NOTHING, Commitment, last_reading
from lrmtest.grading.evaluate import integer_value
from lrmtest.grading.verdict import Grade
from lrmtest.questions.question import Question

_NUMBER = r"[-+]?\d(?:[\d,\s]{0,40}\d)?(?:\.\d{0,40})?"
_GROUPS = re.compile(r"[-+]?\d{1,3}(?:[,\s]\d{3})+(?:\.0*)?")
_DIGITS = re.compile(r"[-+]?\d{1,40}(?:\.0*)?")
_DEGREES = re.compile(r"\^\s?\{?\s?\\circ\s?\}?|\\degree(?![A-Za-z])|°|\\?%")
_UNITS = re.compile(
    r"(?<=[\d.}])(?!\s{0,4}(?:pi|sqrt|or|and|to|[xynki])(?![A-Za-z]))"
    r"(?:\s{1,4}|(?=[A-Za-z]{2}))[A-Za-z][A-Za-z\s/.]{0,60}(?:\^\{?[23]\}?)?$"
)
_PREFIX = re.compile(r"^[A-Za-z][A-Za-z\s]{0,40}(?::|\bis\b)\s?|^\\approx(?![A-Za-z])\s?")
_LAYOUT = re.compile(
    r"\\(?:begin|end|color|textcolor|phantom|hphantom)\s?\{[^{}]{0,20}\}|\\\\(?=\s|\}|$)"
    r"|\\(?:tiny|small|normalsize|large|Large|LARGE|huge|Huge)(?![A-Za-z])"
)
_FRACTION = re.compile(
    r"(-?)\\[dtc]?frac\s?(?:\{\s?(-?\d{1,18})\s?\}|(\d))\s?(?:\{\s?(\d{1,18})\s?\}|(\d))"
)
_RATIO = re.compile(r"(-?\d{1,18})\s?/\s?(\d{1,18})")
_LEADING = re.compile(
    # What follows must not make it a larger expression, a choice or a list.
    rf"({_NUMBER})(?!\d)(?!\s{{0,4}}(?:[-+*/^=<>!×·÷\\]|(?:or|and|to|times|divided|over|mod)\b"
    r"|[,.]\s?\d))"
)
_CHOICE = re.compile(r"[-+]?\d[\d,]{0,20}(?:\.\d{1,20})?(?:\s{1,4}(?:or|and)|,)\s{1,4}[-+]?\d")


def _squeeze(fragment: str) -> str:
    """`fragment` in the plainest spelling: no delimiters, no spacing commands, no degrees."""
    fragment = re.sub(r"\{\s?,\s?\}", ",", fragment)
    fragment = re.sub(r"\\pmod\s?\{[^{}]{0,20}\}", "", fragment).replace("\\equiv", "=")
    fragment = _DEGREES.sub("", bare(_LAYOUT.sub("", fragment)))
    return " ".join(fragment.split()).strip(" .,;:!'\"")


def _number(text: str) -> int | None:
    """The integer that `text` is, with nothing around it."""
    for _ in range(4):
        if text[:1] + text[-1:] not in ("{}", "()"):
            break
        text = text[1:-1].strip()
    if _GROUPS.fullmatch(text):
        text = re.sub(r"[,\s]", "", text)
    if _DIGITS.fullmatch(text):
        return int(text.partition(".")[0])
    if fraction := _FRACTION.fullmatch(text):
        sign, *parts = fraction.groups()
        top, bottom = int(parts[0] or parts[1]), int(parts[2] or parts[3])
        top = -top if sign else top
    elif ratio := _RATIO.fullmatch(text):
        top, bottom = int(ratio[1]), int(ratio[2])
    else:
        return None
    return top // bottom if bottom and top % bottom == 0 else None


def _read_box(content: str) -> str:
    """A box is a commitment whatever it holds: the integer, else its content as it stands."""
    text = _squeeze(content)
    if not text:
        return NOTHING
    side = _PREFIX.sub("", text.rpartition("=")[2].strip(" ."))
    for candidate in (side, _UNITS.sub("", side).strip(" .,"), text.partition("=")[0].strip()):
        value = _number(candidate)
        if value is not None:
            return str(value)
    if re.search(r"\d", side) and re.search(r"[-+*/^!\\]", side):
        value = integer_value(side)
        if value is not None:
            return str(value)
    return text[:200]


def _read(commitment: Commitment) -> str | None:
    if commitment.form == "box":
        return _read_box(commitment.text)
    if "boxed" in commitment.text or "fbox" in commitment.text:
        return None  # the box itself is read
    sentence = re.split(r"\.(?=\s|$)", commitment.text, maxsplit=1)[0]
    text = _squeeze(sentence).lstrip("} ")
    if sentence.rstrip("* ").endswith("?"):
        return None
    if _CHOICE.match(text):
        return NOTHING
    whole = _number(text)
    if whole is not None:
        return str(whole)
    leading = _LEADING.match(text) or _LEADING.match(text.rpartition("=")[2].strip())
    if leading is None:
        return None
    value = _number(leading[1].strip(" ,"))
    return None if value is None else str(value)


def grade_integer(question: Question, answer: str) -> Grade:
    r"""Grade an answer against an integer.

    Only a committed answer counts: the last box, answer line or "the answer is ..." of the text,
    or a text that is nothing but the number.
    A box is a commitment whatever it holds; what is no integer is extracted as it stands and
    wrong. A number that merely stands last in the text is none: it is as likely a step.

    Args:
        question: its reference is an integer, with or without leading zeros.
        answer: the answer text.
    """
    text = clean(answer).strip()
    reading = last_reading(text, _read)
    if reading is None and len(text) <= 40 and (value := _number(_squeeze(text))) is not None:
        reading = str(value)
    if not reading:
        return Grade(extracted=None, correct=False, score=0.0)
    correct = reading == str(int(question.expected))
    return Grade(extracted=reading, correct=correct, score=float(correct))
