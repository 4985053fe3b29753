"""Under pytest-xdist: one engine for all workers, and the same results for any number of them."""

import json
import os
import pty
import re
import subprocess
import sys

import pyte
import pytest
from fault_server import FaultServer
from sums import SUITE, right, suite


@pytest.fixture
def run(pytester, server):
    pytester.makepyfile(test_sums=SUITE)

    def run_suite(*args, url=None):
        return pytester.runpytest_subprocess(
            "-p", "no:cacheprovider", "--model", f"m={url or server.url}", *args
        )

    return run_suite


def suites_of(path):
    suites = json.loads(path.read_text())["runs"][0]["suites"]
    for figures in suites:
        figures.pop("reused")
    return suites


def test_any_number_of_workers_gives_the_same_summary(pytester, run, server):
    found = []
    for workers in ("0", "2", "4"):
        result = run("-n", workers, "--summary-json", f"{workers}.json", "--fresh-run")
        result.assert_outcomes(passed=6, failed=6)
        found.append(suites_of(pytester.path / f"{workers}.json"))
    assert found[0] == found[1] == found[2]
    assert server.chats == 36


def test_all_questions_are_in_flight_whatever_the_workers(pytester):
    pytester.makepyfile(test_sums=SUITE)
    with FaultServer(answer=right, together=12) as slow:
        result = pytester.runpytest_subprocess("-n", "2", "--model", f"m={slow.url}")
        result.assert_outcomes(passed=12)
        assert slow.most_in_flight == 12


def test_a_distributed_run_is_continued_and_complete(run, server):
    run("-n", "2", "--limit", "3").assert_outcomes(passed=2, failed=1)
    result = run("-n", "2")
    result.assert_outcomes(passed=6, failed=6)
    assert "interrupted" not in result.stdout.str()
    run().assert_outcomes(passed=6, failed=6)
    assert server.chats == 12


def test_a_single_test_for_many_workers_runs(run):
    run("-n", "3", "-k", "q4").assert_outcomes(passed=1)


def test_a_crashed_worker_loses_nothing_and_is_an_error(pytester, server):
    pytester.makepyfile(
        test_sums=suite().replace(
            "    attempt =",
            "    import os, pathlib\n"
            '    marker = pathlib.Path("crashed")\n'
            '    if question.id == "q5" and not marker.exists():\n'
            "        marker.touch()\n"
            "        os._exit(9)\n"
            "    attempt =",
        )
    )
    result = pytester.runpytest_subprocess("-n", "2", "--model", f"m={server.url}")
    result.assert_outcomes(passed=6, failed=5, errors=1)
    assert server.chats == 12
    pytester.runpytest_subprocess("-n", "2", "--model", f"m={server.url}").assert_outcomes(
        passed=6, failed=6
    )
    assert server.chats == 12


def test_models_follow_each_other_and_plain_tests_run_too(pytester):
    pytester.makepyfile(
        test_sums=SUITE,
        test_plain="""
            import pytest

            @pytest.mark.parametrize("n", range(5))
            def test_plain(n):
                pass

            def test_own(model):
                assert "hello" in model.generate("hello").text
        """,
    )
    with (
        FaultServer(answer=lambda p, s: right(p, s) if "+" in p else p) as good,
        FaultServer(answer=lambda p, s: "no idea, hello") as bad,
    ):
        result = pytester.runpytest_subprocess(
            "-n", "2", "--model", f"good={good.url}", "--model", f"bad={bad.url}"
        )
        result.assert_outcomes(passed=5 + 12 + 2, failed=12)
        result.stdout.fnmatch_lines(["*good*", "*bad*"])
        assert good.chats == bad.chats == 13


def test_engine_errors_are_errors_in_every_worker(pytester, run):
    with FaultServer(answer=right, dead_after=4) as dying:
        result = run("-n", "2", "--max-retries", "0", "--concurrency", "1", url=dying.url)
    outcomes = result.parseoutcomes()
    assert outcomes["errors"] >= 6
    assert outcomes.get("failed", 0) == 0
    result.stdout.fnmatch_lines(["*interrupted: the same command continues it*"])


def test_a_model_that_cannot_start_makes_errors_with_the_cause(run):
    result = run("-n", "2", url="http://127.0.0.1:9")
    result.assert_outcomes(errors=12)
    result.stdout.fnmatch_lines(["*127.0.0.1:9*"])


def test_maxfail_ends_a_distributed_session(run):
    result = run("-n", "2", "--maxfail", "1")
    assert result.ret != 0
    assert result.parseoutcomes()["failed"] >= 1


def test_distributions_with_other_rules_are_refused(run):
    result = run("-n", "2", "--dist", "loadfile")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*loadfile*order of completion*"])


def test_an_engine_for_each_worker_changes_no_result(run, server):
    result = run("-n", "2", "--engine-per-worker")
    result.assert_outcomes(passed=6, failed=6)
    assert server.chats == 12
    # Once before them, for what it serves; and by each for its model and for its chat template.
    assert server.paths["/v1/models"] == 5


def test_sessions_without_a_model_keep_their_distribution(pytester):
    pytester.makepyfile("def test_plain(): pass")
    pytester.runpytest_subprocess("-n", "2", "--dist", "loadfile").assert_outcomes(passed=1)


def test_progress_is_shown_below_the_dots_and_goes_away(pytester):
    """On a terminal, as without workers: what is drawn while all is held, and what is left."""
    pytester.makepyfile(test_sums=SUITE)
    with FaultServer(answer=right, enough=4) as held:
        master, terminal = pty.openpty()
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "2"]
        environment = {name: value for name, value in os.environ.items() if name != "CI"}
        session = subprocess.Popen(
            [*command, "--model", f"m={held.url}"],
            env={**environment, "TERM": "xterm", "COLUMNS": "150", "LINES": "60"},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        )
        os.close(terminal)
        screen = pyte.HistoryScreen(150, 60)
        stream, seen = pyte.ByteStream(screen), set()
        while data := read(master):
            stream.feed(data)
            for line in screen.display:
                if found := re.search(r"(\d+)/12 questions.*running", line):
                    seen.add(int(found[1]))
            if 4 in seen:
                held.go_on.set()
        assert session.wait(60) == 0
    shown = "\n".join(screen.display)
    assert 4 in seen
    assert "12 passed" in shown
    assert "2 workers [12 items]" in shown
    assert re.search(r"^\.{12} +\[100%\]", shown, re.MULTILINE)
    assert not re.search(r"\d/12 questions", shown)


def read(master):
    """What a terminal has been written; empty once its program has ended."""
    try:
        return os.read(master, 1 << 16)
    except OSError:
        return b""


def test_where_there_is_no_terminal_the_last_count_is_a_line(pytester, run):
    lines = run("-n", "2").stdout.lines
    told = [line for line in lines if "/12 questions" in line]
    assert told[-1].startswith("12/12 questions")
    assert "\x1b" not in "".join(lines)
