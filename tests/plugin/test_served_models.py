"""Runs on servers that lrmtest starts: no process outlives them, and nothing that arrived is lost.

Each test runs with a stand-in for llama-server, and with the real one.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import stand_in_server
from model_bytes import gguf_bytes
from processes import descendants, gone, servers, wait_for
from stand_in_server import HELD_AFTER

import lrmtest.models
from lrmtest.errors import ModelError, StoreError
from lrmtest.models.cache import cache_dir
from lrmtest.options.exit_codes import INFRASTRUCTURE
from lrmtest.runs.store import Store

QUESTIONS = 16
REAL_QUESTIONS = 64
"""For a real model, which answers sixteen before anybody could interrupt it."""
CACHE = cache_dir()  # of the user: pytester gives each test a home of its own

SUITE = """
import lrmtest

@lrmtest.suite("fresh-{family}")
def test_question(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
"""


@dataclass
class Served:
    """Starts pytest on a model that is served."""

    pytester: pytest.Pytester
    model: str
    held: Path
    budget: int = 40
    questions: int = QUESTIONS
    real: bool = False

    def hold(self):
        """Let the stand-in answer some questions, and the others after `go_on`."""
        self.held.touch()

    def go_on(self):
        self.held.unlink()

    def begin(self, *arguments, count=None, **more):
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "pytest", "-p", "no:hypothesispytest"),
                *("-p", "no:cacheprovider", "--tb=no"),
                *("--model", self.model, "--engine", "llamacpp", "--temperature", "0"),
                *(
                    "--fresh-count",
                    str(count or self.questions),
                    "--max-tokens",
                    str(self.budget),
                    "--concurrency",
                    "4",
                ),
                *arguments,
            ],
            cwd=self.pytester.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            **more,
        )

    def run(self, *arguments, **more):
        process = self.begin(*arguments, **more)
        output, _ = process.communicate(timeout=900)
        return process.returncode, output

    def arrived(self):
        """Completions in the newest run of the store."""
        try:
            with Store(self.pytester.path / "reports" / "lrmtest.sqlite", create=False) as store:
                runs = store.runs()
                return len(store.keys(runs[0].run_id)) if runs else 0
        except StoreError:
            return 0

    def suites(self, file):
        """The figures of a summary's file that generation decides."""
        suites = json.loads((self.pytester.path / file).read_text())["runs"][0]["suites"]
        for figures in suites:
            figures.pop("reused")
        return suites


@pytest.fixture(
    params=["stand-in", pytest.param("real", marks=[pytest.mark.engine, pytest.mark.timeout(1800)])]
)
def served(request, pytester, tmp_path, monkeypatch):
    # Short prompts: a real model on two cores reads longer at them than it answers.
    pytester.makepyfile(test_questions=SUITE.format(family="arithmetic"))
    held = tmp_path / "held"
    monkeypatch.setenv("LRMTEST_STAND_IN_HELD", str(held))
    if request.param == "real":
        pytest.importorskip("gguf", reason="tiny-lrm is converted with it")
        from lrmtest.models.gguf.from_safetensors import converted
        from lrmtest.models.programs.llamacpp import find_llama_server

        try:
            find_llama_server()
        except ModelError as error:
            pytest.skip(str(error))
        monkeypatch.setenv("LRMTEST_CACHE", str(CACHE))
        # Converted here, as one of the sessions may write no large file.
        model = f"m={converted(Path(lrmtest.models.__file__).with_name('tiny_lrm'))}"
        return Served(pytester, model, held, budget=400, questions=REAL_QUESTIONS, real=True)
    file = tmp_path / "m.gguf"
    context = {"general.architecture": "llama", "llama.context_length": 65536}
    file.write_bytes(gguf_bytes(context, [("blk.0.weight", (32, 2), 3, 40)]))
    monkeypatch.setenv("LRMTEST_LLAMA_SERVER", str(stand_in_server.install(tmp_path)))
    monkeypatch.setenv("LRMTEST_STAND_IN_DELAY", "0.01")
    return Served(pytester, f"m={file}", held)


ENDINGS = {
    "killed": [signal.SIGKILL],
    "terminal closed": [signal.SIGHUP],
    "asked to end": [signal.SIGTERM],
    "Ctrl-C": [signal.SIGINT],
    "Ctrl-C twice": [signal.SIGINT, signal.SIGINT],
}


@pytest.mark.parametrize("how", ENDINGS)
def test_no_server_outlives_a_run_that_is_ended_and_it_continues(served, how):
    served.hold()
    process = served.begin()
    wait_for(lambda: served.arrived() >= 2)
    family = descendants(process.pid)
    assert servers(process.pid)
    for number in ENDINGS[how]:
        os.killpg(process.pid, number)  # to the foreground group, as a terminal does
        time.sleep(0.05)
    process.communicate(timeout=300)
    assert process.returncode != 0
    assert gone(family)
    kept = served.arrived()
    assert 2 <= kept < served.questions
    assert served.real or kept <= HELD_AFTER  # the stand-in holds the others
    served.go_on()
    status, output = served.run("--summary-json", "summary.json")
    assert status in (0, 1), output
    assert served.arrived() == served.questions
    reused = json.loads((served.pytester.path / "summary.json").read_text())
    assert reused["runs"][0]["suites"][0]["reused"] == kept


def test_no_server_outlives_a_run_that_ends_by_itself(served):
    served.hold()
    process = served.begin(count=HELD_AFTER + 1)
    family = wait_for(lambda: descendants(process.pid, "--alias"))
    served.go_on()
    process.communicate(timeout=900)
    assert process.returncode in (0, 1)
    assert gone(family)


def test_no_server_outlives_an_exception_in_a_plugin(served):
    served.pytester.makeconftest(
        "def pytest_runtest_logreport(report):\n    raise RuntimeError('a plugin of its own')\n"
    )
    served.hold()
    process = served.begin()
    family = wait_for(lambda: descendants(process.pid, "--alias"))
    served.go_on()
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 3, output
    assert gone(family)


def test_a_server_killed_in_the_middle_costs_nothing(served):
    served.hold()
    process = served.begin("--summary-json", "summary.json")
    wait_for(lambda: served.arrived() >= 2)
    (server,) = servers(process.pid)
    server.kill()
    served.go_on()
    output, _ = process.communicate(timeout=900)
    assert process.returncode in (0, 1), output
    (figures,) = served.suites("summary.json")
    assert (figures["samples"], figures["errors"]) == (served.questions, 0)
    assert "restart 1 of 2" in output


def test_a_server_that_stops_answering_is_started_again(served):
    silence = "8" if served.real else "3"
    served.hold()
    process = served.begin(
        "--summary-json", "summary.json", "--request-timeout", silence, "--max-retries", "1"
    )
    wait_for(lambda: served.arrived() >= 2)
    (server,) = servers(process.pid)
    server.suspend()
    served.go_on()
    output, _ = process.communicate(timeout=900)
    assert process.returncode in (0, 1), output
    (figures,) = served.suites("summary.json")
    assert (figures["samples"], figures["errors"]) == (served.questions, 0)
    assert "restart 1 of 2: it did not answer any more" in output


def test_a_full_disk_ends_the_run_and_the_same_command_continues(served, monkeypatch):
    served.pytester.makepyfile(test_questions=SUITE.format(family="temporal"))
    monkeypatch.setenv("LRMTEST_STAND_IN_WORDS", "60")
    store = served.pytester.path / "reports" / "lrmtest.sqlite"

    def no_larger_files():  # questions and some completions fit
        resource.setrlimit(resource.RLIMIT_FSIZE, (230_000, 230_000))

    served.hold()
    process = served.begin(count=QUESTIONS, preexec_fn=no_larger_files)
    family = wait_for(lambda: descendants(process.pid, "--alias"))
    served.go_on()
    output, _ = process.communicate(timeout=900)
    assert process.returncode == INFRASTRUCTURE, output
    assert "Traceback" not in output
    assert str(store) in output
    assert "free some space and give the same command again" in output
    assert gone(family)
    kept = served.arrived()
    assert 0 < kept < QUESTIONS
    status, output = served.run("--summary-json", "summary.json", count=QUESTIONS)
    assert status in (0, 1), output
    assert served.arrived() == QUESTIONS


def test_any_number_of_workers_gives_the_same_summary(served):
    # One request at a time, and few tokens of a real model: what else is in the batch, and what of
    # a prompt is in the cache, changes the last bits of a logit, and so how long an answer is.
    budget = "8" if served.real else "40"
    for workers in ("0", "2"):
        file = f"{workers}.json"
        status, output = served.run(
            *("-n", workers, "--fresh-run", "--summary-json", file, "--concurrency", "1"),
            *("--max-tokens", budget),
            count=8,
        )
        assert status in (0, 1), output
    assert served.suites("0.json") == served.suites("2.json")
