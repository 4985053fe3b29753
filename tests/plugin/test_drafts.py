"""`--drafts`: the samples that there would be without it, fewer tokens generated, and told so."""

import json
import re

import pytest

from lrmtest.cli import main
from lrmtest.errors import ModelError
from lrmtest.models.programs.vllm import find_vllm
from lrmtest.runs.open_traces import open_traces
from lrmtest.runs.store import STORE_NAME, Store

SUITE = """
import lrmtest

@lrmtest.suite("fresh-arithmetic")
def test_arithmetic(question, model):
    model.solve(question)

@lrmtest.suite("fresh-hops")
def test_hops(question, model):
    model.solve(question)
"""
ASKED = ("-p", "no:cacheprovider", "--fresh-count", "3", "--temperature", "1", "--top-p", "1")


@pytest.fixture(scope="module")
def pruned(tmp_path_factory):
    """tiny-lrm without most of its weights: it turns from some traces."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("models") / "tiny-pruned"
    words = ("tiny-lrm", "-o", str(folder), "--method", "magnitude", "--sparsity", "0.8")
    assert main(["compress", *words]) == 0
    return folder


@pytest.fixture
def run(pytester):
    pytester.makepyfile(test_some=SUITE)

    def run_suite(model, store, *args, samples=2):
        return pytester.runpytest_inprocess(
            *(*ASKED, "--samples", str(samples), "--model", str(model), "--reports-dir", store),
            *args,
        )

    return run_suite


def completions(path, name="last"):
    with Store(path / STORE_NAME) as store:
        run = store.run(name)
        return run, {one.place.key: one.completion for one in store.completions(run.run_id)}


def texts(found):
    return {
        key: (one.text, one.finish_reason, one.completion_tokens, one.reasoning_tokens, one.seed)
        for key, one in found.items()
    }


def test_samples_are_the_plain_ones_and_say_what_was_generated(pytester, run, pruned):
    run("tiny-lrm", "r", "--save-baseline", "p.json", "--save-traces", "p.traces")
    run(pruned, "plain")
    _, plain = completions(pytester.path / "plain")
    result = run(
        *(pruned, "r", "--baseline", "p.json", "--drafts", "baseline", "--limit", "2"),
        *("--summary-json", "s.json", "--traces"),
    )
    shown = " ".join(result.stdout.str().split())
    assert re.search(
        r"tiny-pruned: 8 samples with a trace of tiny-lrm-\S+ as a draft, \S+ tokens, generated "
        "from where tiny-pruned turns from it",
        shown,
    )
    assert re.search(r"8 samples with drafts: \S+ of their \S+ tokens generated \(\S+ %\)", shown)
    head, some = completions(pytester.path / "r")
    assert len(some) == 8
    assert texts(some) == {key: text for key, text in texts(plain).items() if key in some}
    assert all(one.drafted_tokens is not None for one in some.values())
    tokens = sum(one.completion_tokens for one in some.values())
    drafted = sum(one.drafted_tokens for one in some.values())
    assert 0 < drafted < tokens
    assert head.manifest.drafts.model == "tiny-lrm"
    assert head.manifest.drafts.way == "noise"
    [document] = json.loads((pytester.path / "s.json").read_text())["runs"]
    assert document["total"]["drafts"] == {"samples": 8, "tokens": tokens, "drafted": drafted}
    assert document["timing"]["generated_tokens"] == tokens - drafted
    assert document["timing"]["drafted_tokens"] == drafted

    # The rest, of which some have no trace; what is there stays.
    result = run(pruned, "r", "--drafts", "p.traces", samples=3)
    result.stdout.fnmatch_lines(["*: 4 samples with a trace of *; 6 without one, generated from*"])
    again, whole = completions(pytester.path / "r")
    assert again.run_id == head.run_id
    assert sum(one.drafted_tokens is not None for one in whole.values()) == 12
    assert texts(plain).items() <= texts(whole).items()
    assert some.items() <= whole.items()
    # Nothing is left to be generated, and nothing is looked up for it.
    result = run(pruned, "r", "--drafts", "last", samples=3)
    result.stdout.no_fnmatch_line("*as a draft*")


def test_the_gate_stakes_by_what_the_model_reads_and_goes_on_with_drafts(pytester, run, pruned):
    """The baseline has two samples of each question, so that the second ones are read for it."""
    run("tiny-lrm", "r", "--save-baseline", "p.json", "--save-traces", "p.traces")
    gate = ("--baseline", "p.json", "--gate", "--read", "--early-stop", "--token-margin", "off")
    more = ("--drafts", "baseline", "--summary-json", "s.json")
    orders = []
    for _ in range(2):
        result = run(pruned, "r", *gate, *more, samples=1)
        shown = " ".join(result.stdout.str().split())
        assert "tiny-pruned: read: 12 traces of 6 questions" in shown
        assert "tiny-pruned: stakes by reading 6 traces on which nothing is bet" in shown
        with Store(pytester.path / "r" / STORE_NAME) as store:
            head = store.run("last:tiny-pruned")
            orders += [(head.run_id, looks.order) for looks in head.manifest.looks.values()]
    # The second time all is in the store, what was read as well, and the order is the same one.
    assert len(orders) == 2
    assert orders[0] == orders[1]
    assert orders[0][1].startswith("read:")


def test_traces_by_another_seed_are_refused(pytester, run, pruned):
    run("tiny-lrm", "r", "--traces", "--limit", "1")
    result = run(pruned, "r", "--drafts", "last:tiny-lrm", "--seed", "7", "--limit", "1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    shown = result.stderr.str() + result.stdout.str()
    assert "drawn with seed 0, and this session has 7" in shown
    assert "--seed 0" in shown


def test_another_prompt_is_generated_from_the_start_and_told(pytester, run, pruned):
    run("tiny-lrm", "r", "--traces", "--limit", "1")
    (pytester.path / "other.txt").write_text("Please: {question}")
    result = run(
        *(pruned, "r", "--drafts", "last:tiny-lrm", "--limit", "1"),
        *("--prompt-file", "fresh-hops=other.txt"),
    )
    result.stdout.fnmatch_lines(
        ["tiny-pruned: 2 samples generated from the start, since the model is asked with other *"]
    )
    _, found = completions(pytester.path / "r")
    assert [one.drafted_tokens is None for one in found.values()].count(True) == 2


def test_workers_take_drafts_as_one_process_does(pytester, run, pruned):
    run("tiny-lrm", "r", "--traces")
    run(pruned, "r", "--drafts", "last:tiny-lrm", "-n", "2")
    run(pruned, "plain")
    _, found = completions(pytester.path / "r")
    assert texts(found) == texts(completions(pytester.path / "plain")[1])
    assert all(one.drafted_tokens is not None for one in found.values())


@pytest.mark.parametrize(
    ("model", "args", "said"),
    [
        ("recorded", (), "runs on engine recorded, which can only give back what was recorded"),
        ("endpoint", (), "runs on engine openai, which can only generate from the start"),
        ("tiny-lrm", ("--engine", "llamacpp"), "engine llamacpp, which can only generate from"),
    ],
)
def test_engines_that_cannot_are_refused_before_anything_else(pytester, run, model, args, said):
    pytester.path.joinpath("x.jsonl").write_text('{"question": "q", "output": "o"}\n')
    models = {"recorded": "m=recorded:x.jsonl", "endpoint": "m=http://127.0.0.1:9"}
    result = run(models.get(model, model), "r", "--drafts", "p.traces", *args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--drafts: model *{said}*", "*take an engine that can begin*"])


def test_drafts_of_no_baseline_are_refused(run):
    result = run("tiny-lrm", "r", "--drafts", "baseline")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--drafts baseline needs --baseline*"])


@pytest.mark.parametrize(
    ("args", "said", "hint"),
    [
        (
            ("--drafts", "last:tiny-lrm"),
            "its traces were drawn on transformers, whose probabilities are not told again by vllm",
            "take traces that vllm has drawn",
        ),
        (
            ("--drafts", "last:tiny-lrm", "--temperature", "0.5"),
            "drawn with temperature 1, top-p 1, and this session's samples are with temperature "
            "0.5, top-p 1",
            "give the same --temperature",
        ),
        (
            ("--drafts", "last:tiny-lrm", "--request-field", "presence_penalty=0.5"),
            "this session has the request field presence_penalty, which drafts cannot follow",
            "chat_template_kwargs, reasoning_effort, top_k, min_p",
        ),
        (
            ("--drafts", "last:tiny-lrm", "--drafts-parent", "{pruned}"),
            "tiny-pruned: its weights are not those that wrote the traces of tiny-lrm-",
            "name the model that did: --drafts-parent MODEL",
        ),
        (("--drafts-parent", "tiny-lrm"), "--drafts-parent without --drafts", "name the traces"),
    ],
)
def test_vllm_turns_from_no_traces_that_it_cannot_follow_exactly(
    pytester, run, pruned, args, said, hint
):
    """Refused before any server is started."""
    run("tiny-lrm", "r", "--traces", "--limit", "1", samples=1)
    args = [one.format(pruned=pruned) for one in args]
    result = run(pruned, "r", "--engine", "vllm", "--limit", "1", *args, samples=1)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    shown = " ".join((result.stderr.str() + result.stdout.str()).split())
    assert said in shown
    assert hint in shown
    with Store(pytester.path / "r" / STORE_NAME) as store:
        assert all(not store.completion_count(one.run_id) for one in store.runs()[:-1])


@pytest.mark.engine
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("quick_vllm")
def test_vllm_goes_on_from_where_it_turns(pytester, run, pruned):
    try:
        find_vllm()
    except ModelError as error:
        pytest.skip(str(error))
    vllm = ("--engine", "vllm", "--traces", "--limit", "2", "--max-tokens", "96")
    run("tiny-lrm", "r", *vllm)
    parent, theirs = traced(pytester.path / "r", "last:tiny-lrm")
    drafted = (*vllm, "--drafts", "last:tiny-lrm")
    result = run(pruned, "r", *drafted)
    result.stdout.fnmatch_lines(["tiny-pruned: reads 8 traces of tiny-lrm-*"])
    head, own = traced(pytester.path / "r", "last")
    assert (head.manifest.drafts.run, head.manifest.drafts.way) == (parent.run_id, "rejection")
    assert len(own) == 8
    assert own.keys() == theirs.keys()
    turned = 0
    for place, (completion, trace) in own.items():
        taken = completion.drafted_tokens
        draft = theirs[place][1].tokens
        assert trace.fault is None
        assert trace.tokens[:taken] == draft[:taken]
        assert len(trace.tokens) == len(trace.logprobs) == completion.completion_tokens
        assert completion.prompt_tokens == len(trace.prompt)
        turned += taken < len(trace.tokens)
    assert turned
    # Another trace would give another sample: they are no samples of a run without drafts.
    keys = set(completions(pytester.path / "r")[1])
    assert head.manifest.model.to_json()["drafts"] == {"run": parent.run_id, "way": "rejection"}
    asked = head.manifest.suites["fresh-hops"].options
    assert "--drafts=last:tiny-lrm" in asked  # to go on with it takes the same drafts
    # What is there is not generated again, and no server is started for it.
    result = run(pruned, "r", *drafted)
    result.stdout.no_fnmatch_line("*tiny-pruned: reads*")
    again, found = completions(pytester.path / "r")
    assert (again.run_id, set(found)) == (head.run_id, keys)


def traced(path, name):
    """A run, and of each sample its completion and its trace."""
    with Store(path / STORE_NAME) as store:
        run = store.run(name)
        kept = {one.place.key: one.completion for one in store.completions(run.run_id)}
    with open_traces(run.run_id, path / STORE_NAME) as traces:
        return run, {
            (*one.place.question, one.place.sample): (kept[one.place.key], one.trace)
            for one in traces
        }
