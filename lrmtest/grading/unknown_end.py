"""The answer in a text of which nothing says how it ended.

Such a text may have been cut off anywhere. What stands behind closed reasoning is an answer all
the same, if perhaps half of one. Reasoning that was never closed is none. A text without any tag
can be either: the chat template may have written the opening tag, or the model has answered
without reasoning.
"""

from __future__ import annotations

import re

from lrmtest.grading.completion import FinishReason
from lrmtest.grading.loops import find_loop
from lrmtest.grading.split import Parts

BRIEF_CHARS = 200
"""A text of so many characters without a tag is an answer: reasoning has not come to one there."""
ANSWER_CHARS = 4096
"""A longer text without a tag is reasoning. The longest answer without reasoning among 292 outputs
of a 4-bit R1-Distill-Llama-8B has 2,992 characters, and the shortest output that ran into its
budget of 32,768 tokens 76,850."""
LAST_LINE_CHARS = 40
"""A line that is no more than the answer."""

_LOOKED_AT = 1000
# A code fence, a lone tag, a rule: what may stand behind a last line.
_NO_WORDS = re.compile(r"`{3}\w*|</?\w{1,20}>|[\W_]*")


def last_words(text: str) -> str | None:
    """What must hold a text's answer, for a text without tags to be one; None if nothing can.

    It is the whole of a brief text, and of one of up to `ANSWER_CHARS` its last line, if that line
    is short: answers end with the answer, and reasoning that was cut off ends anywhere. The
    reasoning of 221 outputs of a 4-bit R1-Distill-Llama-8B was cut 8,840 times at random, half of
    the cuts within the first 4,096 characters. 581 pieces pass where every text is taken for ended
    that is short or stops at the end of a sentence, and 23 (0.3 %) by this rule; so do 23 of the 25
    right answers without reasoning.
    """
    if len(text) <= BRIEF_CHARS:
        return text
    if len(text) > ANSWER_CHARS:
        return None
    lines = map(str.strip, reversed(text[-_LOOKED_AT:].split("\n")))
    last = next((line for line in lines if not _NO_WORDS.fullmatch(line)), "")
    return last if len(last) <= LAST_LINE_CHARS else None


def all_reasoning(text: str, finish_reason: FinishReason) -> bool:
    """Whether a text without a closing tag is reasoning all through, by how it ended."""
    if finish_reason == "unknown":
        return last_words(text) is None
    return finish_reason in ("length", "loop")


def never_ended(text: str, parts: Parts, *, opened: bool = False) -> bool:
    """Whether a text is no answer, whatever it says: reasoning left open, or a tail that repeats.

    Args:
        text: the whole of it.
        parts: as it was split.
        opened: the prompt ended in the opening tag.
    """
    if not parts.closed and (opened or parts.opened or last_words(text) is None):
        return True
    return find_loop(text) is not None
