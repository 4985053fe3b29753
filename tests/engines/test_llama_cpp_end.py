"""The end token that llama-server does not tell: asked for, bounded, of hostile answers none."""

from __future__ import annotations

import asyncio
import copy
import math
from array import array

import pytest
from hostile_json import json_values
from hypothesis import given, settings
from hypothesis import strategies as st

from lrmtest.models.engines.base import Sampling
from lrmtest.models.engines.http import llama_cpp_end
from lrmtest.models.engines.http.endpoint import Endpoint
from lrmtest.models.engines.http.failures import BrokenAnswerError, RefusedError
from lrmtest.models.engines.http.llama_cpp_end import LlamaCppEnds
from lrmtest.models.engines.http.retry import Backoff
from lrmtest.models.trace import Trace

DRAWN = Sampling(50, 1.0, 1.0)
BODY = {"messages": [], "temperature": 1.0, "top_p": 0.9, "min_p": 0.1, "seed": 3, "stream": True}
TRACE = Trace(array("I", [7, 8]), array("I", [5, 6]), array("f", [-0.5, -0.25]), ended=False)


class Server:
    """A client of a llama-server with a vocabulary of probabilities, some of them of ends."""

    endpoint = Endpoint("http://127.0.0.1:1/v1")

    def __init__(self, shares, ends, *, hangs_up=0, change=None):
        self.shares, self.ends, self.left = shares, ends, hangs_up
        self.change, self.asked = change or (lambda answer: answer), []

    async def post(self, url, body, **_):
        self.left -= 1
        if self.left >= 0:
            raise BrokenAnswerError("connection failed: the server closed the connection")
        assert url == "http://127.0.0.1:1/completion"
        self.asked.append(body)
        shares = self.shares
        if body.get("grammar"):
            of_ends = {token: shares.get(token, 0.0) + 1e-9 for token in self.ends}
            shares = {token: one / sum(of_ends.values()) for token, one in of_ends.items()}
        ranked = sorted(shares, key=lambda token: -shares[token])
        value, name = ("prob", "top_probs") if body["post_sampling_probs"] else ("logprob", "x")
        told = [
            {"id": token, value: shares[token] if value == "prob" else math.log(shares[token])}
            for token in ranked
        ]
        first = {**told[0], name: told[: body["n_probs"]]}
        answer = {"generation_settings": {"stop": []}, "completion_probabilities": [first]}
        return self.change(copy.deepcopy(answer))


def added(server, sampling=DRAWN, body=BODY, trace=TRACE, ends=None):
    return asyncio.run((ends or LlamaCppEnds()).added(server, trace, sampling, body))


def test_the_likeliest_end_has_the_probability_of_all():
    server = Server({1: 0.5, 2: 0.3, 3: 0.15, 4: 0.05}, {2, 4})
    found = added(server)
    assert found.ended
    assert list(found.tokens) == [5, 6, 2]
    assert list(found.logprobs) == pytest.approx([-0.5, -0.25, math.log(0.35)], rel=1e-6)
    asked, place = server.asked
    # Which tokens are ends is asked with one that is none made the likeliest.
    assert asked["logit_bias"] == [[6, 1e6]]
    assert place["prompt"] == [7, 8, 5, 6]
    assert {name: place[name] for name in ("temperature", "top_p", "min_p")} == {
        "temperature": 1.0, "top_p": 0.9, "min_p": 0.1,
    }  # fmt: skip
    assert not {"messages", "seed", "stream", "grammar"} & place.keys()


def test_which_tokens_are_ends_is_asked_once():
    server, ends = Server({1: 0.5, 2: 0.5}, {2}), LlamaCppEnds()
    for _ in range(3):
        assert added(server, ends=ends).ended
    assert [bool(body.get("grammar")) for body in server.asked] == [True, False, False, False]


def test_greedy_texts_end_with_the_likeliest_token_or_nobody_knows():
    greedy = Sampling(50, 0.0, 1.0)
    found = added(Server({2: 0.6, 1: 0.4}, {2}), greedy)
    assert found.ended
    assert found.logprobs[-1] == pytest.approx(math.log(0.6), rel=1e-6)
    assert added(Server({1: 0.6, 2: 0.4}, {2}), greedy) == TRACE


@given(st.lists(st.floats(1e-6, 1.0), min_size=3, max_size=12), st.data())
def test_what_is_told_is_never_below_what_all_ends_have(weights, data):
    """Also where only a few of all tokens are shown."""
    total = sum(weights)
    shares = {token: weight / total for token, weight in enumerate(weights, start=10)}
    ends = data.draw(st.sets(st.sampled_from(sorted(shares)), min_size=1, max_size=2))
    shown = llama_cpp_end._SHOWN
    llama_cpp_end._SHOWN = data.draw(st.integers(3, 12))
    try:
        found = added(Server(shares, ends))
    finally:
        llama_cpp_end._SHOWN = shown
    mass = sum(shares[token] for token in ends)
    if found.ended:
        assert found.tokens[-1] in ends
        assert math.exp(found.logprobs[-1]) >= mass * (1 - 1e-6)
        assert found.logprobs[-1] <= 0


@pytest.mark.parametrize(
    "body",
    [BODY | {"grammar": "root ::= [a-z]*"}, BODY | {"response_format": {"type": "json_object"}}],
)
def test_nothing_is_asked_where_a_grammar_says_what_may_end(body):
    server = Server({1: 0.5, 2: 0.5}, {2})
    assert added(server, body=body) == TRACE
    assert not server.asked


def test_a_server_with_stop_words_of_its_own_may_have_ended_by_them():
    def stops(answer):
        answer["generation_settings"]["stop"] = ["###"]
        return answer

    assert added(Server({1: 0.5, 2: 0.5}, {2}, change=stops)) == TRACE


def test_a_server_that_hangs_up_is_asked_again_and_in_the_end_not_told_of(monkeypatch):
    monkeypatch.setattr(llama_cpp_end, "_WAITS", Backoff(base=0.001))
    assert added(Server({1: 0.5, 2: 0.5}, {2}, hangs_up=3)).ended
    ends = LlamaCppEnds()
    assert added(Server({1: 0.5, 2: 0.5}, {2}, hangs_up=100), ends=ends) == TRACE
    # It was no answer: the next trace may have one.
    assert added(Server({1: 0.5, 2: 0.5}, {2}), ends=ends).ended


def test_an_older_server_that_refuses_is_left_alone():
    def refuse(answer):
        raise RefusedError("HTTP 404")

    assert added(Server({1: 0.5, 2: 0.5}, {2}, change=refuse)) == TRACE


@settings(max_examples=300)
@given(st.data())
def test_hostile_answers_give_an_end_that_can_be_or_none(data):
    path = data.draw(
        st.sampled_from(
            [
                (),
                ("generation_settings",),
                ("generation_settings", "stop"),
                ("completion_probabilities",),
                ("completion_probabilities", 0),
                ("completion_probabilities", 0, "top_probs"),
                ("completion_probabilities", 0, "top_probs", 0),
                ("completion_probabilities", 0, "top_probs", 0, "id"),
                ("completion_probabilities", 0, "top_probs", 0, "prob"),
            ]
        )
    )
    value = data.draw(json_values)

    def change(answer):
        if not path:
            return value
        place = answer
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        return answer

    found = added(Server({1: 0.5, 2: 0.3, 3: 0.2}, {2, 3}, change=change))
    assert found.fault is None
    assert found == TRACE or found.ended
