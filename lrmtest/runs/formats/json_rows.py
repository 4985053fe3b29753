"""Rows of JSON: one object a line, or one array of them; plain or gzip; with a BOM or without."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from lrmtest.bounded import DOCUMENT, LINE, parse_json
from lrmtest.errors import DataError

MOST_UNPACKED = 8 << 30
"""Bytes of all rows of a packed file together."""

_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_WHITE = b" \t\r\n"
_BLOCK = 1 << 20

JsonRow = tuple[str, dict[str, Any]]
"""Where a row is, as in messages, and the row."""


def json_rows(path: Path, hint: str) -> Iterator[JsonRow]:
    """The rows of a file, each with its place: ``FILE:LINE``, or ``FILE, row N`` of an array.

    Args:
        path: the file.
        hint: what the reader of a message should do about a file that is none.

    Raises:
        DataError: it cannot be read, is too large, or a row is no JSON object; names its place.
    """
    if first_byte(path, hint) == b"[":
        content = json_document(path, hint)
        rows: Iterator[tuple[str, Any]] = (
            (f"{path}, row {number}", row) for number, row in enumerate(content, start=1)
        )
    else:
        rows = _lines(path, hint)
    for place, row in rows:
        if not isinstance(row, dict):
            raise DataError(f"{place}: not a JSON object", hint=hint)
        yield place, row


def json_document(path: Path, hint: str) -> Any:
    """The one JSON value that a file holds.

    Raises:
        DataError: it cannot be read, is too large or is not JSON.
    """
    data = _beginning(path, DOCUMENT + 1, hint)
    if len(data) > DOCUMENT:
        raise _too_large(str(path), DOCUMENT, hint)
    return parse_json(data, str(path), hint=hint)


def first_row(path: Path, hint: str) -> dict[str, Any] | None:
    """The first row of a file, or the object that it is; None when it begins with neither.

    Raises:
        DataError: it cannot be read.
    """
    first = first_byte(path, hint)
    if first not in (b"{", b"["):
        return None
    try:
        return next((row for _, row in json_rows(path, hint)), None)
    except DataError:
        pass
    try:
        # Not a line: a document over several, perhaps.
        content = json_document(path, hint) if first == b"{" else None
    except DataError:
        return None
    return content if isinstance(content, dict) else None


def first_byte(path: Path, hint: str) -> bytes:
    """The first byte of a file's text that is no white space; empty without one near.

    Raises:
        DataError: it cannot be read.
    """
    return _beginning(path, 4096, hint).removeprefix(_BOM).lstrip(_WHITE)[:1]


def _lines(path: Path, hint: str) -> Iterator[tuple[str, Any]]:
    number, read = 0, 0
    with _opened(path, hint) as file:
        while line := _part(file, path, hint, LINE + 1, of_a_line=True):
            number += 1
            read += len(line)
            place = f"{path}:{number}"
            if len(line) > LINE:
                raise _too_large(place, LINE, hint)
            if read > MOST_UNPACKED:
                raise _too_large(str(path), MOST_UNPACKED, hint)
            if line.removeprefix(_BOM).strip(_WHITE):
                yield place, parse_json(line, place, hint=hint)


def _beginning(path: Path, size: int, hint: str) -> bytes:
    """At most `size` bytes of a file, as it unpacks."""
    parts: list[bytes] = []
    with _opened(path, hint) as file:
        while size > 0 and (part := _part(file, path, hint, min(size, _BLOCK))):
            parts.append(part)
            size -= len(part)
    return b"".join(parts)


def _opened(path: Path, hint: str) -> IO[bytes]:
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP
        return cast(IO[bytes], gzip.open(path) if packed else path.open("rb"))
    except OSError as error:
        raise _unreadable(path, error, hint) from error


def _part(file: IO[bytes], path: Path, hint: str, size: int, *, of_a_line: bool = False) -> bytes:
    try:
        return file.readline(size) if of_a_line else file.read(size)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error, hint) from error


def _unreadable(path: Path, error: Exception, hint: str) -> DataError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return DataError(f"cannot read {path}: {reason}", hint=hint)


def _too_large(place: str, most: int, hint: str) -> DataError:
    return DataError(f"{place}: longer than {most >> 20} MiB, which is all that is read", hint=hint)
