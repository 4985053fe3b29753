"""Whole distributions of vLLM: all processed probabilities of the token that follows on some ids.

A server that was started with ``--max-logprobs -1 --logprobs-mode processed_logprobs`` tells them
with one generated token (``logprobs: -1``), and -9999 for what is cut off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lrmtest.models.engines.http.client import ChatClient
from lrmtest.models.engines.http.failures import BrokenAnswerError
from lrmtest.models.engines.http.server_facts import ServerFacts
from lrmtest.models.engines.reading.ways import at, logprob_of
from lrmtest.models.reading import Shaping
from lrmtest.models.rejection import Distribution

ARGUMENTS = (("--max-logprobs", "-1"), ("--logprobs-mode", "processed_logprobs"))
"""What its server must be started with."""

_CUT = -9000.0
_NAME = "token_id:"
_MOST_DIGITS = 9
_MOST_OFF = 1e-3
"""Of the sum of all probabilities from 1: 24 bits each, of up to some 100,000 tokens."""
_TOKEN_BYTES = 80  # of each in an answer: its name, its value, and its text elsewhere
_SHAPE = "top_logprobs"


async def whole_distribution(
    client: ChatClient,
    facts: ServerFacts,
    ids: Sequence[int],
    shaping: Shaping,
    vocabulary: int,
    seconds: float,
) -> Distribution:
    """The processed distribution of the token that follows on `ids`.

    Args:
        client: asks the server.
        facts: what it is; a vLLM.
        ids: the prompt and what was generated.
        shaping: how tokens are drawn.
        vocabulary: most tokens that there are.
        seconds: that the answer may take.

    Raises:
        BrokenAnswerError: what it tells is none.
        RefusedError: it does not tell.
    """
    answer = await client.post(
        f"{client.endpoint.url}/completions",
        {
            "model": facts.model,
            "prompt": list(ids),
            "max_tokens": 1,
            "temperature": shaping.temperature,
            "top_p": shaping.top_p,
            "top_k": shaping.top_k or -1,
            "min_p": shaping.min_p,
            "repetition_penalty": 1.0,
            "logprobs": -1,
            "return_tokens_as_token_ids": True,
        },
        seconds=seconds,
        most=vocabulary * _TOKEN_BYTES,
    )
    told = at(answer, "choices", 0, "logprobs", "top_logprobs", 0)
    if not isinstance(told, Mapping) or len(told) > vocabulary:
        raise BrokenAnswerError("no distribution over all tokens", shape=_SHAPE)
    pairs = ((_token(name, vocabulary), logprob_of({"logprob": told[name]})) for name in told)
    found = Distribution.of((token, value) for token, value in pairs if value > _CUT)
    if len(set(found.tokens)) != len(found.tokens):
        raise BrokenAnswerError("a distribution with a token twice", shape=_SHAPE)
    if not abs(found.mass - 1) <= _MOST_OFF:
        raise BrokenAnswerError(
            f"probabilities that sum to {found.mass:.4g}, and not to 1", shape=_SHAPE
        )
    return found


def _token(name: Any, vocabulary: int) -> int:
    """The id in a name such as ``token_id:17``.

    Raises:
        BrokenAnswerError: there is none.
    """
    digits = name.removeprefix(_NAME)
    usable = digits != name and digits.isascii() and digits.isdecimal()
    if not usable or len(digits) > _MOST_DIGITS or int(digits) >= vocabulary:
        raise BrokenAnswerError("a distribution over what are no token ids", shape=_SHAPE)
    return int(digits)
