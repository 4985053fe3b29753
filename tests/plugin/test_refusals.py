"""A mistake that is known before anything is generated is a usage error, in one message."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest
from sums_project import write_sums

import lrmtest.models

TINY = Path(lrmtest.models.__file__).parent / "tiny_lrm"
RIGHT = "recorded:outputs.jsonl"


@pytest.fixture
def project(pytester):
    """A suite of three sums, a recording of right answers, and things that are no models."""
    write_sums(pytester)
    files = {
        "empty.jsonl": b"",
        "cut.jsonl": b'{"question": ',
        "other.jsonl": b'{"x": 1}\n',
        "bytes.jsonl": bytes(range(256)),
        "cut.gguf": b"GGUF\0\0\0",
        "huge.gguf": b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1 << 60),
        "other.gguf": b"nothing of the kind",
        "text.txt": b"hello",
        "baseline.json": b'{"a"',
        "cards.toml": b"x = [",
        "empty/README": b"",
    }
    for name, content in files.items():
        path = pytester.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    shutil.copytree(TINY, pytester.path / "cut")
    weights = pytester.path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    return pytester


def assert_refused(result, words=""):
    said = result.stdout.str() + result.stderr.str()
    assert result.ret == pytest.ExitCode.USAGE_ERROR, said
    assert "INTERNALERROR" not in said
    assert "Traceback" not in said
    assert len([line for line in result.errlines if line.startswith("ERROR: ")]) == 1, said
    assert words in result.stderr.str()


MODELS = {
    "nosuch": "there is no model 'nosuch'",
    "./nosuch": "there is no file or folder './nosuch'",
    "empty": "holds no model",
    "cut": "truncated",
    "cut.gguf": "truncated",
    "huge.gguf": "truncated",
    "other.gguf": "not a GGUF file",
    "text.txt": "not a model",
    "recorded:": "names no file",
    "recorded:nosuch.jsonl": "there is no recording at nosuch.jsonl",
    "recorded:empty.jsonl": "no recorded output",
    "recorded:cut.jsonl": "not valid JSON",
    "recorded:other.jsonl": "field 'question' is missing",
    "recorded:bytes.jsonl": "bytes.jsonl:1",
    "recorded:empty": "no *.jsonl file",
    "NAME=nosuch": "there is no file or folder 'nosuch'",
    "NAME=": "there is no model 'NAME='",
    "ftp://host/model": "cannot begin with ftp://",
    "hf:org/model": "cannot begin with hf:",
    "http://": "not an endpoint's URL",
    "http://host:port": "not an endpoint's URL",
    "http://user:word@host": "credentials",
    "": "without a name",
}


@pytest.mark.parametrize("model", MODELS)
def test_a_model_that_there_is_not(project, model):
    result = project.runpytest_inprocess(f"--model={model}", "--reports-dir=store")
    assert_refused(result, MODELS[model])
    assert not (project.path / "store").exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([f"--model={RIGHT}", "--limit=x"], "--limit: 'x' is not an integer of at least 1"),
        ([f"--model={RIGHT}", "--samples=0"], "--samples: '0' is not an integer of at least 1"),
        ([f"--model={RIGHT}", "--seed=x"], "--seed: 'x' is not an integer"),
        ([f"--model={RIGHT}", "--temperature=nan"], "--temperature: 'nan' is not a number"),
        ([f"--model={RIGHT}", "--lrmtest-top-p=2"], "--top-p: '2' is not in (0, 1]"),
        ([f"--model={RIGHT}", "--engine=warp"], "invalid choice: 'warp'"),
        ([f"--model={RIGHT}", "--fresh-difficulty=9"], "invalid choice: '9'"),
        ([f"--model={RIGHT}", "--baseline=nosuch.json"], "cannot read the baseline nosuch.json"),
        ([f"--model={RIGHT}", "--baseline=baseline.json"], "baseline.json: not valid JSON"),
        ([f"--model={RIGHT}", "--baseline=last"], "there is no store"),
        ([f"--model={RIGHT}", "--reports-dir=text.txt"], "this is a file"),
        ([f"--model={RIGHT}", "--gate"], "--gate needs --baseline"),
        ([f"--model={RIGHT}", "--cards=cards.toml"], "not valid TOML"),
        ([f"--model={RIGHT}", "--prompt-file=nosuch"], "there is no file nosuch"),
        ([f"--model={RIGHT}", "--data-dir=nosuch"], "data folder nosuch does not exist"),
        (["--model=tiny-lrm", "--property", "--against=nosuch"], "there is no model 'nosuch'"),
        (["--model=tiny-lrm", "--finish-reason=stop"], "none of the models is a recording"),
        (["--samples=x"], "--samples: 'x'"),
        (["--triage=broken"], "--triage needs --model"),
        (["-o", "lrmtest_gate=perhaps"], "lrmtest_gate"),
    ],
)
def test_an_option_that_cannot_be(project, args, words):
    assert_refused(project.runpytest_inprocess(*args), words)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], "needs a model"),
        (["--model=recorded:cut.jsonl"], "not valid JSON"),
        ([f"--model={RIGHT}", "--triage=looped"], "there is no store"),
        (["--model=nosuch"], "there is no model"),
    ],
)
def test_what_only_a_worker_can_know(project, args, words):
    """Its controller has neither collected the tests nor read what they are chosen by."""
    assert_refused(project.runpytest_inprocess("-n", "1", *args), words)
    assert not (project.path / "reports").exists()


FORKED = """
def pytest_addoption(parser):
    parser.addoption("--forked", action="store_true")
"""


@pytest.mark.parametrize("workers", [(), ("-n", "1")])
def test_tests_in_forks_of_their_own_are_refused(project, workers):
    project.makeconftest(FORKED)
    result = project.runpytest_inprocess(f"--model={RIGHT}", "--forked", *workers)
    assert_refused(result, "--forked runs each test in a process that is gone")


def test_foreign_tests_in_forks_are_nobodys_business(project):
    project.makeconftest(FORKED)
    own = project.makepyfile(test_own="def test_own(): pass")
    project.runpytest_inprocess(f"--model={RIGHT}", "--forked", own).assert_outcomes(passed=1)


def test_errors_of_collection_are_not_hidden(project):
    project.makepyfile(test_broken="import nosuch_module")
    result = project.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*nosuch_module*"])
