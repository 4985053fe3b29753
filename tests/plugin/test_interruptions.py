"""Runs that are killed or interrupted in the middle: nothing that had arrived is lost."""

import signal
import time

import pytest
from fault_server import FaultServer
from interrupted import CONCURRENCY, arrived, asked, begin
from processes import wait_for
from sums import right


@pytest.fixture
def held_server():
    """Answers some of the questions, and the others after `go_on`."""
    with FaultServer(answer=right, enough=40) as server:
        yield server


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_run_that_ends_early_continues_where_it_was(pytester, held_server, how):
    process = begin(pytester, held_server)
    wait_for(lambda: held_server.waiting == CONCURRENCY and arrived(pytester) >= 20)
    process.send_signal(how)
    output, _ = process.communicate(timeout=300)
    kept = arrived(pytester)
    assert 20 <= kept < 200
    before = asked(held_server)
    held_server.go_on.set()
    result = pytester.runpytest_inprocess(
        "-p", "no:cacheprovider", "--model", f"m={held_server.url}"
    )
    result.assert_outcomes(passed=200)
    assert asked(held_server) - before == 200 - kept
    if how is signal.SIGINT:
        assert "KeyboardInterrupt" in output
        assert "the same command continues it" in output


def test_ctrl_c_before_the_first_test_says_how_to_go_on(pytester):
    with FaultServer(answer=right, enough=0) as server:
        process = begin(pytester, server)
        wait_for(lambda: server.waiting)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=300)
        assert "m: interrupted: the same command continues it" in output
        assert "Traceback" not in output
        server.go_on.set()
        continued = ("-p", "no:cacheprovider", "--model", f"m={server.url}")
        result = pytester.runpytest_inprocess(*continued)
    result.assert_outcomes(passed=200)


def test_ctrl_c_twice_still_ends_and_keeps_everything(pytester, held_server):
    process = begin(pytester, held_server)
    wait_for(lambda: arrived(pytester) >= 10)
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=300)
    assert process.returncode != 0
    assert 10 <= arrived(pytester) < 200


def test_progress_is_plain_lines_without_a_terminal(pytester, held_server):
    held_server.go_on.set()
    process = begin(pytester, held_server)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0
    assert "200/200 questions" in output
    assert "\x1b" not in output
