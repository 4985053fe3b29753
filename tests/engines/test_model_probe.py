"""The model behind an endpoint is known again by what its server tells and by its answers."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from asking import Session, ask
from fault_server import FaultServer
from hypothesis import given
from hypothesis import strategies as st
from ports import foreign_llama, own_port

import lrmtest.models
from lrmtest.errors import ModelError
from lrmtest.models.card import ModelCard
from lrmtest.models.engines.http.failures import BrokenAnswerError
from lrmtest.models.engines.http.identity import EndpointModel, ModelWatch
from lrmtest.models.engines.http.model_probe import (
    LEAST_TOLERANCE,
    QUESTIONS,
    ProbeAnswer,
    ProbeReference,
    distance,
)
from lrmtest.models.engines.http.retry import Backoff
from lrmtest.models.engines.openai_engine import OpenAIEngine
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.gguf.from_safetensors import safetensors_to_gguf
from lrmtest.models.spec import ModelSpec

FAST = Backoff(base=0.01, cap=0.05)
DAY = 86_400


def spec(location):
    return ModelSpec("m", ModelCard("m"), "openai", location)


def model_of(server):
    return EndpointModel(spec(server.url), EngineOptions(request_timeout=60), backoff=FAST)


def peaked(question, number):
    """Log-probabilities of a token and of another; the same whenever they are asked for."""
    return (-0.1 - number % 7 / 10, -2.0 - number % 5 / 10)


@pytest.fixture(params=["words", "log-probabilities"])
def server(request):
    with FaultServer(owner="vllm") as running:
        running.entry = {"root": "/models/a", "created": int(time.time())}
        if request.param == "log-probabilities":
            running.likeliest = lambda question, number: peaked(question, number % 100)
        yield running


def seen(server):
    model = model_of(server)
    return model, model.told(), json.loads(json.dumps(model.measure()))


def test_the_same_model_is_the_same(server):
    model, told, reference = seen(server)
    server.entry["created"] += 7
    server.entry["permission"] = [{"id": "another-one-each-time"}]
    assert model.difference(told, reference) == ""
    assert sum(server.probed.values()) == 16  # 12 at first, 4 again


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda s: setattr(s, "models", ("other",)), "id other, it was test-model"),
        (lambda s: s.entry.update(root="/models/b"), "root /models/b, it was /models/a"),
        (lambda s: s.entry.pop("root"), "root not told, it was /models/a"),
        (lambda s: setattr(s, "version", "1.2.4"), "version 1.2.4, it was 1.2.3"),
        (lambda s: setattr(s, "owner", "sglang"), "owned_by sglang, it was vllm"),
        (lambda s: s.entry.update(max_model_len=4096), "max_model_len 4096"),
    ],
)
def test_what_the_server_tells_is_part_of_the_identity(server, change, named):
    model, told, reference = seen(server)
    change(server)
    before = sum(server.probed.values())
    assert named in model.difference(told, reference)
    assert sum(server.probed.values()) == before  # it needs no answers to say so


def test_a_time_of_creation_counts_where_it_is_settled():
    with FaultServer() as server:
        now = time.time()
        server.entry["created"] = now - 10 * DAY
        model, told, reference = seen(server)
        server.entry["created"] = now - 9 * DAY
        assert "created" in model.difference(told, reference)
        server.entry["created"] = now - 60  # of a server that tells when it was started
        told = model.told()
        server.entry["created"] = now - 30
        assert model.difference(told, reference) == ""


def test_other_answers_are_another_model(server):
    model, told, reference = seen(server)
    server.probe_answer = lambda question, asked: f"Something else about {question[::-1]}"
    assert "it answers differently: probe" in model.difference(told, reference)


def test_other_log_probabilities_are_another_model_however_equal_the_texts():
    with FaultServer() as server:
        server.likeliest = lambda question, number: peaked(question, number % 100)
        model, told, reference = seen(server)
        server.likeliest = lambda question, number: (
            peaked(question, number % 100)[0],
            peaked(question, number % 100)[1] - 5 * LEAST_TOLERANCE,
        )
        assert "it answers differently" in model.difference(told, reference)


def test_log_probabilities_within_the_noise_of_the_start_are_no_difference():
    def noisy(question, number):
        own, other = peaked(question, number % 100)
        return own, other + (0.4 if number // 100 % 2 else 0.0)

    with FaultServer() as server:
        server.likeliest = noisy
        model, told, reference = seen(server)
        assert reference["noise"] > LEAST_TOLERANCE
        for _ in range(5):
            assert model.difference(told, reference) == ""


def test_a_server_that_gives_no_log_probabilities_any_more_is_another():
    with FaultServer() as server:
        server.likeliest = lambda question, number: peaked(question, number % 100)
        model, told, reference = seen(server)
        server.likeliest = None
        assert "it answers differently" in model.difference(told, reference)


def test_texts_that_part_late_or_in_a_minority_are_no_difference():
    with FaultServer() as server:
        model, told, reference = seen(server)
        usual = server.probe_answer

        def parted(question, asked):
            if question in QUESTIONS[:2]:
                return usual(question, asked) + " and now it goes on otherwise"
            return usual(question, asked)

        server.probe_answer = parted
        assert model.difference(told, reference) == ""
        server.probe_answer = lambda question, asked: (
            "quite another" if question in QUESTIONS[:2] else usual(question, asked)
        )
        assert model.difference(told, reference) == ""


def test_a_server_that_never_answers_twice_alike_is_judged_by_what_its_answers_share():
    with FaultServer() as server:
        server.probe_answer = lambda question, asked: f"call {asked}: the answer is 144"
        model, told, reference = seen(server)
        assert model.difference(told, reference) == ""
        server.probe_answer = lambda question, asked: f"call {asked}: the answer is 7"
        assert "probe 1, 2, 3, 4 of 4" in model.difference(told, reference)


def test_a_server_that_refuses_log_probabilities_is_asked_without_them():
    with FaultServer() as server:
        server.refuses_logprobs = True
        model, told, reference = seen(server)
        assert reference["words"][0] == server.probe_answer(QUESTIONS[0], 0).split()[:16]
        assert model.difference(told, reference) == ""


@pytest.mark.parametrize("mode", ["always-500", "html", "filtered", "unauthorized"])
def test_a_server_that_does_not_answer_says_so(mode):
    with FaultServer(mode=mode) as server, pytest.raises(ModelError, match="does not answer"):
        model_of(server).measure()


def test_a_server_that_is_gone_says_so():
    with own_port() as port, pytest.raises(ModelError, match="does not tell its models"):
        EndpointModel(spec(f"http://127.0.0.1:{port}/v1"), EngineOptions()).told()


# The measures

PLACES = st.dictionaries(st.text(max_size=3), st.floats(-20, 0), min_size=1, max_size=5)
ANSWER = st.lists(st.tuples(st.text(max_size=3), PLACES), min_size=1, max_size=6).map(
    lambda places: ProbeAnswer(
        "".join(token for token, _ in places),
        tuple(token for token, _ in places),
        tuple(likeliest for _, likeliest in places),
    )
)
ANSWERS = st.tuples(*[ANSWER] * len(QUESTIONS))


@given(ANSWERS, ANSWERS)
def test_a_distance_is_one(one, other):
    assert distance(one, one) == 0
    assert distance(one, other) == pytest.approx(distance(other, one))
    assert distance(one, other) >= 0


@given(ANSWERS, ANSWERS)
def test_what_was_measured_is_no_change_and_comes_back_from_json(one, other):
    reference = ProbeReference.of([one, other, one])
    back = ProbeReference.from_json(json.loads(json.dumps(reference.to_json())))
    assert back is not None
    assert back.to_json() == reference.to_json()
    for answers in (one, other):
        assert reference.changed(answers) == []
        assert back.changed(answers) == []


@given(st.lists(st.lists(st.text(max_size=20), min_size=4, max_size=4), min_size=2, max_size=4))
def test_without_log_probabilities_what_was_measured_is_no_change(texts):
    first = [tuple(ProbeAnswer(text) for text in answers) for answers in texts]
    reference = ProbeReference.of(first)
    back = ProbeReference.from_json(json.loads(json.dumps(reference.to_json())))
    for answers in first:
        assert reference.changed(answers) == []
        assert back == reference


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=True) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(["words", "answers", "noise", "x"]), inner)
    ),
)


@given(st.dictionaries(st.sampled_from(["words", "answers", "noise"]), JSON))
def test_any_other_json_is_no_reference(raw):
    found = ProbeReference.from_json(raw)
    if found is not None:
        found.changed(tuple(ProbeAnswer("x") for _ in QUESTIONS))


# In the middle of a run


@pytest.fixture
def port():
    with own_port() as port:
        yield port


@contextmanager
def once_free(server):
    """Serves as soon as the server before it has left its port."""
    while True:
        try:
            server.__enter__()
            break
        except OSError:
            time.sleep(0.01)
    try:
        yield server
    finally:
        server.__exit__()


def test_a_server_started_again_with_another_model_gets_no_further_request(port):
    first = FaultServer(owner="vllm", dead_after=4, port=port)
    first.entry = {"root": "/models/a"}
    second = FaultServer(owner="vllm", port=port)
    second.entry = {"root": "/models/b"}
    with first:
        location = spec(first.url)
        model, told, reference = seen(first)
        options = EngineOptions(
            concurrency=2,
            model_difference=lambda url: model.difference(told, reference),
        )
        engine = OpenAIEngine(location, options, backoff=Backoff(base=0.2, cap=0.5))
        with Session(engine) as session:
            requests = [ask(f"question {number}") for number in range(12)]
            engine.submit(requests)
            with once_free(second):
                found = session.collect(requests)
    errors = [outcome.error for outcome in found if outcome.error is not None]
    # An answer that was on its way when the connection beside it broke is not believed, either.
    assert 8 <= len(errors) <= 10
    assert second.chats == 0
    assert all("started again with another model: root /models/b" in str(e) for e in errors)


def test_a_server_started_again_with_the_same_model_goes_on(port):
    first, second = (FaultServer(dead_after=dead, port=port) for dead in (4, None))
    with first:
        model, told, reference = seen(first)
        options = EngineOptions(
            concurrency=2, model_difference=lambda url: model.difference(told, reference)
        )
        engine = OpenAIEngine(spec(first.url), options, backoff=Backoff(base=0.2, cap=0.5))
        with Session(engine) as session:
            requests = [ask(f"question {number}") for number in range(12)]
            engine.submit(requests)
            with once_free(second):
                found = session.collect(requests)
    assert all(outcome.error is None for outcome in found)
    assert second.chats >= 8


# Real servers


@pytest.mark.engine
@pytest.mark.timeout(900)
def test_a_real_server_is_known_again_and_another_model_in_its_place_is_not(
    llama_server, smollm2_path, tmp_path, port
):
    pytest.importorskip("gguf")
    folder = Path(lrmtest.models.__file__).parent / "tiny_lrm"
    other = safetensors_to_gguf(folder, tmp_path / "m.gguf")
    alike = (port, "--alias", "m", "--parallel", "8", "--ctx-size", "8192")
    with foreign_llama(llama_server, smollm2_path, *alike) as url:
        model = EndpointModel(spec(f"{url}/v1"), EngineOptions())
        told, reference = model.told(), model.measure()
        assert "answers" in reference  # it gives log-probabilities
        assert {"n_params", "ftype", "chat_template_sha256", "model_path"} <= told.keys()
    with foreign_llama(llama_server, smollm2_path, *alike):
        assert model.difference(told, reference) == ""
    with foreign_llama(llama_server, other, *alike):
        assert "model_path" in model.difference(told, reference)
        assert "it answers differently" in model.difference(model.told(), reference)


@pytest.mark.parametrize("fails", [False, True])
def test_a_look_that_nobody_waits_for_any_longer_ends_without_a_word(monkeypatch, fails):
    raised, looking, go_on = [], threading.Event(), threading.Event()
    monkeypatch.setattr(threading, "excepthook", raised.append)

    def difference():
        looking.set()
        assert go_on.wait(60)
        if fails:
            raise ModelError("gone")
        return ""

    async def give_up():
        watch = ModelWatch(difference)
        watch.broke(BrokenAnswerError("broken off"))
        check = asyncio.create_task(watch.check())
        await asyncio.to_thread(looking.wait, 60)
        check.cancel()
        with suppress(asyncio.CancelledError):
            await check
        return [one for one in threading.enumerate() if one.name == "lrmtest-model-watch"]

    looks = asyncio.run(give_up())
    go_on.set()
    for one in looks:
        one.join(60)
    assert len(looks) == 1
    assert not raised
