"""The recorded engine: its index, what it works out by itself, and the real recordings."""

from __future__ import annotations

import json
import os
import queue
import random
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrmtest.errors import DataError, ModelError
from lrmtest.models.card import ModelCard
from lrmtest.models.engines.base import Message, Request, Sampling
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.recorded.engine import RecordedEngine
from lrmtest.models.engines.recorded.finish_reason import (
    Ends,
    finish_reason_of,
    shared_limit,
    told_reason,
)
from lrmtest.models.engines.recorded.recording import Recording
from lrmtest.models.spec import ModelSpec
from lrmtest.questions.place import Place

TAGS = ("<think>", "</think>")


def write(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path


def request(suite, question_id, sample=0, budget=32768):
    return Request(
        place=Place(f"{suite}/{question_id}/{sample}", suite, question_id, sample),
        messages=(Message("user", "?"),),
        sampling=Sampling(budget, 0.6, 0.95),
        seed=1,
    )


def answers(location, requests, **options):
    spec = ModelSpec("m", ModelCard("m", reasoning_tags=TAGS), "recorded", str(location))
    engine = RecordedEngine(spec, EngineOptions(**options))
    outcomes = queue.SimpleQueue()
    try:
        engine.info = engine.start(requests, outcomes.put)
        engine.submit(requests)
        arrived = [outcomes.get(timeout=300) for _ in requests]
    finally:
        engine.close()
    assert [outcome.request for outcome in arrived] == list(requests)
    return arrived


# Reading


def test_samples_come_in_order(tmp_path):
    path = write(
        tmp_path / "x.jsonl",
        {"question": "q", "output": "first"},
        {"question": 7, "output": "seven"},
        {"question": "q", "output": "second"},
    )
    recording = Recording(path)
    assert len(recording) == 3
    assert recording.questions() == {(None, "q"), (None, "7")}
    assert recording.samples("any", "q") == 2
    assert [recording.read("any", "q", sample).text for sample in (0, 1)] == ["first", "second"]
    assert recording.read("any", "q", 2) is None
    assert recording.read("any", "q", -1) is None
    assert recording.has("any", "7")
    assert not recording.has("any", "8")


def test_sample_numbers_decide_the_order(tmp_path):
    path = write(
        tmp_path / "x.jsonl",
        {"question": "q", "output": "c", "sample": 5},
        {"question": "q", "output": "a", "sample": 0},
        {"question": "q", "output": "b", "sample": 2},
    )
    recording = Recording(path)
    assert [recording.read("s", "q", sample).text for sample in range(3)] == ["a", "b", "c"]


def test_which_suite_a_record_belongs_to(tmp_path):
    write(tmp_path / "r1-awq.folio.jsonl", {"question": 3, "output": "folio"})
    write(tmp_path / "r1_temporal-2.jsonl", {"question": 3, "output": "temporal"})
    write(tmp_path / "aime-2024.jsonl", {"question": "2024-I-4", "output": "aime"})
    write(tmp_path / "x.fresh-temporal.jsonl", {"question": 3, "output": "fresh"})
    write(
        tmp_path / "portfolios.jsonl",
        {"question": "q", "output": "any"},
        {"question": "q", "output": "mine", "suite": "mine"},
    )
    recording = Recording(tmp_path)
    assert recording.read("folio", "3", 0).text == "folio"
    assert recording.read("temporal", "3", 0).text == "temporal"
    assert recording.read("fresh-temporal", "3", 0).text == "fresh"
    assert recording.read("aime", "2024-I-4", 0).text == "aime"
    assert not recording.has("musique", "3")
    assert recording.read("mine", "q", 0).text == "mine"
    assert recording.read("theirs", "q", 0).text == "any"
    assert [path.name for path in recording.files] == sorted(p.name for p in tmp_path.iterdir())


def test_an_export_is_read(tmp_path):
    completion = {
        "suite": "aime",
        "question": "2024-I-1",
        "sample": 0,
        "output": "so</think>5",
        "finish_reason": "loop",
        "prompt_tokens": 11,
        "completion_tokens": 9,
        "reasoning_tokens": 4,
        "tokens_estimated": False,
        "seed": 42,
        "seconds": 1.5,
        "verdict": None,
    }
    path = write(
        tmp_path / "run.jsonl",
        {"lrmtest": "run/1", "run_id": "r", "manifest": {}},
        {"lrmtest": "question/1", "suite": "aime", "question": "2024-I-1"},
        {"lrmtest": "error/1", "suite": "aime", "question": "2024-I-2", "message": "gone"},
        completion,
    )
    assert Recording(path).questions() == {("aime", "2024-I-1")}
    got = answers(path, [request("aime", "2024-I-1")])[0].completion
    assert got.text == completion["output"]
    assert (got.finish_reason, got.prompt_tokens, got.completion_tokens) == ("loop", 11, 9)
    assert (got.reasoning_tokens, got.answer_tokens, got.tokens_estimated) == (4, 5, False)
    assert (got.seed, got.seconds) == (42, 1.5)


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.text(max_size=8) | st.integers(-3, 3),
            st.text(st.characters(exclude_categories=()), max_size=60),
        ),
        min_size=1,
        max_size=8,
    ),
    st.booleans(),
    st.sampled_from(["\n", "\r\n", "\n\n \n"]),
    st.booleans(),
)
def test_what_is_written_is_read(tmp_path_factory, pairs, ascii_only, newline, bom):
    path = tmp_path_factory.mktemp("recording") / "x.jsonl"
    lines = newline.join(
        json.dumps({"question": question, "output": text}, ensure_ascii=ascii_only)
        for question, text in pairs
    )
    content = ("\ufeff" if bom else "") + lines
    try:
        path.write_bytes(content.encode())
    except UnicodeEncodeError:
        return
    recording = Recording(path)
    seen: dict[str, int] = {}
    for question, text in pairs:
        sample = seen.get(str(question), 0)
        seen[str(question)] = sample + 1
        got = recording.read("s", str(question), sample).text
        got.encode()
        assert got == text or any("\ud800" <= char <= "\udfff" for char in text)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"output": "x"}', "'question' is missing"),
        ('{"question": 1}', "'output' is missing"),
        ('{"question": true, "output": "x"}', "'question' must be"),
        ('{"question": 1.5, "output": "x"}', "'question' must be"),
        ('{"question": 1, "output": null}', "'output' must be"),
        ('{"question": 1, "output": 7}', "'output' must be"),
        ('{"question": 1, "output": "x", "finish_reason": 3}', "'finish_reason' must be str"),
        ('{"question": 1, "output": "x", "completion_tokens": -1}', "'completion_tokens' must"),
        ('{"question": 1, "output": "x", "completion_tokens": "9"}', "'completion_tokens' must"),
        ('{"question": 1, "output": "x", "sample": true}', "'sample' must be"),
        ('{"question": 1, "output": "x", "seconds": NaN}', "'seconds' must be"),
        ('{"question": 1, "output": "x", "suite": 3}', "'suite' must be"),
        ('{"question": 1, "output": "x"', "not valid JSON"),
        ("[1]", "not a JSON object"),
        ("[" * 100000, "nested too deeply"),
    ],
)
def test_malformed_lines_are_named_before_anything_runs(tmp_path, line, words):
    path = tmp_path / "bad.jsonl"
    path.write_text('{"question": 1, "output": "x"}\n' + line + "\n", "utf-8")
    with pytest.raises(DataError, match=words) as caught:
        Recording(path)
    assert f"{path}:2: " in str(caught.value)
    assert caught.value.hint


def test_bytes_that_are_no_text_are_named(tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b'{"question": 1, "output": "\xff"}\n')
    with pytest.raises(DataError, match=r"bad\.jsonl:1: not UTF-8"):
        Recording(path)


def test_nothing_to_read_is_said(tmp_path):
    with pytest.raises(DataError, match="no such file or folder"):
        Recording(tmp_path / "none.jsonl")
    with pytest.raises(DataError, match=r"no \*\.jsonl file"):
        Recording(tmp_path)
    with pytest.raises(DataError, match="no recorded output"):
        Recording(write(tmp_path / "x.jsonl", {"lrmtest": "run/1"}))


def test_a_file_that_changes_underneath_is_an_engine_error(tmp_path):
    path = write(
        tmp_path / "x.jsonl", {"question": 1, "output": "a"}, {"question": 2, "output": "b"}
    )
    spec = ModelSpec("m", ModelCard("m"), "recorded", str(path))
    engine = RecordedEngine(spec, EngineOptions())
    assert engine.recording.has("s", "2")
    write(path, {"question": 1, "output": "another, longer text"}, {"question": 2, "output": "b"})
    outcomes = queue.SimpleQueue()
    engine.start([], outcomes.put)
    engine.submit([request("s", "2")])
    assert "changed while it was in use" in str(outcomes.get(timeout=120).error)
    engine.close()


def test_what_is_not_recorded_is_an_engine_error(tmp_path):
    path = write(tmp_path / "x.jsonl", {"question": 1, "output": "a"})
    there, missing, sample = answers(
        path, [request("s", "1"), request("s", "2"), request("s", "1", sample=1)]
    )
    assert there.completion.text == "a"
    assert "no output for question '2'" in str(missing.error)
    assert "1 samples" in str(sample.error)


def test_ten_thousand_outputs_are_indexed_quickly_and_stay_on_disk(tmp_path):
    words = [f"word{number}" for number in range(500)]
    rng = random.Random(0)
    with (tmp_path / "x.jsonl").open("w", encoding="utf-8") as file:
        for question in range(10_000):
            text = " ".join(rng.choices(words, k=50)) * 50
            file.write(json.dumps({"question": question, "output": text[:20_000]}) + "\n")
    begun = time.thread_time()
    recording = Recording(tmp_path / "x.jsonl")
    seconds = time.thread_time() - begun
    assert len(recording) == 10_000
    assert len(recording.read("s", "9999", 0).text) > 10_000
    assert seconds < 5  # of computing: 0.8 s


# Working out what is not said


def test_counts_are_estimated_without_a_tokenizer(tmp_path):
    path = write(tmp_path / "x.jsonl", {"question": 1, "output": "a" * 360 + "</think>" + "b" * 2})
    completion = answers(path, [request("s", "1")])[0].completion
    assert completion.tokens_estimated
    assert completion.completion_tokens == 100
    assert completion.reasoning_tokens == 99


def test_a_tokenizer_makes_counts_exact(tmp_path, monkeypatch):
    tokenizer = pytest.importorskip("lrmtest.models.engines.tokenizers.counter")
    monkeypatch.setattr(tokenizer, "load_counter", lambda location: lambda text: len(text.split()))
    path = write(
        tmp_path / "x.jsonl",
        {"question": 1, "output": "one two </think> three four"},
        {"question": 2, "output": "word " * 50},
    )
    requests = [request("s", "1"), request("s", "2", budget=50)]
    closed, cut = answers(path, requests, tokenizer="t")
    assert closed.completion.completion_tokens == 5
    assert closed.completion.reasoning_tokens == 3
    assert not closed.completion.tokens_estimated
    # Nobody says that it had the suite's budget: a shorter one may have cut it off.
    assert closed.completion.finish_reason == "unknown"
    assert cut.completion.finish_reason == "length"
    assert cut.completion.reasoning_tokens == 50
    closed, cut = answers(path, requests, tokenizer="t", budget=50)
    assert closed.completion.finish_reason == "stop"
    assert cut.completion.finish_reason == "length"


def test_given_counts_show_the_recordings_limit(tmp_path):
    outputs = [("so it is 4", 2048), ("so it is 5", 2048), ("so it is 6", 12), ("7", 2000)]
    path = write(
        tmp_path / "x.jsonl",
        *(
            {"question": number, "output": text, "completion_tokens": count}
            for number, (text, count) in enumerate(outputs)
        ),
    )
    requests = [request("s", str(number)) for number in range(4)]
    reasons = [outcome.completion.finish_reason for outcome in answers(path, requests)]
    assert reasons == ["length", "length", "stop", "stop"]


def test_a_limit_is_high_and_shared():
    assert shared_limit([]) is None
    assert shared_limit([4096, 4096, 17]) == 4096
    assert shared_limit([4096, 4000, 4000]) is None
    assert shared_limit([3, 3, 3]) is None


@pytest.mark.parametrize(
    ("tokens", "ends", "limit", "reason"),
    [
        (None, Ends(), None, "unknown"),
        (None, Ends(budget=100, assumed=100), 100, "unknown"),
        (900, Ends(assumed=1000), None, "unknown"),
        (1000, Ends(assumed=1000), None, "length"),
        (999, Ends(assumed=1000), None, "length"),
        (1000, Ends(budget=1000), None, "length"),
        (900, Ends(budget=1000), None, "stop"),
        (5000, Ends(budget=1000), None, "unknown"),  # made with another budget
        (5000, Ends(budget=1000), 5000, "length"),
        (900, Ends(assumed=1000), 5000, "stop"),
        (None, Ends(told="stop"), None, "stop"),
        (None, Ends(told="length"), None, "length"),
        (1000, Ends(budget=1000, told="stop"), None, "length"),
        (900, Ends(budget=1000, told="length"), None, "stop"),
    ],
)
def test_what_tells_an_end(tokens, ends, limit, reason):
    for text in ("The answer is 4.", "", "<think>so", "x</think>" + "Case 4. " * 20):
        assert finish_reason_of(text, tokens, ends, limit) == reason


@given(st.text(max_size=300) | st.integers(1, 3).map("So it is 4. ".__mul__))
def test_no_text_tells_an_end(text):
    assert finish_reason_of(text, None, Ends(assumed=8)) == "unknown"


def test_nobody_can_say_that_a_loop_has_ended():
    loop = "case 1 of 2. " + "Wait." * 1000
    assert finish_reason_of(loop, None, Ends(told="stop")) == "unknown"
    assert finish_reason_of(loop, None, Ends(told="length")) == "length"
    assert finish_reason_of(loop, 900, Ends(budget=1000)) == "stop"


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("END_TURN", "stop"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("length", "length"),
        ("repetition", "loop"),
        ("unknown", "unknown"),
        ("content_filter", "unknown"),
        ("abort", "unknown"),
        ("what is this", "unknown"),
        ("null", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_column_says_how_texts_ended_in_any_servers_word(tmp_path, word, reason):
    path = write(tmp_path / "x.jsonl", {"question": 1, "output": "a", "finish_reason": word})
    got = answers(path, [request("s", "1")])[0].completion
    assert got.finish_reason == reason
    assert got.finish_word == told_reason(word)[1]
    # The user's word is for those of which the recording says nothing.
    said = answers(path, [request("s", "1")], finish_reason="length")[0].completion
    assert said.finish_reason == ("length" if reason == "unknown" else reason)


def test_evidence_is_looked_for_in_linear_time():
    begun = time.thread_time()
    for text in ("a" * 4_000_000, "<think>" * 500_000, "</think>" * 500_000, "ab" * 2_000_000):
        finish_reason_of(text, None, Ends(told="stop"))
    assert time.thread_time() - begun < 10


# The engine itself


def test_close_from_any_state_twice(tmp_path):
    path = write(tmp_path / "x.jsonl", *({"question": n, "output": "a"} for n in range(2000)))
    spec = ModelSpec("m", ModelCard("m"), "recorded", str(path))
    engine = RecordedEngine(spec, EngineOptions())
    engine.close()
    engine.close()
    with pytest.raises(ModelError, match="once"):
        engine.start([], lambda outcome: None)

    engine = RecordedEngine(spec, EngineOptions())
    delivered = []

    def deliver(outcome):
        delivered.append(outcome)
        if len(delivered) == 10:
            engine.close()  # from the engine's own thread

    engine.start([], deliver)
    engine.submit([request("s", str(number)) for number in range(2000)])
    while len(delivered) < 10:
        time.sleep(0.001)
    engine.close()
    assert len(delivered) == 10
    assert not [t for t in threading.enumerate() if t.name.startswith("lrmtest-recorded")]


def test_progress_counts_tokens(tmp_path):
    path = write(tmp_path / "x.jsonl", {"question": 1, "output": "a", "completion_tokens": 33})
    spec = ModelSpec("m", ModelCard("m"), "recorded", str(path))
    engine = RecordedEngine(spec, EngineOptions())
    outcomes = queue.SimpleQueue()
    info = engine.start([], outcomes.put)
    engine.submit([request("s", "1")])
    outcomes.get(timeout=120)
    engine.close()
    assert engine.progress.tokens == 33
    assert info.engine == "recorded"
    json.dumps(info.details)


# Real outputs of a real compressed model


CUT_OFF = {
    "aime": {"2024-II-4", "2024-II-14"},
    "folio": set(),
    "musique": {
        "3hop1__159803_89752_75165",
        "2hop__156700_73244",
        "3hop1__507961_160713_77246",
    },
    "temporal": {"0", "2", "18", "20", "50", "98", "152", "168", "174", "178", "218", "228"},
}
"""The outputs that have exactly 32,768 tokens by the model's own tokenizer; no other has more
than 24,577."""


@pytest.mark.data
@pytest.mark.parametrize("suite", sorted(CUT_OFF))
def test_no_real_output_says_how_it_ended_until_its_tokens_are_counted(suite, monkeypatch):
    data = os.environ.get("LRMTEST_DATA_DIR")
    if not data:
        pytest.skip("LRMTEST_DATA_DIR names no folder with the benchmarks' files")
    folder = Path(data) / "recorded"
    if not list(folder.glob("*.jsonl")):
        pytest.skip(f"no recorded outputs in {folder}")
    recording = Recording(folder)
    ids = sorted(question for name, question in recording.questions() if name == suite)
    assert len(ids) == {"aime": 15, "folio": 102, "musique": 50, "temporal": 125}[suite]
    requests = [request(suite, question) for question in ids]
    reasons = {one.completion.finish_reason for one in answers(folder, requests)}
    assert reasons == {"unknown"}
    # A stand-in for the model's tokenizer, which says of these outputs what that one does.
    cut = {recording.read(suite, question, 0).text for question in CUT_OFF[suite]}
    tokenizer = pytest.importorskip("lrmtest.models.engines.tokenizers.counter")
    count = {True: 32768, False: 900}
    monkeypatch.setattr(tokenizer, "load_counter", lambda _: lambda text: count[text in cut])
    outcomes = answers(folder, requests, tokenizer="t", budget=32768)
    assert {
        one.request.place.question_id for one in outcomes if one.completion.finish_reason != "stop"
    } == CUT_OFF[suite]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", 2**63),
        ("seed", -(2**63) - 1),
        ("completion_tokens", 10**400),
        ("prompt_tokens", 2**63),
        ("sample", 2**64),
        ("seconds", 10**400),
        ("seconds", float("nan")),
        ("reasoning_tokens", -1),
    ],
)
def test_a_number_that_no_store_can_hold_is_refused_with_its_line(tmp_path, field, value):
    path = write(
        tmp_path / "x.jsonl",
        {"question": "q", "output": "first"},
        {"question": "r", "output": "second", field: value},
    )
    with pytest.raises(
        DataError,
        match=rf"x\.jsonl:2: (field '{field}' must be a number from|not valid JSON: a number of)",
    ):
        Recording(path)
