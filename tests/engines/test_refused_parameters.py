"""Parameters that a server refuses are left out, and said."""

from __future__ import annotations

import pytest
from asking_endpoints import generate, only, request
from fault_server import Picky

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
    changes = name in ("seed", "top_p", "temperature")
    assert notes == ([("left_out", [name])] if changes else [])
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
    words = {"error": {"message": "Unsupported parameter", "param": "max_tokens"}}
    other = {"error": {"message": "Unsupported parameter", "param": "max_completion_tokens"}}
    with Picky({"max_tokens": words, "max_completion_tokens": other}) as server:
        assert only(server.url).error
        assert server.chats == 2
