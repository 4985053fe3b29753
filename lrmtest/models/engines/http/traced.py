"""Traces out of streams: the ids and log-probabilities that a server tells beside the text.

Nothing is guessed. A trace has every token that was drawn, which is known by the server's own
count, or there is none and a word why.

llama-server tells one id with each piece of text, and the end token with none: that is asked for
(`lrmtest.models.engines.http.llama_cpp_end`). A character of
several tokens is one piece, with its last token's id: the others are lost, and the trace with
them. It tells no ids of the prompt; its own tokenizer makes them of its own rendering of the
conversation, as it does for the request itself, and their number must be the one it counted.
"""

from __future__ import annotations

import hashlib
import json
import math
from array import array
from collections.abc import Mapping
from typing import Any

from lrmtest.models.engines.base import Sampling
from lrmtest.models.engines.http.client import ChatClient
from lrmtest.models.engines.http.failures import BrokenAnswerError, RefusedError
from lrmtest.models.engines.http.retry import Backoff, asked_again
from lrmtest.models.engines.http.server_facts import LLAMA_CPP, VLLM, ServerFacts
from lrmtest.models.engines.http.stream import ChatReply
from lrmtest.models.request_fields import SAMPLING_FIELDS, RequestFields
from lrmtest.models.trace import Trace

_MOST_ID = 2**32 - 1
_SPARE = 64
"""Tokens more than its budget that an answer may tell."""
_MOST_PROMPTS = 256
"""Prompts whose ids are remembered: the samples of a question follow on each other."""
_PROMPT_RETRIES = 3
_PROMPT_WAITS = Backoff(base=0.1)

NOT_TOLD = "it tells no token ids"


class TraceError(Exception):
    """There is no trace; the message says why, after the server's name."""


class TraceRequests:
    """What is to be asked of a server, that it may tell traces; and what of it can be relied on.

    Args:
        facts: what the server is.
        fields: the model's request fields.
        processed: it was started to tell the log-probabilities that it draws by.
    """

    def __init__(self, facts: ServerFacts, fields: RequestFields, *, processed: bool) -> None:
        self._kind = facts.kind
        self._processed = processed
        self._cuts = any(name in fields for name in SAMPLING_FIELDS)

    @property
    def possible(self) -> bool:
        """Whether such a server can tell any."""
        return self._kind in (VLLM, LLAMA_CPP)

    def fields(self, sampling: Sampling) -> dict[str, Any]:
        """Further fields of a request."""
        if self._kind == LLAMA_CPP:
            # A greedy token's is asked before top-k has left nothing but it.
            drawn = {"post_sampling_probs": not sampling.greedy, "timings_per_token": True}
            return {"logprobs": True, "top_logprobs": 1, **drawn}
        if self._kind == VLLM:
            told = {"logprobs": True, "top_logprobs": 0} if self._tells_drawn(sampling) else {}
            return {"return_token_ids": True, **told}
        return {}

    def gathering(self, sampling: Sampling) -> TraceGathering:
        """Gathers the trace of one answer."""
        return TraceGathering(self._kind, sampling.max_tokens)

    def _tells_drawn(self, sampling: Sampling) -> bool:
        """Whether vLLM's log-probabilities are those that it draws by.

        Unless it was started otherwise, they are those before temperature and top-p.
        """
        plain = sampling.temperature == 1 and sampling.top_p >= 1 and not self._cuts
        return self._processed or sampling.greedy or plain


class TraceGathering:
    """Gathers what the events of one answer tell; never raises for what they hold.

    Args:
        kind: of the server, as in `ServerFacts`.
        most: tokens that it may have; more are not gathered, and the trace is none.
    """

    def __init__(self, kind: str, most: int) -> None:
        self._kind = kind
        self._most = most + _SPARE
        self._prompt: list[int] = []
        self._tokens: list[int] = []
        self._logprobs: list[float] = []
        self._counted = 0  # by the server, up to the last event
        self._odd = False

    def add(self, event: Mapping[str, Any]) -> None:
        """Take one event of the stream."""
        if self._odd:
            return
        try:
            if self._kind == VLLM:
                self._add_vllm(event)
            else:
                self._add_llama_cpp(event)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            self._odd = True
        if max(len(self._tokens), len(self._logprobs)) > self._most:
            self._odd = True
            self._tokens, self._logprobs = [], []

    def _add_vllm(self, event: Mapping[str, Any]) -> None:
        if (prompt := event.get("prompt_token_ids")) is not None:
            self._prompt = _ids(prompt)
        if isinstance(usage := event.get("usage"), dict):
            self._counted = _count(usage.get("completion_tokens", self._counted))
        for choice in event.get("choices", ())[:1]:
            new = _ids(choice.get("token_ids") or [])
            self._tokens += new
            content = (choice.get("logprobs") or {}).get("content") or []
            self._logprobs += [_logprob(one["logprob"]) for one in content]

    def _add_llama_cpp(self, event: Mapping[str, Any]) -> None:
        if isinstance(timings := event.get("timings"), dict):
            self._counted = _count(timings.get("predicted_n", self._counted))
        for choice in event.get("choices", ())[:1]:
            for one in (choice.get("logprobs") or {}).get("content") or []:
                self._tokens += _ids([one["id"]])
                told = math.log(one["prob"]) if "prob" in one else one["logprob"]
                self._logprobs.append(_logprob(told))

    def trace(self, reply: ChatReply, prompt: list[int] | None = None) -> Trace:
        """The trace of the finished answer.

        Args:
            reply: the answer.
            prompt: the prompt's ids, where the events do not tell them.

        Raises:
            TraceError: not all of it was told.
        """
        prompt = self._prompt if prompt is None else prompt
        if self._odd:
            raise TraceError("what it tells of tokens cannot be read")
        if not self._tokens:
            raise TraceError(NOT_TOLD)
        if not prompt or reply.prompt_tokens not in (None, len(prompt)):
            raise TraceError("it does not tell the ids of the prompt")
        ended = reply.finish_reason == "stop"
        counted = self._counted if reply.left_early else reply.completion_tokens
        # llama-server does not tell the end token.
        kept = int(ended and self._kind == LLAMA_CPP)
        if counted != len(self._tokens) + kept:
            raise TraceError(
                f"it tells {len(self._tokens):,} of {counted or 0:,} tokens"
                + (
                    ", for characters of several tokens come with one id"
                    if self._kind == LLAMA_CPP
                    else ""
                )
            )
        complete = len(self._logprobs) == len(self._tokens)
        trace = Trace(
            prompt=array("I", prompt),
            tokens=array("I", self._tokens),
            logprobs=array("f", self._logprobs if complete else ()),
            ended=ended and not kept,
        )
        if trace.fault is not None:
            raise TraceError(trace.fault)
        return trace


def prompt_told(answer: object) -> list[int]:
    """The ids of the prompt that vLLM tells with a whole answer; none where it does not."""
    try:
        return _ids(answer["prompt_token_ids"])  # type: ignore[index]
    except (KeyError, TypeError, ValueError):
        return []


class LlamaCppPrompts:
    """The ids that llama-server makes of conversations, remembered for further samples."""

    def __init__(self) -> None:
        self._known: dict[bytes, list[int]] = {}

    async def ids(self, client: ChatClient, content: Mapping[str, Any]) -> list[int]:
        """The ids of the prompt that a request's body makes; none where the server does not tell.

        Args:
            client: asks the server.
            content: the body that was sent.
        """
        asked = {name: value for name, value in content.items() if name not in _OF_AN_ANSWER}
        key = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).digest()
        if key in self._known:
            return self._known[key]
        try:
            found = await asked_again(
                lambda: self._asked(client, asked), retries=_PROMPT_RETRIES, backoff=_PROMPT_WAITS
            )
        except BrokenAnswerError:
            # It says nothing of the prompt: llama-server hangs up after so many requests.
            return []
        if len(self._known) >= _MOST_PROMPTS:
            self._known.pop(next(iter(self._known)))
        self._known[key] = found
        return found

    async def _asked(self, client: ChatClient, asked: Mapping[str, Any]) -> list[int]:
        root = client.endpoint.root
        try:
            prompt = (await client.post(f"{root}/apply-template", asked))["prompt"]
            text = {"content": prompt, "add_special": True, "parse_special": True}
            return _ids((await client.post(f"{root}/tokenize", text))["tokens"])
        except (RefusedError, KeyError, TypeError, ValueError):
            return []


_OF_AN_ANSWER = (
    *("stream", "stream_options", "max_tokens", "max_completion_tokens", "seed", "temperature"),
    *("top_p", "samplers", "logprobs", "top_logprobs", "post_sampling_probs", "timings_per_token"),
)
"""Fields of a request that do not change its prompt."""


def _ids(raw: object) -> list[int]:
    """Token ids of foreign JSON.

    Raises:
        TypeError, ValueError: they are none.
    """
    if not isinstance(raw, list):
        raise TypeError("no list of ids")
    for one in raw:
        if type(one) is not int or not 0 <= one <= _MOST_ID:
            raise ValueError("no token id")
    return raw


def _logprob(raw: object) -> float:
    """A log-probability of foreign JSON; what is above 0 by rounding only is 0.

    Raises:
        TypeError, ValueError: it is none.
    """
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise TypeError("no number")
    if not -1e30 < raw < 1e-3:
        raise ValueError("no log-probability")
    return min(0.0, float(raw))


def _count(raw: object) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise TypeError("no count")
    return raw
