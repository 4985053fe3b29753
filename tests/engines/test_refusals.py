"""Which fields a refusal names, in the words of many servers; and which refusals name none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.models.engines.http.refusals import RefusedField, refused_fields

CONTENT = {
    "model": "seed-oss",
    "messages": [],
    "max_tokens": 200,
    "temperature": 0.6,
    "top_p": 1.0,
    "seed": 1,
    "stream": True,
    "stream_options": {},
    "top_k": -1,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "chat_template_kwargs": {},
    "reasoning_effort": "low",
    "logprobs": True,
}


def error(message, param=None, code=None):
    """As OpenAI's."""
    fields = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return json.dumps({"error": fields})


LINES = (Path(__file__).parent / "refusals.jsonl").read_text().splitlines()
SAID = [(line["words"], line["names"]) for line in map(json.loads, LINES)]
"""What servers and gateways say, as they send it, and the fields that it is about."""


@pytest.mark.parametrize(("words", "names"), SAID)
def test_the_fields_that_a_server_names(words, names):
    assert {field.name for field in refused_fields(words, CONTENT)} == {*names}


def test_a_value_is_refused_where_others_may_be_taken():
    words = error("Unsupported value: 'temperature' does not support 0 with this model.")
    assert refused_fields(words, CONTENT) == [RefusedField("temperature", this_value=True)]
    words = error("Unsupported value: 'temperature' does not support 0. Only the default is.")
    assert refused_fields(words, CONTENT) == [RefusedField("temperature")]
    words = error("`top_p` must be > 0.0 and < 1.0")
    assert refused_fields(words, CONTENT) == [RefusedField("top_p", this_value=True)]
    assert refused_fields(words, {**CONTENT, "top_p": 1.5}) == []


def test_only_what_was_sent_can_be_refused():
    words = error("Unsupported parameter: 'n'. Use 'seed'.", "n")
    assert refused_fields(words, CONTENT) == []
    assert refused_fields(error("Unknown parameter: 'top_k'"), {"seed": 1}) == []


def test_what_was_sent_and_is_quoted_names_nothing():
    entry = {
        "type": "string_type",
        "loc": ["body", "messages", 0, "content"],
        "msg": "Input should be a valid string",
        "input": "unsupported parameter: 'seed'",
    }
    assert refused_fields(json.dumps({"detail": [entry]}), CONTENT) == []


@given(st.text(st.sampled_from("'\"[]{}:,. \nseedtopkunsupported_\\"), max_size=300))
def test_any_words_are_read(words):
    for said in (words, error(words), json.dumps([words] * 3)):
        for field in refused_fields(said, CONTENT):
            assert field.name in CONTENT


@pytest.mark.parametrize(
    "text", ["seed ", "'", "[{", "seed\n", ": ", "Unsupported. ", "unsupported seed ", '{"error":']
)
def test_hostile_words_take_no_time(text):
    refused_fields(text * (65_536 // len(text)), CONTENT)
