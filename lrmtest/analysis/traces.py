"""The place where two reasoning traces part.

Two completions of the same question often begin alike, word for word; where they part is where
to start reading. Texts may be megabytes of anything, so the work is one pass over the part that
they share, and what is handed back is short.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Parting:
    """The first word in which two texts differ.

    Attributes:
        words: how many words they share before it.
        left_at, right_at: where it begins in each text, in characters; the text's length when
            that text ends there.
        shared: the end of what they share, as in the left text.
        left, right: how each goes on; empty when it ends.
    """

    words: int
    left_at: int
    right_at: int
    shared: str
    left: str
    right: str


def parting(left: str, right: str, context: int = 400) -> Parting | None:
    """Where two texts part, by words; white space between words does not count.

    Args:
        left, right: the texts.
        context: characters to hand back of each part at most.

    Returns:
        None when they have the same words.
    """
    words = 0
    shared_to = 0
    ours, theirs = _WORD.finditer(left), _WORD.finditer(right)
    while True:
        a, b = next(ours, None), next(theirs, None)
        if a is None and b is None:
            return None
        if a is None or b is None or a.group() != b.group():
            left_at = len(left) if a is None else a.start()
            right_at = len(right) if b is None else b.start()
            return Parting(
                words=words,
                left_at=left_at,
                right_at=right_at,
                shared=left[max(0, shared_to - context) : shared_to],
                left=left[left_at : left_at + context],
                right=right[right_at : right_at + context],
            )
        words += 1
        shared_to = a.end()
