"""Reading what comes from outside, within limits: whole files, lines, JSON and TOML.

Whoever wrote such a file may be careless or hostile. So its size has a limit before it is read,
what is parsed of it has one before it is built (a list of a million empty lists takes 3 MB in a
file and 64 in memory), and whatever can go wrong is one error for people: the kind that the
caller names, with the file in it and the next step.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from math import isinf
from pathlib import Path
from typing import Any, NoReturn

from lrmtest.errors import DataError, LrmtestError

SETTINGS = 4 << 20
"""Bytes of a file that people write, or of a model's configuration."""
DESCRIPTION = 64 << 20
"""Bytes of a file that lists tensors or a vocabulary; the index of R1's 163 files takes 8 MiB."""
DOCUMENT = 512 << 20
"""Bytes of a file with questions, results or whole runs."""
LINE = 128 << 20
"""Bytes of a line, or of one entry of an archive: one sample with its texts."""

MOST_VALUES = 10_000_000
"""Values in one JSON text; so many take some hundred MB, their texts not counted."""
MOST_DIGITS = 300
"""Of an integer: any number that is read can be a float."""

_FEW_BYTES = 2 * MOST_VALUES  # a value takes two bytes at least, so these need no counting
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_BOM = b"\xef\xbb\xbf"
_WHERE_TO_LOOK = "is it the file that was meant?"

_Error = type[LrmtestError]


def read_bytes(
    path: Path,
    most: int,
    *,
    what: str = "",
    error: _Error = DataError,
    hint: str | None = None,
) -> bytes:
    """The content of a file.

    Args:
        path: the file.
        most: bytes that it may have.
        what: is put before its name in the message.
        error: what is raised.
        hint: what the reader should do about a file that cannot be read.

    Raises:
        error: it cannot be read, or is longer.
    """
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as problem:
        reason = problem.strerror or problem
        raise error(f"cannot read {what}{path}: {reason}", hint=hint) from problem
    if len(data) > most:
        raise _too_long(str(path), most, error)
    return data


def read_text(
    path: Path,
    most: int,
    *,
    what: str = "",
    error: _Error = DataError,
    hint: str | None = None,
) -> str:
    """As `read_bytes`, decoded from UTF-8, its byte order mark left out, line ends as ``\\n``."""
    data = read_bytes(path, most, what=what, error=error, hint=hint)
    text = _decoded(data, str(path), error, hint)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_json(
    path: Path,
    most: int,
    *,
    strict: bool = False,
    error: _Error = DataError,
    hint: str | None = None,
) -> Any:
    """The JSON value in a file; see `read_bytes` and `parse_json`."""
    data = read_bytes(path, most, error=error, hint=hint)
    return parse_json(data, str(path), strict=strict, error=error, hint=hint)


def parse_json(
    data: bytes | str,
    place: str,
    *,
    strict: bool = False,
    error: _Error = DataError,
    hint: str | None = None,
) -> Any:
    """The value of a JSON text.

    Args:
        data: the text; bytes are UTF-8, with or without a byte order mark.
        place: where it comes from, for the message.
        strict: it must be JSON to the letter: no NaN, no infinite number, no name twice.
        error: what is raised.
        hint: what the reader should do about it.

    Raises:
        error: it is none, or is nested too deeply, or has too many values or too large a number.
    """
    text = data if isinstance(data, str) else _decoded(data, place, error, hint)
    if len(text) > _FEW_BYTES and (values := _values(text)) > MOST_VALUES:
        raise error(f"{place}: {values:,} values; {MOST_VALUES:,} are read at most", hint=hint)
    try:
        if strict:
            return json.loads(
                text,
                parse_int=_integer,
                parse_float=_finite,
                parse_constant=_no_constant,
                object_pairs_hook=_object,
            )
        return _DECODER.decode(text)
    except json.JSONDecodeError as problem:
        where = f"{place}:{problem.lineno}" if "\n" in text.strip() else place
        raise error(
            f"{where}: not valid JSON, cut off perhaps ({problem.msg})", hint=hint
        ) from problem
    except RecursionError as problem:
        raise error(f"{place}: not valid JSON: nested too deeply", hint=hint) from problem
    except ValueError as problem:
        raise error(f"{place}: not valid JSON: {problem}", hint=hint) from problem


def read_toml(path: Path, *, what: str = "", error: _Error = DataError) -> dict[str, Any]:
    """The table that a TOML file of settings is; see `read_bytes`.

    Raises:
        error: it cannot be read, is too long, or is no TOML.
    """
    text = read_text(path, SETTINGS, what=what, error=error)
    try:
        table = tomllib.loads(text)
        _check_numbers(table)
    except RecursionError as problem:
        raise error(f"{path} is not valid TOML: nested too deeply") from problem
    except ValueError as problem:
        raise error(f"{path} is not valid TOML: {problem}") from problem
    return table


def read_lines(
    path: Path, most: int = LINE, *, error: _Error = DataError, hint: str | None = None
) -> Iterator[tuple[int, int, bytes]]:
    """The lines of a file as (number from 1, offset in bytes, content), its byte order mark
    left out. Only ``\\n`` ends a line: texts may contain other line ends.

    Raises:
        error: the file cannot be read, or a line has more than `most` bytes.
    """
    number = 0
    try:
        with path.open("rb") as file:
            offset = len(_BOM) if file.read(len(_BOM)) == _BOM else 0
            file.seek(offset)
            while line := file.readline(most + 1):
                number += 1
                if len(line) > most:
                    raise _too_long(f"{path}:{number}", most, error)
                yield number, offset, line
                offset += len(line)
    except OSError as problem:
        raise error(f"cannot read {path}: {problem.strerror or problem}", hint=hint) from problem


def _too_long(place: str, most: int, error: _Error) -> LrmtestError:
    size = f"{most >> 20} MiB" if most >= 1 << 20 else f"{most} bytes"
    return error(f"{place}: longer than {size}, which is all that is read", hint=_WHERE_TO_LOOK)


def _decoded(data: bytes, place: str, error: _Error, hint: str | None) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise error(f"{place}: UTF-16, but UTF-8 was expected", hint="save it as UTF-8")
    try:
        return data.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as problem:
        raise error(f"{place}: not UTF-8 at byte {problem.start}", hint=hint) from problem


def _values(text: str) -> int:
    """How many values a JSON text has at most, by what can separate or hold them."""
    outside = _STRINGS.sub(b"", text.encode("utf-8", "surrogatepass"))
    return sum(map(outside.count, (b",", b"[", b"{")))


def _integer(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


# Made once: `json.loads` would make one for every line of a recording.
_DECODER = json.JSONDecoder(parse_int=_integer)


def _finite(text: str) -> float:
    number = float(text)
    if isinf(number):
        raise ValueError(f"{text[:40]} is too large")
    return number


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"field {name[:80]!r} is there twice in one object")
            seen.add(name)
    return values


def _check_numbers(value: object) -> None:
    """Raises ValueError for an integer that is no float's size; TOML has no hook for them."""
    if isinstance(value, dict):
        for part in value.values():
            _check_numbers(part)
    elif isinstance(value, list):
        for part in value:
            _check_numbers(part)
    elif isinstance(value, int) and abs(value) >= 10**MOST_DIGITS:
        raise ValueError(f"a number of more than {MOST_DIGITS} digits")
