"""An engine from a package of its own, used as one of lrmtest's."""

import re
import subprocess
import sys

import pytest
from outside import OUTSIDE, install, put_on_path, write_metadata
from sums import SUITE

from lrmtest.options.exit_codes import OK

PACKAGE = OUTSIDE / "echo_engine"
QUESTIONS = 60
# The last line of each prompt answers it; that of the last one is wrong.
ECHOED = (
    SUITE.replace("range(12)", f"range({QUESTIONS})")
    .replace("What is {sum}?", "What is {sum}?\\n{answer}")
    .replace(
        '{"sum": f"{n} + {n}"}',
        '{"sum": f"{n} + {n}", "answer": f"\\\\boxed{{{2 * n + (n == LAST)}}}"}',
    )
    .replace("LAST", str(QUESTIONS - 1))
)

HESITANT = f"""
from lrmtest.models.engines.kinds import EngineKind
from lrmtest_echo import EchoEngine

class HesitantEngine(EchoEngine):
    def start(self, planned, deliver):
        arrived = []
        def hesitate(outcome):
            arrived.append(outcome)
            if len(arrived) > {QUESTIONS - 10}:
                self._closed.wait()
            deliver(outcome)
        return super().start(planned, hesitate)

HESITANT = EngineKind(name="hesitant", factory=HesitantEngine)
"""


@pytest.fixture
def run(pytester, tmp_path, monkeypatch):
    """Run the suite in a process that finds the package."""
    install(PACKAGE, tmp_path / "site", monkeypatch)
    pytester.makepyfile(test_sums=ECHOED)
    pytester.makepyprojecttoml(
        '[tool.lrmtest.models]\nparrot = {engine = "echo"}\nmacaw = {engine = "echo"}\n'
    )

    def run_suite(*arguments):
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)

    return run_suite


@pytest.mark.parametrize(
    "arguments",
    [("--model", "parrot"), ("--model", "tiny-lrm", "--engine", "echo", "-n", "2")],
)
def test_it_answers(run, arguments):
    result = run(*arguments)
    result.assert_outcomes(passed=QUESTIONS - 1, failed=1)
    result.stdout.no_fnmatch_line("*does not tell*")  # the self-test finds nothing odd


@pytest.fixture
def hesitant(pytester, tmp_path, monkeypatch):
    """The engine, answering no more than most of the questions until it is closed."""
    (tmp_path / "hesitant.py").write_text(HESITANT)
    write_metadata(tmp_path, "hesitant", {"lrmtest.engines": {"hesitant": "hesitant:HESITANT"}})
    put_on_path(monkeypatch, tmp_path)


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_it_ends_when_the_gate_has_decided(run, hesitant, workers):
    run("--model", "parrot", "--save-baseline", "base.json")
    gate = ("--baseline", "base.json", "--gate", "--early-stop")
    easy = ("--mde", "0.6", "--token-margin", "off")
    result = run("--model", "macaw", "--engine", "hesitant", *gate, *easy, *workers)
    assert result.ret == OK
    result.stdout.fnmatch_lines([f"stopped when decided: * of {QUESTIONS} samples counted*"])
    assert "Traceback" not in result.stdout.str()


def test_lrmtest_lists_it(run):
    done = subprocess.run(
        [sys.executable, "-m", "lrmtest", "models"], capture_output=True, text=True, check=True
    )
    assert re.search(r"parrot .* yes", done.stdout)


def test_it_is_the_one_in_the_documentation():
    page = (OUTSIDE.parents[1] / "docs" / "engines.md").read_text()
    for name in ("pyproject.toml", "lrmtest_echo.py"):
        assert (PACKAGE / name).read_text() in page
