"""What counts as an answer: shapes that servers send instead of one, through the real client."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from answer_shapes import BELIEVED, LIVELY, NO_ENDS, SHAPES, USAGE, chunk, ended, stream
from asking_endpoints import generate, outcome_of, request, running, texts
from fault_server import FaultServer
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.errors import ModelError
from lrmtest.models.engines.http import life
from lrmtest.models.engines.http.failures import BrokenAnswerError
from lrmtest.models.engines.http.finish_reasons import (
    FINISH_REASONS,
    WORD_CHARS,
    finish_word,
    meaning_of,
)
from lrmtest.models.engines.http.life import Life

QUESTIONS = [request(index) for index in range(9)]


@pytest.fixture(scope="module")
def calm():
    with FaultServer() as server:
        return texts(generate(server.url, QUESTIONS))


def only_error(url, **options):
    (outcome,) = generate(url, [request(1)], **options).values()
    assert outcome.completion is None, outcome.completion
    return outcome.error


# Shapes of answers that are none


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_no_answer_now_and_then_changes_nothing(shape, calm):
    with FaultServer(faults=[shape]) as server:
        stormy = generate(server.url, QUESTIONS, concurrency=2)
        assert server.injected[shape] == 3
    assert texts(stormy) == calm


@pytest.mark.parametrize("shape", sorted(SHAPES.keys() - NO_ENDS - BELIEVED))
def test_what_is_no_answer_is_an_error_when_it_stays(shape):
    with FaultServer(always=shape) as server:
        error = only_error(server.url, max_retries=2)
    message = str(error)
    assert server.url in message
    assert all(char.isprintable() or char == "\n" for char in message)
    assert len(message) < 800


def test_all_of_them_at_once_change_nothing(calm):
    requests = [request(index) for index in range(3 * len(SHAPES))]
    with FaultServer() as server:
        calm = texts(generate(server.url, requests))
    with FaultServer(faults=sorted(SHAPES)) as server:
        stormy = generate(server.url, requests, concurrency=16)
        assert server.injected.total() == len(SHAPES)
    assert texts(stormy) == calm


@pytest.mark.parametrize("shape", sorted(LIVELY))
def test_signs_of_life_are_no_progress(shape, calm, monkeypatch):
    monkeypatch.setattr(life, "QUEUE_SILENCES", 1)
    with FaultServer(faults=[shape]) as server:
        # Long enough for an answer on any machine: only what is injected lasts longer.
        stormy = generate(server.url, QUESTIONS, concurrency=9, request_timeout=4.0)
        assert server.injected[shape] == 3
    assert texts(stormy) == calm


def test_a_queue_is_waited_for_longer_than_a_silence():
    now = [0.0]
    lifetime = Life(10.0, lambda: now[0])
    for lines in range(1, 5):
        now[0] += 9.9
        assert not lifetime.seen(0, lines)
    now[0] += 9.9
    with pytest.raises(BrokenAnswerError, match="no text within 40 s"):
        lifetime.seen(0, 6)
    lifetime = Life(10.0, lambda: now[0])
    now[0] += 9.9
    assert lifetime.seen(1, 1)
    now[0] += 9.9
    assert not lifetime.seen(1, 2)
    now[0] += 9.9
    with pytest.raises(BrokenAnswerError, match="no text within 10 s"):
        lifetime.seen(1, 3)
    lifetime = Life(10.0, lambda: now[0])
    now[0] += 10.1
    with pytest.raises(BrokenAnswerError, match="not a line within 10 s"):
        lifetime.seen(0, 0)


@pytest.mark.parametrize("shape", sorted(LIVELY))
def test_the_deadline_holds_whatever_the_server_does(shape):
    with FaultServer(always=shape) as server:
        error = only_error(server.url, request_timeout=60.0, request_deadline=0.3)
    assert "not finished within" in str(error)
    assert "--request-deadline" in error.hint


def test_the_deadline_covers_retries_and_waits():
    with FaultServer(always="500") as server:
        error = only_error(server.url, request_deadline=0.2, max_retries=10**6)
    assert "not finished within" in str(error) or "no time is left" in str(error)


@pytest.mark.parametrize("wait", ["86400", "Wed, 21 Oct 2999 07:28:00 GMT"])
def test_nobody_waits_a_day_because_a_server_asks_to(wait, monkeypatch):
    lines = []
    asking = replace(SHAPES["429"]([]), header=f"Retry-After: {wait}")
    monkeypatch.setitem(SHAPES, "later", lambda tokens: asking)
    with FaultServer(always="later") as server:
        outcomes = generate(server.url, QUESTIONS[:3], tell=lines.append)
        assert server.chats == 3
    assert all("asks to come back in" in str(o.error) for o in outcomes.values())
    assert len(lines) == 1


def test_an_answer_that_is_never_understood_is_told_once_and_not_tried_again():
    lines = []
    with FaultServer(always="content-number") as server:
        outcomes = generate(server.url, QUESTIONS, concurrency=1, tell=lines.append)
        assert server.chats <= 5 + len(QUESTIONS) - 1
    assert all("'content' is not a string" in str(o.error) for o in outcomes.values())
    assert len(lines) == 1


@pytest.mark.parametrize("shape", ["hang", "json-by-letters", "pings", "empty-object", "html"])
def test_a_list_of_models_that_is_none_ends_the_start(shape):
    with (
        FaultServer(listing=shape) as server,
        pytest.raises(ModelError),
        running(server.url, request_timeout=0.5),
    ):
        pass


# Ends


TEXT = "Well.</think>It is 4."
ENDED_BY_WORD = [
    (word, meaning)
    for meaning, of in FINISH_REASONS.items()
    for words in of.values()
    for word in words
]


def with_end(text, word, usage=USAGE):
    pieces = [chunk({"content": piece}) for piece in text.split("|")]
    return stream(*pieces, chunk({}, word), {"choices": [], "usage": usage})


@pytest.mark.parametrize(("word", "meaning"), ENDED_BY_WORD)
def test_every_known_word_is_understood_however_it_is_written(word, meaning):
    for form in (word, word.upper(), word.lower(), word.replace("_", "-"), f" {word}\n"):
        assert meaning_of(finish_word(form)) == meaning
    camel = word.lower().split("_")
    assert meaning_of(camel[0] + "".join(part.title() for part in camel[1:])) == meaning
    assert meaning_of(f"FINISH_REASON_{word.upper()}") == meaning


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", "stop"),
        ("eos_token", "stop"),
        ("STOP", "stop"),
        ("end_turn", "stop"),
        ("tool_calls", "stop"),
        ("length", "length"),
        ("MAX_TOKENS", "length"),
        ("model_length", "length"),
        ("repetition", "loop"),
        ("content_filter", "unknown"),  # behind a whole sentence of the answer
        ("load", "unknown"),
        ("wobbled", "unknown"),
        (7, "unknown"),
        ({"type": "stop", "matched": 2}, "stop"),
    ],
)
def test_no_word_loses_a_finished_completion(word, reason, monkeypatch):
    completion = outcome_of(monkeypatch, with_end(TEXT, word)).completion
    assert (completion.text, completion.finish_reason) == (TEXT, reason)
    assert completion.finish_word == finish_word(word) != ""
    assert completion.completion_tokens == USAGE["completion_tokens"]


@pytest.mark.parametrize(
    "text", ["It is", "It is 4.", "Well.</think>", "Well.</think>It", "Well. So.", ""]
)
def test_what_a_filter_cut_off_is_an_error_with_its_hint(text, monkeypatch):
    error = outcome_of(monkeypatch, with_end(text, "content_filter")).error
    assert "content_filter" in str(error)
    assert "turn the filter off" in error.hint
    assert error.attempts == 1


@pytest.mark.parametrize("word", ["abort", "ERROR", "insufficient_system_resource", "pause_turn"])
def test_a_server_that_gave_up_gave_no_answer(word, monkeypatch):
    error = outcome_of(monkeypatch, with_end(TEXT, word)).error
    assert error.attempts == 2
    assert word in str(error)


@pytest.mark.parametrize("word", ["stop", "length", "end_turn", "tool_calls"])
def test_an_empty_answer_is_one_where_tokens_were_counted(word, monkeypatch):
    usage = {"prompt_tokens": 7, "completion_tokens": 1}
    completion = outcome_of(monkeypatch, ended(word, choices=[], usage=usage)).completion
    assert (completion.text, completion.completion_tokens) == ("", 1)
    assert completion.finish_reason in ("stop", "length")


def test_reasoning_that_is_not_shown_is_counted(monkeypatch):
    details = {"completion_tokens_details": {"reasoning_tokens": 5}}
    shape = with_end("It is 4.", "stop", {**USAGE, **details})
    completion = outcome_of(monkeypatch, shape).completion
    assert (completion.reasoning_tokens, completion.answer_tokens) == (5, 4)


def test_the_word_is_bounded_and_clean(monkeypatch):
    word = "over\x1b[31m\nand " + "out" * 100
    completion = outcome_of(monkeypatch, with_end(TEXT, word)).completion
    assert completion.finish_reason == "unknown"
    assert completion.finish_word.startswith("over [31m and out")
    assert len(completion.finish_word) == WORD_CHARS
    assert completion.finish_word.isprintable()


def test_a_habit_of_a_server_is_believed_after_two_requests(monkeypatch):
    monkeypatch.setitem(SHAPES, "given", ended("stop", choices=[], usage=USAGE))
    with FaultServer(always="given") as server:
        outcomes = generate(server.url, QUESTIONS, concurrency=1, max_retries=2)
        assert server.chats == 2 * 3 + len(QUESTIONS) - 2
    assert {outcome.completion.text for outcome in outcomes.values()} == {""}


def test_an_unknown_word_is_told_once(monkeypatch):
    lines = []
    outcome_of(monkeypatch, with_end(TEXT, "wobbled"), lines, asked=9)
    (line,) = lines
    assert "'wobbled'" in line


def test_a_server_that_tells_no_ends_is_found_out_and_told_once(monkeypatch):
    lines = []
    shape = stream(chunk({"content": TEXT}), {"choices": [], "usage": USAGE})
    completion = outcome_of(monkeypatch, shape, lines, asked=9).completion
    assert (completion.text, completion.finish_reason) == (TEXT, "unknown")
    assert completion.finish_word == ""
    (line,) = lines
    assert "never says how a completion ended" in line


def test_a_spent_budget_is_an_end_of_its_own(monkeypatch):
    usage = {"prompt_tokens": 7, "completion_tokens": 200}
    for word in (None, "wobbled"):
        completion = outcome_of(monkeypatch, with_end(TEXT, word, usage)).completion
        assert completion.finish_reason == "length"


@pytest.mark.parametrize("shape", sorted(NO_ENDS | BELIEVED))
def test_what_cannot_be_told_from_the_habit_of_a_server_is_its_habit(shape):
    with FaultServer(always=shape) as server:
        (outcome,) = generate(server.url, [request(1)]).values()
    assert outcome.completion.finish_reason == ("stop" if shape in BELIEVED else "unknown")


def test_the_end_of_a_gateway_s_server_counts_where_it_says_more(monkeypatch):
    def native(word, behind):
        end = chunk({}, word)
        end["choices"][0]["native_finish_reason"] = behind
        return stream(chunk({"content": TEXT}), end, {"choices": [], "usage": USAGE})

    for word, behind, reason in [
        ("stop", "MAX_TOKENS", "length"),
        ("wobbled", "end_turn", "stop"),
        ("length", "stop", "length"),
        ("stop", "wobbled", "stop"),
    ]:
        assert outcome_of(monkeypatch, native(word, behind)).completion.finish_reason == reason
    assert outcome_of(monkeypatch, native("stop", "abort")).error


def test_a_finish_reason_needs_nothing_behind_it(monkeypatch):
    then_silent = replace(with_end(TEXT, "stop")([]), then="hang")
    body = then_silent.body.removesuffix(b"data: [DONE]\n\n")
    shape = replace(then_silent, body=body)
    begun = time.monotonic()
    outcome = outcome_of(monkeypatch, lambda tokens: shape, request_timeout=4.0)
    assert outcome.completion.text == TEXT
    assert time.monotonic() - begun < 60


@given(
    st.text() | st.none() | st.booleans() | st.integers() | st.dictionaries(st.text(), st.text())
)
def test_any_finish_reason_is_a_word_or_nothing(value):
    word = finish_word(value)
    assert len(word) <= WORD_CHARS
    assert word.isprintable()
    assert meaning_of(word) in FINISH_REASONS.keys() | {"unknown"}


def test_the_documentation_has_every_word():
    page = (Path(__file__).parents[2] / "docs" / "engines.md").read_text()
    missing = [word for word, _ in ENDED_BY_WORD if f"`{word}`" not in page]
    assert {word for word in missing if f"`{word.lower()}`" not in page} == set()
