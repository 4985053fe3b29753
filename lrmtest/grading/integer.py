r"""Grading an integer, as in AIME: ``\boxed{073}``, "the answer is 73"."""

from __future__ import annotations

import re

from lrmtest.grading.answer_text import clean
from lrmtest.grading.commitments import NOTHING, Commitment, last_reading
from lrmtest.grading.cues import CuePattern, Languages, cue
from lrmtest.grading.emphasis import emphasised
from lrmtest.grading.evaluate import integer_value
from lrmtest.grading.integer_conclusion import (
    ASKS,
    REFUSAL,
    STATED,
    affirmed,
    conclude,
    only_number,
)
from lrmtest.grading.integer_spelling import MULTIPLIER, OTHER_BASE, UNITS, squeeze
from lrmtest.grading.numerals import NUMBER, integer_of
from lrmtest.grading.surroundings import conditional, denied, first_sentence, refuted
from lrmtest.grading.verdict import Grade
from lrmtest.questions.question import Question

_LETTERED = re.compile(r"^\(?[A-E]\)\s{0,4}(?=[-+]?\d)")
_ASIDE = re.compile(r"\s?\([^()\d]{1,60}\)$")
_PREFIX = re.compile(
    r"^[^\W\d_][^\W\d_]*(?:\s[^\W\d_]+){0,6}\s?(?::|\bis\b)\s?|^\\approx(?![A-Za-z])\s?"
)
_LEADING = CuePattern(
    # What follows must not make it a larger expression, a choice or a list.
    rf"({NUMBER})(?!\d)(?!\s{{0,4}}(?:[-+*/^_=<>!×·÷\\{{→⇒]|,\s(?:no|wait|er|uh|sorry|oops)\b|(?:or|and|to|times|divided|over|mod|more|minus|plus"
    rf"|less|(?:no|wait|sorry|oops)(?=[,.]|\s)|is\s(?:only\s)?(?:an?|the)\s(?:\w{{1,12}}\s)?bound)\b|{cue('or_')}|[,.]\s?\d|以上(?!より)|以下|未満|未满|より|보다|이상|이하|미만|초과)|{MULTIPLIER})"
)
_CHOICE = CuePattern(
    r"[-+]?\d[\d,]{0,20}(?:\.\d{1,20})?"
    rf"(?:[^\d\n.;,=]{{0,12}}?(?:{cue('or_')}|{cue('and_')})\s{{0,4}}|,\s{{1,4}})"
    r"[-+]?\d"
)
_SEVERAL = CuePattern(rf"=\s?[-+]?\d[^=\n]{{0,40}}?(?:{cue('or_')}|{cue('and_')}|,)[^=\n]{{0,20}}=")
# "105, er, 150": what is said last is meant.
_CORRECTS = re.compile(
    rf"^{NUMBER}\s?(?:,|-{{1,2}}|\.{{2,3}})\s?(?:no|wait|er|erm|uh|sorry|oops|i\smean|rather|make\sthat)[,.:]?\s"
    r"(?:(?:it|that)(?:'s|\sis)\s)?(?=[-+]?\d)",
    re.I,
)
_STEP_WORD = CuePattern(rf"{cue('step')}|\b(?:first|second|third|last|next)\b")
_BY_CASE = re.compile(
    r"\d\s(?:for|if|when|in)\s[^\n.]{1,40}[,;]\s(?:and\s|or\s)?[-+]?\d{1,12}\s(?:for|if|when|in|otherwise)\b",
    re.I,
)
_EITHER = CuePattern(r"\W{0,4}" + cue("either"))
_FORMULA = re.compile(r"[-+*/^!\\|]")
_HUGE = re.compile(
    r"(?:\d{3,}|[3-9]\d|2[1-9])\s?\)?\s?!|[!)}]\s?!|\^\s?\{?\s?-?\d{3,}|\^[^\^]{0,40}\^"
)
_EXACTLY = re.compile(r"^(?:(?:exactly|precisely|approximately)\s|(?:≈|\\approx)\s?)(?=\d)", re.I)
_ENDS = re.compile(r"(?:\s?[^\W\d_]{1,12}){0,2}\s?(?:[.,;:!)]|$)")


def _value_of(formula: str) -> int | None:
    """The integer that a formula equals, unless it would be huge or stands in another base."""
    if not re.search(r"\d", formula) or not _FORMULA.search(formula):
        return None
    return None if _HUGE.search(formula) or OTHER_BASE.search(formula) else integer_value(formula)


def _read_box(content: str, languages: Languages) -> str:
    """A box is a commitment whatever it holds: the integer, else its content as it stands."""
    text = squeeze(content)
    if not text:
        return NOTHING
    if _CHOICE.of(languages).match(text) or _EITHER.of(languages).match(text):
        return text[:200]
    plain = text if OTHER_BASE.search(text) else _ASIDE.sub("", text)
    side = _LETTERED.sub("", _PREFIX.sub("", plain.rpartition("=")[2].strip(" .")))
    for candidate in (side, UNITS.sub("", side).strip(" .,"), plain.partition("=")[0].strip()):
        value = integer_of(candidate)
        if value is not None:
            return str(value)
    value = _value_of(side)
    return text[:200] if value is None else str(value)


def _read(commitment: Commitment, languages: Languages) -> str | None:
    said = commitment.text
    if commitment.form == "box":
        if refuted(commitment.behind, languages):
            return None
        return NOTHING if conditional(commitment.behind) else _read_box(said, languages)
    if "boxed" in said or "fbox" in said:
        return None  # the box itself is read
    sentence = first_sentence(said)
    text = _EXACTLY.sub("", squeeze(sentence.rstrip("!* ")).lstrip("} "))
    text = _CORRECTS.sub("", text)
    if (
        sentence.rstrip("* $\"'").endswith("?")
        or ASKS.of(languages).search(text)
        or denied(text, languages)
    ):
        return None
    if (
        _CHOICE.of(languages).match(text)
        or _EITHER.of(languages).match(text)
        or _SEVERAL.of(languages).search(text)
    ):
        return NOTHING
    if REFUSAL.of(languages).search(text[:80]) and not re.match(r"[-+]?\d", text):
        return NOTHING
    if commitment.form == "behind":
        number = re.search(rf"(?<![\d.,/*^=+-])(?<![/*^=+-]\s){NUMBER}$", text)
        value = integer_of(number[0].strip()) if number else integer_of(text)
        return None if value is None else str(value)
    if (apart := _set_apart(sentence, languages)) is not None:
        return str(apart)
    language = commitment.language
    value = integer_of(text, language)
    if value is None and "$" in sentence and text.endswith("!"):
        value = _value_of(text)
    if value is None:
        starts = [text, text.rpartition("=")[2].strip()]
        if commitment.form == "line" and not _STEP_WORD.of(languages).search(text):
            starts.append(_PREFIX.sub("", text))
        leading = None
        for start in starts:
            if leading := _LEADING.of(languages).match(start):
                text = start
                break
        if leading is None:
            word = re.match(r"[a-z]+(?:-[a-z]+|\s(?:hundred|thousand)(?:\sand)?)*", text.lower())
            if word and (value := integer_of(word[0])) is not None:
                return str(value)
            return only_number(text, languages) if commitment.form == "line" else None
        if conditional(text[leading.end() :]) or _BY_CASE.search(text):
            return NOTHING
        if commitment.form == "retraction" and re.search(r"\d", said[leading.end() :]):
            return None  # it tells what was wrong, and then the answer
        if commitment.form == "restated" and not _ENDS.match(text, leading.end()):
            return None
        if refuted(text[leading.end() :], languages) or refuted(said[len(sentence) :], languages):
            return None
        value = integer_of(leading[1].strip(" ,'"), language)
    elif refuted(said[len(sentence) :], languages):
        return None
    return _text_of(value)


def _set_apart(sentence: str, languages: Languages) -> int | None:
    """The integer that a committing sentence sets apart, "196 has **9** divisors"."""
    found = emphasised(sentence)
    if (
        found is None
        or (re.search(r"\d", found.behind) and not STATED.search(found.before))
        or not affirmed(found.before, found.behind, languages)
    ):
        return None
    text = squeeze(found.text).rpartition("=")[2]
    return integer_of(UNITS.sub("", text).strip(" .,"))


def _text_of(value: int | None) -> str | None:
    return None if value is None else str(value)


def grade_integer(question: Question, answer: str) -> Grade:
    r"""Grade an answer against an integer.

    Only a committed answer counts: the last box, answer line or "the answer is ..." of the text,
    in any language of `lrmtest.grading.cues`; else what its last sentence with a number
    concludes with. A box is a commitment whatever it holds; what is no integer is extracted as
    it stands and wrong. Boxes joined by "or" are no answer, and a number that merely stands last
    in the text is none: it is as likely a step.

    Args:
        question: its reference is an integer, with or without leading zeros.
        answer: the answer text.
    """
    reading = last_reading(clean(answer), _read, conclude, turned=conclude)
    if not reading:
        return Grade(extracted=None, correct=False, score=0.0)
    correct = reading == str(int(question.expected))
    return Grade(extracted=reading, correct=correct, score=float(correct))
