"""Logs of other tools, in a file or in a folder of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lrmtest.errors import DataError, LrmtestError, UsageError
from lrmtest.grading.split import Tags
from lrmtest.runs.formats.detect import LogFormat, detect_format
from lrmtest.runs.formats.evalscope import read_evalscope_log
from lrmtest.runs.formats.harness import read_harness_log, read_harness_results
from lrmtest.runs.formats.inspect_log import read_inspect_log
from lrmtest.runs.formats.json_rows import first_byte
from lrmtest.runs.formats.lighteval import read_lighteval_log
from lrmtest.runs.formats.log import Log

_MOST_FILES = 20_000
_ENDINGS = (".jsonl", ".jsonl.gz", ".json", ".json.gz", ".eval", ".parquet")


@dataclass(frozen=True, slots=True)
class Logs:
    """What a file or a folder holds.

    Attributes:
        logs: one for each task, in the order of their files' names.
        refused: files of tasks of which nothing can be made, and why, a line each.
    """

    logs: tuple[Log, ...]
    refused: tuple[str, ...]


def read_logs(path: Path, chosen: LogFormat | None, tags: Tags, column: str = "") -> Logs:
    """The logs in a file, or those in a folder and below.

    Args:
        path: the file or folder.
        chosen: what it is, or what in a folder counts; None to see by the content.
        tags: the model's reasoning tags.
        column: a column that is to be read beside what every log has; empty for none.

    Raises:
        DataError: there is no log, or one is damaged; names file and place.
        UsageError: no task in it generated any text, or a package is missing.
    """
    if not path.is_dir():
        found = chosen or detect_format(path)
        if found == "jsonl":
            raise DataError(f"{path}: an exported run, and no log", hint="give it alone")
        return Logs(tuple(_read(path, found, tags, column)), ())
    logs: list[Log] = []
    refused: list[LrmtestError] = []
    for file, found in _formats(path):
        if chosen in (None, found):
            try:
                logs += _read(file, found, tags, column)
            except UsageError as error:
                refused.append(error)
    if not logs and refused:
        raise refused[0]
    if not logs:
        raise DataError(
            f"{path}: no log of another tool in this folder",
            hint="docs/logs.md names the files that are read",
        )
    return Logs(tuple(logs), tuple(str(error) for error in refused))


def _read(path: Path, found: LogFormat, tags: Tags, column: str) -> list[Log]:
    if found == "lm-eval":
        whole = path.name.removesuffix(".gz").endswith(".json") and first_byte(path, "") == b"{"
        return read_harness_results(path) if whole else [read_harness_log(path)]
    if found == "lighteval":
        return [read_lighteval_log(path, tags, column)]
    if found == "evalscope":
        return [read_evalscope_log(path, tags)]
    return [read_inspect_log(path, tags)]


def _formats(folder: Path) -> Iterator[tuple[Path, LogFormat]]:
    """The files in a folder and below that are logs; what belongs to one is not."""
    for path in _files(folder):
        # evalscope's reviews are read with the predictions of the same name.
        parts = path.relative_to(folder.parent).parts
        if "reviews" in parts and _instead(path, "reviews", "predictions").is_file():
            continue
        try:
            found = detect_format(path)
        except DataError:
            continue
        if found != "jsonl":
            yield path, found


def _instead(path: Path, folder: str, other: str) -> Path:
    parts = [other if part == folder else part for part in path.parts]
    return Path(*parts)


def _files(folder: Path) -> list[Path]:
    files: list[Path] = []
    seen = 0
    for place, folders, names in os.walk(folder):
        folders.sort()
        seen += len(names)
        if seen > _MOST_FILES:
            raise UsageError(
                f"{folder}: more than {_MOST_FILES:,} files in it",
                hint="give the folder of one evaluation",
            )
        files += [Path(place, name) for name in sorted(names) if name.endswith(_ENDINGS)]
    return files
