"""An engine from a package of its own, used as one of lrmtest's."""

import re
import subprocess
import sys

import pytest
from outside import OUTSIDE, install
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


@pytest.fixture
def run(pytester, tmp_path, monkeypatch):
    """Run the suite in a process that finds the package."""
    install(PACKAGE, tmp_path / "site", monkeypatch)
    pytester.makepyfile(test_sums=ECHOED)
    pytester.makepyprojecttoml('[tool.lrmtest.models.parrot]\nengine = "echo"\n')

    def run_suite(*arguments):
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)

    return run_suite


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
@pytest.mark.parametrize("named", [("--model", "parrot"), ("--model=tiny-lrm", "--engine=echo")])
def test_it_answers(run, named, workers):
    result = run(*named, *workers)
    result.assert_outcomes(passed=QUESTIONS - 1, failed=1)
    result.stdout.fnmatch_lines(["*: starting the echo engine"])
    result.stdout.no_fnmatch_line("*does not tell*")  # the self-test finds nothing odd


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_it_ends_when_the_gate_has_decided(run, workers):
    run("--model", "parrot", "--save-baseline", "base.json")
    gate = ("--baseline", "base.json", "--gate", "--early-stop")
    result = run(
        "--model", "tiny-lrm", "--engine", "echo", "--token-margin", "off", *gate, *workers
    )
    assert result.ret == OK
    result.stdout.fnmatch_lines([f"stopped when decided: * of {QUESTIONS} samples counted*"])
    assert "Traceback" not in result.stdout.str()


def test_lrmtest_lists_it(run):
    done = subprocess.run(
        [sys.executable, "-m", "lrmtest", "models"], capture_output=True, text=True, check=True
    )
    assert re.search(r"parrot.*echo", done.stdout)


def test_it_is_the_one_in_the_documentation():
    page = (OUTSIDE.parents[1] / "docs" / "engines.md").read_text()
    for name in ("pyproject.toml", "lrmtest_echo.py"):
        assert (PACKAGE / name).read_text() in page
