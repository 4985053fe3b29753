"""Streams: any cutting of the same bytes gives the same reply, in runs or event by event."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from stream_shapes import HEAD, PLAIN, end, event

from lrmtest.grading.forms import DEFAULT_TAGS
from lrmtest.grading.loops import LoopDetector
from lrmtest.models.engines.http.client import ChatClient
from lrmtest.models.engines.http.endpoint import Endpoint
from lrmtest.models.engines.http.events import ChatEvents
from lrmtest.models.engines.http.failures import BrokenAnswerError, RefusedError
from lrmtest.models.engines.http.plain import plain_pieces
from lrmtest.models.engines.http.sse import EventParser, EventTooLargeError
from lrmtest.models.engines.http.stream import ChatStream

CLIENT = ChatClient(Endpoint("http://127.0.0.1:1/v1"), timeout=60)

TEXTS = st.sampled_from(
    [
        *("", " a", "b", "\n", "ü🎉", "\ud83c", "\udf89", 'a "quoted" \\ {part}', " " * 70),
        *("<", "</th", "ink>", "</think>", "<think>", "Well.</think>", "</think></think>", "error"),
        *("<|channel|>", "final", "ly", "<|message|>", "[/THINK]", "</details>", "x" * 300),
    ]
)


def odd(value, **beside):
    return event({**HEAD, "choices": [value], **beside})


def delta(**fields):
    return {"index": 0, "delta": fields}


# Events that no run takes, and bytes that are no event: each at any place of a stream.
ODD = {
    "role": odd(delta(role="assistant", content=None)),
    "empty": odd(delta()),
    "no-choices": event({**HEAD, "choices": []}),
    "counts-alone": event({"choices": [], "usage": {"completion_tokens": 3, "prompt_tokens": 1}}),
    "prompt-alone": odd(delta(content="p"), usage={"prompt_tokens": 9}),
    "no-count": odd(delta(content="q"), usage={"completion_tokens": 0}),
    "fewer": odd(delta(content="r"), usage={"completion_tokens": 1}),
    "many": odd(delta(content="s"), usage={"completion_tokens": 10**6}),
    "counted-empty": odd(delta(content=""), usage={"completion_tokens": 77}),
    "float-count": odd(delta(content="t"), usage={"completion_tokens": 5.0}),
    "parts": odd(delta(content=[{"type": "text", "text": "part"}])),
    "both": odd(delta(content="answer", reasoning="thought")),
    "thinking": odd(delta(thinking="hm", content="")),
    "details": odd(delta(reasoning_details=[{"type": "reasoning.text", "text": "d"}])),
    "reasoning": odd(delta(reasoning_content=" so", content=None)),
    "refusal": odd(delta(refusal="No.", content=None)),
    "two-choices": event({"choices": [delta(content="1"), delta(content="2")]}),
    "finished": odd({**delta(content="."), "finish_reason": "length"}),
    "native": odd({**delta(content="."), "native_finish_reason": "MAX_TOKENS"}),
    "text": odd({"index": 0, "text": "legacy"}),
    "message": odd({"index": 0, "message": {"content": "whole"}}),
    "error": event({"error": {"message": "worker died", "code": 500}}),
    "error-null": event({**HEAD, "error": None, "choices": [delta(content="e")]}),
    "error-object": event({"object": "error", "message": "died", "choices": [delta(content="x")]}),
    "choice-error": odd({**delta(content="x"), "error": {"message": "died"}}),
    "object": event({"object": "x.y", "choices": [delta(content="o")]}),
    "number": odd(delta(content=7)),
    "not-an-object": b"data: [1]\n\n",
    "not-json": b"data: {\n\n",
    "nan": b'data: {"choices":[{"delta":{"content":"n"}}],"x":NaN}\n\n',
    "control": b'data: {"choices":[{"delta":{"content":"\x07"}}]}\n\n',
    "no-utf8": b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n',
    "two-in-a-line": b'data: {"choices":[]}{"choices":[]}\n\n',
    "two-lines": b'data: {"choices":\ndata: [{"delta":{"content":"l"}}]}\n\n',
    "two-events-of-one": b'data: {"choices":\n\ndata: [{"delta":{"content":"l"}}]}\n\n',
    "line-that-is-none": b'data: {"choices":\n[{"delta":{"content":"l"}}]}\n\n',
    "comment": b": ping\n",
    "comment-within": b'data: {"choices":[{"delta":{"content":"c"}}]}\n: c\n\n',
    "blank": b"\n",
    "carriage": b'data: {"choices":[{"delta":{"content":"c"}}]}\r\r',
    "mixed-ends": b'data: {"choices":[{"delta":{"content":"c"}}]}\r\n\n',
    "mark": b"\xef\xbb\xbf",
    "error-name": b'event: error\ndata: {"message": "died"}\n\n',
    "name": b"event: x\n\n",
    "bare-data": b"data\n\n",
    "no-colon": b"data {}\n\n",
    "done": b"data: [DONE]\n\n",
}


@st.composite
def streams(draw):
    """The bytes of a stream, mostly of one server's form."""
    shapes = draw(st.lists(st.sampled_from(sorted(PLAIN)), min_size=1, max_size=2))
    parts = []
    for shape in shapes:
        pieces = draw(st.lists(TEXTS, max_size=20))
        parts += [PLAIN[shape](piece, number) for number, piece in enumerate(pieces)]
    for name in draw(st.lists(st.sampled_from(sorted(ODD)), max_size=3)):
        parts.insert(draw(st.integers(0, len(parts))), ODD[name])
    if draw(st.booleans()):
        parts.append(end(tokens=draw(st.sampled_from([None, 3, 40]))))
    return b"".join(parts)


@st.composite
def cut(draw, wire):
    places = draw(st.lists(st.integers(0, len(wire)), max_size=8))
    places = sorted({0, *places, len(wire)})
    return [wire[begin:stop] for begin, stop in pairwise(places)]


def outcome(feed):
    """What becomes of a stream, whatever it is."""
    told = []
    stream = ChatStream(DEFAULT_TAGS, 200, LoopDetector(), told.append)
    try:
        feed(stream)
        reply = stream.reply()
    except (BrokenAnswerError, RefusedError, EventTooLargeError) as error:
        return type(error), str(error)
    return reply, stream.pieces, stream.tokens, sum(told), stream.ended, stream.end_told


def exactly(wire):
    def feed(stream):
        parser = EventParser()
        for served in [*parser.feed(wire), *parser.finish()]:
            CLIENT._take(served, stream)

    return outcome(feed)


def in_runs(reads):
    def feed(stream):
        def take_run(run):
            if not stream.ended:
                stream.add_run(run)

        events = ChatEvents(take_run, lambda served: CLIENT._take(served, stream))
        for data in reads:
            events.feed(data)
        events.finish()

    return outcome(feed)


@settings(max_examples=400)
@given(st.data())
def test_any_cut_gives_what_every_event_by_itself_gives(data):
    wire = data.draw(streams())
    assert in_runs(data.draw(cut(wire))) == exactly(wire)


@pytest.mark.parametrize("name", sorted(ODD))
@pytest.mark.parametrize("shape", ["vllm", "crlf", "vllm-reasoning"])
def test_every_odd_event_between_plain_ones_is_what_it_was(shape, name):
    pieces = [PLAIN[shape](f" {number}", number) for number in range(6)]
    wire = b"".join([*pieces[:3], ODD[name], *pieces[3:], end(tokens=6)])
    expected = exactly(wire)
    assert in_runs([wire]) == expected
    assert in_runs([wire[i : i + 1] for i in range(len(wire))]) == expected
    assert in_runs([wire[:400], wire[400:700], wire[700:]]) == expected


@pytest.mark.parametrize("shape", sorted(PLAIN))
def test_what_servers_send_is_taken_in_runs(shape):
    wire = b"".join(PLAIN[shape](f" word{number}", number) for number in range(200))
    runs, single = [], []
    events = ChatEvents(lambda run: runs.append(len(run.texts)), single.append)
    for begin in range(0, len(wire), 3000):
        events.feed(wire[begin : begin + 3000])
    events.finish()
    reads = len(wire) // 3000 + 1
    # A read may end between the lines of an event, which then is by itself.
    assert sum(runs) + len(single) == 200
    assert len(single) <= (reads if shape == "named" else 2)
    assert len(runs) <= reads + len(single)


def test_counts_and_usage_of_a_run_are_those_of_its_events():
    events = [PLAIN["vllm"](text, number) for number, text in enumerate(("a", "", "b"))]
    datas = [served.removeprefix(b"data: ").strip() for served in events]
    run = plain_pieces(datas, False)
    assert run is not None
    assert (run.texts, run.counts, run.most_tokens) == (["a", "b"], [1, 3], 3)
    assert json.loads(run.usage)["usage"]["completion_tokens"] == 3
    assert plain_pieces(datas, True) is None


def test_events_with_log_probabilities_are_seen_one_by_one():
    events = []
    for number in range(5):
        (served,) = [json.loads(PLAIN["vllm"]("a", number).removeprefix(b"data: "))]
        served["choices"][0]["logprobs"] = {"content": [{"token": "a", "logprob": -0.1}]}
        events.append(json.dumps(served).encode())
    assert plain_pieces(events, False) is None
    seen = []
    reader = ChatEvents(lambda run: seen.append("run"), lambda event: seen.append("event"))
    reader.feed(b"".join(b"data: " + event + b"\n\n" for event in events))
    assert seen == ["event"] * 5


@settings(max_examples=60)
@given(st.lists(st.integers(1, 4000), max_size=12))
@example([])
def test_a_loop_is_found_where_it_is_however_it_is_read(sizes):
    text = "So it is. " + "Wait, is it so? " * 700
    pieces = [text[begin : begin + 4] for begin in range(0, len(text), 4)]
    wire = b"".join(PLAIN["vllm"](piece, number) for number, piece in enumerate(pieces))
    places, place = [0], 0
    for size in sizes:
        place += 50 * size
        places.append(min(place, len(wire)))
    reads = [wire[a:b] for a, b in zip(places, [*places[1:], len(wire)], strict=True)]
    stream = ChatStream(DEFAULT_TAGS, 10_000, LoopDetector())
    events = ChatEvents(stream.add_run, lambda served: CLIENT._take(served, stream))
    for data in reads:
        events.feed(data)
    assert stream.looped
    assert stream.reply().text == text[:5120]


def test_an_event_without_end_is_refused_in_bounded_memory():
    events = ChatEvents(lambda run: None, lambda served: None)

    def feed_without_end():
        for _ in range(100):
            events.feed(b"data: " + b"x" * 65536)

    with pytest.raises(EventTooLargeError):
        feed_without_end()
