"""Mistyped paths: what is there instead is said, to whoever asked for a model."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lrmtest.plugin.near_paths import advice

ROOT = Path(__file__).parents[2]
MODEL = ("--model", "m=http://127.0.0.1:9/v1")


@pytest.fixture
def suites(pytester):
    for name in ("aime", "folio", "temporal"):
        folder = pytester.path / "suites" / name
        folder.mkdir(parents=True)
        (folder / f"test_{name}.py").write_text("def test_one(model): ...\n")
    (pytester.path / "notes").mkdir()
    return pytester


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("suites/aimee", "suites/aimee; there are suites/aime, suites/folio, suites/temporal"),
        ("suites/typo", "there are suites/temporal, suites/aime, suites/folio"),
        ("suites/aime/test_aim.py", "there are suites/aime/test_aime.py"),
        ("suites/aime/test_aim.py::test_one", "there are suites/aime/test_aime.py"),
        ("suite/aime", "there is no suite/aime; there are suites"),
        ("suites/aime::test_one", "named by its file: suites/aime/test_aime.py::test_one"),
        ("suites/aime/::test_one[a b]", "'suites/aime/test_aime.py::test_one[a b]'"),
    ],
)
def test_what_is_there_is_said(suites, argument, said):
    (line,) = advice([argument], suites.path)
    assert said in line


@pytest.mark.parametrize("argument", ["suites", "suites/aime", "nothing/like/it", "/nope/x", "."])
def test_where_nothing_is_known_nothing_is_said(suites, argument):
    assert not list(advice([argument], suites.path))


def test_it_is_a_mistake_in_the_command(suites):
    result = suites.runpytest_inprocess("suites/aimee", *MODEL)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*not found: suites/aimee*", "*there are suites/aime, *"])


def test_in_several_processes_too(suites):
    result = suites.runpytest_subprocess("suites/aimee", *MODEL, "-n", "2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*not found: suites/aimee*", "*there are suites/aime, *"])


def test_without_a_model_it_is_pytest_as_ever(suites):
    result = suites.runpytest_inprocess("suites/aimee")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "there are" not in result.stderr.str()


ONLY_THE_PACKAGE = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {missing}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
import pytest
sys.exit(pytest.main({arguments}))
"""
FOR_TESTS_ONLY = ("pytest_timeout", "psutil", "httpx", "numpy", "scipy", "pyte", "z3", "yaml")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["suites/typo"], 4),
        (["suites/aime/typo.py"], 4),
        (["suites/aime::typo"], 4),
        (["--markers"], 0),
        (["--fixtures"], 0),
        (["--help"], 0),
    ],
)
def test_in_the_checkout_nothing_needs_what_lrmtests_own_tests_need(arguments, status):
    arguments = [
        "-p",
        "no:timeout",
        "-p",
        "no:hypothesispytest",
        "-p",
        "no:cacheprovider",
        *arguments,
    ]
    code = ONLY_THE_PACKAGE.format(missing=FOR_TESTS_ONLY, arguments=arguments)
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_PLUGINS"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "rror while loading conftest" not in done.stdout + done.stderr
    assert "could not load initial conftests" not in done.stdout + done.stderr
