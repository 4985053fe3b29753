"""The place of a graded answer in its text, for a reader who looks for it.

A verdict keeps what was extracted, put into one form, and not where it stood. So this is where the
text says it last: in its last box that holds it, else anywhere. An answer that the grader put into
other words ("unknown" for Uncertain) may have no place.
"""

from __future__ import annotations

import re
from collections import deque

from lrmtest.grading.boxes import boxes

_LONGEST = 80
_BOX = 2000
_WORD = re.compile(r"\w")


def answer_place(text: str, answer: str) -> tuple[int, int] | None:
    """Where `text` says `answer` last: start and end, in characters.

    A box is its whole command. Upper and lower case are the same, white space between words is any,
    and numbers may have separators. Time is linear in the text.
    """
    words = answer.split()
    if not words or len(answer) > _LONGEST:
        return None
    pattern = re.compile(_around(r"\s{1,9}".join(map(_pattern, words)), answer), re.IGNORECASE)
    for start, content, end in reversed(boxes(text)):
        if end - content <= _BOX and pattern.search(text, content, end):
            return start, end + (text[end : end + 1] == "}")
    spans = deque((match.span() for match in pattern.finditer(text)), maxlen=1)
    return spans[0] if spans else None


def _pattern(word: str) -> str:
    if word.isascii() and word.isdigit():
        return r"(?:\{?[,\u202f]\}?)?".join(word)
    return re.escape(word)


def _around(pattern: str, answer: str) -> str:
    """Neither word nor number goes on before or behind it."""
    before = r"(?<!\w)(?<!\d[.,])" if _WORD.match(answer[0]) else ""
    behind = r"(?!\w)(?![.,]\d)" if _WORD.match(answer[-1]) else ""
    return f"{before}{pattern}{behind}"
