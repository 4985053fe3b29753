"""Token counts of a completion, and of the reasoning in it."""

from __future__ import annotations

from lrmtest.grading.completion import FinishReason
from lrmtest.grading.split import Tags, split
from lrmtest.grading.unknown_end import all_reasoning

CHARS_PER_TOKEN = 3.7
"""Characters of a reasoning trace per token.

Measured with Llama 3's tokenizer on 292 outputs of R1-Distill-Llama-8B: 3.0 (AIME), 3.6
(temporal sequences), 4.3 (FOLIO), 4.5 (MuSiQue), 3.7 over all.
"""


TOTALS = "token_totals"
"""In an engine's details, where the share of reasoning is estimated: whether the total is, too."""

COUNTED, ESTIMATED = "counted", "estimated"


def estimate_tokens(text: str) -> int:
    """A guess at the number of tokens from the length of `text`."""
    return round(len(text) / CHARS_PER_TOKEN)


def reasoning_end(text: str, tags: Tags, finish_reason: FinishReason) -> int:
    """Offset in `text` at which the reasoning ends, its closing tag included.

    Reasoning that was never closed is the whole text. Without any tag the template may have
    prefilled the opening one: then a completion that ended by itself is an answer, and one that
    ran out, or of which nothing says how it ended and which does not read as an answer, reasoning.
    """
    parts = split(text, tags)
    if not parts.closed:
        return len(text) if parts.opened or all_reasoning(text, finish_reason) else 0
    if not parts.answer:  # whatever follows the tag is none
        return parts.closed_at
    return parts.answer_start


def proportional(tokens: int, part: int, whole: int) -> int:
    """The share of `tokens` that falls on `part` of `whole` characters."""
    return round(tokens * part / whole) if whole else 0
