"""Sessions that keep traces: with their completions, for any number of workers, told where not."""

from pathlib import Path

import pytest

import lrmtest.models
from lrmtest.models.engines.tokenizers.chat import ChatTokenizer
from lrmtest.runs.open_traces import open_traces
from lrmtest.runs.store import STORE_NAME, Store

TINY_LRM = Path(lrmtest.models.__file__).with_name("tiny_lrm")
SUITE = """
import lrmtest

@lrmtest.suite("fresh-arithmetic")
def test_arithmetic(question, model):
    model.solve(question)
"""


@pytest.fixture
def run(pytester):
    pytest.importorskip("torch")
    pytester.makepyfile(test_some=SUITE)

    def run_suite(*args):
        return pytester.runpytest_subprocess(
            *("-p", "no:cacheprovider", "--model", "tiny-lrm", "--fresh-count", "3"),
            *("--samples", "2", "--temperature", "0.8", "--reports-dir", "r", *args),
        )

    return run_suite


def texts(path):
    with Store(path / "r" / STORE_NAME) as store:
        run = store.run("last")
        return {
            one.place.key: (one.completion.text, store.trace(run.run_id, one.place.key))
            for one in store.completions(run.run_id)
        }


def test_traces_are_kept_saved_and_said_to_lack(pytester, run):
    result = run("--save-traces", "base.traces", "--save-baseline", "base.json")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["traces written to base.traces: 6 traces"])
    kept = texts(pytester.path)
    chat = ChatTokenizer.load(str(TINY_LRM), ("<think>", "</think>"))
    assert len(kept) == 6
    for text, trace in kept.values():
        assert chat.decode(list(trace.tokens)) == text
        assert len(trace.logprobs) == len(trace.tokens)
    with open_traces(str(pytester.path / "base.json"), pytester.path / "none") as found:
        assert {one.place.key: one.trace for one in found} == {
            key: trace for key, (_, trace) in kept.items()
        }
        assert found.head.tokenizer.startswith("tokenizer.json ")
        assert {one.sampling.temperature for one in found} == {0.8}

    # The workers change nothing, and so does whether traces are told.
    run("--fresh-run", "-n", "2", "--traces").assert_outcomes(passed=3)
    assert texts(pytester.path) == kept
    run("--fresh-run").assert_outcomes(passed=3)
    assert {key: text for key, (text, _) in texts(pytester.path).items()} == {
        key: text for key, (text, _) in kept.items()
    }

    # What is there without its trace is not generated again, which is said.
    result = run("--traces", "--samples", "3", "--save-traces", "more.traces")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*6 of the 6 samples that are stored already have no trace*"])
    result.stdout.fnmatch_lines(
        ["traces written to more.traces: 3 traces; 6 of 9 samples have none"]
    )


def test_traces_of_several_models_are_refused(run, pytester):
    pytester.makepyfile(test_some=SUITE)
    result = run("--model", "m=http://127.0.0.1:9/v1", "--save-traces", "f.traces")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--save-traces writes one run, and there are 2 models*"])


def test_the_file_of_a_broken_off_session_is_not_written(run, pytester):
    result = run("--save-traces", "f.traces", "-x", "--engine-arg", "x", "--device", "cuda:9")
    assert result.ret
    assert not (pytester.path / "f.traces").exists()
