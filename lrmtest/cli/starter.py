"""The starter of a project: its suites' test files, pytest's configuration, a CI workflow.

What is there already is never written over. A record beside the suites says what was written, so
that a later lrmtest can renew what nobody has changed.
"""

from __future__ import annotations

import configparser
import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from lrmtest.bounded import DOCUMENT, read_bytes
from lrmtest.errors import UsageError
from lrmtest.runs.files import write_whole
from lrmtest.suites.packaged import FOLDER, packaged_tests, written_test
from lrmtest.suites.registry import suite_named

RECORD = "suites/.lrmtest-init.json"
"""What was written, by path, with the SHA-256 of its text."""
WORKFLOW = ".github/workflows/reasoning.yml"

_SECTION = """\
[tool.pytest.ini_options]
# This makes the folder pytest's root directory: reports/ is made here, wherever pytest is started.
# Options of lrmtest can stand below, by their long names: lrmtest_samples = "4"
"""
_IGNORED = "/reports/"
_HINT = "correct or move it, or give another folder"


@dataclass(slots=True)
class Started:
    """What became of each file, by its path in the project.

    Attributes:
        written: new ones, and those that were renewed.
        added_to: ones that are somebody else's and got a few lines.
        as_wanted: ones that had everything already.
        left: ones that are there and differ, with what to do about each.
        notes: what the project's owner should know beside that.
    """

    written: list[str] = field(default_factory=list)
    added_to: list[str] = field(default_factory=list)
    as_wanted: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def suite_files(names: Iterable[str]) -> dict[str, str]:
    """The texts of test files by path, ``suites/aime/test_aime.py``.

    Args:
        names: suites, or folders of the package's test files, such as ``fresh``; all folders if
            there are none.

    Raises:
        UsageError: there is no suite of a name.
    """
    tests = packaged_tests()
    paths: dict[str, str] = {}
    for name in names or dict.fromkeys(test.folder for test in tests):
        found = [test.path for test in tests if name == test.folder]
        if not found:
            suite = suite_named(name)
            found = [test.path for test in tests if test.suite == suite.name]
            if not found:
                title = suite.described.title if suite.described else f"Suite {suite.name}"
                file = f"test_{suite.name.replace('-', '_')}.py"
                paths[f"suites/{suite.name}/{file}"] = written_test(suite.name, title)
        for path in found:
            paths[f"suites/{path}"] = (FOLDER / path).read_text(encoding="utf-8")
    return paths


def workflow_text() -> str:
    """The workflow for a project without suites of its own, as in docs/ci.md."""
    return files("lrmtest.cli").joinpath("reasoning.yml").read_text(encoding="utf-8")


def start(folder: Path, suites: Mapping[str, str], *, renew: bool) -> Started:
    """Write what is missing in a project.

    Args:
        folder: the project's; made if it is not there.
        suites: the test files, from `suite_files`.
        renew: write over what an earlier call has written and nobody has changed since.

    Raises:
        UsageError: the folder, or a file that lines are added to, cannot be read.
        StoreError: a file cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is no folder", hint="name one; it is made if it is not there")
    done = Started()
    record = _read_record(folder)
    asked = "suites/fresh" if any(path.startswith("suites/fresh/") for path in suites) else ""
    workflow = workflow_text()
    if asked:
        workflow = workflow.replace("--pyargs lrmtest.suites.fresh", asked)
    for path, text in {**suites, WORKFLOW: workflow}.items():
        _write(folder, path, text, record, done, renew=renew)
    _configure(folder, done)
    _ignore(folder, done)
    text = json.dumps({"files": dict(sorted(record.items()))}, indent=2) + "\n"
    _put(folder / RECORD, text)
    if any((folder / name).is_dir() for name in ("tests", "test")) and not _names_tests(folder):
        done.notes.append(
            "a bare `pytest` collects suites/ now, too, which want --model: name your tests' "
            "folder, or set testpaths in pytest's configuration"
        )
    return done


def _names_tests(folder: Path) -> bool:
    """Whether pytest's configuration says where the project's own tests are."""
    name = _pytest_configuration(folder)
    return name is not None and "testpaths" in _read(folder / name)


def _write(
    folder: Path, path: str, text: str, record: dict[str, str], done: Started, *, renew: bool
) -> None:
    """One whole file; `record` has it when it is ours."""
    target = folder / path
    if not (target.exists() or target.is_symlink()):
        _put(target, text)
        done.written.append(path)
    else:
        there = _read(target).replace("\r\n", "\n")  # as git may have checked it out
        if there == text:
            done.as_wanted.append(path)
        elif record.get(path) != _digest(there):
            done.left[path] = "it is not as lrmtest would write it: yours to merge or delete"
            return
        elif not renew:
            done.left[path] = "another lrmtest wrote it, and it is unchanged: --force renews it"
            return
        else:
            _put(target, text)
            done.written.append(path)
    record[path] = _digest(text)


def _configure(folder: Path, done: Started) -> None:
    """Give pytest a configuration if it has none: it makes the project its root directory."""
    existing = _pytest_configuration(folder)
    if existing is not None:
        done.as_wanted.append(existing)
        return
    path = folder / "pyproject.toml"
    there = _read(path) if path.exists() else ""
    added = f"{there}{_gap(there)}{_SECTION}"
    try:
        tomllib.loads(added)
    except tomllib.TOMLDecodeError:
        # An inline table, `tool = {...}`, takes no section behind it.
        done.left["pyproject.toml"] = f"add to it what pytest needs:\n{_SECTION}"
        return
    _put(path, added)
    (done.added_to if there else done.written).append("pyproject.toml")


def _pytest_configuration(folder: Path) -> str | None:
    """The file that configures pytest here, in the order in which pytest looks for one.

    Raises:
        UsageError: a file that might be it cannot be read.
    """
    for name in ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini"):
        if (folder / name).is_file():
            return name
    pyproject = folder / "pyproject.toml"
    if pyproject.is_file():
        try:
            tool = tomllib.loads(_read(pyproject)).get("tool", {})
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"{pyproject} is no TOML: {error}", hint=_HINT) from error
        if isinstance(tool, dict) and "pytest" in tool:
            return pyproject.name
    for name, section in (("tox.ini", "pytest"), ("setup.cfg", "tool:pytest")):
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string(_read(folder / name) if (folder / name).is_file() else "")
        except configparser.Error as error:
            raise UsageError(f"{folder / name} cannot be read: {error}", hint=_HINT) from error
        if parser.has_section(section):
            return name
    return None


def _ignore(folder: Path, done: Started) -> None:
    """Keep the store out of the repository."""
    path = folder / ".gitignore"
    there = _read(path) if path.exists() else ""
    lines = {line.strip() for line in there.splitlines()}
    if lines & {_IGNORED, "reports", "/reports", "reports/", "/reports/*"}:
        done.as_wanted.append(path.name)
        return
    newline = "\n" * bool(there and not there.endswith("\n"))
    _put(path, f"{there}{newline}{_IGNORED}\n")
    (done.added_to if there else done.written).append(path.name)


def _gap(text: str) -> str:
    """What ends the last line of a text and leaves one empty."""
    return "" if not text else "\n" if text.endswith("\n") else "\n\n"


def _read_record(folder: Path) -> dict[str, str]:
    """What an earlier call has written; nothing if its record cannot be read."""
    path = folder / RECORD
    try:
        found = json.loads(_read(path))["files"] if path.is_file() else {}
        return {str(name): str(digest) for name, digest in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _read(path: Path) -> str:
    data = read_bytes(path, DOCUMENT, hint=_HINT)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no UTF-8 text", hint=_HINT) from error


def _put(path: Path, text: str) -> None:
    write_whole(path, text, what=f"the file {path}", hint=_HINT, private=False)
