"""The llamacpp engine with a real llama-server and a real model."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections import Counter
from pathlib import Path

import pytest
from asking import Session, ask, assert_seeds_fix_texts
from processes import gone, servers, wait_for

from lrmtest.errors import ModelError, UsageError
from lrmtest.grading import split
from lrmtest.models.card import ModelCard
from lrmtest.models.engines.llamacpp_engine import LlamaCppEngine
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.server import launch, readiness
from lrmtest.models.known_tags import known_tags
from lrmtest.models.programs.llamacpp import find_llama_server
from lrmtest.models.request_fields import RequestField
from lrmtest.models.spec import KnownTags, ModelSpec

pytestmark = [
    pytest.mark.engine,
    pytest.mark.timeout(1800),
    pytest.mark.usefixtures("llama_server"),
]


HELLO = "Say hello."


def make(location, card=None, **options):
    card = card or ModelCard("smol", engine="llamacpp")
    return LlamaCppEngine(
        ModelSpec("smol", card, "llamacpp", str(location)), EngineOptions(**options)
    )


@pytest.fixture(scope="module")
def real(smollm2_path):
    planned = [ask(f"Name {n} animals.", budget=48) for n in range(8)]
    with Session(make(smollm2_path, concurrency=8), planned) as session:
        yield session


@pytest.fixture(scope="module")
def tiny(tiny_lrm_gguf):
    with Session(make(tiny_lrm_gguf, concurrency=1), [ask("Hi", budget=48)]) as session:
        yield session


@pytest.fixture
def started():
    """Gives the servers that this test has started and that still run."""
    before = {process.pid for process in servers()}
    return lambda: [process for process in servers() if process.pid not in before]


def test_it_generates_and_counts(real):
    first, short = real.run(ask(HELLO, budget=200), ask("Hi", budget=2))
    assert first.text.strip()
    assert first.finish_reason == ("stop" if first.completion_tokens < 200 else "length")
    assert first.prompt_tokens > 10
    assert not first.tokens_estimated
    assert (short.finish_reason, short.completion_tokens) == ("length", 2)


def test_the_server_has_no_keys_of_other_services(smollm2_path, started, monkeypatch):
    foreign = ("OPENAI_API_KEY", "LRMTEST_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "MINE")
    for name in foreign:
        monkeypatch.setenv(name, f"foreign-{name}")
    options = {"concurrency": 1, "program_variables": ("MINE",)}
    with Session(make(smollm2_path, **options), [ask("Hi", budget=2)]):
        (server,) = started()
        guard = server.parent()
        for process in (server, guard):
            environment = process.environ()
            assert [name for name in foreign if name in environment] == ["MINE"]
            assert "foreign-" not in str({**environment, "MINE": ""})
            assert environment["PATH"]
        # Its own key is in its environment, where only this user sees it, and on no command line.
        assert server.environ()["LLAMA_API_KEY"] not in " ".join(server.cmdline())


def test_the_manifest_says_what_was_run(real):
    info = real.info
    assert info.engine == "llamacpp"
    assert info.version
    assert info.seeded
    assert info.details["bits_per_weight"] == pytest.approx(5.74, abs=0.01)
    assert info.details["tensor_types"]["Q4_1"] > 100
    assert info.details["concurrency"] == 8
    assert info.details["context_length"] % 256 == 0
    assert "--jinja" in info.details["arguments"]
    assert not {"url", "served_model"} & set(info.details)
    assert "Bearer" not in repr(info)


def test_seeds_are_per_sample(tiny):
    assert_seeds_fix_texts(tiny)


def test_slots_are_filled_and_not_overfilled(real):
    requests = [ask(f"Count to {n}.", budget=8) for n in range(24)]
    most, done = 0, threading.Event()

    def look():
        nonlocal most
        while not done.wait(0.002):
            most = max(most, real.engine.progress.running)

    watching = threading.Thread(target=look)
    watching.start()
    before = real.engine.progress.tokens
    completions = real.run(*requests)
    done.set()
    watching.join()
    assert most == 8
    assert real.engine.progress.running == 0
    generated = sum(completion.completion_tokens for completion in completions)
    assert real.engine.progress.tokens - before == generated


def test_a_budget_that_does_not_fit_is_refused_before_anything_is_started(
    smollm2_path, monkeypatch
):
    monkeypatch.setenv("LRMTEST_LLAMA_SERVER", "/nowhere")
    with pytest.raises(UsageError, match="may take 8192 at most"):
        make(smollm2_path).start([ask("Hi", budget=8192)], print)
    with pytest.raises(ModelError, match="LRMTEST_LLAMA_SERVER names /nowhere"):
        make(smollm2_path).start([ask("Hi", budget=10)], print)


def test_a_program_named_by_its_path_finds_the_libraries_beside_it(llama_server, monkeypatch):
    monkeypatch.setenv("LRMTEST_LLAMA_SERVER", str(llama_server.path))
    named = find_llama_server()
    assert (named.path, named.version) == (llama_server.path, llama_server.version)


def test_a_prompt_that_leaves_no_room_is_refused_by_exact_count(smollm2_path, started):
    # Within the model's context by the rough count, and beyond it by the tokenizer's.
    long = "one two three four five six seven eight " * 20
    card = ModelCard("smol", engine="llamacpp", context_length=512)
    with pytest.raises(UsageError, match="lower --max-tokens to"):
        make(smollm2_path, card).start([ask(long, budget=400)], print)
    assert not started()


def test_a_split_file_is_one_model(smollm2_path, llama_server, tmp_path):
    tool = llama_server.path.with_name("llama-gguf-split")
    if not tool.exists():
        pytest.skip(f"{tool} is not there")
    done = subprocess.run(
        [tool, "--split", "--split-max-size", "40M", smollm2_path, tmp_path / "smol"],
        env=dict(llama_server.environment),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    parts = sorted(tmp_path.glob("*.gguf"))
    assert len(parts) > 1
    question = ask(HELLO, budget=16)
    texts = set()
    for location in (smollm2_path, parts[0], parts[-1], tmp_path):
        with Session(make(location), [question]) as session:
            assert session.info.details["bits_per_weight"] == pytest.approx(5.74, abs=0.01)
            texts.add(session.run(question)[0].text)
    assert len(texts) == 1
    parts[-1].unlink()
    with pytest.raises(ModelError, match="missing"):
        make(parts[0]).start([question], print)


REASONED = "They meet at noon.\n</think>\n\nThe answer is \\boxed{12}."


@pytest.mark.parametrize("family", ["Llama-8B", "Qwen-32B"])
def test_reasoning_behind_a_prefilled_tag_arrives_whole(smollm2_path, data_dir, family):
    template = data_dir / "tokenizers" / f"deepseek-ai-DeepSeek-R1-Distill-{family}.jinja"
    if not template.exists():
        pytest.skip(f"{template} is not there")
    # The grammar makes the small model write what a reasoning model would.
    grammar = 'root ::= "' + REASONED.replace("\\", "\\\\").replace("\n", "\\n") + '"'
    arguments = ("--chat-template-file", str(template), "--grammar", grammar)
    question = ask("When do they meet?", budget=60)
    with Session(make(smollm2_path, engine_args=arguments), [question]) as session:
        (completion,) = session.run(question)
    assert completion.text == REASONED
    parts = split(completion.text)
    assert parts.reasoning.strip() == "They meet at noon."
    assert parts.answer.strip() == "The answer is \\boxed{12}."
    assert 0 < completion.answer_tokens < completion.completion_tokens
    assert completion.reasoning_tokens + completion.answer_tokens == completion.completion_tokens


def test_reasoning_tags_of_the_model_itself_arrive_whole(smollm2_path):
    text = "<think>\nNoon.\n</think>\n\nAt 12."
    grammar = 'root ::= "' + text.replace("\n", "\\n") + '"'
    question = ask("When do they meet?", budget=60)
    with Session(make(smollm2_path, engine_args=("--grammar", grammar)), [question]) as session:
        (completion,) = session.run(question)
    assert completion.text == text
    assert completion.finish_reason == "stop"


def test_the_template_of_a_served_model_names_its_tags(smollm2_path, tmp_path, monkeypatch):
    """The one in force, which is not the file's here."""
    file = tmp_path / "r1.jinja"
    file.write_text(
        "{% for m in messages %}{{ m['content'].split('</think>')[-1] }}{% endfor %}"
        "{% if add_generation_prompt %}<think>\n{% endif %}"
    )
    engine = make(smollm2_path, concurrency=1, engine_args=("--chat-template-file", str(file)))
    with Session(engine, [ask("Hi")]) as session:
        endpoint = session.engine._service.client._endpoint
        monkeypatch.setenv("LRMTEST_API_KEY_M", endpoint.key)
        spec = ModelSpec("m", ModelCard("m", engine="openai"), "openai", endpoint.url)
        known = known_tags(spec, EngineOptions(endpoints=(("m", endpoint.url),)))
        assert known == KnownTags(("think",), "chat template", prefilled=True)


def test_a_truncated_file_is_a_clear_error(smollm2_path, tmp_path, started):
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(smollm2_path.read_bytes()[: 40 << 20])
    with pytest.raises(ModelError) as caught:
        make(cut).start([ask("Hi")], print)
    assert "cut.gguf" in caught.value.message
    assert "truncated" in caught.value.message or "copy" in (caught.value.hint or "")
    assert not started()


def test_a_file_that_is_truncated_after_it_was_measured(
    smollm2_path, tmp_path, monkeypatch, started
):
    # What llama-server itself says of such a file.
    file = tmp_path / "cut.gguf"
    shutil.copyfile(smollm2_path, file)
    engine = make(file)
    plan = engine.plan

    def plan_and_cut(planned):
        made = plan(planned)
        with file.open("r+b") as data:
            data.truncate(40 << 20)
        return made

    monkeypatch.setattr(engine, "plan", plan_and_cut)
    with pytest.raises(ModelError, match="truncated or corrupted") as caught:
        engine.start([ask("Hi")], print)
    assert "download it again" in caught.value.hint
    assert "not within the file bounds" in caught.value.message
    assert not started()


def test_an_argument_that_llama_server_does_not_know(smollm2_path, started):
    with pytest.raises(ModelError, match="does not take the arguments") as caught:
        make(smollm2_path, engine_args=("--no-such-thing",)).start([ask("Hi")], print)
    assert "--no-such-thing" in caught.value.message
    assert not started()


def test_a_taken_port_is_no_failure(smollm2_path, monkeypatch):
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        ports = iter([other.getsockname()[1]])
        free_port = launch.free_port
        monkeypatch.setattr(launch, "free_port", lambda host: next(ports, None) or free_port(host))
        question = ask(HELLO, budget=16)
        with Session(make(smollm2_path), [question]) as session:
            assert session.run(question)[0].text
            assert next(ports, None) is None


def test_a_killed_server_is_started_again_and_nothing_is_lost(tiny_lrm_gguf, started):
    # Short ones are there soon; counting goes on until it is cut off.
    requests = [ask(f"Tell me a story about {n} cats.", budget=8) for n in range(4)]
    requests += [ask(f"Count from {n} to 30.", budget=300) for n in range(8)]
    with Session(make(tiny_lrm_gguf, concurrency=8), requests) as session:
        session.engine.submit(requests)
        wait_for(lambda: len(session.delivered) >= 4)
        (server,) = started()
        server.kill()
        # However fast it was before: this it cannot have answered.
        requests += [ask("Tell me a story about a dog.", budget=8)]
        session.engine.submit(requests[-1:])
        outcomes = session.collect(requests)
        assert all(outcome.error is None for outcome in outcomes), outcomes
        assert sorted(session.delivered) == sorted(one.key for one in requests)  # each once
        (again,) = started()
        assert again.pid != server.pid
    assert gone([again])


def test_a_server_that_keeps_dying_is_given_up(smollm2_path, started):
    requests = [ask(f"Tell me a story about {n} dogs.", budget=4000) for n in range(4)]
    with Session(make(smollm2_path, concurrency=2, max_restarts=1), requests) as session:
        session.engine.submit(requests)
        killed = set()
        for _ in range(2):
            (server,) = wait_for(lambda: [s for s in started() if s.pid not in killed])
            wait_for(lambda: session.engine.progress.running)
            killed.add(server.pid)
            server.kill()
        outcomes = session.collect(requests)
        assert all("died after 1 restart" in outcome.error.message for outcome in outcomes)
        assert all(outcome.error.attempts == 2 for outcome in outcomes)
        assert not started()
        # What comes later fails too, and does not wait for ever.
        (late,) = session.outcomes([ask("And now?")])
        assert late.error is not None


def test_closing_while_it_starts_leaves_nothing(smollm2_path, started, monkeypatch):
    # It is never seen to answer, so that it is closed before that on any machine.
    monkeypatch.setattr(readiness, "answers", lambda *_: False)
    engine = make(smollm2_path)

    def close_soon():
        wait_for(started)
        engine.close()

    closing = threading.Thread(target=close_soon)
    closing.start()
    with pytest.raises(ModelError, match="closed"):
        engine.start([ask("Hi")], print)
    closing.join()
    assert not started()


def test_closing_while_it_generates_leaves_nothing(smollm2_path, started):
    session = Session(make(smollm2_path), [ask("Hi", budget=4000)])
    session.engine.submit([ask(f"Write a long story {n}.", budget=4000) for n in range(4)])
    wait_for(lambda: session.engine.progress.running)
    running = started()
    assert len(running) == 1
    session.engine.close()
    session.engine.close()
    assert gone(running, 0)
    assert not session.delivered


def test_a_path_that_is_no_model(tmp_path):
    with pytest.raises(ModelError, match="there is no model at"):
        make(tmp_path / "none.gguf").start([], print)
    with pytest.raises((ModelError, UsageError)):
        make(Path(tmp_path)).start([], print)


THINKS = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}"
    "<think>\n\nThere is nothing at all to think about in this.\n\n</think>\n\n"
    "{% endif %}{% endif %}"
)


def fields(**request):
    return tuple(RequestField("", name, value) for name, value in request.items())


def test_variables_of_the_chat_template_reach_it(smollm2_path, tmp_path):
    """A template with a switch: with it the prompt is longer by what the switch writes."""
    template = tmp_path / "template.jinja"
    template.write_text(THINKS)
    card = ModelCard("smol", engine="llamacpp", engine_args=("--chat-template-file", str(template)))
    counts = []
    for given in ({"enable_thinking": True}, {"enable_thinking": False}):
        options = {"concurrency": 1, "request_fields": fields(chat_template_kwargs=given)}
        with Session(make(smollm2_path, card, **options), [ask(HELLO, budget=2)]) as session:
            counts.append(session.run(ask(HELLO, budget=2))[0].prompt_tokens)
    assert counts[1] > counts[0] + 8


@pytest.mark.parametrize(
    ("request_fields", "greedy"),
    [
        ({"top_k": 1}, True),
        ({"min_p": 1.0}, True),
        ({"top_k": 0}, False),
        ({"min_p": 0.0}, False),
        ({"typical_p": 0.9999}, False),
    ],
)
def test_what_takes_tokens_out_before_one_is_drawn(tiny_lrm_gguf, request_fields, greedy):
    options = {"concurrency": 1, "request_fields": fields(**request_fields)}
    warm = [
        ask("Write a sentence.", temperature=1.5, seed=seed, budget=8, key=str(seed))
        for seed in range(8)
    ]
    with Session(make(tiny_lrm_gguf, **options), warm) as session:
        texts = Counter(completion.text for completion in session.run(*warm))
        details = session.info.details["sampling"]
    # The first is computed with its prompt, the others behind a cached one: roundings differ.
    assert (max(texts.values()) >= 7) == greedy
    assert {*details["samplers"]} > {"temperature", "top_p"}


def test_penalties_reach_the_server_at_any_temperature(tiny_lrm_gguf):
    texts = []
    harmless = {"top_k": 50, "min_p": 0.1}
    penalties = {"presence_penalty": 2.0, "frequency_penalty": 2.0}
    for given in ({}, penalties, harmless, {"repetition_penalty": 1.8}):
        options = {"concurrency": 1, "request_fields": fields(**given)}
        request = ask("Count from 1 to 30.", temperature=0.0, budget=40)
        with Session(make(tiny_lrm_gguf, **options), [request]) as session:
            texts.append(session.run(request)[0].text)
    assert texts[0] == texts[2]  # the likeliest token is always left
    assert texts[0] not in (texts[1], texts[3])
