"""Suites in the test files of a project: what `suite_from_jsonl` makes there, read, not run.

`lrmtest suites` lists what can be asked in a folder. To import its test files for that would run
what stands in them; so their text is read, for calls whose arguments can be told from it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from lrmtest.errors import LrmtestError
from lrmtest.suites.inline import suite_from_jsonl
from lrmtest.suites.suite import PASS, Suite

FOLDERS = ("suites", "tests", ".")
"""Where a project has its test files; of the last only what lies directly in it."""
_MOST_FILES = 1000
_MOST_BYTES = 1_000_000


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
        if "suite_from_jsonl" not in text:
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
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _makes(node)]
    return [own for call in calls if (own := _suite_of(call, texts, file)) is not None]


def _makes(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else None
    name = call.func.id if isinstance(call.func, ast.Name) else name
    return name == "suite_from_jsonl"


def _suite_of(call: ast.Call, texts: Mapping[str, object], file: Path) -> OwnSuite | None:
    """The suite that a call makes; None where its name or its file cannot be told."""

    def value(node: ast.expr | None) -> object:
        if isinstance(node, ast.Name):
            return texts.get(node.id)
        return node.value if isinstance(node, ast.Constant) else None

    given = {each.arg: each.value for each in call.keywords if each.arg}
    name, kind, prompt = (value(given.get(key)) for key in ("name", "kind", "prompt"))
    budget, primary = value(given.get("max_tokens")), value(given.get("primary"))
    path = _path(call.args[0] if call.args else given.get("path"), file)
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
