"""Emphasis: the one value that a sentence sets apart, "there are **9** positive divisors"."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SPAN = re.compile(r"\*\*(?!\*)([^*\n]{1,120}?)\*\*|(?<!\w)__(?!_)([^_\n]{1,120}?)__(?!\w)")
_WORD = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True, slots=True)
class Emphasised:
    """What is set apart in a sentence.

    Attributes:
        text: the one value, without its marks.
        before, behind: the sentence's text on both sides.
    """

    text: str
    before: str
    behind: str


def emphasised(sentence: str) -> Emphasised | None:
    """The only strongly emphasised text of a sentence, where words stand before it.

    None where there is none or several: what begins a sentence is its heading, and several values
    set apart are steps.
    """
    spans = list(_SPAN.finditer(sentence))
    if len(spans) != 1 or not _WORD.search(sentence, 0, spans[0].start()):
        return None
    span = spans[0]
    text = (span[1] or span[2]).strip(" :.,")
    return Emphasised(text, sentence[: span.start()], sentence[span.end() :]) if text else None
