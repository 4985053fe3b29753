"""The self-test before a long run."""

import json
from dataclasses import replace

import pytest
from fault_server import FaultServer
from sums import right, suite

from lrmtest.errors import EngineError
from lrmtest.grading.completion import Completion
from lrmtest.models.engines.base import Delivery, EngineInfo, Message, Request, Sampling
from lrmtest.plugin.generation.selftest import findings, probes
from lrmtest.questions.place import Place
from lrmtest.runs.store import Store

LIKE = Request(Place("k", "aime", "q", 0), (Message("user", "?"),), Sampling(100, 0.6, 0.95), 1)

TAGS = ("<think>", "</think>")


def outcomes(*texts, tokens=48, prompt_tokens=9):
    return [
        Delivery(probe, Completion(text, "length", prompt_tokens, tokens))
        for probe, text in zip(probes(LIKE), texts, strict=True)
    ]


def test_an_honest_engine_gives_no_warning():
    found = findings(outcomes("a b", "a b", "c d"), EngineInfo("x"), TAGS, lambda text: 47)
    assert found == {"seeds": "honoured", "tokens": "agree", "warnings": []}


@pytest.mark.parametrize(
    ("found", "warning"),
    [
        (outcomes("a", "b", "c"), "equal seeds gave different texts"),
        (outcomes("a", "a", "a"), "may ignore seeds"),
        (outcomes("", "", "x"), "empty"),
        (outcomes("a", "a", "c", tokens=60), "at most 48 tokens"),
        (outcomes("a", "a", "c", prompt_tokens=0), "how many tokens the prompt has"),
        (outcomes("<think><think>", "<think><think>", "c"), "opens its reasoning 2 times"),
    ],
)
def test_what_is_odd_is_told(found, warning):
    (said,) = findings(found, EngineInfo("x"), TAGS, None)["warnings"]
    assert warning in said


def test_a_promise_that_was_not_made_is_not_broken():
    found = findings(outcomes("a", "b", "c"), EngineInfo("x", seeded=False), TAGS, None)
    assert found["seeds"] == "not promised"
    assert found["warnings"] == []


def test_counts_that_differ_are_told():
    found = findings(outcomes("a", "a", "b"), EngineInfo("x"), TAGS, lambda text: 12)
    assert found["tokens"] == "server 48, client 12"


def test_a_failed_probe_is_told():
    failed = [replace(one, completion=None, error=EngineError("broke")) for one in outcomes(*"aab")]
    assert findings(failed, EngineInfo("x"), TAGS, None)["warnings"] == [
        "the self-test failed: broke"
    ]


def test_a_long_run_begins_with_one_and_a_short_run_does_not(pytester):
    pytester.makepyfile(test_sums=suite().replace("range(12)", "range(40)"))
    with FaultServer(answer=right) as server:
        args = ("--model", f"m={server.url}")
        pytester.runpytest_inprocess(*args, "--limit", "5")
        assert server.chats == 5
        pytester.runpytest_inprocess(*args, "--summary-json", "s.json").assert_outcomes(passed=40)
        assert server.chats == 43
    with Store(pytester.path / "reports" / "lrmtest.sqlite", create=False) as store:
        run = store.run("last")
        assert run.manifest.self_test.seeds == "honoured"
        assert len(store.keys(run.run_id)) == 40
    assert json.loads((pytester.path / "s.json").read_text())["runs"][0]["model"] == "m"
