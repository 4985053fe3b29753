"""Traces out of streams: all of it or none, and of hostile events nothing is believed."""

from __future__ import annotations

import asyncio
import json
import math

import pytest
from hostile_json import json_values
from hypothesis import given, settings
from hypothesis import strategies as st

from lrmtest.models.engines.base import Sampling
from lrmtest.models.engines.http.client import ChatClient
from lrmtest.models.engines.http.endpoint import Endpoint
from lrmtest.models.engines.http.events import ChatEvents
from lrmtest.models.engines.http.failures import BrokenAnswerError
from lrmtest.models.engines.http.retry import Backoff
from lrmtest.models.engines.http.server_facts import LLAMA_CPP, SGLANG, VLLM, ServerFacts
from lrmtest.models.engines.http.stream import ChatStream
from lrmtest.models.engines.http.traced import (
    LlamaCppPrompts,
    TraceError,
    TraceGathering,
    TraceRequests,
)

CLIENT = ChatClient(Endpoint("http://127.0.0.1:1/v1"), timeout=60)
TAGS = ("<think>", "</think>")
DRAWN = Sampling(50, 0.6, 0.95)


def vllm_events(tokens, *, joined=1, logprobs=True, prompt=(1, 2), finish="stop"):
    yield {"prompt_token_ids": [*prompt], "choices": [{"index": 0, "delta": {"content": ""}}]}
    for start in range(0, len(tokens), joined):
        part = tokens[start : start + joined]
        told = {"content": [{"token": "t", "logprob": -token / 8} for token in part]}
        end = start + joined >= len(tokens)
        yield {
            "choices": [
                {
                    "index": 0,
                    "delta": {"content": "".join(f"t{token} " for token in part)},
                    "logprobs": told if logprobs else None,
                    "token_ids": list(part),
                    "finish_reason": finish if end else None,
                }
            ],
            "usage": {"completion_tokens": start + len(part), "prompt_tokens": len(prompt)},
        }


def llama_events(tokens, *, count=None, finish="stop", greedy=False):
    yield {"choices": [{"index": 0, "delta": {"role": "assistant", "content": None}}]}
    for number, token in enumerate(tokens, start=1):
        one = {"id": token, "token": f"t{token} "}
        one |= {"logprob": -token / 8} if greedy else {"prob": math.exp(-token / 8)}
        yield {
            "choices": [
                {
                    "index": 0,
                    "delta": {"content": f"t{token} "},
                    "logprobs": {"content": [one]},
                    "finish_reason": None,
                }
            ],
            "timings": {"predicted_n": number},
        }
    yield {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
    told = len(tokens) + (finish == "stop") if count is None else count
    yield {"choices": [], "usage": {"completion_tokens": told, "prompt_tokens": 2}}


def gathered(kind, events, *, cut=7, detector=None):
    """The reply and what was gathered beside it, of a stream that comes in small pieces."""
    gathering = TraceGathering(kind, 50)
    stream = ChatStream(TAGS, 50, detector=detector, on_event=gathering.add)
    reader = ChatEvents(
        stream.add_run, lambda event: CLIENT._take(event, stream), runs=stream.takes_runs
    )
    data = b"".join(b"data: %s\n\n" % json.dumps(one).encode() for one in events)
    for start in range(0, len(data), cut):
        reader.feed(data[start : start + cut])
    reader.finish()
    stream.ended = True
    return stream.reply(), gathering


tokens_of = st.lists(st.integers(0, 200_000), min_size=1, max_size=20)


@given(tokens_of, st.integers(1, 9), st.integers(1, 500), st.sampled_from(["stop", "length"]))
def test_vllm_tells_all_its_tokens(tokens, joined, cut, finish):
    reply, gathering = gathered(VLLM, vllm_events(tokens, joined=joined, finish=finish), cut=cut)
    trace = gathering.trace(reply)
    assert list(trace.prompt) == [1, 2]
    assert list(trace.tokens) == tokens
    assert list(trace.logprobs) == [-token / 8 for token in tokens]
    assert trace.ended == (finish == "stop")


def test_vllm_without_logprobs_still_tells_ids():
    reply, gathering = gathered(VLLM, vllm_events([5, 6], logprobs=False))
    trace = gathering.trace(reply)
    assert (list(trace.tokens), len(trace.logprobs)) == ([5, 6], 0)


@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=20),
    st.integers(1, 500),
    st.booleans(),
    st.sampled_from(["stop", "length"]),
)
def test_llama_server_keeps_the_end_token_to_itself(tokens, cut, greedy, finish):
    events = llama_events(tokens, finish=finish, greedy=greedy)
    reply, gathering = gathered(LLAMA_CPP, events, cut=cut)
    trace = gathering.trace(reply, [8, 9])
    assert (list(trace.prompt), list(trace.tokens)) == ([8, 9], tokens)
    assert not trace.ended
    assert list(trace.logprobs) == pytest.approx([-token / 8 for token in tokens], rel=1e-6)


def test_what_is_not_told_is_no_trace():
    reply, gathering = gathered(LLAMA_CPP, llama_events([5, 6, 7], count=6))
    with pytest.raises(TraceError, match="3 of 6 tokens, for characters of several tokens"):
        gathering.trace(reply, [1, 2])
    reply, gathering = gathered(LLAMA_CPP, llama_events([5, 6, 7]))
    for prompt in ([], [1, 2, 3]):
        with pytest.raises(TraceError, match="ids of the prompt"):
            gathering.trace(reply, prompt)
    events = list(vllm_events([5, 6, 7]))
    reply, gathering = gathered(VLLM, events[1:])
    with pytest.raises(TraceError, match="ids of the prompt"):
        gathering.trace(reply)
    del events[2]["choices"][0]["token_ids"]
    reply, gathering = gathered(VLLM, events)
    with pytest.raises(TraceError, match="2 of 3 tokens"):
        gathering.trace(reply)
    reply, gathering = gathered(VLLM, llama_events([5, 6], greedy=True))
    with pytest.raises(TraceError, match="no token ids"):
        gathering.trace(reply)


class Loops:
    """A detector that sees a loop in the fourth piece of text."""

    def __init__(self):
        self.pieces = 0

    def feed(self, text):
        self.pieces += 1
        return type("Loop", (), {"end": 9}) if self.pieces == 4 else None


@pytest.mark.parametrize(("kind", "prompt"), [(VLLM, None), (LLAMA_CPP, [1, 2])])
def test_what_was_stopped_in_a_loop_is_told_as_far_as_it_came(kind, prompt):
    events = (vllm_events if kind == VLLM else llama_events)([5] * 12)
    gathering, came = TraceGathering(kind, 50), []
    stream = ChatStream(TAGS, 50, detector=Loops(), on_event=gathering.add)
    for event in events:
        stream.add(event)
        came.append(event)
        if stream.looped:
            break
    trace = gathering.trace(stream.reply(), prompt)
    assert list(trace.tokens) == [5] * 4
    assert not trace.ended


def test_more_tokens_than_the_budget_are_not_gathered():
    gathering = TraceGathering(VLLM, 50)
    for _ in range(1000):
        gathering.add({"choices": [{"token_ids": [1] * 100}]})
        assert len(gathering._tokens) <= 100
    reply, _ = gathered(VLLM, vllm_events([5]))
    with pytest.raises(TraceError, match="cannot be read"):
        gathering.trace(reply)


@settings(max_examples=300)
@given(st.data())
def test_hostile_events_give_a_trace_or_none(data):
    kind = data.draw(st.sampled_from([VLLM, LLAMA_CPP]))
    events = list((vllm_events if kind == VLLM else llama_events)([5, 6, 7]))
    event = data.draw(st.sampled_from(events))
    target, name = data.draw(
        st.sampled_from(
            [
                (event, "prompt_token_ids"),
                (event, "usage"),
                (event, "timings"),
                *((choice, name) for choice in event["choices"] for name in ("token_ids",)),
                *((choice, name) for choice in event["choices"] for name in ("logprobs",)),
                *(
                    (choice["logprobs"], "content")
                    for choice in event["choices"]
                    if choice.get("logprobs")
                ),
            ]
        )
    )
    target[name] = data.draw(json_values)
    try:
        reply, gathering = gathered(kind, events)
        trace = gathering.trace(reply, [1, 2] if kind == LLAMA_CPP else None)
    except (TraceError, BrokenAnswerError):
        return
    assert trace.fault is None


def test_log_probabilities_are_asked_for_where_they_are_those_of_the_draws():
    vllm = ServerFacts(VLLM, "", "m")
    asked = {"return_token_ids": True, "logprobs": True, "top_logprobs": 0}
    raw = TraceRequests(vllm, {}, processed=False)
    assert raw.fields(DRAWN) == {"return_token_ids": True}
    assert raw.fields(Sampling(50, 0.0, 0.95)) == asked
    assert raw.fields(Sampling(50, 1.0, 1.0)) == asked
    assert TraceRequests(vllm, {}, processed=True).fields(DRAWN) == asked
    cut = TraceRequests(vllm, {"top_k": 5}, processed=False)
    assert cut.fields(Sampling(50, 1.0, 1.0)) == {"return_token_ids": True}
    llama = TraceRequests(ServerFacts(LLAMA_CPP, "", "m"), {}, processed=False)
    assert llama.fields(DRAWN)["post_sampling_probs"] is True
    assert llama.fields(Sampling(50, 0.0, 1.0))["post_sampling_probs"] is False
    assert not TraceRequests(ServerFacts(SGLANG, "", "m"), {}, processed=False).possible


class Asked:
    """A client that answers as llama-server does."""

    endpoint = Endpoint("http://127.0.0.1:1/v1")

    def __init__(self, tokens):
        self.tokens, self.asked = tokens, []

    async def post(self, url, content):
        self.asked.append((url.rpartition("/")[2], content))
        return {"prompt": "<s>hi"} if "template" in url else {"tokens": self.tokens}


def test_the_ids_of_a_prompt_are_asked_for_once():
    client, prompts = Asked([1, 7]), LlamaCppPrompts()
    body = {"messages": [{"role": "user", "content": "hi"}], "chat_template_kwargs": {"a": 1}}

    async def ask():
        return [await prompts.ids(client, {**body, "seed": seed}) for seed in range(3)]

    assert asyncio.run(ask()) == [[1, 7]] * 3
    assert [what for what, _ in client.asked] == ["apply-template", "tokenize"]
    assert client.asked[0][1] == body
    assert client.asked[1][1] == {"content": "<s>hi", "add_special": True, "parse_special": True}
    for tokens in (None, "text", [1, -1], [1, "a"], [True]):
        assert asyncio.run(LlamaCppPrompts().ids(Asked(tokens), body)) == []


class HangingUp(Asked):
    """The same, which hangs up first so many times."""

    def __init__(self, times):
        super().__init__([1, 7])
        self.left = times

    async def post(self, url, content):
        self.left -= 1
        if self.left >= 0:
            raise BrokenAnswerError("connection failed: the server closed the connection")
        return await super().post(url, content)


def test_a_server_that_hangs_up_once_is_asked_again(monkeypatch):
    """llama-server does after a hundred requests, whatever they are about."""
    monkeypatch.setattr("lrmtest.models.engines.http.traced._PROMPT_WAITS", Backoff(base=0.001))
    body = {"messages": [{"role": "user", "content": "hi"}]}
    for times in (1, 2, 3):
        assert asyncio.run(LlamaCppPrompts().ids(HangingUp(times), body)) == [1, 7]
    prompts = LlamaCppPrompts()
    assert asyncio.run(prompts.ids(HangingUp(100), body)) == []
    # It was no answer: the next sample's request may have one.
    assert asyncio.run(prompts.ids(HangingUp(0), body)) == [1, 7]
