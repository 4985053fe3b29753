"""Suites in the test files of a project: what `suite_from_jsonl` and `suite_from_hub` make there.

They are read, not run.

`lrmtest suites` lists what can be asked in a folder. To import its test files for that would run
what stands in them; so their text is read, for calls whose arguments can be told from it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from lrmtest.errors import DataError, LrmtestError
from lrmtest.questions import DataOptions, QuestionSet
from lrmtest.suites.from_hub import suite_from_hub
from lrmtest.suites.inline import suite_from_jsonl
from lrmtest.suites.suite import PASS, Suite

FOLDERS = ("suites", "tests", ".")
"""Where a project has its test files; of the last only what lies directly in it."""
_MOST_FILES = 1000
_MOST_BYTES = 1_000_000
_TEXTS = (
    "dataset",
    "name",
    "revision",
    "config",
    "split",
    "file",
    "id",
    "prompt",
    "kind",
    "primary",
)
_OF_DATA = frozenset(
    {"question", "answer", "options", "id", "where", "revision", "config", "split", "file"}
)
"""What must be known of a call to read its questions."""


@dataclass(frozen=True, slots=True)
class OwnSuite:
    """A suite that a project's test file makes.

    Attributes:
        suite: as far as the file's text tells: its grader is not known.
        file: the test file.
        line: where it is made, from 1.
    """

    suite: Suite
    file: Path
    line: int


def own_suites(project: Path) -> list[OwnSuite]:
    """The suites that a project's test files make, the first one of each name."""
    found: dict[str, OwnSuite] = {}
    for file in islice(_test_files(project), _MOST_FILES):
        for own in _made_in(file):
            found.setdefault(own.suite.name, own)
    return list(found.values())


def _test_files(project: Path) -> Iterator[Path]:
    seen = set()
    for name in FOLDERS:
        pattern = "*.py" if name == "." else "**/*.py"
        for file in sorted((project / name).glob(pattern)):
            if file not in seen:
                seen.add(file)
                yield file


def _made_in(file: Path) -> list[OwnSuite]:
    """The suites that a file makes; none of one that cannot be read or is no Python."""
    try:
        if file.stat().st_size > _MOST_BYTES:
            return []
        text = file.read_text(encoding="utf-8")
        if not any(maker in text for maker in _MAKERS):
            return []
        tree = ast.parse(text)
    # A file may be nested deeper than the parser goes.
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return []
    texts = {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    made = [(call, _MAKERS[name]) for call in calls if (name := _called(call)) in _MAKERS]
    return [own for call, read in made if (own := read(call, texts, file)) is not None]


def _called(call: ast.Call) -> str:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    return call.func.id if isinstance(call.func, ast.Name) else name


def _from_hub(call: ast.Call, texts: Mapping[str, object], file: Path) -> OwnSuite | None:
    """The suite that a call of `suite_from_hub` makes; None where its dataset cannot be told."""
    given: dict[str, Any] = {}
    untold = []
    for name, node in _arguments(call, "dataset").items():
        try:
            named = node.id if isinstance(node, ast.Name) else ""
            given[name] = texts[named] if named in texts else ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            untold.append(name)
    if "grader" in untold:
        given.setdefault("kind", given.get("name") or str(given.get("dataset")).partition("/")[2])
    told = {name: given[name] for name in given if name != "grader"}
    told |= {name: "" for name in ("question", "answer") if name in untold}
    if not all(isinstance(told.get(name, ""), str) for name in _TEXTS):
        return None
    try:
        suite = suite_from_hub(**told)
    except (LrmtestError, TypeError, ValueError):
        return None
    if hidden := [name for name in untold if name in _OF_DATA]:
        suite = replace(suite, load=partial(_untold, hidden))
    return OwnSuite(suite, file, call.lineno)


def _untold(hidden: list[str], _data: DataOptions) -> QuestionSet:
    raise DataError(
        f"only running its test file tells {', '.join(hidden)}",
        hint="its tests can be run all the same",
    )


def _from_jsonl(call: ast.Call, texts: Mapping[str, object], file: Path) -> OwnSuite | None:
    """The suite that a call of `suite_from_jsonl` makes; None where name or file cannot be told."""

    def value(node: ast.expr | None) -> object:
        if isinstance(node, ast.Name):
            return texts.get(node.id)
        return node.value if isinstance(node, ast.Constant) else None

    given = _arguments(call, "path")
    name, kind, prompt = (value(given.get(key)) for key in ("name", "kind", "prompt"))
    budget, primary = value(given.get("max_tokens")), value(given.get("primary"))
    path = _path(given.get("path"), file)
    if not isinstance(name, str) or path is None:
        return None
    kind = kind if isinstance(kind, str) else name if "grader" in given else ""
    try:
        suite = suite_from_jsonl(
            path,
            name=name,
            kind=kind,
            prompt=prompt if isinstance(prompt, str) else "",
            primary=primary if isinstance(primary, str) else PASS,
        )
    except LrmtestError:
        return None
    suite = replace(suite, max_tokens=budget) if isinstance(budget, int) else suite
    return OwnSuite(suite, file, call.lineno)


def _arguments(call: ast.Call, first: str) -> dict[str, ast.expr]:
    """A call's arguments by name; `first` is the one that needs none."""
    named = {each.arg: each.value for each in call.keywords if each.arg}
    return named | ({first: call.args[0]} if call.args else {})


_Read = Callable[[ast.Call, Mapping[str, object], Path], OwnSuite | None]
_MAKERS: dict[str, _Read] = {"suite_from_jsonl": _from_jsonl, "suite_from_hub": _from_hub}


def _path(node: ast.expr | None, file: Path) -> Path | None:
    """The JSONL file: a text, ``Path(...)`` of one, or one beside the test file."""
    if node is None:
        return None
    texts = [
        each.value
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    ]
    if len(texts) != 1:
        return None
    is_beside = any(isinstance(each, ast.Name) and each.id == "__file__" for each in ast.walk(node))
    return file.parent / texts[0] if is_beside else Path(texts[0])
