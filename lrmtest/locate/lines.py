"""Files of lines of JSON that grow, and are believed only as far as they are whole."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from lrmtest.bounded import DOCUMENT, parse_json, read_bytes
from lrmtest.errors import DataError, StoreError
from lrmtest.models.trace import Trace
from lrmtest.runs.files import create_private


def kept_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file, which need not be there, that are objects.

    Raises:
        DataError: it cannot be read.
    """
    if not path.is_file():
        return
    for line in read_bytes(path, DOCUMENT).splitlines():
        try:
            found = parse_json(line, str(path))
        except DataError:
            continue
        if isinstance(found, dict):
            yield found


def append_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Add lines to a file, which is made if it is not there; they are on the disk afterwards.

    Raises:
        StoreError: it cannot be written.
    """
    text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        create_private(path)
        with path.open("a", encoding="utf-8") as file:
            # Behind a line that was cut off, another would be lost with it.
            file.write(f"\n{text}")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror or error}",
            hint="free some space, or choose another --reports-dir",
        ) from error


def trace_digest(trace: Trace) -> str:
    """Equal for traces of the same tokens."""
    prompt, tokens = list(trace.prompt), list(trace.tokens)
    return hashlib.sha256(json.dumps([prompt, tokens]).encode()).hexdigest()


def are_numbers(found: Any) -> bool:
    """Whether a value is an object of finite numbers."""
    return isinstance(found, dict) and all(map(is_number, found.values()))


def is_number(value: Any) -> bool:
    """Whether a value of JSON is a finite number."""
    return isinstance(value, float | int) and not isinstance(value, bool) and isfinite(value)
