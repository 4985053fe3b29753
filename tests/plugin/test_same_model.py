"""What an endpoint's model generated is reused only while the endpoint serves that model."""

import json

import pytest
from fault_server import FaultServer
from ports import own_port
from sums import SUITE, add, right

from lrmtest.runs.store import Store

OTHER = "now serves another model than in run"


@pytest.fixture
def server():
    with FaultServer(answer=add, owner="vllm") as running:
        running.entry = {"root": "/models/good"}
        yield running


@pytest.fixture
def start(pytester, server):
    pytester.makepyfile(test_sums=SUITE)

    def run(*args, workers=0, url=None):
        begin = pytester.runpytest_subprocess if workers else pytester.runpytest_inprocess
        shared = ("-n", str(workers)) if workers else ()
        location = url or server.url
        return begin("-p", "no:cacheprovider", *shared, "--model", f"m={location}", *args)

    return run


@pytest.fixture
def runs(pytester):
    def found():
        with Store(pytester.path / "reports" / "lrmtest.sqlite", create=False) as store:
            return {run.run_id: len(store.keys(run.run_id)) for run in store.runs()}

    return found


CHANGES = {
    "other root": lambda server: server.entry.update(root="/models/broken"),
    "other answers": lambda server: setattr(
        server, "probe_answer", lambda question, asked: "I am another model altogether"
    ),
    "other version": lambda server: setattr(server, "version", "2.0"),
}


@pytest.mark.parametrize("workers", [0, 2])
def test_the_same_model_is_asked_and_its_completions_reused(start, server, runs, workers):
    start(workers=workers).assert_outcomes(passed=6, failed=6)
    assert sum(server.probed.values()) == 12
    result = start(workers=workers)
    result.assert_outcomes(passed=6, failed=6)
    assert OTHER not in result.stdout.str()
    assert (server.chats, sum(server.probed.values())) == (12, 16)
    assert list(runs().values()) == [12]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("change", CHANGES)
def test_another_model_at_the_same_url_generates_anew(start, server, runs, change, workers):
    if workers and change != "other root":
        pytest.skip("one change is enough")
    start().assert_outcomes(passed=6, failed=6)
    CHANGES[change](server)
    server.answer = right
    result = start(workers=workers)
    result.assert_outcomes(passed=12)
    lines = [line for line in result.stdout.lines if OTHER in line]
    assert lines
    assert all("generated anew" in line for line in lines)
    assert server.chats == 24
    assert list(runs().values()) == [12, 12]
    # Both are there now, and each is continued by its own model only.
    start().assert_outcomes(passed=12)
    assert server.chats == 24


def test_a_half_finished_run_is_not_continued_by_another_model(start, server, runs):
    start("--limit", "5")
    server.entry["root"] = "/models/broken"
    start()
    assert list(runs().values()) == [12, 5]
    server.entry["root"] = "/models/good"
    start()
    assert sorted(runs().values()) == [12, 12]
    assert server.chats == 5 + 12 + 7


def test_another_sampling_of_a_suite_takes_over_from_the_same_model_only(start, server, runs):
    start()
    server.entry["root"] = "/models/broken"
    # Same keys, another run: what the other model answered must not be adopted.
    start("--samples", "2")
    assert list(runs().values()) == [24, 12]


def test_early_stop_with_another_model_decides_on_its_own_answers(start, server, pytester):
    server.answer = right
    start("--save-baseline", "base.json").assert_outcomes(passed=12)
    gate = ("--baseline", "base.json", "--gate", "--early-stop", "--mde", "0.6")
    server.entry["root"] = "/models/broken"
    server.answer = lambda prompt, seed: "\\boxed{999}"
    result = start(*gate)
    assert "gate: REGRESSED" in result.stdout.str()
    assert OTHER in result.stdout.str()


def test_another_model_can_be_refused(start, server):
    start()
    server.entry["root"] = "/models/broken"
    result = start("--refuse-other-model")
    assert result.ret != 0
    text = result.stdout.str() + result.stderr.str()
    assert "root /models/broken, it was /models/good" in text
    assert "--refuse-other-model" in text
    assert server.chats == 12


def test_an_endpoint_that_is_gone_reuses_nothing_unless_it_is_said(start, server):
    start()
    url = server.url
    server.kill()
    result = start(url=url)
    assert result.ret != 0
    text = result.stdout.str() + result.stderr.str()
    assert "--reuse-unverified" in text
    assert "lrmtest report" in text
    result = start("--reuse-unverified", url=url)
    result.assert_outcomes(passed=6, failed=6)
    assert "is not asked whether it still serves" in result.stdout.str()


def test_an_endpoint_that_is_gone_and_left_nothing_is_an_error_as_ever(start):
    with own_port() as port:
        result = start(url=f"http://127.0.0.1:{port}/v1")
    assert result.ret != 0
    assert "--reuse-unverified" not in result.stdout.str() + result.stderr.str()


def test_a_run_of_an_earlier_version_is_not_known_to_be_of_the_same_model(
    start, server, pytester, runs
):
    start()
    with Store(pytester.path / "reports" / "lrmtest.sqlite") as store:
        (run,) = store.runs()
        raw = run.manifest.to_json()
        del raw["model"]["served"], raw["probe"]
        store._db.execute(
            "UPDATE run SET manifest = ?, identity = 'old', checksum = NULL", (json.dumps(raw),)
        )
    result = start()
    assert "does not say which model" in result.stdout.str()
    assert list(runs().values()) == [12, 12]
    assert server.chats == 24


def test_reusing_a_run_of_an_earlier_version_unverified(start, server, pytester):
    start()
    with Store(pytester.path / "reports" / "lrmtest.sqlite") as store:
        (run,) = store.runs()
        raw = run.manifest.to_json()
        del raw["model"]["served"], raw["probe"]
        store._db.execute(
            "UPDATE run SET manifest = ?, identity = 'old', checksum = NULL", (json.dumps(raw),)
        )
    start("--reuse-unverified").assert_outcomes(passed=6, failed=6)
    assert server.chats == 12


def test_a_fresh_run_of_the_same_model_is_known_as_that(start, server, runs):
    start()
    start("--fresh-run")
    assert list(runs().values()) == [12, 12]
    start().assert_outcomes(passed=6, failed=6)
    assert server.chats == 24
    with_served = sum(server.probed.values())
    assert with_served == 12 + 4 + 4


def test_a_server_that_answers_no_probe_is_tested_and_says_what_that_means(start, server):
    server.refuses_probe = True
    result = start()
    result.assert_outcomes(passed=6, failed=6)
    assert "no later start can see that the model is the same" in result.stdout.str()
    start()
    assert server.chats == 24


def test_a_baseline_keeps_what_was_served_and_not_the_answers(start, server, pytester):
    start("--save-baseline", "base.json")
    manifest = json.loads((pytester.path / "base.json").read_text())["manifest"]
    assert manifest["model"]["served"]["root"] == "/models/good"
    assert "probe" not in manifest
