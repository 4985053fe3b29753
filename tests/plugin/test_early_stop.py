"""`--early-stop`: generation ends when the gate has decided, and can be continued."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter

import pytest
from fault_server import FaultServer
from processes import wait_for
from sums import right, save_passing_baseline, wrong

from lrmtest.analysis.sequential import draw_order
from lrmtest.options.exit_codes import INFRASTRUCTURE, OK, REGRESSED
from lrmtest.runs.formats.baseline import read_baseline

QUESTIONS = 150
CONCURRENCY = 4
ENOUGH = 60
"""So many answers the gate decides by, however far the server is ahead of it."""
NEVER_OK = ("--mde", "0.05")
EASILY_OK = ("--mde", "0.6", "--token-margin", "off")


@pytest.fixture
def base(pytester):
    """A suite of many questions, and the baseline of a model that passes them all."""
    save_passing_baseline(pytester, QUESTIONS)


@pytest.fixture
def start(pytester, base):
    def run(server, *options, subprocess=False, gate=("--gate", "--early-stop")):
        arguments = ("-p", "no:cacheprovider", "--model", f"n={server.url}")
        begin = pytester.runpytest_subprocess if subprocess else pytester.runpytest_inprocess
        options = ("--concurrency", str(CONCURRENCY), *gate, *options)
        return begin(*arguments, "--baseline", "base.json", *options)

    return run


def asked(server):
    """The questions asked, in order; the self-test's requests have budgets of their own."""
    prompts = [
        body["messages"][-1]["content"]
        for body in server.bodies
        if body["max_tokens"] not in (32, 48)
    ]
    return [int(re.search(r"(\d+) \+", prompt)[1]) for prompt in prompts]


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
@pytest.mark.parametrize(
    ("answer", "options", "code", "word"),
    [(wrong, NEVER_OK, REGRESSED, "REGRESSED"), (right, EASILY_OK, OK, "OK")],
)
def test_it_stops_when_it_is_decided(start, answer, options, code, word, workers):
    with FaultServer(answer=answer, enough=ENOUGH) as server:
        result = start(server, "-rs", *options, *workers, subprocess=bool(workers))
        assert len(asked(server)) < QUESTIONS / 2
    assert result.ret == code
    result.stdout.fnmatch_lines(
        [
            "*stopped when decided: the same command without --early-stop continues it",
            f"stopped when decided: * of {QUESTIONS} samples counted*",
            f"gate: {word}",
        ]
    )
    outcomes = result.parseoutcomes()
    assert outcomes["skipped"] > QUESTIONS / 2
    assert sum(outcomes.values()) == QUESTIONS
    assert "not needed: decided" in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


def test_the_run_can_be_continued(start):
    with FaultServer(answer=wrong, enough=ENOUGH) as server:
        start(server, *NEVER_OK)
        before = len(asked(server))
        assert before < QUESTIONS
        server.go_on.set()
        result = start(server, gate=("--gate",))
        assert result.ret == REGRESSED
        # Those that were being generated when it stopped are asked again, nothing else is.
        assert QUESTIONS <= len(asked(server)) <= QUESTIONS + CONCURRENCY
        assert set(asked(server)) == set(range(QUESTIONS))
    assert f"{QUESTIONS} broken" in result.stdout.str()
    assert "stopped when decided" not in result.stdout.str()


def test_repeating_it_decides_the_same_and_generates_nothing(pytester, start):
    with FaultServer(answer=wrong, enough=ENOUGH) as server:
        first = start(server, *NEVER_OK, "--summary-json", "1.json")
        before = len(asked(server))
        second = start(server, *NEVER_OK, "--summary-json", "2.json")
        assert len(asked(server)) == before
    assert first.ret == second.ret == REGRESSED
    found = [
        json.loads((pytester.path / name).read_text())["runs"][0]["comparison"]
        for name in ("1.json", "2.json")
    ]
    assert found[0]["gate"] == found[1]["gate"]
    assert found[0]["early_stop"]["looked_at"] == found[1]["early_stop"]["looked_at"]


def test_questions_are_asked_in_the_gates_order(pytester, start):
    baseline = read_baseline(pytester.path / "base.json").outcomes
    order = [int(key[1].removeprefix("q")) for key, _ in draw_order(baseline, 1, seed=0)]
    with FaultServer(answer=right) as server:
        start(server, *NEVER_OK, "--concurrency", "1")
        assert asked(server) == order[: len(asked(server))]
        assert len(asked(server)) > QUESTIONS / 2


def test_samples_of_a_question_are_spread_over_rounds(pytester, start):
    with FaultServer(answer=right) as server:
        saving = ("--model", f"m={server.url}", "--samples", "3", "--save-baseline", "base.json")
        pytester.runpytest_inprocess(*saving, "--limit", "20").assert_outcomes(
            passed=20, deselected=QUESTIONS - 20
        )
    with FaultServer(answer=right) as server:
        limited = ("--limit", "20", "--samples", "3", "--concurrency", "1")
        start(server, *NEVER_OK, *limited)
        rounds = [Counter(asked(server)[n : n + 20]) for n in (0, 20, 40)]
    assert all(len(part) == 20 for part in rounds)


def test_when_nothing_is_decided_early_everything_is_generated(start):
    with FaultServer(answer=right) as server:
        result = start(server, *NEVER_OK)
        assert sorted(asked(server)) == list(range(QUESTIONS))
    result.assert_outcomes(passed=QUESTIONS)
    assert "stopped when decided" not in result.stdout.str()
    result.stdout.fnmatch_lines(["gate: *"])


def test_what_was_saved_is_told(pytester, start):
    with FaultServer(answer=wrong, enough=ENOUGH) as server:
        start(server, *NEVER_OK, "--summary-json", "s.json")
    comparison = json.loads((pytester.path / "s.json").read_text())["runs"][0]["comparison"]
    early = comparison["early_stop"]
    outcomes = read_baseline(pytester.path / "base.json").outcomes.values()
    total = sum(question.tokens for question in outcomes)
    assert early["samples"] == QUESTIONS
    assert early["tokens_full"] == total
    assert early["tokens_saved"] == pytest.approx(total * early["not_generated"] / QUESTIONS)
    assert (early["baseline_pass_rate"], early["candidate_pass_rate"]) == (1, 0)
    assert early["baseline_table"] is None
    assert comparison["total"]["questions"] == early["looked_at"]


@pytest.mark.parametrize(
    ("answer", "options", "code", "word"),
    [(wrong, (), REGRESSED, "REGRESSED"), (right, EASILY_OK, OK, "OK")],
)
def test_all_samples_of_a_larger_baseline_are_used(pytester, start, answer, options, code, word):
    with FaultServer(answer=right) as server:
        saving = ("--model", f"m={server.url}", "--samples", "3", "--save-baseline", "base.json")
        pytester.runpytest_inprocess(*saving).assert_outcomes(passed=QUESTIONS)
    with FaultServer(answer=answer, enough=ENOUGH) as server:
        result = start(server, *options, "--summary-json", "s.json")
        assert len(asked(server)) < QUESTIONS
    assert result.ret == code
    result.stdout.fnmatch_lines(["*Told against all 450 samples of*", f"gate: {word}"])
    comparison = json.loads((pytester.path / "s.json").read_text())["runs"][0]["comparison"]
    early = comparison["early_stop"]
    assert early["baseline_table"] == 3 * QUESTIONS
    assert (early["baseline_pass_rate"], early["candidate_pass_rate"]) == (1, answer is right)


@pytest.mark.parametrize("selection", [("-k", "q3"), ("--limit", "140")])
def test_a_part_of_the_questions_is_refused_unless_allowed(start, selection):
    with FaultServer(answer=right) as server:
        result = start(server, *EASILY_OK, *selection)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["*of the baseline's questions are not selected*"])
        assert server.chats == 0
    if selection[0] == "--limit":
        with FaultServer(answer=right, delay=0.01) as server:
            assert start(server, *EASILY_OK, *selection, "--allow-missing").ret == OK


def test_engine_errors_are_infrastructure(start):
    with FaultServer(answer=right, dead_after=8) as server:
        result = start(server, *NEVER_OK, "--max-retries", "0", "--concurrency", "1")
    assert result.ret == INFRASTRUCTURE
    assert result.parseoutcomes()["errors"] >= QUESTIONS - 8


def test_a_prompt_of_a_tests_own_is_still_answered(pytester, start):
    pytester.makepyfile(
        test_own="def test_own(model): assert 'hello' in model.generate('hello').text"
    )
    before = itertools.count()

    def answer(prompt, seed):
        if "hello" in prompt:
            return prompt
        if next(before) > ENOUGH:
            server.go_on.wait()
        return wrong(prompt, seed)

    with FaultServer(answer=answer) as server:
        result = start(server, *NEVER_OK)
    assert result.ret == REGRESSED
    assert result.parseoutcomes()["passed"] == 1
    assert result.parseoutcomes()["skipped"] > QUESTIONS / 2


def test_ctrl_c_ends_it_and_decides_nothing(pytester, base):
    with FaultServer(answer=right, enough=20) as server:
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "--model", f"n={server.url}", "--concurrency", "2",
             "--baseline", "base.json", "--gate", "--early-stop", *NEVER_OK],
            cwd=pytester.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        wait_for(lambda: server.waiting)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=300)
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert "gate:" not in output
    assert "the same command continues it" in output
