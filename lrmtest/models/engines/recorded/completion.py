"""A completion from what was written down of it: what is not known is worked out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lrmtest.grading.completion import Completion, FinishReason
from lrmtest.grading.split import Tags
from lrmtest.models.engines.recorded.finish_reason import Ends, finish_reason_of
from lrmtest.models.engines.token_counts import estimate_tokens, proportional, reasoning_end


@dataclass(frozen=True, slots=True)
class RecordedOutput:
    """One recorded output; None where the recording does not say.

    Attributes:
        text: what was generated.
        finish_reason: how it ended, as it is told.
        finish_word: the server's own word for that; empty without one.
        prompt_tokens, completion_tokens, reasoning_tokens: token counts.
        tokens_estimated: the counts come from the text's length.
        seed: the seed it was generated with.
        seconds: how long it took.
        limit: the token limit that the recording's counts show.
    """

    text: str
    finish_reason: FinishReason | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    tokens_estimated: bool = False
    seed: int | None = None
    seconds: float | None = None
    limit: int | None = None
    finish_word: str = ""


def recorded_completion(
    output: RecordedOutput,
    *,
    tags: Tags,
    ends: Ends,
    count: Callable[[str], int] | None = None,
) -> Completion:
    """The completion that a recording tells of.

    Args:
        output: what is known.
        tags: what is known of the model's reasoning tags.
        ends: what is known of how all outputs ended.
        count: counts a text's tokens; without it missing counts are estimated from the length.
    """
    text = output.text
    total, estimated = output.completion_tokens, output.tokens_estimated
    if total is None and count is not None:
        total, estimated = count(text), False
    elif total is None:
        total, estimated = estimate_tokens(text), True
    finish_reason = output.finish_reason or finish_reason_of(
        text, None if estimated else total, ends, output.limit
    )
    reasoning = output.reasoning_tokens
    if reasoning is None:
        end = reasoning_end(text, tags, finish_reason)
        if end in (0, len(text)):
            reasoning = total if end else 0
        elif count is not None:
            reasoning = count(text[:end])
        else:
            reasoning, estimated = proportional(total, end, len(text)), True
    return Completion(
        text=text,
        finish_reason=finish_reason,
        prompt_tokens=output.prompt_tokens or 0,
        completion_tokens=total,
        seed=output.seed,
        seconds=output.seconds or 0.0,
        finish_word=output.finish_word,
    ).with_reasoning_tokens(reasoning, estimated=estimated)
