"""The test files in the package, one folder a benchmark: what `pytest --pyargs` runs from here.

`lrmtest init` copies them into a project's ``suites/``. They stand beside the suites that they
ask, so that an installed lrmtest has them, and nothing in the package imports them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
"""The package's folder, whose folders have the test files."""

_TEST = re.compile(r'^@lrmtest\.suite\("([^"]+)"\)\ndef (\w+)\(', re.MULTILINE)

_TEMPLATE = '''"""{title}."""

import lrmtest


@lrmtest.suite("{name}")
def test_{function}(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
'''


@dataclass(frozen=True, slots=True)
class PackagedTest:
    """One test function in the package.

    Attributes:
        suite: the name of the suite that it asks.
        path: its file in `FOLDER`, with slashes: ``aime/test_aime.py``.
        function: its name.
        is_only: whether nothing else is in the file.
        is_collected: whether pytest collects the file when it is given the folder.
    """

    suite: str
    path: str
    function: str
    is_only: bool
    is_collected: bool

    @property
    def folder(self) -> str:
        """The folder's name, which is that of the benchmark."""
        return self.path.partition("/")[0]


@cache
def packaged_tests() -> tuple[PackagedTest, ...]:
    """All of them, by folder and file."""
    found = []
    for file in sorted(FOLDER.glob("*/*.py")):
        tests = _TEST.findall(file.read_text(encoding="utf-8"))
        path = file.relative_to(FOLDER).as_posix()
        is_collected = file.name.startswith("test_")
        found += [
            PackagedTest(suite, path, function, len(tests) == 1, is_collected)
            for suite, function in tests
        ]
    return tuple(found)


def written_test(name: str, title: str) -> str:
    """A test file for a suite that has none in the package.

    Args:
        name: the suite's name.
        title: what it asks, without a full stop.
    """
    title = title.rstrip(".?!").replace("\\", "\\\\").replace('"', '\\"')
    return _TEMPLATE.format(title=title, name=name, function=re.sub(r"\W", "_", name))


def how_to_ask(suite: str, project: Path = Path()) -> list[str]:
    """The commands that ask a suite in a project: of its own test file if it has one.

    Args:
        suite: the suite's name.
        project: a folder that may have ``suites/``.
    """
    words = pytest_words(suite, project)
    if words is None:
        copied = f"suites/{suite}"
        written = [] if (project / copied).is_dir() else [f"lrmtest init --suite {suite}"]
        return [*written, f"pytest {copied} --model NAME"]
    return [f"pytest {' '.join(words)} --model NAME"]


def packaged_name(given: str) -> str | None:
    """What ``--pyargs`` takes for the package's tests of a suite; None where it has none.

    Args:
        given: a suite's name, or a folder's, such as ``fresh``.
    """
    if any(test.folder == given for test in packaged_tests()):
        return f"lrmtest.suites.{given}"
    words = pytest_words(given, None)
    return None if words is None else words[1]


def pytest_words(suite: str, project: Path | None) -> list[str] | None:
    """What pytest is given to ask a suite: a folder, a file, or one test function of a file.

    The package's test file is meant unless there is a project that has a copy.

    Returns:
        None where the package has no test file for the suite.
    """
    tests = packaged_tests()
    test = next((each for each in tests if each.suite == suite), None)
    if test is None:
        return None
    beside = [each for each in tests if each.folder == test.folder and each.is_collected]
    function = "" if test.is_only else f"::{test.function}"
    shown = test.folder if beside == [test] else test.path
    if project is not None and (project / "suites" / test.path).is_file():
        return [f"suites/{shown}{function}"]
    module = shown.removesuffix(".py").replace("/", ".")
    return ["--pyargs", f"lrmtest.suites.{module}{function}"]
