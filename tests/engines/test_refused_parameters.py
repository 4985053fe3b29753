"""Parameters that a server refuses are left out, and said."""

from __future__ import annotations

from dataclasses import replace

import pytest
from asking_endpoints import generate, only, request, running
from fault_server import Picky

from lrmtest.models.engines.base import Sampling
from lrmtest.models.request_fields import RequestField

QUESTIONS = [request(index) for index in range(9)]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "seed",
            {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra"}]},
        ),
        ("stream_options", {"error": {"message": "Unrecognized argument: stream_options"}}),
        ("top_p", {"error": {"message": "`temperature` and `top_p` cannot both be specified"}}),
        ("top_p", {"error": {"message": "Unsupported parameter", "param": "top_p"}}),
        ("temperature", {"error": {"message": "'temperature' does not support 0.6: unsupported"}}),
        (
            "max_tokens",
            {"error": {"message": "Not supported: 'max_tokens'. Use 'max_completion_tokens'."}},
        ),
        ("stream", {"message": "stream is not supported"}),
    ],
)
def test_a_refused_parameter_is_left_out_and_said(name, words):
    lines, notes = [], []
    with Picky({name: words}) as server:
        outcomes = generate(
            server.url,
            QUESTIONS,
            tell=lines.append,
            note=lambda *noted: notes.append(noted),
            max_retries=0,
        )
        assert name not in server.bodies[-1]
        if name == "max_tokens":
            assert server.bodies[-1]["max_completion_tokens"] == 200
    assert all(outcome.completion for outcome in outcomes.values())
    assert len(lines) == (name != "max_tokens")
    renamed = ("renamed", {"max_tokens": "max_completion_tokens"})
    told = [noted for noted in notes if noted[0] != "token_totals"]
    assert told == [renamed if name == "max_tokens" else ("left_out", [name])]
    seeds = {outcome.completion.seed for outcome in outcomes.values()}
    assert (seeds == {None}) == (name == "seed")


@pytest.mark.parametrize(
    "words",
    [
        "This model's maximum context length is 4096 tokens; lower max_tokens.",
        "temperature must be at most 2",
        "Unsupported role 'system'",
    ],
)
def test_other_refusals_are_no_matter_of_parameters(words):
    with Picky({"seed": {"error": {"message": words}}}) as server:
        error = only(server.url).error
        assert server.chats == error.attempts == 1
    assert words.split(";")[0] in str(error)


def test_a_server_that_takes_no_budget_is_not_asked_for_ever():
    """Without any limit a completion could be endless, so nothing is asked."""
    words = {"error": {"message": "Unsupported parameter", "param": "max_tokens"}}
    other = {"error": {"message": "Unsupported parameter", "param": "max_completion_tokens"}}
    with Picky({"max_tokens": words, "max_completion_tokens": other}) as server:
        outcomes = generate(server.url, QUESTIONS)
        assert server.chats == 2
    for outcome in outcomes.values():
        assert "takes neither max_tokens nor max_completion_tokens" in str(outcome.error)
        assert "without a limit" in outcome.error.hint


def test_a_budget_that_is_too_large_is_nobodys_to_lower():
    words = "max_tokens is too large: 200. This model supports at most 100 completion tokens."
    with Picky({"max_tokens": {"error": {"message": words, "param": "max_tokens"}}}) as server:
        error = only(server.url).error
        assert server.chats == 1
    assert "--max-tokens" in error.hint


def extra(*names):
    """As pydantic says it."""
    return {"detail": [{"type": "extra_forbidden", "loc": ["body", n], "msg": "No"} for n in names]}


def test_many_at_once_are_refused_once():
    """The first request goes alone; the others wait for what becomes of it."""
    requests = [request(index) for index in range(100)]
    refuse = {"seed": extra("seed", "stream_options"), "top_p": extra("top_p")}
    with Picky(refuse) as server:
        outcomes = generate(server.url, requests, concurrency=100)
        assert server.chats == len(requests) + 2
        assert server.most_in_flight > 1
    assert all(outcome.completion for outcome in outcomes.values())


def test_another_sampling_is_another_first():
    """A value that only a test of the server had is no matter of the run."""
    words = {"error": {"message": "Unsupported value: 'temperature' does not support 0."}}
    greedy = [replace(request(index), sampling=Sampling(50, 0.0, 0.95)) for index in range(10, 20)]
    lines, notes = [], []

    class NoZero(Picky):
        def refusal(self, body):
            return words if body.get("temperature") == 0 else None

    with NoZero({}) as server:
        with running(
            server.url, QUESTIONS, tell=lines.append, note=lambda *noted: notes.append(noted)
        ) as engine:
            engine.submit([*greedy, *QUESTIONS])
            for _ in [*greedy, *QUESTIONS]:
                assert engine.outcomes.get(timeout=60).completion
        bodies = server.bodies
    assert len(bodies) == len(QUESTIONS) + len(greedy) + 1
    sent = [body["temperature"] for body in bodies if "temperature" in body]
    assert sorted(sent) == [0.0] + [0.6] * len(QUESTIONS)
    assert (lines, notes) == ([], [])


@pytest.mark.parametrize("by_value", [False, True])
def test_a_field_that_the_user_asked_for_is_not_left_out(by_value):
    message = "Unknown parameter: 'reasoning_effort'."
    if by_value:
        message = "Unsupported value: 'reasoning_effort' does not support 'low' with this model."
    words = {"error": {"message": message, "param": "reasoning_effort"}}
    fields = (RequestField("", "reasoning_effort", "low"),)
    with Picky({"reasoning_effort": words}) as server:
        outcomes = generate(server.url, QUESTIONS, request_fields=fields)
        assert server.chats == 1
    for outcome in outcomes.values():
        assert "does not take the request field reasoning_effort" in str(outcome.error)
        assert "reasoning_effort=null" in outcome.error.hint


def test_sampling_that_the_user_asked_for_is_left_out_and_said():
    notes = []
    fields = (RequestField("", "top_k", 20), RequestField("", "provider", {"order": ["a"]}))
    with Picky({"top_k": extra("top_k")}) as server:
        outcomes = generate(
            server.url,
            QUESTIONS,
            request_fields=fields,
            note=lambda *noted: notes.append(noted),
        )
        assert server.bodies[0]["top_k"] == 20
        assert all(body["provider"] == {"order": ["a"]} for body in server.bodies)
    assert all(outcome.completion for outcome in outcomes.values())
    assert notes == [("left_out", ["top_k"])]
