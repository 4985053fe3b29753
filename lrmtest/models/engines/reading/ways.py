"""The ways in which servers show what they think of tokens that they are given.

vLLM shows, for a prompt given as token ids, each of its tokens with its rank and the likeliest
others: one prefill a trace (`prompt_logprobs`). llama-server shows only what it generates. So it is
asked for one token at every place, which a bias of the logits makes the trace's own; what it shows
beside is taken before that bias. Its cache holds what is before, so a place costs it what
generating a token does.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Protocol

from lrmtest.models.engines.http.client import ChatClient
from lrmtest.models.engines.http.failures import BrokenAnswerError
from lrmtest.models.engines.http.server_facts import LLAMA_CPP, VLLM, ServerFacts
from lrmtest.models.engines.reading.shown import Shown
from lrmtest.models.trace import Trace

_LEAST = -1e4
"""No log-probability is below; servers write -9999 for minus infinity."""
_VALUES_SHOWN = 5  # of each token in an answer: three fields, its own object, its id
_MOST_VALUES = 8_000_000  # of an answer; `lrmtest.bounded` parses no more than some
_VALUE_BYTES = 40
_MANY = 1000
_MOST_TRIED = 20  # tokens, to find one that ends with a character
_BIAS = 1e6  # far above any difference of logits, and exact in float32


class Way(Protocol):
    """How one kind of server is asked."""

    def shown(
        self, client: ChatClient, trace: Trace, top: int, slot: int
    ) -> AsyncGenerator[list[Shown], None]:
        """What the server shows of each of the trace's tokens, in order, in parts.

        Args:
            client: speaks to it.
            trace: what is read.
            top: how many of the likeliest tokens to ask for.
            slot: a number of its own for each trace in flight, from 0.

        Raises:
            BrokenAnswerError: asked again, it may answer.
            RefusedError: it will not.
        """
        ...


def way_of(facts: ServerFacts, vocabulary: int, seconds: float) -> Way | None:
    """How to ask a server; None where there is no way.

    Args:
        facts: what is known of it.
        vocabulary: most tokens that there are.
        seconds: that an answer may take.
    """
    if facts.kind == VLLM:
        return _PromptLogprobs(facts.model, vocabulary, seconds)
    if facts.kind == LLAMA_CPP:
        return _OneByOne(vocabulary, seconds)
    return None


class _PromptLogprobs:
    """vLLM's way."""

    def __init__(self, model: str, vocabulary: int, seconds: float) -> None:
        self._model = model
        self._vocabulary = vocabulary
        self._seconds = seconds

    async def shown(
        self, client: ChatClient, trace: Trace, top: int, slot: int
    ) -> AsyncGenerator[list[Shown], None]:
        """See `Way.shown`. Of a long trace fewer are asked for, so that answers stay small."""
        ids = [*trace.prompt, *trace.tokens]
        top = min(top, max(1, _MOST_VALUES // (_VALUES_SHOWN * len(ids)) - 1))
        answer = await client.post(
            f"{client.endpoint.url}/completions",
            {
                "model": self._model,
                "prompt": ids,
                "max_tokens": 1,
                "temperature": 0,
                "prompt_logprobs": top,
            },
            seconds=self._seconds,
            most=_MOST_VALUES * _VALUE_BYTES,
        )
        places = at(answer, "choices", 0, "prompt_logprobs")
        if not isinstance(places, list) or len(places) != len(ids):
            raise BrokenAnswerError("no prompt_logprobs for each token", shape="prompt_logprobs")
        first = len(trace.prompt)
        yield [
            self._shown(place, token)
            for place, token in zip(places[first:], trace.tokens, strict=True)
        ]

    def _shown(self, place: object, token: int) -> Shown:
        """One place of an answer: by token id, objects with `logprob` and `rank`."""
        if not isinstance(place, Mapping):
            raise BrokenAnswerError("no prompt_logprobs at a token", shape="prompt_logprobs")
        mine = place.get(str(token))
        rank = at(mine, "rank")
        if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
            raise BrokenAnswerError("a token without its rank", shape="prompt_logprobs")
        # The token itself is among them, whether it is one of the likeliest or not.
        count = len(place) - (rank > len(place))
        every = sorted((logprob_of(one) for one in place.values()), reverse=True)
        return Shown(logprob_of(mine), every[:count], rank, self._vocabulary)


class _OneByOne:
    """llama-server's way.

    It tells nothing of a token that ends within a character, such as a part of an emoji. That is
    looked for among the likeliest while another token is generated, if need be among all.
    """

    def __init__(self, vocabulary: int, seconds: float) -> None:
        self._vocabulary = vocabulary
        self._seconds = seconds
        self._whole: int | None = None  # a token that is known to end with a character

    async def shown(
        self, client: ChatClient, trace: Trace, top: int, slot: int
    ) -> AsyncGenerator[list[Shown], None]:
        """See `Way.shown`; one place at a time."""
        ids = list(trace.prompt)
        for token in trace.tokens:
            place = await self._place(client, ids, token, top, slot)
            if at(place, "id") == token:
                self._whole = token
                likeliest = _likeliest(place)
                yield [self._shown(place, likeliest, top)]
            else:
                yield [await self._among(client, ids, token, top, slot)]
            ids.append(token)

    async def _among(
        self, client: ChatClient, ids: list[int], token: int, top: int, slot: int
    ) -> Shown:
        """A token that is not told by itself, while another one is generated."""
        others = dict.fromkeys(([] if self._whole is None else [self._whole]) + ids[::-1])
        for other in list(others)[:_MOST_TRIED]:
            for count in (_MANY, self._vocabulary):
                place = await self._place(client, ids, other, count, slot)
                if at(place, "id") != other:
                    break  # it is not told either
                self._whole = other
                likeliest = _likeliest(place)
                if mine := next((one for one in likeliest if at(one, "id") == token), None):
                    return self._shown(mine, likeliest, top)
        raise BrokenAnswerError(
            "nothing of the token that was asked for", shape="completion_probabilities"
        )

    async def _place(
        self, client: ChatClient, ids: list[int], token: int, top: int, slot: int
    ) -> Any:
        """What is told of a place when this token is generated there; None for nothing."""
        answer = await client.post(
            f"{client.endpoint.root}/completion",
            {
                "prompt": ids,
                "n_predict": 1,
                "n_probs": max(1, top),
                "logit_bias": [[token, _BIAS]],
                "samplers": ["top_k"],
                "top_k": 1,
                "cache_prompt": True,
                "id_slot": slot,
            },
            seconds=self._seconds,
            most=_MOST_VALUES * _VALUE_BYTES,
        )
        return at(answer, "completion_probabilities", 0)

    def _shown(self, mine: object, likeliest: Sequence[object], top: int) -> Shown:
        """A token's place, from its own object and those of the likeliest."""
        every = sorted(map(logprob_of, likeliest), reverse=True)
        return Shown(logprob_of(mine), every[: max(1, top)], None, self._vocabulary)


def _likeliest(place: object) -> Sequence[object]:
    """The objects of the likeliest tokens at a place of llama-server's.

    Raises:
        BrokenAnswerError: there are none.
    """
    found = at(place, "top_logprobs")
    if not isinstance(found, list):
        raise BrokenAnswerError("no top_logprobs", shape="completion_probabilities")
    return found


def at(value: Any, *path: str | int) -> Any:
    """What a JSON value has at a path; None where it has not."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def logprob_of(place: object) -> float:
    """The log-probability in an object of an answer.

    Raises:
        BrokenAnswerError: there is none.
    """
    value = at(place, "logprob")
    if isinstance(value, bool) or not isinstance(value, int | float) or not value <= _MOST_ABOVE:
        raise BrokenAnswerError("a log-probability is none", shape="logprob")
    return max(_LEAST, min(0.0, float(value)))


_MOST_ABOVE = 0.01
"""Rounding may put the logarithm of what is all but certain above 0, but not far."""
