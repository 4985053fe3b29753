"""The openai engine against a real HTTP server that misbehaves in every way we know."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from dataclasses import replace

import pytest
from asking_endpoints import FAST, TAGS, generate, only, request, running, spec, texts
from fault_server import FAULTS, FaultServer, default_answer, tokens_of
from hypothesis import given, settings
from hypothesis import strategies as st
from ports import foreign_llama, own_port
from processes import wait_for

from lrmtest.errors import ModelError, UsageError
from lrmtest.grading.loops import LoopDetector
from lrmtest.models.engines.http.endpoint import Endpoint
from lrmtest.models.engines.http.failures import BrokenAnswerError, RefusedError
from lrmtest.models.engines.http.reply_counts import completion_of
from lrmtest.models.engines.http.retry import (
    MAX_RETRY_AFTER,
    Backoff,
    CircuitBreaker,
    retry_after_seconds,
)
from lrmtest.models.engines.http.server_facts import ServerFacts
from lrmtest.models.engines.http.sse import EventParser, EventTooLargeError
from lrmtest.models.engines.http.stream import ChatStream
from lrmtest.models.engines.openai_engine import OpenAIEngine
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.token_counts import reasoning_end

SECRET = "sk-very-secret-0123456789"


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch):
    for name in ("LRMTEST_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


# Faults


def test_faults_change_no_completion_and_lose_none():
    requests = [request(index) for index in range(200)]
    with FaultServer() as server:
        calm = generate(server.url, requests)
    with FaultServer(faults=FAULTS) as server:
        # Long enough for an answer on any machine: only the injected silence lasts longer.
        stormy = generate(server.url, requests, request_timeout=4.0, concurrency=32)
        assert set(server.injected) == set(FAULTS)
        injected = server.injected.total()
        assert injected == len(requests) // 3
        assert server.chats == len(requests) + injected
    assert texts(stormy) == texts(calm)
    for index in range(200):
        completion = calm[f"k{index}"].completion
        answer = default_answer(f"question {index}", index)
        assert completion.text == answer
        assert completion.finish_reason == "stop"
        assert completion.completion_tokens == len(tokens_of(answer)) + 1
        assert completion.reasoning_tokens == tokens_of(answer).index("</think>") + 1
        assert not completion.tokens_estimated
        assert completion.prompt_tokens == 7
        assert completion.seed == index
        assert completion.seconds > 0


@pytest.mark.parametrize("fault", FAULTS)
def test_without_retries_each_fault_is_an_engine_error(fault):
    with FaultServer(faults=[fault], every=1) as server:
        patience = 1.5 if fault == "idle" else 60.0
        outcome = only(server.url, max_retries=0, request_timeout=patience)
        assert server.chats == 1
    assert outcome.completion is None
    assert outcome.error.attempts == 1
    assert server.url in str(outcome.error)


def test_each_try_is_counted():
    with FaultServer(mode="always-500") as server:
        outcome = only(server.url, max_retries=3)
        assert server.chats == outcome.error.attempts == 4
    assert "engine dead" in str(outcome.error)


def test_retry_after_is_waited_for():
    with FaultServer(faults=["429-retry-after"], every=1) as server:
        begun = time.monotonic()
        outcome = only(server.url, backoff=Backoff(base=0.0))
        assert outcome.completion is not None
        assert time.monotonic() - begun >= 0.05


def test_a_dead_server_fails_everything_quickly():
    requests = [request(index) for index in range(500)]
    with FaultServer(dead_after=50) as server:
        outcomes = generate(server.url, requests, max_retries=4, concurrency=16)
    errors = [o.error for o in outcomes.values() if o.error]
    assert 450 <= len(errors) < 500
    assert all(
        o.completion.text == default_answer(o.request.messages[0].content, o.request.seed)
        for o in outcomes.values()
        if o.completion
    )
    assert any("the server is gone" in str(error) for error in errors)
    assert max(error.attempts for error in errors) <= 5
    # Most fail without being tried as often as they might.
    assert sum(error.attempts for error in errors) < 5 * len(errors) / 2


def test_a_silent_server_is_given_up():
    with FaultServer(mode="always-idle") as server:
        outcomes = generate(
            server.url,
            [request(index) for index in range(100)],
            request_timeout=1.5,  # time enough for its list of models
            max_retries=2,
            concurrency=8,
        )
        assert all(o.error for o in outcomes.values())
        assert server.chats <= 8 * 3


def test_a_server_that_restarts_is_waited_for():
    breaker_time = [0.0]
    breaker = CircuitBreaker(failures=5, patience=10.0, clock=lambda: breaker_time[0])
    for _ in range(64):  # all requests in flight fail in the same moment
        breaker.failed("refused")
    assert not breaker.is_open
    breaker_time[0] = 9.0
    breaker.failed("refused")
    breaker.alive()
    breaker_time[0] = 30.0
    breaker.failed("refused")
    assert not breaker.is_open
    breaker_time[0] = 41.0
    for _ in range(4):
        breaker.failed("refused")
    assert breaker.is_open


# Hostile answers


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("endless", "far beyond"),
        ("endless-comments", "does not end"),
        ("huge-line", "bytes in one event"),
        ("html", "text/html"),
        ("redirect", "HTTP 307"),
        ("context-error", "maximum context length is 4096"),
        ("filtered", "content_filter"),
        ("drip", "not a line"),
    ],
)
def test_hostile_answers_become_engine_errors(mode, words):
    with FaultServer(mode=mode) as server:
        # With loop stop an endless stream would end as what it is: a loop.
        patience = 1.5 if mode == "drip" else 60.0
        outcome = only(server.url, max_retries=1, request_timeout=patience, stop_loops=False)
    message = str(outcome.error)
    assert words in message
    assert all(char.isprintable() or char == "\n" for char in message)
    assert len(message) < 800


def test_final_refusals_are_not_repeated_and_say_what_to_do():
    with FaultServer(mode="context-error") as server:
        outcome = only(server.url)
        assert server.chats == outcome.error.attempts == 1
        assert "--max-tokens" in outcome.error.hint


def test_text_is_valid_unicode_whatever_arrives():
    with FaultServer(answer=lambda prompt, seed: "a\ud83d b\udc00 \x00 \x1b[31m") as server:
        text = only(server.url).completion.text
    text.encode()
    assert "\x00" in text


def test_surrogate_pairs_cut_in_two_are_joined():
    stream = ChatStream(TAGS, 10)
    for piece in ("\ud83c", "\udf89"):
        stream.add({"choices": [{"delta": {"content": piece}}]})
    stream.ended = True
    assert stream.reply().text == "🎉"


# What servers do differently


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
@pytest.mark.parametrize("stream", [True, False])
def test_split_reasoning_is_put_back(field, stream):
    with FaultServer(split_reasoning=field, stream=stream) as server:
        completion = only(server.url).completion
    answer = default_answer("question 1", 1)
    assert completion.text == "<think>" + answer
    assert 0 < completion.reasoning_tokens < completion.completion_tokens


def test_unclosed_split_reasoning_stays_open():
    with FaultServer(split_reasoning="reasoning_content") as server:
        outcome = generate(server.url, [request(1, max_tokens=3)])["k1"]
    assert outcome.completion.finish_reason == "length"
    assert outcome.completion.text.startswith("<think>step")
    assert "</think>" not in outcome.completion.text
    assert outcome.completion.reasoning_tokens == outcome.completion.completion_tokens == 3


def test_a_server_that_does_not_stream():
    with FaultServer(stream=False) as server:
        completion = only(server.url).completion
    answer = default_answer("question 1", 1)
    assert completion.text == answer
    assert completion.completion_tokens == len(tokens_of(answer)) + 1
    assert completion.tokens_estimated  # the total is exact, the share of reasoning is not


@pytest.mark.parametrize(("stream", "pieces"), [(True, 1), (True, 5), (False, 1)])
def test_missing_usage_is_estimated_and_says_so(stream, pieces):
    with FaultServer(usage=False, stream=stream, tokens_per_piece=pieces) as server:
        completion = only(server.url).completion
    assert completion.tokens_estimated
    assert 0 < completion.reasoning_tokens < completion.completion_tokens
    if pieces == 1 and stream:
        assert completion.completion_tokens == len(tokens_of(completion.text))


@pytest.mark.parametrize(("owner", "usage"), [("vllm", True), ("llamacpp", True), ("vllm", False)])
def test_merged_tokens_are_counted_by_the_server(owner, usage):
    with FaultServer(owner=owner, usage=usage, tokens_per_piece=4) as server:
        completion = only(server.url).completion
    assert completion.reasoning_tokens == tokens_of(completion.text).index("</think>") + 1
    assert not completion.tokens_estimated


def test_vllm_joins_tokens_and_none_is_lost():
    with FaultServer(owner="vllm") as server, running(server.url) as engine:
        engine.submit([request(1)])
        completion = engine.outcomes.get(timeout=120).completion
        assert server.bodies[0]["stream_interval"] > 1
        assert engine.progress.tokens == completion.completion_tokens
    assert completion.text == default_answer("question 1", 1)


@pytest.mark.parametrize(
    ("finish", "at_close", "reasoning"),
    [("stop", 9, 5), ("length", 9, 6), ("stop", 8, 5)],
)
def test_the_token_that_ends_an_answer_is_part_of_it(finish, at_close, reasoning):
    """It has no text, and is counted with the piece that the reasoning ends in, or behind it."""
    stream = ChatStream(TAGS, 100)
    stream.add({"choices": [{"delta": {"content": "Well,"}}], "usage": {"completion_tokens": 2}})
    last = {"delta": {"content": " so.</think>It is 4."}, "finish_reason": finish}
    stream.add({"choices": [last], "usage": {"completion_tokens": at_close}})
    stream.add({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 9}})
    stream.ended = True
    made = completion_of(
        stream.reply(), None, None, tags=TAGS, count=lambda text: len(text.split())
    )
    assert asyncio.run(made).reasoning_tokens == reasoning


def test_the_end_of_split_reasoning_may_come_with_the_answer():
    stream = ChatStream(TAGS, 100)
    stream.add({"choices": [{"delta": {"reasoning": "Well."}}], "usage": {"completion_tokens": 2}})
    both = {"reasoning": " So.", "content": "It is 4."}
    stream.add({"choices": [{"delta": both}], "usage": {"completion_tokens": 9}})
    stream.ended = True
    reply = stream.reply()
    assert reply.text == "<think>Well. So.</think>It is 4."
    (closing,) = reply.closings.values()
    assert (closing.tokens, closing.rest) == (9, "It is 4.")


def test_a_tokenizer_counts_where_the_server_does_not(monkeypatch):
    tokenizer = pytest.importorskip("lrmtest.models.engines.tokenizers.counter")
    monkeypatch.setattr(
        tokenizer, "load_counter", lambda location: lambda text: len(tokens_of(text))
    )
    with FaultServer(usage=False, stream=False) as server:
        completion = only(server.url, tokenizer="somewhere").completion
    assert completion.completion_tokens == len(tokens_of(completion.text))
    assert completion.reasoning_tokens == tokens_of(completion.text).index("</think>") + 1
    assert not completion.tokens_estimated


def test_length_is_reported():
    with FaultServer() as server:
        completion = generate(server.url, [request(1, max_tokens=5)])["k1"].completion
    assert completion.finish_reason == "length"
    assert completion.completion_tokens == completion.reasoning_tokens == 5


def test_a_loop_is_stopped_early():
    with (
        FaultServer(
            answer=lambda prompt, seed: "Let me think. " + "Wait, is it so? " * 20000
        ) as server,
        running(server.url, detector=LoopDetector) as engine,
    ):
        engine.submit([request(1, max_tokens=100000)])
        completion = engine.outcomes.get(timeout=120).completion
    assert completion.finish_reason == "loop"
    assert 4000 < len(completion.text) < 12000
    assert 1000 < completion.completion_tokens < 4000
    assert completion.reasoning_tokens == completion.completion_tokens


def test_what_is_sent():
    with FaultServer(owner="llamacpp", slots=3, context_length=4096) as server:
        generate(server.url, [request(5)])
        body = server.bodies[0]
    assert body == {
        "model": "test-model",
        "messages": [{"role": "user", "content": "question 5"}],
        "max_tokens": 200,
        "temperature": 0.6,
        "top_p": 0.95,
        "seed": 5,
        "stream": True,
        "stream_options": {"include_usage": True},
        "samplers": ["temperature", "top_p"],
    }


def test_nothing_is_drawn_at_temperature_0():
    cold = request(5)
    cold = replace(cold, sampling=replace(cold.sampling, temperature=0.0))
    with FaultServer(owner="llamacpp", slots=3, context_length=4096) as server:
        generate(server.url, [cold])
        body = server.bodies[0]
    assert (body["temperature"], body["samplers"], body["top_k"]) == (0.0, ["top_k"], 1)


@pytest.mark.parametrize("said", [{}, {"repeat_last_n": 256}])
def test_a_repetition_penalty_in_the_words_of_llama_cpp(said):
    fields = {"repetition_penalty": 1.1, "top_k": 20, **said}
    body = ServerFacts("llama.cpp", "", "m", context_length=4096).body(request(5).sampling, fields)
    assert "repetition_penalty" not in body
    assert (body["repeat_penalty"], body["top_k"]) == (1.1, 20)
    assert body["repeat_last_n"] == said.get("repeat_last_n", 4096)
    assert body["samplers"] == ["penalties", "temperature", "top_k", "top_p"]


# Starting


def test_concurrency_is_bounded_and_filled():
    requests = [request(index) for index in range(40)]
    with FaultServer(together=7) as server:
        generate(server.url, requests, concurrency=7)
        assert server.most_in_flight == 7
    with FaultServer(owner="llamacpp", slots=3, together=3) as server:
        generate(server.url, requests)
        assert server.most_in_flight == 3


def test_a_server_is_asked_again_before_a_completion_is_stored():
    """Else it idles while a batch that ended at once is stored."""
    requests, asked, done = [request(index) for index in range(5)], [], threading.Event()
    with FaultServer() as server:

        def deliver(outcome):
            next_one = min(len(asked) + 2, len(requests))
            wait_for(lambda: server.chats >= next_one)
            asked.append(outcome.request.key)
            if len(asked) == len(requests):
                done.set()

        engine = OpenAIEngine(spec(server.url), EngineOptions(concurrency=1), backoff=FAST)
        engine.start(requests, deliver)
        try:
            engine.submit(requests)
            assert done.wait(300)
        finally:
            engine.close()
    assert asked == [one.key for one in requests]


def test_a_server_faster_than_the_store_waits_for_it():
    """No more than the requests in flight, and as many again, are not stored yet."""
    requests, delivered, ahead, done = [request(n) for n in range(400)], [], [], threading.Event()
    with FaultServer() as server:

        def deliver(outcome):
            time.sleep(0.005)
            ahead.append(server.chats - len(delivered))
            delivered.append(outcome.request.key)
            if len(delivered) == len(requests):
                done.set()

        engine = OpenAIEngine(spec(server.url), EngineOptions(concurrency=32), backoff=FAST)
        engine.start(requests, deliver)
        try:
            engine.submit(requests)
            assert done.wait(300)
        finally:
            engine.close()
    assert sorted(delivered) == sorted(one.key for one in requests)
    assert max(ahead) <= 2 * 32 + 1


def test_what_the_engine_learns():
    with FaultServer(owner="vllm", context_length=4096) as server, running(server.url) as engine:
        assert engine.info.engine == "openai"
        assert engine.info.version == "1.2.3"
        assert engine.info.seeded
        assert engine.info.details["server"] == "vllm"
        assert engine.info.details["url"] == server.url
        assert engine.info.details["served_model"] == "test-model"
        assert engine.info.details["context_length"] == 4096
        json.dumps(engine.info.details)
    with FaultServer(owner="llamacpp", slots=3) as server, running(server.url) as engine:
        assert engine.info.version == "b1234-abc"
        assert engine.info.details["concurrency"] == 3
        assert len(engine.info.details["chat_template_sha256"]) == 64
    with FaultServer() as server, running(server.url) as engine:
        assert not engine.info.seeded


@pytest.mark.parametrize("owner", ["vllm", "llamacpp", "test"])
def test_a_budget_beyond_the_context_is_refused_before_anything_is_sent(owner):
    with FaultServer(owner=owner, context_length=1000, slots=1) as server:
        if owner == "llamacpp" or owner == "vllm":  # the prompt is counted by the server
            long = " ".join(["word"] * 60)
            with (
                pytest.raises(UsageError, match="context of 1000"),
                running(server.url, [request(1, 950, long)]),
            ):
                pass
        with (
            pytest.raises(UsageError, match="context of 1000"),
            running(server.url, [request(1, 1000)]),
        ):
            pass
        with running(server.url, [request(1, 990)]):
            pass
        assert server.chats == 0


def test_several_models_must_be_chosen_from():
    with FaultServer(models=["a", "b"]) as server:
        with pytest.raises(UsageError, match=r"a, b[\s\S]*--served-model"), running(server.url):
            pass
        assert only(server.url, served_model="b").completion
        assert server.bodies[-1]["model"] == "b"
    with (
        FaultServer(models=["a", "b"], owner="vllm") as server,
        pytest.raises(ModelError, match="does not serve 'c'"),
        running(server.url, served_model="c"),
    ):
        pass


def test_an_unreachable_server_is_named():
    with own_port() as port:
        url = f"http://127.0.0.1:{port}"
        with (
            pytest.raises(ModelError, match=f"{url}/v1/models does not tell.*connection failed"),
            running(url),
        ):
            pass


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1"),
        ("http://localhost:8000/", "http://localhost:8000/v1"),
        ("http://localhost:8000/v1/", "http://localhost:8000/v1"),
        ("https://h/api/v1/chat/completions", "https://h/api/v1"),
        ("https://h/v1beta/openai/", "https://h/v1beta/openai"),
        ("https://h/team", "https://h/team/v1"),
        ("http://[::1]:80/v1", "http://[::1]:80/v1"),
    ],
)
def test_urls_are_completed(location, url):
    assert Endpoint.parse(location).url == url


@pytest.mark.parametrize(
    "location",
    [
        "",
        "localhost:8000",
        "ftp://h",
        "http://",
        "http://h:99999",
        "http://h\x00/v1",
        "http://a b/v1",
        "file:///etc/passwd",
        SECRET * 3,
    ],
)
def test_what_is_no_url_is_refused(location):
    with pytest.raises(UsageError, match="base URL") as caught:
        Endpoint.parse(location)
    assert SECRET * 3 not in str(caught.value)


def test_loopback_goes_past_every_proxy(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with FaultServer() as server:
        assert only(server.url).completion


# Secrets


def test_keys_come_from_the_environment(monkeypatch):
    monkeypatch.delenv("LRMTEST_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with FaultServer(key=SECRET) as server:
        with pytest.raises(ModelError, match="401"), running(server.url):
            pass  # it is api.openai.com's
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        assert only(server.url).completion
        monkeypatch.setenv("LRMTEST_API_KEY", "another")
        with pytest.raises(ModelError, match="401") as caught, running(server.url):
            pass
        assert "LRMTEST_API_KEY" in caught.value.hint


@pytest.mark.parametrize("mode", ["unauthorized", "always-500", "html", "redirect"])
def test_secrets_are_in_no_message(monkeypatch, mode):
    monkeypatch.setenv("LRMTEST_API_KEY", SECRET)
    with FaultServer(mode=mode) as server, running(server.url, max_retries=1) as engine:
        engine.submit([request(1)])
        error = engine.outcomes.get(timeout=120).error
        assert SECRET not in str(error) + repr(error) + repr(engine.__dict__) + repr(engine.info)
    assert SECRET not in repr(Endpoint.parse(server.url, SECRET))
    with FaultServer(key="other") as server:
        with pytest.raises(ModelError) as caught, running(server.url):
            pass
        assert SECRET not in str(caught.value)
        assert "***" in str(caught.value)


@pytest.mark.parametrize(
    "location", [f"http://user:{SECRET}@h/v1", f"http://h/v1?key={SECRET}", f"http://h/v1#{SECRET}"]
)
def test_urls_with_credentials_are_refused_unquoted(location):
    with pytest.raises(UsageError, match="LRMTEST_API_KEY") as caught:
        Endpoint.parse(location)
    assert SECRET not in str(caught.value)


def test_a_key_that_fits_no_header_is_refused_unquoted(monkeypatch):
    monkeypatch.setenv("LRMTEST_API_KEY", SECRET + "\nX: y")
    with pytest.raises(UsageError) as caught:
        OpenAIEngine(spec("http://localhost/v1"), EngineOptions())
    assert SECRET not in str(caught.value)


# Closing


def engine_threads():
    return [t for t in threading.enumerate() if t.name.startswith("lrmtest-openai")]


def test_close_from_any_state_twice():
    engine = OpenAIEngine(spec("http://localhost:1/v1"), EngineOptions())
    engine.close()
    engine.close()
    with pytest.raises(ModelError, match="once"):
        engine.start([], lambda outcome: None)

    with FaultServer(enough=10) as server:
        with running(server.url) as engine:
            engine.submit([request(index) for index in range(50)])
            wait_for(lambda: engine.progress.running)
            engine.close()
            engine.close()
            assert engine.progress.running == 0
            arrived = engine.outcomes.qsize()
            engine.submit([request(99)])
            time.sleep(0.2)
            assert engine.outcomes.qsize() == arrived
        assert not engine_threads()


def test_what_has_arrived_is_delivered_when_it_is_closed():
    """Only what is in flight is lost, however far the server is ahead of the store."""
    delivered = []
    with FaultServer() as server:

        def deliver(outcome):
            time.sleep(0.01)
            delivered.append(outcome)

        engine = OpenAIEngine(spec(server.url), EngineOptions(concurrency=8), backoff=FAST)
        engine.start([], deliver)
        engine.submit([request(index) for index in range(400)])
        wait_for(lambda: len(delivered) > 20)
        engine.close()
        asked, kept = server.chats, list(delivered)
    assert all(outcome.error is None for outcome in kept)
    assert asked - 8 <= len(kept) < 400
    assert delivered == kept


def test_close_from_the_engines_own_thread():
    with FaultServer(enough=10) as server:
        engine = OpenAIEngine(spec(server.url), EngineOptions(), backoff=FAST)
        delivered = []
        closed = threading.Event()

        def deliver(outcome):
            delivered.append(outcome)
            engine.close()
            closed.set()

        engine.start([], deliver)
        engine.submit([request(index) for index in range(20)])
        assert closed.wait(60)
        engine.close()
        assert 1 <= len(delivered) <= 10
        assert not engine_threads()


def test_progress_moves_while_generating():
    pieces = threading.Semaphore(0)
    with FaultServer() as server, running(server.url) as engine:
        server.pause = pieces.acquire
        engine.submit([request(1)])
        seen = set()

        def moved():
            seen.add((engine.progress.tokens, engine.progress.running))
            return len(seen) > known or not engine.outcomes.empty()

        while engine.outcomes.empty():
            known = len(seen)
            pieces.release()
            wait_for(moved)
        completion = engine.outcomes.get().completion
        assert len({tokens for tokens, _ in seen}) > 3
        assert max(count for _, count in seen) == 1
        assert engine.progress.tokens == completion.completion_tokens
        assert engine.progress.running == 0


# Pieces


@given(st.lists(st.text(max_size=30)), st.data(), st.sampled_from(["\n", "\r\n", "\r"]))
def test_events_survive_any_chunking(texts_sent, data, newline):
    wire = "".join(
        f": comment{newline}event: x{newline}data: {json.dumps(text)}{newline}{newline}"
        for text in texts_sent
    ).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=20)))
    parser = EventParser()
    events = []
    for begin, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        events += parser.feed(wire[begin:end])
    assert [json.loads(event.data) for event in events] == texts_sent
    assert parser.finish() == []
    assert parser.lines == 4 * len(texts_sent) + 1


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_garbage_never_breaks_the_parser(chunks):
    parser = EventParser(max_bytes=64)
    whole = EventParser(max_bytes=1 << 20)
    events = whole.feed(b"".join(chunks)) + whole.finish()
    try:
        pieces = [event for chunk in chunks for event in parser.feed(chunk)] + parser.finish()
    except EventTooLargeError:
        return
    assert pieces == events
    assert all(len(event.data.encode()) <= 3 * 64 for event in pieces)


def test_the_parser_is_linear_and_bounded():
    parser = EventParser(max_bytes=1 << 22)
    begun = time.thread_time()

    def feed_in_drops():
        for _ in range(1 << 20):
            parser.feed(b"data" + b"x" * 16)

    with pytest.raises(EventTooLargeError):
        feed_in_drops()
    assert time.thread_time() - begun < 5


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "delta",
                    "message",
                    "content",
                    "reasoning",
                    "usage",
                    "finish_reason",
                    "completion_tokens",
                    "error",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(st.lists(json_values, max_size=5))
def test_any_json_is_an_answer_or_a_named_error(events):
    stream = ChatStream(TAGS, 10)
    try:
        for event in events:
            stream.add(event)
        reply = stream.reply()
    except (BrokenAnswerError, RefusedError):
        return
    reply.text.encode()
    assert reply.completion_tokens is None or reply.completion_tokens > 0


@given(
    st.lists(st.sampled_from(["<think>", "</think>", "</th", "ink>", " a", "\n", "b"]), min_size=1)
)
def test_closing_tags_are_seen_however_they_are_cut(pieces):
    stream = ChatStream(TAGS, 100)
    for piece in pieces:
        stream.add({"choices": [{"delta": {"content": piece}}]})
    stream.ended = True
    reply = stream.reply()
    ends = {i + 8 for i in range(len(reply.text)) if reply.text.startswith("</think>", i)}
    assert set(reply.closings) == ends
    for end, closing in reply.closings.items():
        count = closing.pieces
        assert len("".join(pieces[: count - 1])) < end <= len("".join(pieces[:count]))
        assert closing.rest == "".join(pieces[:count])[end:]
    for reason in ("stop", "length"):
        end = reasoning_end(reply.text, TAGS, reason)
        assert end in {0, len(reply.text)} | ends


@given(st.text(max_size=40) | st.floats().map(str) | st.datetimes().map(str))
def test_retry_after_is_a_finite_number_or_nothing(header):
    seconds = retry_after_seconds(header)
    assert seconds is None or 0 <= seconds < float("inf")


def test_retry_after_understands_dates():
    assert retry_after_seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_after_seconds("Wed, 21 Oct 2999 07:28:00 GMT") > MAX_RETRY_AFTER
    assert retry_after_seconds("soon") is None
    assert retry_after_seconds("7") == 7


@given(st.integers(1, 2000))
def test_backoff_is_bounded(retry):
    backoff = Backoff(base=0.5, cap=30)
    assert backoff.nominal(retry) / 2 <= backoff.delay(retry) <= backoff.nominal(retry) <= 30
    assert backoff.delay(retry, 99) >= 99


# A real server


@pytest.mark.engine
@pytest.mark.timeout(1800)
def test_a_real_llama_server(smollm2_path, llama_server):
    arguments = ("--parallel", "4", "--ctx-size", "4096")
    with own_port() as port, foreign_llama(llama_server, smollm2_path, port, *arguments) as url:
        planned = [request(index, 24, f"Name {index + 2} animals.") for index in range(8)]
        with running(url, planned, request_timeout=600.0) as engine:
            details = engine.info.details
            assert details["server"] == "llama.cpp"
            assert details["context_length"] == 1024
            assert details["concurrency"] == 4
            engine.submit(planned)
            outcomes = [engine.outcomes.get(timeout=600) for _ in planned]
            for outcome in outcomes:
                completion = outcome.completion
                assert completion.text
                assert completion.prompt_tokens > 10
                assert 0 < completion.completion_tokens <= 24
                assert not completion.tokens_estimated
                if completion.finish_reason == "length":
                    assert completion.completion_tokens == 24
            assert engine.progress.tokens == sum(o.completion.completion_tokens for o in outcomes)
        with (
            pytest.raises(UsageError, match="context of 1024"),
            running(url, [request(1, 1010, "Name two animals.")]),
        ):
            pass  # the chat template's own tokens are what does not fit
