"""`lrmtest watch`, `runs` and `show`, while another process generates."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys

import pytest
from browser import launched
from fault_server import FaultServer
from interrupted import CONCURRENCY, arrived, begin
from interrupted import asked as asked_of
from processes import wait_for
from sums import right

from lrmtest.cli import main


@pytest.fixture
def held(pytester):
    """A session of 200 questions of which the server has answered some; the rest by `go_on`."""
    with FaultServer(answer=right, enough=40) as server:
        yield server


def begun(pytester, server, *args):
    process = begin(pytester, server, *args)
    wait_for(lambda: server.waiting == CONCURRENCY and arrived(pytester) >= 20)
    # What has been answered has arrived, too: nothing more will until the server goes on.
    wait_for(lambda: arrived(pytester) == asked_of(server) - CONCURRENCY)
    return process


def lrmtest(*words, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "lrmtest", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        **options,
    )


def ended(process):
    output, _ = process.communicate(timeout=300)
    return process.returncode, output


def listed(capsys):
    capsys.readouterr()
    assert main(["runs", "--json"]) == 0
    return json.loads(capsys.readouterr().out)[0]


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["plain", "xdist"])
def test_an_unfinished_run_says_what_it_has(pytester, held, capsys, workers):
    session = begun(pytester, held, *workers)
    done = arrived(pytester)
    # A test runs when the next one's completions are there, in each worker.
    run = wait_for(lambda: (one := listed(capsys))["samples"] >= done - 8 and one)
    assert run["state"] == "running"
    assert not run["complete"]
    assert run["samples_done"] == done
    assert run["samples_wanted"] == 200
    assert run["tokens"] > 0
    assert run["pass_rate"]["value"] == 1.0
    assert run["pass_rate"]["low"] < 1.0

    assert main(["show", "last", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["runs"][0]["so_far"]
    (told,) = shown["sessions"]
    assert (told["pid"], told["phase"], told["samples_planned"]) == (
        session.pid, "generating", 200,
    )  # fmt: skip
    left = wait_for(lambda: shown_left(capsys))
    assert 0 <= left["low"] <= left["middle"] <= left["high"]
    assert main(["show", "last"]) == 0
    assert f"running (pid {session.pid}): {done} of 200 samples" in capsys.readouterr().out

    watching = lrmtest("watch")
    first = watching.stdout.readline()
    assert f"{run['run_id']} running: {done} of 200 samples" in first
    assert "pass rate so far 100.0 %" in first
    held.go_on.set()
    assert ended(session)[0] == 0
    status, output = ended(watching)
    assert status == 0, output
    assert "complete: 200 of 200 samples" in output
    assert listed(capsys)["state"] == "complete"


def shown_left(capsys):
    capsys.readouterr()
    assert main(["show", "last", "--json"]) == 0
    return json.loads(capsys.readouterr().out)["runs"][0]["so_far"]["sessions"][0]["seconds_left"]


def test_a_killed_run_is_interrupted_and_watching_says_so(pytester, held, capsys):
    session = begun(pytester, held)
    watching = lrmtest("watch", "last")
    assert "running" in watching.stdout.readline()
    os.killpg(session.pid, signal.SIGKILL)
    session.wait()
    status, output = ended(watching)
    assert status == 11, output
    assert "interrupted: " in output
    run = listed(capsys)
    assert (run["state"], run["samples_done"]) == ("interrupted", arrived(pytester))
    assert main(["runs", "--csv"]) == 0
    assert "interrupted" in capsys.readouterr().out


def test_ctrl_c_leaves_the_run_alone(pytester, held):
    session = begun(pytester, held)
    watching = lrmtest("watch")
    assert "running" in watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    assert ended(watching)[0] == 130
    held.go_on.set()
    assert ended(session)[0] == 0


def test_it_waits_for_a_run_to_begin(pytester):
    watching = lrmtest("watch", cwd=pytester.path)
    assert "waiting for a run to begin in reports" in watching.stdout.readline()
    with FaultServer(answer=right, enough=40) as server:
        session = begun(pytester, server)
        assert "running" in watching.stdout.readline()
        server.go_on.set()
        assert ended(session)[0] == 0
    status, output = ended(watching)
    assert status == 0, output


def test_a_run_that_is_none_is_a_mistake(pytester, capsys):
    assert main(["watch", "last"]) == 11  # there is no store
    with FaultServer(answer=right, enough=1000) as server:
        begin(pytester, server).communicate(timeout=300)
    assert main(["watch", "nobody"]) == 2
    assert "no run is called 'nobody'" in capsys.readouterr().err


def asked(port, path, host=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers={} if host is None else {"Host": host})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content, dict(answer.getheaders())


@pytest.fixture
def served(pytester, held):
    session = begun(pytester, held)
    watching = lrmtest("watch", "--html")
    line = watching.stdout.readline()
    port = int(line.rstrip().rstrip("/").rpartition(":")[2])
    yield held, session, watching, port
    watching.send_signal(signal.SIGINT)
    watching.communicate(timeout=300)


def test_the_report_is_served_here_alone_and_renewed(served):
    held, session, _, port = served
    status, content, headers = asked(port, "/")
    assert (status, b"<iframe" in content) == (200, True)
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    status, before, _ = asked(port, "/report")
    assert (status, before[:15].lower()) == (200, b"<!doctype html>")
    assert asked(port, "/state")[0] == 200
    for path in ("/report/../../etc/passwd", "//etc/passwd", "/reports/lrmtest.sqlite", "/x"):
        assert asked(port, path)[0] == 404
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port + 1}"):
        assert asked(port, "/report", host)[0] == 421
    assert asked(port, "/state", f"localhost:{port}")[0] == 200
    held.go_on.set()
    assert ended(session)[0] == 0
    wait_for(lambda: asked(port, "/report")[1] != before)


@pytest.mark.browser
@pytest.mark.timeout(300)
def test_the_page_renews_itself_and_keeps_its_place(served):
    held, session, _, port = served
    with launched() as browser:
        page = browser.new_page(viewport={"width": 1000, "height": 500})
        page.set_default_timeout(120_000)
        complaints = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"http://127.0.0.1:{port}/")
        report = page.frame_locator("#report")
        report.locator("nav a", has_text="Questions").first.click()
        report.locator("table.questions tbody tr:not([aria-hidden])").first.wait_for()
        before = report.locator(".total").text_content()
        held.go_on.set()
        assert ended(session)[0] == 0
        report.locator(".total", has_text="200").wait_for()
        assert report.locator(".total").text_content() != before
        report.locator("nav a[aria-current]", has_text="Questions").wait_for()
        assert complaints == []


@pytest.mark.parametrize("port", ["x", "65536", "-1"])
def test_what_is_no_port_is_told(capsys, port):
    with pytest.raises(SystemExit, match="2"):
        main(["watch", f"--html={port}"])
    assert f"'{port}' is not a port, from 0 to 65,535" in capsys.readouterr().err
