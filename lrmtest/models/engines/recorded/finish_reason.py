"""The finish reason of a recorded output: what is told of its end, and what its tokens show.

The text itself is no evidence. The reasoning of 221 recorded outputs was cut 8,840 times at random,
and 95 % of the pieces look as texts do that had ended: short, or at the end of a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass

from lrmtest.grading.completion import FinishReason
from lrmtest.grading.loops import find_loop
from lrmtest.models.engines.http.finish_reasons import finish_word, meaning_of

SLACK_TOKENS = 2
"""Tokenizing a text again can give a token or two more or fewer than were generated."""


@dataclass(frozen=True, slots=True)
class Ends:
    """What is known of the ends of all texts of a recording or a log together.

    Attributes:
        budget: tokens that each may have had at most; None when nobody says.
        assumed: the budget that they are read with where nobody says theirs, the suite's; None
            for none. That a text has just so many tokens shows that it was cut off there; that it
            has fewer shows nothing, since it may have had another.
        told: how they ended where nothing else says it, by the user's word.
        column: the field of each row that says it, by the user's word; empty for none.
    """

    budget: int | None = None
    assumed: int | None = None
    told: FinishReason | None = None
    column: str = ""


def finish_reason_of(
    text: str, tokens: int | None, ends: Ends, limit: int | None = None
) -> FinishReason:
    """How a text ended of which no reason is told, or ``unknown``.

    1. It has as many tokens as its budget, or as the limit that its recording shows: ``length``.
    2. It has fewer than its budget or that limit: ``stop``. A count beyond the budget says only
       that the recording had another one.
    3. The user's word, but for a text whose tail repeats itself: no model ends there.
    4. Nothing says it: ``unknown``.

    Args:
        text: the whole output.
        tokens: its tokens, by the server or a tokenizer; None where they are but estimated.
        ends: what is known of all texts.
        limit: the most tokens that any output of the recording has, if several have just as many.
    """
    if tokens is not None:
        if any(
            budget is not None and abs(tokens - budget) <= SLACK_TOKENS
            for budget in (ends.budget, ends.assumed, limit)
        ):
            return "length"
        if any(budget is not None and tokens < budget for budget in (ends.budget, limit)):
            return "stop"
    if ends.told == "stop" and find_loop(text) is not None:
        return "unknown"
    return ends.told or "unknown"


def told_reason(value: object) -> tuple[FinishReason | None, str]:
    """How a text ended by what a log says of it, and the log's word; None where it says nothing.

    A word that is not known, or that says that somebody else ended it, tells no end.
    """
    word = finish_word(value)
    meaning = "loop" if word == "loop" else meaning_of(word)  # our own word, which no server has
    return (meaning if meaning in ("stop", "length", "loop") else None), word


def shared_limit(counts: list[int]) -> int | None:
    """The token limit that a recording shows: its highest count, if several outputs share it.

    Short outputs can be equally long by chance, so a limit has at least 512 tokens.
    """
    highest = max(counts, default=0)
    return highest if highest >= 512 and counts.count(highest) > 1 else None
