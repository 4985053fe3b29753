"""A short check of the engine before a long run: better a minute now than a night for nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from lrmtest.grading.completion import Completion
from lrmtest.models.engines.base import Delivery, EngineInfo, Request, Sampling

KEY_PREFIX = "self-test-"
"""Begins the keys of the requests made here; their completions are not stored."""

LONG_RUN_SAMPLES = 30
"""Runs that generate fewer samples than this are not worth a self-test."""

_TOKENS = 48
_SEED = 20_240_401


def probes(like: Request) -> list[Request]:
    """Two requests with one seed, and one with another, on a prompt of the run to come.

    Args:
        like: the request to take prompt and model settings from.
    """
    warm = Sampling(max_tokens=_TOKENS, temperature=1.0, top_p=1.0)
    return [
        replace(
            like,
            place=replace(like.place, key=f"{KEY_PREFIX}{number}"),
            sampling=warm,
            seed=seed,
        )
        for number, seed in enumerate((_SEED, _SEED, _SEED + 1))
    ]


def findings(
    outcomes: Sequence[Delivery],
    info: EngineInfo,
    tags: tuple[str, str],
    count_tokens: Callable[[str], int] | None,
) -> dict[str, Any]:
    """What the probes say, for the manifest.

    Args:
        outcomes: of the `probes`, in their order.
        info: what the engine says of itself.
        tags: the model card's reasoning tags.
        count_tokens: the client's own tokenizer, where it has one.

    Returns:
        ``seeds``: ``honoured``, ``not honoured`` or ``not promised``; ``tokens``: ``agree``,
        ``server N, client M`` or ``not checked``; ``warnings``: sentences for the user.
    """
    failed = next((outcome.error for outcome in outcomes if outcome.error is not None), None)
    if failed is not None:
        return {"warnings": [f"the self-test failed: {failed.message}"]}
    first, again, other = (
        outcome.completion for outcome in outcomes if outcome.completion is not None
    )
    warnings: list[str] = []
    found: dict[str, Any] = {
        "seeds": _seeds(first, again, other, info, warnings),
        "tokens": _tokens(first, count_tokens, warnings),
        "warnings": warnings,
    }
    if first.prompt_tokens == 0 and not first.tokens_estimated:
        warnings.append("the engine does not tell how many tokens the prompt has")
    if first.text.count(tags[0]) > 1:
        warnings.append(f"the completion opens its reasoning {first.text.count(tags[0])} times")
    if first.completion_tokens > _TOKENS:
        warnings.append(
            f"asked for at most {_TOKENS} tokens, the engine gave {first.completion_tokens}"
        )
    if not first.text.strip():
        warnings.append("the first completion is empty: does the chat template fit the model?")
    return found


def _seeds(
    first: Completion,
    again: Completion,
    other: Completion,
    info: EngineInfo,
    warnings: list[str],
) -> str:
    if first.text == again.text:
        if first.text == other.text and first.completion_tokens == _TOKENS:
            warnings.append("another seed gave the same text: the engine may ignore seeds")
        return "honoured"
    if not info.seeded:
        return "not promised"
    warnings.append("equal seeds gave different texts: repeating this run will not repeat it")
    return "not honoured"


def _tokens(
    completion: Completion, count_tokens: Callable[[str], int] | None, warnings: list[str]
) -> str:
    if count_tokens is None or completion.tokens_estimated:
        return "not checked"
    counted = count_tokens(completion.text)
    # The end-of-sequence token is counted by servers and is not in the text; text that was cut
    # inside a character can take a token more or fewer when it is tokenized again.
    if abs(counted - completion.completion_tokens) <= 2:
        return "agree"
    warnings.append(
        f"the engine counts {completion.completion_tokens} tokens where the tokenizer "
        f"counts {counted}"
    )
    return f"server {completion.completion_tokens}, client {counted}"
