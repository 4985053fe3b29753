"""A store that others use, lock or delete while a session runs."""

import shutil
import sqlite3
from contextlib import closing

import pytest
from fault_server import FaultServer
from interrupted import CONCURRENCY, arrived, asked, begin
from processes import wait_for
from sums import right, suite

from lrmtest.runs.store import STORE_NAME


@pytest.fixture
def held_server():
    """Answers some of the questions, and the others after `go_on`."""
    with FaultServer(answer=right, enough=40) as server:
        yield server


def begin_and_wait(pytester, server, *args):
    process = begin(pytester, server, *args)
    wait_for(lambda: server.waiting == CONCURRENCY and arrived(pytester) >= 20)
    return process


def finished(process):
    output, _ = process.communicate(timeout=600)
    return process.returncode, output


def notice(process):
    """The line that says what a session waits for."""
    for line in process.stdout:
        if "another session" in line:
            return line
    raise AssertionError("it ended without a word")


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["plain", "xdist"])
def test_two_sessions_share_a_run(pytester, held_server, workers):
    first = begin_and_wait(pytester, held_server, *workers)
    second = begin(pytester, held_server, *workers)
    assert f"another session (pid {first.pid}) is generating" in notice(second)
    held_server.go_on.set()
    for process in (first, second):
        status, output = finished(process)
        assert status == 0, output
        assert "200 passed" in output
    assert asked(held_server) == 200
    assert arrived(pytester) == 200


def test_a_session_takes_over_what_a_killed_one_has_left(pytester, held_server):
    first = begin_and_wait(pytester, held_server)
    second = begin(pytester, held_server)
    notice(second)
    kept = arrived(pytester)
    first.kill()
    first.communicate()
    held_server.go_on.set()
    status, output = finished(second)
    assert status == 0, output
    assert "the other session has ended" in output
    assert asked(held_server) <= 200 + CONCURRENCY + 200 - kept
    assert arrived(pytester) == 200


def test_a_waiting_session_hears_ctrl_c(pytester, held_server):
    first = begin_and_wait(pytester, held_server)
    second = begin(pytester, held_server)
    notice(second)
    second.send_signal(2)
    status, output = finished(second)
    assert status == 2
    assert "KeyboardInterrupt" in output
    held_server.go_on.set()
    assert finished(first)[0] == 0


def test_another_suite_of_the_same_run_does_not_wait(pytester, held_server):
    first = begin_and_wait(pytester, held_server)
    with FaultServer(answer=right) as other:
        # The same model by its name and address, another suite.
        held_server.enough = None
        pytester.makepyfile(test_more=suite("more"))
        result = pytester.runpytest_inprocess(
            *("-p", "no:cacheprovider", "--model", f"m={held_server.url}", "test_more.py")
        )
        result.assert_outcomes(passed=12)
        assert other.chats == 0
    held_server.go_on.set()
    status, output = finished(first)
    assert status == 0, output
    with closing(sqlite3.connect(pytester.path / "reports" / STORE_NAME)) as db:
        assert db.execute("SELECT COUNT(*) FROM run").fetchone() == (1,)


def locked(pytester):
    db = sqlite3.connect(pytester.path / "reports" / STORE_NAME, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    return closing(db)


def test_what_arrives_while_the_store_is_locked_is_kept(pytester, held_server):
    process = begin_and_wait(pytester, held_server)
    with locked(pytester):
        before = arrived(pytester)
        held_server.go_on.set()
        wait_for(lambda: asked(held_server) == 200 and held_server.in_flight == 0)
        assert arrived(pytester) <= before + CONCURRENCY
    status, output = finished(process)
    assert status == 0, output
    assert "200 passed" in output
    assert asked(held_server) == 200


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["plain", "xdist"])
def test_a_store_that_stays_locked_ends_the_session_resumably(pytester, held_server, workers):
    process = begin_and_wait(pytester, held_server, "--lock-timeout", "1", *workers)
    with locked(pytester):
        held_server.go_on.set()
        status, output = finished(process)
    assert status not in (0, 5)
    assert "has been locked by another program" in output
    assert "it continues" in output
    assert "Traceback" not in output
    result = pytester.runpytest_inprocess(
        "-p", "no:cacheprovider", "--model", f"m={held_server.url}"
    )
    result.assert_outcomes(passed=200)


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["plain", "xdist"])
def test_a_deleted_reports_folder_is_told_and_written_back(pytester, held_server, workers):
    process = begin_and_wait(pytester, held_server, *workers)
    kept = arrived(pytester)
    shutil.rmtree(pytester.path / "reports")
    held_server.go_on.set()
    status, output = finished(process)
    assert status not in (0, 5)
    assert "was deleted while it was used" in output
    assert "Traceback" not in output
    assert arrived(pytester) >= kept
    assert len(list((pytester.path / "reports").glob("*.sqlite"))) == 1
    before = asked(held_server)
    result = pytester.runpytest_inprocess(
        "-p", "no:cacheprovider", "--model", f"m={held_server.url}"
    )
    result.assert_outcomes(passed=200)
    assert asked(held_server) - before <= 200 - kept


def test_a_damaged_completion_is_an_error_and_no_verdict(pytester, held_server):
    held_server.enough = None
    pytester.makepyfile(test_sums=suite())
    command = ("-p", "no:cacheprovider", "--model", f"m={held_server.url}")
    pytester.runpytest_inprocess(*command).assert_outcomes(passed=12)
    with closing(sqlite3.connect(pytester.path / "reports" / STORE_NAME)) as db, db:
        db.execute("UPDATE completion SET text = x'00' WHERE question_id = 'q7'")
    result = pytester.runpytest_inprocess(*command)
    result.assert_outcomes(passed=11, errors=1)
    result.stdout.fnmatch_lines(["*is damaged: completion*", "*lrmtest check*"])
