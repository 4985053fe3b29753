"""Rows of JSON: one object a line, or one array of them; plain or gzip; with a BOM or without.

What is read was written by others, so that nothing in it is believed: a line and a document have
a largest size, unpacked as well, and an error names the file and the row.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from lrmtest.errors import DataError

MOST_LINE_BYTES = 128 * 2**20
"""Of one row; an output of 50 MB, its escapes and its copies after filters fit."""
MOST_DOCUMENT_BYTES = 512 * 2**20
"""Of a document that has to be read whole: a JSON array, or a log in one object."""
MOST_UNPACKED_BYTES = 8 * 2**30
"""Of all rows of a packed file together."""

_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_WHITE = b" \t\r\n"

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
    with _opened(path, hint) as file:
        data = _read(file, MOST_DOCUMENT_BYTES + 1, path, hint)
    if len(data) > MOST_DOCUMENT_BYTES:
        raise _too_large(str(path), MOST_DOCUMENT_BYTES, hint)
    return parse_json(data.removeprefix(_BOM), str(path), hint)


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
    with _opened(path, hint) as file:
        head = _read(file, 4096, path, hint)
    return head.removeprefix(_BOM).lstrip(_WHITE)[:1]


def parse_json(data: bytes, place: str, hint: str) -> Any:
    """The JSON value in `data`.

    Raises:
        DataError: there is none; names `place`.
    """
    try:
        return json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: not UTF-8 at byte {error.start}", hint=hint) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: not JSON: {error}", hint=hint) from error


def _lines(path: Path, hint: str) -> Iterator[tuple[str, Any]]:
    left = MOST_UNPACKED_BYTES
    with _opened(path, hint) as file:
        number = 0
        while True:
            try:
                line = file.readline(MOST_LINE_BYTES + 1)
            except (OSError, EOFError, zlib.error) as error:
                raise _unreadable(path, error, hint) from error
            if not line:
                return
            number += 1
            place = f"{path}:{number}"
            left -= len(line)
            if len(line) > MOST_LINE_BYTES:
                raise _too_large(place, MOST_LINE_BYTES, hint)
            if left < 0:
                raise _too_large(str(path), MOST_UNPACKED_BYTES, hint)
            if number == 1:
                line = line.removeprefix(_BOM)
            if line.strip(_WHITE):
                yield place, parse_json(line, place, hint)


def _opened(path: Path, hint: str) -> IO[bytes]:
    try:
        file = path.open("rb")
        packed = file.read(2) == _GZIP
        file.seek(0)
    except OSError as error:
        raise _unreadable(path, error, hint) from error
    return gzip.GzipFile(fileobj=file, mode="rb") if packed else file  # type: ignore[return-value]


def _read(file: IO[bytes], size: int, path: Path, hint: str) -> bytes:
    try:
        return file.read(size)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error, hint) from error


def _unreadable(path: Path, error: Exception, hint: str) -> DataError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return DataError(f"cannot read {path}: {reason}", hint=hint)


def _too_large(place: str, most: int, hint: str) -> DataError:
    return DataError(f"{place}: larger than {most // 2**20:,} MiB", hint=hint)
