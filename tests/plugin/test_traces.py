"""Sessions that keep traces: with their completions, for any number of workers, told where not."""

import json
import math
from pathlib import Path

import pytest
from fault_server import FAULTS, FaultServer, token_id, tokens_of, told_probability
from sums import SUITE as SUMS
from sums import right

import lrmtest.models
from lrmtest.cli import main
from lrmtest.models.engines.tokenizers.chat import ChatTokenizer
from lrmtest.options.exit_codes import INFRASTRUCTURE
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


@pytest.fixture
def telling():
    with FaultServer(answer=right, owner="llamacpp", context_length=4096, slots=4) as server:
        server.tells_tokens = True
        yield server


@pytest.fixture
def ask(pytester, telling):
    pytester.makepyfile(test_sums=SUMS)
    return lambda *args: pytester.runpytest_subprocess(
        *("-p", "no:cacheprovider", "--model", f"m={telling.url}", "--reports-dir", "r", *args)
    )


def expected(text):
    return [token_id(token) for token in tokens_of(text)]


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_trace_travels_with_its_delivery(pytester, telling, ask, workers, tmp_path):
    telling.faults, telling.every = FAULTS, 2
    result = ask("-n", workers, "--traces", "--request-timeout", "1")
    result.assert_outcomes(passed=12)
    kept = texts(pytester.path)
    assert len(kept) == 12
    for text, trace in kept.values():
        assert list(trace.tokens) == expected(text)
        assert list(trace.logprobs) == pytest.approx(
            [math.log(told_probability(token)) for token in tokens_of(text)], rel=1e-6
        )
        assert len(trace.prompt) > 1
        assert not trace.ended
    untold = ask("-n", workers, "--fresh-run", "--request-timeout", "1")
    untold.assert_outcomes(passed=12)
    again = texts(pytester.path)
    assert {key: text for key, (text, _) in again.items()} == {
        key: text for key, (text, _) in kept.items()
    }
    assert all(trace is None for _, trace in again.values())


def test_a_file_of_traces_and_what_has_none(pytester, telling, ask, monkeypatch, capsys):
    monkeypatch.chdir(pytester.path)
    ask("--limit", "5").assert_outcomes(passed=5)
    result = ask("--save-traces", "t.traces", "--save-baseline", "b.json")
    result.assert_outcomes(passed=12)
    result.stdout.fnmatch_lines(
        [
            "*5 of the 5 samples that are stored already have no trace, and are not generated*",
            "traces written to t.traces: 7 traces; 5 of 12 samples have none",
            "baseline written to b.json",
        ]
    )
    assert telling.chats == 12
    with open_traces("b.json", Path("none")) as found:
        assert (found.head.kept, found.head.lacking) == (7, 5)
        assert all(one.outcome.passed for one in found)
    assert main(["export", "last", "run.jsonl", "--traces", "--reports-dir", "r"]) == 0
    assert main(["import", "run.jsonl", "--reports-dir", "new"]) == 0
    with Store(pytester.path / "new" / STORE_NAME) as new:
        assert len(new.traced(new.run("last").run_id)) == 7
    ask("--baseline", "b.json").assert_outcomes(passed=12)


def test_a_server_that_tells_nothing_is_told_of(pytester, telling, ask):
    telling.tells_tokens = False
    result = ask("--traces")
    result.assert_outcomes(passed=12)
    said = [line for line in result.stdout.lines if "without its trace" in line]
    assert len(said) == 1
    assert "it tells no token ids" in said[0]
    result.stdout.fnmatch_lines(["*m: 12 completions came without a trace*"])
    assert all(trace is None for _, trace in texts(pytester.path).values())


def test_a_server_of_another_kind_is_not_asked(pytester, telling, ask):
    telling.owner = "somebody"
    result = ask("--save-traces", "t.traces", "--save-baseline", "b.json")
    result.assert_outcomes(passed=12)
    result.stdout.fnmatch_lines(["*no traces are kept: a server of its kind tells no token ids*"])
    result.stdout.fnmatch_lines(["ERROR: run * has no trace of any graded sample*"])
    assert not any("logprobs" in body for body in telling.bodies)
    assert not (pytester.path / "t.traces").exists()
    assert "traces" not in json.loads((pytester.path / "b.json").read_text())
    assert result.ret == INFRASTRUCTURE


@pytest.mark.engine
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

    # The workers change nothing, and so does whether traces are told; but for a draw that is all
    # but undecided, which the rounding of another batch may turn.
    run("--fresh-run", "-n", "2", "--traces").assert_outcomes(passed=3)
    again = texts(pytester.path)
    assert again.keys() == kept.keys()
    same = [key for key, (text, _) in kept.items() if again[key][0] == text]
    assert len(same) >= 5
    for key in same:
        (_, trace), (_, other) = kept[key], again[key]
        assert (other.prompt, other.tokens, other.ended) == (
            trace.prompt,
            trace.tokens,
            trace.ended,
        )
        assert list(other.logprobs) == pytest.approx(list(trace.logprobs), abs=1e-3)
    run("--fresh-run").assert_outcomes(passed=3)
    untold = texts(pytester.path)
    assert sum(untold[key][0] == text for key, (text, _) in kept.items()) >= 5
    assert all(trace is None for _, trace in untold.values())

    # What is there without its trace is not generated again, which is said.
    result = run("--traces", "--samples", "3", "--save-traces", "more.traces")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*6 of the 6 samples that are stored already have no trace*"])
    result.stdout.fnmatch_lines(
        ["traces written to more.traces: 3 traces; 6 of 9 samples have none"]
    )


def test_traces_of_several_models_are_refused(ask):
    result = ask("--model", "n=http://127.0.0.1:9/v1", "--save-traces", "f.traces")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--save-traces writes one run, and there are 2 models*"])
