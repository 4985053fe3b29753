"""The finish reason of a recorded output, when nobody wrote it down."""

from __future__ import annotations

from lrmtest.grading.completion import FinishReason
from lrmtest.grading.loops import find_loop
from lrmtest.grading.sentences import ends_a_sentence
from lrmtest.grading.split import Tags, split

SLACK_TOKENS = 2
"""Tokenizing a text again can give a token or two more or fewer than were generated."""
LONG_CHARS = 4096
"""Shorter outputs without a closing tag are taken for answers without reasoning, whole as they
are. Of 71 such recorded outputs the longest that ended by itself, but one, has 2,992 characters
and the shortest that was cut off has 76,850."""


def infer_finish_reason(
    text: str,
    completion_tokens: int,
    *,
    counts_exact: bool,
    budget: int,
    tags: Tags,
    limit: int | None = None,
) -> FinishReason:
    """``length`` if there is evidence that `text` was cut off, else ``stop``.

    1. An exact count that meets the budget or the recording's own limit: ``length``. A count
       beyond the budget says only that the recording had another one.
    2. The text ends in a loop: ``length``; a model does not stop there by itself.
    3. The reasoning was closed: ``stop``.
    4. The reasoning was never closed, and a long text breaks off in the middle of a sentence:
       ``length``.
    5. Everything else: ``stop``.

    On 292 outputs of R1-Distill-Llama-8B (4-bit AWQ) the text alone (rules 2 to 5) says the same
    as exact counts against their limit of 32,768 tokens: 17 were cut off, all without a closing
    tag, 16 of them in a loop.

    Args:
        text: the whole output.
        completion_tokens: its tokens.
        counts_exact: they come from a tokenizer or from the server, not from the length.
        budget: tokens that the completion may have at most.
        tags: what is known of the model's reasoning tags.
        limit: the most tokens that any output of the recording has, if several have just as many.
    """
    if counts_exact:
        if abs(completion_tokens - budget) <= SLACK_TOKENS:
            return "length"
        if limit is not None and completion_tokens >= limit - SLACK_TOKENS:
            return "length"
    if find_loop(text) is not None:
        return "length"
    parts = split(text, tags)
    if parts.closed or len(text) < LONG_CHARS:
        return "stop"
    return "stop" if ends_a_sentence(text) else "length"


def shared_limit(counts: list[int]) -> int | None:
    """The token limit that a recording shows: its highest count, if several outputs share it.

    Short outputs can be equally long by chance, so a limit has at least 512 tokens.
    """
    highest = max(counts, default=0)
    return highest if highest >= 512 and counts.count(highest) > 1 else None
