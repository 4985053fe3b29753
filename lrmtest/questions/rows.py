"""Rows of a benchmark's file, each knowing where it stands, so that errors can say so."""

from __future__ import annotations

import ast
import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from io import BytesIO, StringIO
from typing import Any

from lrmtest.bounded import DOCUMENT, LINE, MOST_VALUES, parse_json
from lrmtest.errors import DataError
from lrmtest.questions.parquet_trial import try_parquet

_BATCH = 64
_LONGEST_LIST = 100_000
"""Characters of a list that is written as text."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file, with typed access to its fields.

    Attributes:
        place: file and position, for messages: ``aime_2024.jsonl, line 3``.
        values: the row's fields.
        hint: what the reader should do about a bad row.

    Every method raises DataError, naming file, position and field, when the field is missing
    or of another form.
    """

    place: str
    values: Mapping[str, Any]
    hint: str

    def error(self, field: str, problem: str) -> DataError:
        """The error for `field` of this row."""
        return DataError(f"{self.place}, field {field!r}: {problem}", hint=self.hint)

    def value(self, field: str) -> Any:
        """The field as it is in the file."""
        if field not in self.values:
            raise self.error(field, "missing")
        return self.values[field]

    def text(self, field: str) -> str:
        """A string with something in it, unchanged."""
        value = self.value(field)
        if not isinstance(value, str):
            raise self.error(field, f"a text was expected, not {_kind_of(value)}")
        if not value.strip():
            raise self.error(field, "empty")
        return value

    def texts(self, field: str) -> tuple[str, ...]:
        """A list of strings, each with something in it; the list itself may be empty."""
        value = self.value(field)
        if not isinstance(value, list):
            raise self.error(field, f"a list of texts was expected, not {_kind_of(value)}")
        for number, item in enumerate(value, start=1):
            if not isinstance(item, str) or not item.strip():
                raise self.error(field, f"item {number} of the list is not a text")
        return tuple(value)

    def listed(self, field: str) -> tuple[str, ...]:
        """As `texts`, or such a list written as text: in JSON, or as Python shows a list."""
        value = self.value(field)
        if not isinstance(value, str):
            return self.texts(field)
        try:
            read = ast.literal_eval(value) if len(value) <= _LONGEST_LIST else None
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            read = None
        if not isinstance(read, list):
            raise self.error(field, "a list of texts was expected, or one written as text")
        return replace(self, values={field: read}).texts(field)

    def integer(self, field: str, *, low: int | None = None, high: int | None = None) -> int:
        """An integer from `low` to `high`, as a number or in digits."""
        value = self.value(field)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.error(field, f"an integer was expected, not {_kind_of(value)}")
        if (low is not None and value < low) or (high is not None and value > high):
            raise self.error(field, f"{value} is not from {low} to {high}")
        return value

    def objects(self, field: str, *, texts: tuple[str, ...]) -> list[dict[str, Any]]:
        """A list of objects, each with the given text fields."""
        value = self.value(field)
        if not isinstance(value, list) or not value:
            raise self.error(field, f"a list of objects was expected, not {_kind_of(value)}")
        for number, item in enumerate(value, start=1):
            if not isinstance(item, dict):
                raise self.error(field, f"item {number} is {_kind_of(item)}, not an object")
            for name in texts:
                if not isinstance(item.get(name), str):
                    raise self.error(field, f"item {number} has no text {name!r}")
        return value


def parse_rows(data: bytes, name: str, *, hint: str) -> list[Row]:
    """The rows of a file's bytes; the ending of `name` tells the format.

    ``.jsonl`` has one object per line; ``.json`` one list of objects, or an object that holds
    it under ``examples``; ``.csv`` the fields' names in its first line, and texts only;
    ``.parquet`` needs pyarrow. A byte order mark, Windows line ends and blank lines are accepted.

    Raises:
        DataError: the bytes are not such a file. Names the line where there are lines.
    """
    if name.endswith(".parquet"):
        return list(_parquet_rows(data, name, hint))
    data = data.removeprefix(b"\xef\xbb\xbf")
    if name.endswith(".json"):
        return list(_json_rows(data, name, hint))
    if name.endswith(".csv"):
        return list(_csv_rows(data, name, hint))
    # Only "\n" ends a line: str.splitlines would also cut at U+2028, which texts contain.
    return [
        _row(_parse(line, f"{name}, line {number}", hint), f"{name}, line {number}", hint)
        for number, line in enumerate(data.split(b"\n"), start=1)
        if line.strip()
    ]


def _json_rows(data: bytes, name: str, hint: str) -> Iterator[Row]:
    content = _parse(data, name, hint)
    examples = content.get("examples") if isinstance(content, dict) else content
    if not isinstance(examples, list):
        raise DataError(f"{name}: no list of examples in it", hint=hint)
    for number, example in enumerate(examples):
        yield _row(example, f"{name}, example {number}", hint)


def _csv_rows(data: bytes, name: str, hint: str) -> Iterator[Row]:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: not UTF-8 at byte {error.start}", hint=hint) from error
    # Strict, so that a file which ends inside a quoted field was cut off there.
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    longest = csv.field_size_limit(LINE)
    try:
        names = next(reader, [])
        if not names or len(set(names)) < len(names) or not all(map(str.strip, names)):
            raise DataError(f"{name}, line 1: the names of different fields expected", hint=hint)
        values, line = 0, reader.line_num + 1
        for fields in reader:
            place, line = f"{name}, line {line}", reader.line_num + 1
            if not fields:
                continue
            values += len(fields)
            if len(fields) != len(names) or values > MOST_VALUES:
                found = f"{len(fields)} fields, but {len(names)} names in line 1"
                many = f"more than {MOST_VALUES} values, which is all that is read"
                raise DataError(f"{place}: {many if values > MOST_VALUES else found}", hint=hint)
            yield Row(place, dict(zip(names, fields, strict=True)), hint)
    except csv.Error as error:
        raise DataError(f"{name}, line {reader.line_num}: {error}", hint=hint) from error
    finally:
        csv.field_size_limit(longest)


def _parquet_rows(data: bytes, name: str, hint: str) -> Iterator[Row]:
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError as error:
        raise DataError(
            f"{name}: pyarrow is needed to read a Parquet file",
            hint="pip install pyarrow, or use --data-dir with the JSON file (docs/data.md)",
        ) from error
    try_parquet(data, name, hint=hint)
    size = 0
    rows: list[Any] = []
    try:
        # A few rows at a time: a column that repeats one long text is tiny in the file.
        for batch in parquet.ParquetFile(BytesIO(data)).iter_batches(batch_size=_BATCH):
            size += batch.nbytes
            if size > DOCUMENT or len(rows) > MOST_VALUES:
                break
            rows += batch.to_pylist()
    # pyarrow's errors for a damaged file derive from ValueError, OSError and RuntimeError.
    except Exception as error:
        raise DataError(f"{name}: not a readable Parquet file ({error})", hint=hint) from error
    if size > DOCUMENT or len(rows) > MOST_VALUES:
        raise DataError(
            f"{name}: more than {DOCUMENT >> 20} MiB when unpacked, which is all that is read",
            hint=hint,
        )
    for number, values in enumerate(rows):
        yield _row(values, f"{name}, row {number}", hint)


def _row(values: Any, place: str, hint: str) -> Row:
    if not isinstance(values, dict):
        raise DataError(f"{place}: an object was expected, not {_kind_of(values)}", hint=hint)
    return Row(place=place, values=values, hint=hint)


def _parse(data: bytes, place: str, hint: str) -> Any:
    content = parse_json(data, place, strict=True, hint=hint)
    if b"\\ud" in data.lower():
        try:
            json.dumps(content, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError as error:
            raise DataError(f"{place}: half a surrogate pair is no text", hint=hint) from error
    return content


def _kind_of(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "true or false", int: "an integer", float: "a number", str: "a text"}
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return names.get(type(value), "an object")
