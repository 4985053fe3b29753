"""Reading with servers: what is asked, what is made of the answers, and what of bad ones."""

from __future__ import annotations

from array import array
from math import inf, log

import pytest
import reading_server as reading_server_module
from reading_server import VOCABULARY, logprobs, reading_server

from lrmtest.errors import MachineryError, ModelError, UsageError
from lrmtest.models.card import ModelCard
from lrmtest.models.engines.base import Message
from lrmtest.models.engines.kinds import create_reader
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.reading import Shaping, Written
from lrmtest.models.request_fields import read_request_field
from lrmtest.models.spec import ModelSpec
from lrmtest.models.trace import Trace
from lrmtest.questions.place import Place

KINDS = ["vllm", "llamacpp"]
PROMPT = [5, 6, 7]
TOKENS = [11, 90, 3, 3, 64, 119, 0, 42]


def traces(shaping, count=3, logprob=-0.5):
    found = []
    for number in range(count):
        tokens = TOKENS[: len(TOKENS) - number]
        told = array("f", [logprob] * len(tokens))
        trace = Trace(array("I", PROMPT), array("I", tokens), told, ended=False)
        found.append(Written(Place(f"k{number}", "sums", f"q{number}", 0), trace, shaping))
    return found


def read(url, written, **options):
    spec = ModelSpec("m", ModelCard("m"), "openai", url)
    reader = create_reader(spec, EngineOptions(**options))
    found = {}
    try:
        info = reader.start(written)
        reader.read(written, lambda one, floor: found.update({one.place.key: (one, floor)}))
    finally:
        reader.close()
    assert all(floor is None for _, floor in found.values())
    return [found[one.place.key][0] for one in written], info


def prompts(url, conversations, **options):
    spec = ModelSpec("m", ModelCard("m"), "openai", url)
    reader = create_reader(spec, EngineOptions(**options))
    try:
        reader.start(traces(Shaping(1.0), count=1))
        return reader.prompts(conversations)
    finally:
        reader.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_tells_the_prompts_that_it_would_generate_from(kind):
    asked = [(Message("user", f"{number} + 1"),) for number in range(20)]
    asked.append((Message("system", "Be brief."), Message("user", "1 + 1")))
    with reading_server(kind) as (url, _):
        assert prompts(url, asked) == [
            array("I", list("".join(turn.content for turn in turns).encode())) for turns in asked
        ]
        # As generating does, with the variables of the template that requests carry.
        field = read_request_field('chat_template_kwargs={"end": "!"}')
        assert prompts(url, asked[:1], request_fields=(field,)) == [array("I", list(b"0 + 1!"))]


@pytest.mark.parametrize("told", [None, "x", [1, -2], [1, 2**40], [True], {}])
def test_a_prompt_that_is_not_told_is_none(told, monkeypatch):
    monkeypatch.setattr(reading_server_module, "ids_of", lambda content: told)
    with reading_server("vllm") as (url, _):
        assert prompts(url, [(Message("user", "1 + 1"),)]) == [None]


def truth(ids, token, shaping):
    """The processed log-probability, by the definition."""
    own = logprobs(ids)
    order = sorted(range(VOCABULARY), key=lambda i: -own[i])
    if shaping.greedy:
        return 0.0 if order[0] == token else -inf
    weights = [2.718281828459045 ** (value / shaping.temperature) for value in own]
    mass, before = sum(weights), 0.0
    inside = []
    for i in order:
        if shaping.top_p < 1 and before >= shaping.top_p * mass:
            break
        inside.append(i)
        before += weights[i]
    return log(weights[token] / before) if token in inside else -inf


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "shaping", [Shaping(1.0), Shaping(0.6, 0.95), Shaping(1.4, 0.99), Shaping(0.0)], ids=str
)
def test_the_truth_is_read_or_bounded(kind, shaping):
    written = traces(shaping)
    with reading_server(kind) as (url, _):
        found, info = read(url, written)
    for one, reading in zip(written, found, strict=True):
        assert reading.fault is None
        for i, token in enumerate(one.trace.tokens):
            ids = [*PROMPT, *one.trace.tokens[:i]]
            expected = truth(ids, token, shaping)
            assert reading.own[i] == pytest.approx(logprobs(ids)[token], abs=1e-5)
            assert reading.lowest[i] <= expected + 1e-4 or reading.lowest[i] == expected
            assert expected <= reading.highest[i] + 1e-4
    if shaping in (Shaping(1.0), Shaping(0.0)):
        assert all(one.lowest == one.highest for one in found)
    estimated = any("estimated" in limit for limit in info.limits)
    assert estimated != shaping.greedy


def test_vllm_is_given_ids_and_asked_for_no_more_than_it_shows():
    with reading_server("vllm", most=5) as (url, asked):
        read(url, traces(Shaping(0.6, 0.95)), concurrency=1)
    paths = {path for path, _ in asked}
    assert paths == {"/v1/completions"}
    assert [content["prompt_logprobs"] for _, content in asked] == [64, 20, 5, 5, 5]
    assert sorted(len(content["prompt"]) for _, content in asked[2:]) == [9, 10, 11]
    with reading_server("vllm") as (url, asked):
        read(url, traces(Shaping(1.0)))
    assert {content["prompt_logprobs"] for _, content in asked} == {1}


def test_a_llama_server_is_asked_place_by_place_each_trace_in_its_own_slot():
    with reading_server("llamacpp") as (url, asked):
        read(url, traces(Shaping(1.0)))
    assert {path for path, _ in asked} == {"/completion"}
    # One of the tokens ends within a character, and is found while another is generated.
    tokens = [token for one in traces(Shaping(1.0)) for token in one.trace.tokens]
    assert len(asked) == len(tokens) + tokens.count(90)
    slots = {}
    for _, content in asked:
        slots.setdefault(content["id_slot"], []).append(len(content["prompt"]))
    assert set(slots) <= {0, 1}


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_answer_is_asked_for_again(kind):
    broken = iter([True, True])

    def change(status, answer):
        return (503, {"error": "busy"}) if next(broken, False) else (status, answer)

    with reading_server(kind, change=change) as (url, _):
        found, _ = read(url, traces(Shaping(1.0), count=1), max_retries=3)
    assert len(found) == 1


def spoilt(path, value):
    """A change that puts `value` where an answer of the server has something else."""

    def change(status, whole):
        place = whole
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        return status, whole

    return change


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("vllm", ("choices", 0, "prompt_logprobs"), None),
        ("vllm", ("choices", 0, "prompt_logprobs"), [None]),
        ("vllm", ("choices", 0, "prompt_logprobs", 5), []),
        ("vllm", ("choices", 0, "prompt_logprobs", 5), {"1": {"logprob": -1.0, "rank": 1}}),
        ("vllm", ("choices", 0, "prompt_logprobs", 3), {"11": {"logprob": "x", "rank": 1}}),
        ("vllm", ("choices", 0, "prompt_logprobs", 3), {"11": {"logprob": -1, "rank": 0}}),
        ("vllm", ("choices", 0, "prompt_logprobs", 3), {"11": {"logprob": 3.0, "rank": 1}}),
        ("llamacpp", ("completion_probabilities",), []),
        ("llamacpp", ("completion_probabilities", 0, "id"), 1000),
        ("llamacpp", ("completion_probabilities", 0, "logprob"), float("nan")),
        ("llamacpp", ("completion_probabilities", 0, "top_logprobs"), 7),
        ("llamacpp", ("completion_probabilities", 0, "top_logprobs"), [{"id": 1}]),
    ],
)
def test_what_is_no_answer_is_an_error_and_no_reading(kind, path, value):
    with (
        reading_server(kind, change=spoilt(path, value)) as (url, _),
        pytest.raises(MachineryError) as caught,
    ):
        read(url, traces(Shaping(1.0), count=1), max_retries=0)
    assert url in caught.value.message
    assert "kept" in caught.value.hint


def test_a_refusal_names_the_trace():
    refused = {"error": {"message": "no such thing", "code": 400}}
    with (
        reading_server("vllm", change=lambda *_: (400, refused)) as (url, _),
        pytest.raises(ModelError, match=r"question 'q0', sample 0 cannot be read.*no such thing"),
    ):
        read(url, traces(Shaping(1.0), count=1))


def test_a_server_that_shows_nothing_is_refused_with_the_next_step():
    with reading_server("somebody") as (url, _), pytest.raises(UsageError) as caught:
        read(url, traces(Shaping(1.0)))
    assert "log-probabilities of tokens that it is given" in caught.value.message
    assert "--engine transformers" in caught.value.hint


@pytest.mark.parametrize("kind", KINDS)
def test_a_trace_that_does_not_fit_is_refused(kind):
    with (
        reading_server(kind, context=11) as (url, asked),
        pytest.raises(UsageError, match=r"11 tokens.*context of 11"),
    ):
        read(url, traces(Shaping(1.0)))
    assert not asked


def test_traces_without_logprobs_ask_for_the_writer():
    written = traces(Shaping(0.6), count=1)
    bare = Trace(written[0].trace.prompt, written[0].trace.tokens, array("f"), ended=False)
    with reading_server("vllm") as (url, _), pytest.raises(UsageError) as caught:
        read(url, [Written(written[0].place, bare, Shaping(0.6))])
    assert "--parent" in caught.value.hint
