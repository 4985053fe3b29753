"""The end token of llama-server's answers: it draws one, counts it, and does not tell it.

Which it was is not to be known, and how probable one was can be asked. A request for one token
behind the finished text, drawn as the text was, tells the processed probabilities of that place.
The end tokens among them are those that an empty grammar leaves: it allows no text, so nothing but
an end. As all of them end a text alike, they count as one: the trace gets the likeliest of them,
with the probability of all. A reader of the trace gives that one no more than it gives all, so that
what it makes of the trace's probability is at most what it should be, never more.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import replace
from math import log
from typing import Any

from lrmtest.models.engines.base import Sampling
from lrmtest.models.engines.http.client import ChatClient
from lrmtest.models.engines.http.failures import BrokenAnswerError, RefusedError
from lrmtest.models.engines.http.retry import Backoff, asked_again
from lrmtest.models.request_fields import SAMPLING_FIELDS
from lrmtest.models.trace import Trace

_SHOWN = 256
"""Likeliest tokens that are asked for; end tokens beyond count with the last one's probability."""
_MOST_BYTES = 1 << 20
_BIAS = 1e6
_ALL = 0.999  # of the probability that end tokens have where there is nothing else
_TRIES = 3
_WAITS = Backoff(base=0.1)
_DRAWN_BY = (*SAMPLING_FIELDS, "temperature", "top_p")
_CONSTRAINING = ("grammar", "json_schema", "response_format")
"""Request fields that leave an end token out or in by what the text has come to."""


class LlamaCppEnds:
    """Asks one llama-server for the ends of traces."""

    def __init__(self) -> None:
        self._ends: frozenset[int] | None = None

    async def added(
        self, client: ChatClient, trace: Trace, sampling: Sampling, content: Mapping[str, Any]
    ) -> Trace:
        """A trace with its end token, or as it is where the server does not tell.

        Args:
            client: asks the server.
            trace: of a text that has ended by itself, without its end token; with one
                log-probability for each token.
            sampling: that it was drawn with.
            content: the body of the request for it.
        """
        constrained = any(content.get(name) for name in _CONSTRAINING)
        if constrained or len(trace.logprobs) != len(trace.tokens):
            return trace
        try:
            if self._ends is None:
                self._ends = await self._all_ends(client, trace)
            if not self._ends:
                return trace
            drawn = {name: content[name] for name in _DRAWN_BY if name in content}
            answer = await _place(
                client,
                [*trace.prompt, *trace.tokens],
                {**drawn, "post_sampling_probs": not sampling.greedy},
            )
            found = _greedy_end if sampling.greedy else _drawn_end
            token, logprob = found(answer, self._ends)
        except (BrokenAnswerError, RefusedError, _NotToldError):
            return trace
        ended = replace(
            trace,
            tokens=trace.tokens + array("I", [token]),
            logprobs=trace.logprobs + array("f", [logprob]),
            ended=True,
        )
        return trace if ended.fault else ended

    async def _all_ends(self, client: ChatClient, trace: Trace) -> frozenset[int]:
        """The ids of all tokens that end a text; none where the server does not tell.

        A token of the text is made likelier than all others, so that the grammar has one to refuse:
        what it would have allowed is shown with all that it would not have.
        """
        told = {
            "grammar": 'root ::= ""',
            "logit_bias": [[trace.tokens[-1], _BIAS]],
            "samplers": ["temperature"],
            "temperature": 1.0,
            "post_sampling_probs": True,
        }
        try:
            answer = await _place(client, list(trace.prompt), told)
            shown = _shown(answer)
        except (RefusedError, _NotToldError):
            return frozenset()
        whole = len(shown) < _SHOWN and sum(shown.values()) >= _ALL
        return frozenset(shown) if whole and trace.tokens[-1] not in shown else frozenset()


class _NotToldError(Exception):
    """The answer does not hold what was asked for."""


async def _place(client: ChatClient, ids: list[int], fields: Mapping[str, Any]) -> Any:
    """What is told of the token behind some others.

    Raises:
        BrokenAnswerError, RefusedError: nothing.
    """
    body = {"prompt": ids, "n_predict": 1, "n_probs": _SHOWN, "cache_prompt": True, **fields}
    url = f"{client.endpoint.root}/completion"
    return await asked_again(
        lambda: client.post(url, body, most=_MOST_BYTES), retries=_TRIES, backoff=_WAITS
    )


def _first(answer: Any) -> Mapping[str, Any]:
    """The object of the one token.

    Raises:
        _NotToldError: there is none, or the server stops at words of its own, so that the text may
            have ended without an end token.
    """
    try:
        if answer["generation_settings"]["stop"]:
            raise _NotToldError
        [first] = answer["completion_probabilities"]
    except (KeyError, TypeError, ValueError) as error:
        raise _NotToldError from error
    if not isinstance(first, Mapping):
        raise _NotToldError
    return first


def _shown(answer: Any) -> dict[int, float]:
    """Processed probabilities by token id, of foreign JSON.

    Raises:
        _NotToldError: they are none.
    """
    places = _first(answer).get("top_probs")
    found: dict[int, float] = {}
    for one in places if isinstance(places, list) else ():
        token, value = (
            (one.get("id"), one.get("prob")) if isinstance(one, Mapping) else (None, None)
        )
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise _NotToldError
        if type(token) is not int or not 0 <= token < 1 << 32 or token in found:
            raise _NotToldError
        found[token] = float(value)
    if not found or sum(found.values()) > 1 + 1e-3:
        raise _NotToldError
    return found


def _drawn_end(answer: Any, ends: frozenset[int]) -> tuple[int, float]:
    """The likeliest end token, with the logarithm of at most the probability of all.

    Raises:
        _NotToldError: none is among those that are shown.
    """
    shown = _shown(answer)
    mine = {token: shown[token] for token in ends if shown.get(token)}
    if not mine:
        raise _NotToldError
    beyond = min(shown.values()) * len(ends - shown.keys()) if len(shown) >= _SHOWN else 0.0
    return max(mine, key=lambda token: (mine[token], -token)), _log(sum(mine.values()) + beyond)


def _greedy_end(answer: Any, ends: frozenset[int]) -> tuple[int, float]:
    """The end token that is the likeliest token, with its own log-probability.

    Raises:
        _NotToldError: another one is the likeliest.
    """
    first = _first(answer)
    token, value = first.get("id"), first.get("logprob")
    if type(token) is not int or token not in ends:
        raise _NotToldError
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e30 < value < 1e-3:
        raise _NotToldError
    return token, min(0.0, float(value))


def _log(probability: float) -> float:
    return log(min(1.0, probability))
