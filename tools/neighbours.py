"""Other people's pytest plugins beside lrmtest: what either changes for the other.

Runs a project without any of lrmtest's tests under each of the twenty plugins that projects use
most, with lrmtest and without, and prints what differs: output, exit status, files. Then runs a
suite of lrmtest's on a recording under each, and prints what came of it:

    python tools/neighbours.py [--python PYTHON] [--only foreign|own]

PYTHON is of an environment that has lrmtest and the plugins; without it one is made, which takes
minutes. Exit status 1: something differs, or a suite came out otherwise than without a plugin.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]

PLUGINS: Mapping[str, tuple[str, ...]] = {
    "pytest-xdist": ("-n", "2"),
    "pytest-cov": ("--cov=.",),
    "pytest-mock": (),
    "pytest-asyncio": ("-o", "asyncio_mode=auto"),
    "pytest-timeout": ("--timeout=60",),
    "pytest-html": ("--html=page.html", "--self-contained-html"),
    "pytest-metadata": ("--metadata", "a", "b"),
    "pytest-rerunfailures": ("--reruns=1",),
    "pytest-randomly": ("-p", "randomly", "-p", "no:random_order", "--randomly-seed=7"),
    "pytest-random-order": ("--random-order", "--random-order-seed=7"),
    "pytest-repeat": ("--count=2",),
    "pytest-sugar": ("-p", "sugar"),
    "pytest-instafail": ("--instafail",),
    "pytest-benchmark": ("--benchmark-min-rounds=2",),
    "pytest-env": ("-o", "env=A=b"),
    "pytest-order": ("--order-scope=module",),
    "pytest-bdd": ("--gherkin-terminal-reporter", "-v"),
    "pytest-httpx": (),
    "pytest-freezer": (),
    "pytest-django": ("--reuse-db",),
    "pytest-forked": ("--forked",),
    "hypothesis": ("--hypothesis-show-statistics",),
    "anyio": (),
}
"""Each with what makes it do its work; fixtures alone do in the project's tests."""

_OFF = ("-p", "no:randomly", "-p", "no:sugar", "-p", "no:cacheprovider")
"""What would change every session; switched on where it is tried."""

PROJECT = {
    "conftest.py": """
import pytest

def pytest_addoption(parser):
    for name in ("device", "seed", "limit", "samples", "alpha"):
        parser.addoption("--" + name, default="theirs")

@pytest.fixture
def model(request):
    return request.config.getoption("device")
""",
    "test_foreign.py": """
import unittest
import pytest

def test_model(model):
    assert model == "theirs"

@pytest.mark.parametrize("model", ["a", "b"])
def test_parameter(model):
    assert model in "ab"

def test_fails():
    assert 1 == 2

@pytest.mark.skip(reason="not now")
def test_skipped(): ...

@pytest.mark.xfail
def test_expected(): assert False

def test_error(no_such_fixture): ...

async def test_async(): ...

def test_mocker(mocker):
    assert mocker.Mock(return_value=1)() == 1

def test_time(freezer):
    freezer.move_to("2020-01-01")

def test_benchmark(benchmark):
    benchmark(sum, (1, 2))

def test_subtests(subtests):
    with subtests.test("one"):
        assert True

class TestOld(unittest.TestCase):
    def test_it(self):
        self.assertEqual(1, 1)
""",
    "module.py": '"""Doubles.\n\n>>> 1 + 1\n2\n"""\n',
    "pytest.ini": "[pytest]\naddopts = --doctest-modules --seed=3 --benchmark-disable\n",
}

SUITE = {
    "test_sums.py": """
import lrmtest

SUMS = lrmtest.suite_from_jsonl("sums.jsonl", name="sums", prompt="{question}")

@lrmtest.suite(SUMS)
def test_sums(question, model):
    assert model.solve(question).passed
""",
    "test_own.py": "def test_own(): pass\n",
    "sums.jsonl": "\n".join(
        json.dumps({"id": f"q{n}", "question": f"{n}+1?", "answer": str(n + 1), "kind": "integer"})
        for n in range(4)
    ),
    # One of the four answers is wrong.
    "outputs.jsonl": "\n".join(
        json.dumps(
            {"question": f"q{n}", "output": f"\\boxed{{{max(n, 1) + 1}}}", "finish_reason": "stop"}
        )
        for n in range(4)
    ),
}


def session(python: Path, files: Mapping[str, str], *args: str) -> tuple[int, str, list[str]]:
    """Exit status, output and new files of a session of pytest in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "project"
        folder.mkdir()
        for path, text in files.items():
            (folder / path).write_text(text)
        done = subprocess.run(
            [python, "-W", "ignore", "-m", "pytest", *_OFF, *args],
            cwd=folder,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "100"},
            capture_output=True,
            text=True,
            check=False,
        )
        found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
        said = (done.stdout + done.stderr).replace(str(folder), "FOLDER")
    return done.returncode, said, [path for path in found if path not in files]


def without_chance(text: str) -> str:
    """A session's output without times, addresses, and pytest's own lists of what is installed."""
    text = re.sub(r"\d+\.\d+ ?m?s\b|\d+ (?:micro)?seconds?|0x[0-9a-f]+|\d\d:\d\d:\d\d", "N", text)
    listed = r"^(plugins|metadata): .*$|^> +available fixtures: .*$"
    text = re.sub(listed, "", text, flags=re.MULTILINE)
    text = re.sub(r"^\[gw\d\].*$|/tmp/\S+", "", text, flags=re.MULTILINE)
    return re.sub(r"=+|-{3,}", "=", text)


def environment(folder: Path) -> Path:
    """The Python of an environment, made here, with lrmtest and the plugins."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", HERE, "django", *PLUGINS], check=True)
    return python


def foreign(python: Path) -> Iterator[str]:
    """The plugins under which lrmtest is seen in a project that is not its own."""
    for plugin, args in {"none": (), **PLUGINS}.items():
        status, said, files = session(python, PROJECT, "-p", "no:lrmtest", *args)
        with_status, with_said, with_files = session(python, PROJECT, *args)
        same = without_chance(said).splitlines() == without_chance(with_said).splitlines()
        if plugin == "pytest-xdist":  # its order is that of its workers
            same = (
                said.splitlines()[-1].split(" in ")[0]
                == with_said.splitlines()[-1].split(" in ")[0]
            )
        same = same and (status, files) == (with_status, with_files)
        verdict = "unchanged" if same else "CHANGED"
        print(f"{plugin:22} {verdict}  exit status {status} and {with_status}", flush=True)
        if not same:
            before, after = (without_chance(each).splitlines() for each in (said, with_said))
            print(*difflib.unified_diff(before, after, "without", "with", lineterm=""), sep="\n")
            yield plugin


def own(python: Path) -> Iterator[str]:
    """The plugins under which a suite comes out otherwise."""
    for plugin, args in {"none": (), **PLUGINS}.items():
        model = ("--model", "m=recorded:outputs.jsonl", "--summary-json", "figures.json")
        status, said, _ = session(python, SUITE, *model, "--tb=line", "-rN", *args)
        last = said.rstrip().splitlines()[-1].strip("= ")
        rate = re.search(r"^sums +(\d+) +(\d+)/(\d+)|^sums.*$", said, flags=re.MULTILINE)
        row = " ".join(rate.group().split()[:4]) if rate else ""
        print(f"{plugin:22} exit status {status}  {row}  {last}", flush=True)
        if "INTERNALERROR" in said or (status != 1 and "--forked" not in args):
            print(said)
            yield plugin


def main() -> int:
    """Run both, or one of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--python", type=Path)
    parser.add_argument("--only", choices=("foreign", "own"))
    option = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        python = option.python.absolute() if option.python else environment(Path(name))
        changed = [] if option.only == "own" else [*foreign(python)]
        changed += [] if option.only == "foreign" else [*own(python)]
    return bool(changed)


if __name__ == "__main__":
    sys.exit(main())
