"""Text in a message, in whatever form a server puts it there."""

from __future__ import annotations

import pytest
from answer_shapes import USAGE, chunk, stream, whole
from asking_endpoints import outcome_of

from lrmtest.grading import split
from lrmtest.models.engines.http.content import texts_of
from lrmtest.models.engines.http.failures import BrokenAnswerError
from lrmtest.models.engines.http.stream import ChatStream

PARTS = [
    ({"content": "A"}, ("", "A")),
    ({"content": None, "reasoning_content": "R"}, ("R", "")),
    ({"content": "A", "reasoning": "R", "reasoning_content": "R"}, ("R", "A")),
    ({"content": "A", "thinking": "R"}, ("R", "A")),
    ({"content": "A", "reasoning": {"content": "R"}}, ("R", "A")),
    ({"content": "A", "reasoning_details": [{"type": "reasoning.text", "text": "R"}]}, ("R", "A")),
    ({"content": "A", "reasoning_details": [{"type": "reasoning.encrypted"}]}, ("", "A")),
    ({"content": [{"type": "text", "text": "A"}]}, ("", "A")),
    ({"content": [{"type": "output_text", "text": "A"}, {"text": "B"}]}, ("", "AB")),
    (
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "R"}]},
                {"type": "text", "text": "A"},
            ]
        },
        ("R", "A"),
    ),
    ({"content": [{"type": "thinking", "thinking": "R"}, "A"]}, ("R", "A")),
    ({"content": [{"type": "redacted_thinking"}, {"type": "text", "text": "A"}]}, ("", "A")),
    ({"content": {"type": "text", "text": "A"}}, ("", "A")),
    ({"content": None, "refusal": "No."}, ("", "No.")),
    ({"content": []}, ("", "")),
    ({}, ("", "")),
]


@pytest.mark.parametrize(("message", "texts"), PARTS)
def test_content_in_parts_is_put_together(message, texts, monkeypatch):
    assert texts_of(message) == texts
    reasoning, answer = texts
    if reasoning or answer:
        text = (
            f"<think>{reasoning}</think>{answer}"
            if reasoning and answer
            else (f"<think>{reasoning}" if reasoning else answer)
        )
        for shape in (whole(message, "stop", usage=USAGE), stream(chunk(message, "stop"))):
            assert outcome_of(monkeypatch, shape).completion.text == text


def test_a_part_that_is_no_text_is_refused_at_once(monkeypatch):
    message = {"content": [{"type": "image_url", "image_url": {"url": "data:"}}]}
    error = outcome_of(monkeypatch, whole(message, "stop", usage=USAGE)).error
    assert error.attempts == 1
    assert "'image_url'" in str(error)


DEEP = [[[[[[[[[[["A"]]]]]]]]]]]


@pytest.mark.parametrize("content", [4, {"answer": 4}, [4], True, DEEP])
def test_what_has_no_form_of_a_text_is_malformed(content):
    with pytest.raises(BrokenAnswerError, match="'content' is"):
        texts_of({"content": content})


def test_reasoning_that_comes_late_is_put_first(monkeypatch):
    shape = stream(
        chunk({"content": "\nIt is 4."}),
        chunk({"reasoning": "Well."}),
        chunk({"reasoning": " So."}),
        chunk({}, "stop"),
    )
    completion = outcome_of(monkeypatch, shape).completion
    assert completion.text == "<think>Well. So.</think>\nIt is 4."


def test_a_closing_tag_that_a_parser_left_behind_closes_the_reasoning(monkeypatch):
    shape = stream(
        chunk({"reasoning": "Well"}), chunk({"content": " so.\n</think>\n\n4"}), chunk({}, "stop")
    )
    assert outcome_of(monkeypatch, shape).completion.text == "<think>Well so.\n</think>\n\n4"


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize(
    ("reasoning", "answer"),
    [
        ("Is </think> a tag?", "42"),
        ("<think>", "42 <think> is a tag"),
        ("[/THINK]", "The tag is [THINK]: 42"),
        ("<|channel|>final<|message|>7", "42"),
    ],
)
def test_what_a_server_sends_apart_is_split_there(reasoning, answer, streamed):
    for tags in ((), ("think",), ("magistral",), ("harmony",)):
        stream = ChatStream(tags, 1000)
        pieces = [{"reasoning_content": reasoning}, {"content": answer}]
        whole = [{"reasoning_content": reasoning, "content": answer}]
        for piece in pieces if streamed else whole:
            stream.add({"choices": [{"delta": piece}]})
        stream.ended = True
        parts = split(stream.reply().text, tags)
        assert (parts.reasoning, parts.answer, parts.closed) == (reasoning, answer, True)
