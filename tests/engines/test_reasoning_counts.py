"""Reasoning tokens as servers count them, and which figures are shown as estimates."""

from __future__ import annotations

import pytest
from asking_endpoints import TAGS, generate, request
from fault_server import FaultServer

from lrmtest.models.engines.http.stream import ChatStream
from lrmtest.models.engines.token_counts import COUNTED, ESTIMATED, TOTALS


def reply_with(**usage):
    stream = ChatStream(TAGS, 500)
    text = "<think>a b c</think>d"
    choice = {"message": {"content": text}, "finish_reason": "stop"}
    stream.add({"choices": [choice], "usage": {"prompt_tokens": 7, **usage}})
    stream.ended = True
    return stream.reply()


@pytest.mark.parametrize(
    ("usage", "total", "reasoning"),
    [
        ({"completion_tokens": 9, "reasoning_tokens": 6}, 9, 6),
        ({"completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 6}}, 9, 6),
        ({"output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 6}}, 9, 6),
        (
            {
                "completion_tokens": 9,
                "reasoning_tokens": 5,
                "completion_tokens_details": {"reasoning_tokens": 6},
            },
            9,
            6,
        ),
        (
            {
                "completion_tokens": 9,
                "reasoning_tokens": 6,
                "completion_tokens_details": {"reasoning_tokens": 0},
            },
            9,
            6,
        ),
        ({"completion_tokens": 9, "completion_tokens_details": None, "reasoning_tokens": 6}, 9, 6),
        # Some count the reasoning beside the completion: by their total, or since it is more.
        ({"completion_tokens": 3, "reasoning_tokens": 60}, 63, 60),
        ({"completion_tokens": 9, "reasoning_tokens": 6, "total_tokens": 22}, 15, 6),
        ({"completion_tokens": 9, "reasoning_tokens": 6, "total_tokens": 16}, 9, 6),
        ({"completion_tokens": 9, "total_tokens": 16}, 9, None),
        ({"completion_tokens": 9, "reasoning_tokens": "6"}, 9, None),
        ({"completion_tokens": 9, "reasoning_tokens": -6}, 9, None),
    ],
)
def test_where_servers_count_reasoning(usage, total, reasoning):
    reply = reply_with(**usage)
    assert (reply.completion_tokens, reply.reasoning_tokens) == (total, reasoning)


@pytest.mark.parametrize(("usage", "noted"), [(True, COUNTED), (False, ESTIMATED)])
def test_whether_totals_are_counted_is_noted_where_shares_are_not(usage, noted):
    """A server that sends its answer in one piece says nothing of the reasoning in it."""
    notes = []
    with FaultServer(stream=False, usage=usage) as server:
        outcomes = generate(
            server.url, [request(n) for n in range(5)], note=lambda *one: notes.append(one)
        )
    assert all(outcome.completion.tokens_estimated for outcome in outcomes.values())
    assert notes == [(TOTALS, noted)]


def test_nothing_is_noted_where_all_is_counted():
    notes = []
    with FaultServer() as server:
        outcomes = generate(
            server.url, [request(n) for n in range(5)], note=lambda *one: notes.append(one)
        )
    assert not any(outcome.completion.tokens_estimated for outcome in outcomes.values())
    assert notes == []
