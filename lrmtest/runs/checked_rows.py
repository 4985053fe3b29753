"""The store's rows as they are written and read: with a checksum, and never believed unseen.

A store lies on disks and goes through copies that change bits. A row that was changed would be a
wrong answer that nobody gave, so every row is checked when it is read: by a checksum (CRC-32) of
its values, by zlib's own for texts, and by what each field can be.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

from lrmtest.errors import DamagedStoreError
from lrmtest.grading.completion import count_fault
from lrmtest.grading.verdict import ENDS, Verdict, failure_class
from lrmtest.models.trace import Trace
from lrmtest.questions.place import Place
from lrmtest.questions.question import Question
from lrmtest.runs.database import check_hint
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.reading_manifest import ReadingManifest
from lrmtest.runs.readings import Reading, ReadingHead
from lrmtest.runs.records import RunHead, StoredCompletion, StoredError, StoredQuestion
from lrmtest.runs.rows import (
    COMPLETION_ROW,
    ERROR_ROW,
    PLACE_ROW,
    arrived_values,
    completion_from_row,
    error_from_row,
    error_to_row,
    question_from_json,
    question_to_json,
    verdict_from_json,
    verdict_to_json,
)
from lrmtest.runs.trace_codec import (
    reading_from_bytes,
    reading_to_bytes,
    trace_from_bytes,
    trace_to_bytes,
)

T = TypeVar("T")

RUN_COLUMNS = ("run_id", "model", "identity", "created", "finished", "manifest", "checksum")
QUESTION_COLUMNS = ("suite", "question_id", "content", "prompt", "checksum")
ARRIVED = COMPLETION_ROW[:-1]
"""The columns of a completion but for its verdict, which comes later."""
COMPLETION_COLUMNS = (*COMPLETION_ROW, "checksum", "verdict_checksum")
ERROR_COLUMNS = (*ERROR_ROW, "created", "checksum")
TRACE_COLUMNS = ("run_id", "key", "data", "checksum")
READING_HEAD_COLUMNS = (
    *("reading_id", "run_id", "reader", "identity", "created", "finished", "manifest", "checksum"),
)
READING_COLUMNS = ("reading_id", "key", "suite", "question_id", "sample", "data", "checksum")

_SUITE, _QUESTION, _TEXT, _ESTIMATED, _SECONDS, _DRAFTED = map(
    ARRIVED.index,
    ("suite", "question_id", "text", "tokens_estimated", "seconds", "drafted_tokens"),
)
_TEXTS_OF_PLACE = tuple(name for name in PLACE_ROW if name != "sample")

# ASCII escapes keep lone surrogates, which a model may emit, valid in a TEXT column.
_ENCODER = json.JSONEncoder(separators=(",", ":"))


def checksum(values: Sequence[object]) -> int:
    """CRC-32 of a row's values, as SQLite gives them back."""
    return zlib.crc32(repr(tuple(values)).encode("ascii", "backslashreplace"))


def dump(content: Any) -> str:
    """JSON for a column."""
    return _ENCODER.encode(content)


# Writing


def run_row(head: RunHead) -> tuple[Any, ...]:
    """A row of `RUN_COLUMNS`."""
    values = (
        head.run_id,
        head.model,
        head.identity,
        head.created,
        head.finished,
        dump(head.manifest.to_json()),
    )
    return (*values, checksum(values))


def question_row(
    suite: str, question_id: str, question: Question | None, prompt: Sequence[tuple[str, str]]
) -> tuple[Any, ...]:
    """A row of `QUESTION_COLUMNS`."""
    content = dump(question and question_to_json(question))
    values = (suite, question_id, content, dump([list(turn) for turn in prompt]))
    return (*values, checksum(values))


def arrived_row(stored: StoredCompletion) -> tuple[Any, ...]:
    """A row of `ARRIVED` and its checksum."""
    values = arrived_values(stored)
    values[_TEXT] = zlib.compress(stored.completion.text.encode("utf-8", "surrogatepass"), level=3)
    values[_ESTIMATED] = int(stored.completion.tokens_estimated)
    values[_SECONDS] = float(stored.completion.seconds)
    return (*values, _checksum_without_text(values))


def verdict_values(key: str, verdict: Verdict) -> tuple[str, int]:
    """The columns ``verdict`` and ``verdict_checksum``."""
    text = dump(verdict_to_json(verdict))
    return text, checksum((key, text))


def error_row(error: StoredError, created: str) -> tuple[Any, ...]:
    """A row of `ERROR_COLUMNS`."""
    values = (*error_to_row(error).values(), created)
    return (*values, checksum(values))


def trace_row(run_id: str, key: str, trace: Trace) -> tuple[Any, ...]:
    """A row of `TRACE_COLUMNS`.

    Raises:
        ValueError: it is no trace that can be kept.
    """
    data = trace_to_bytes(trace)
    return run_id, key, data, checksum((run_id, key, zlib.crc32(data)))


def reading_head_row(head: ReadingHead) -> tuple[Any, ...]:
    """A row of `READING_HEAD_COLUMNS`."""
    texts = (head.reading_id, head.run_id, head.reader, head.identity, head.created)
    values = (*texts, head.finished, dump(head.manifest.to_json()))
    return (*values, checksum(values))


def reading_row(reading_id: str, reading: Reading) -> tuple[Any, ...]:
    """A row of `READING_COLUMNS`.

    Raises:
        ValueError: it is no reading that can be kept.
    """
    expect_place(reading.place)
    data = reading_to_bytes(reading)
    place = reading.place
    where = (reading_id, place.key, place.suite, place.question_id, place.sample)
    return (*where, data, checksum((*where, zlib.crc32(data))))


# Reading


class Reader:
    """Reads rows of one store.

    Args:
        path: the store, for messages.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def run(self, values: Sequence[Any]) -> RunHead:
        """A run of a row of `RUN_COLUMNS`.

        Raises:
            DamagedStoreError: it is not as it was written. So for all others here.
        """

        def read() -> RunHead:
            run_id, model, identity, created, finished, raw, written = values
            _compare(written, values[:-1])
            for text in (run_id, model, identity, created, "" if finished is None else finished):
                _expect(isinstance(text, str), "a field is no text")
            manifest = Manifest.from_json(_json(raw))
            return RunHead(run_id, model, created, finished, manifest, identity)

        return self._read(f"run {values[0]!r:.80}", read)

    def question(self, run_id: str, values: Sequence[Any]) -> StoredQuestion:
        """A question of a row of `QUESTION_COLUMNS`."""

        def read() -> StoredQuestion:
            *_, content, prompt, written = values
            _compare(written, values[:-1])
            raw = _json(content)
            question = None if raw is None else question_from_json(raw)
            turns = tuple((role, text) for role, text in _json(prompt))
            _expect(all(isinstance(part, str) for turn in turns for part in turn), "a turn")
            return StoredQuestion(question, turns)

        return self._read(f"question {values[1]!r:.80} of run {run_id}", read)

    def completion(
        self, run_id: str, values: Sequence[Any], *, with_text: bool = True
    ) -> StoredCompletion:
        """A completion of a row of `COMPLETION_COLUMNS`.

        Args:
            run_id: its run.
            values: the row.
            with_text: unpack the text; without, it is empty, and may be anything in the row.
        """

        def read() -> StoredCompletion:
            *arrived, verdict, written, verdict_written = values
            if written is not None:
                _expect(written == _checksum_without_text(arrived), "its checksum differs")
            row = dict(zip(ARRIVED, arrived, strict=True))
            text = zlib.decompress(row["text"]) if with_text else b""
            row["text"] = text.decode("utf-8", "surrogatepass")
            _expect(row["tokens_estimated"] in (0, 1), "tokens_estimated")
            row["tokens_estimated"] = bool(row["tokens_estimated"])
            row["verdict"] = None
            stored = completion_from_row(row)
            expect_place(stored.place)
            _expect(isinstance(stored.created, str), "created")
            fault = stored.completion.fault
            _expect(fault is None, str(fault))
            if verdict is None:
                return stored
            _compare(verdict_written, (stored.place.key, verdict))
            return StoredCompletion(
                stored.place, stored.completion, stored.created, read_verdict(_json(verdict))
            )

        where = f"{values[_SUITE]!r:.40} {values[_QUESTION]!r:.80}"
        return self._read(f"completion {where} of run {run_id}", read)

    def error(self, run_id: str, values: Sequence[Any]) -> StoredError:
        """An engine error of a row of `ERROR_COLUMNS`."""

        def read() -> StoredError:
            _compare(values[-1], values[:-1])
            error = error_from_row(dict(zip(ERROR_ROW, values, strict=False)))
            expect_place(error.place)
            _expect(isinstance(error.message, str), "message")
            _expect(count_fault(error.attempts) is None, "attempts")
            return error

        return self._read(f"engine error {values[0]!r:.80} of run {run_id}", read)

    def trace(self, values: Sequence[Any]) -> Trace:
        """A trace of a row of `TRACE_COLUMNS`."""

        def read() -> Trace:
            *where, data, written = values
            _expect(written == checksum((*where, zlib.crc32(data))), "its checksum differs")
            return trace_from_bytes(data)

        return self._read(f"trace {values[1]!r:.80} of run {values[0]!r:.80}", read)

    def reading_head(self, values: Sequence[Any]) -> ReadingHead:
        """The head of a reading, of a row of `READING_HEAD_COLUMNS`."""

        def read() -> ReadingHead:
            *texts, finished, raw, written = values
            _expect(written == checksum(values[:-1]), "its checksum differs")
            for text in (*texts, "" if finished is None else finished):
                _expect(isinstance(text, str), "a field is no text")
            manifest = _json(raw)
            _expect(isinstance(manifest, dict), "its manifest is no object")
            reading_id, run_id, reader, identity, created = texts
            of = ReadingManifest.from_json(manifest)
            return ReadingHead(reading_id, run_id, reader, identity, created, finished, of)

        return self._read(f"reading {values[0]!r:.80}", read)

    def reading(self, values: Sequence[Any]) -> Reading:
        """What was read of a trace, of a row of `READING_COLUMNS`."""

        def read() -> Reading:
            *where, data, written = values
            _expect(written == checksum((*where, zlib.crc32(data))), "its checksum differs")
            place = Place(*where[1:])
            expect_place(place)
            return reading_from_bytes(data, place)

        return self._read(f"what reading {values[0]!r:.80} has of {values[1]!r:.80}", read)

    def _read(self, what: str, read: Callable[[], T]) -> T:
        try:
            return read()
        except (
            *(ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError),
            *(RecursionError, MemoryError, zlib.error),
        ) as error:
            raise DamagedStoreError(
                f"the store {self._path} is damaged: {what} cannot be read: "
                f"{str(error)[:200] or type(error).__name__}",
                hint=check_hint(self._path),
            ) from error


def read_verdict(raw: Any) -> Verdict:
    """The verdict of JSON from outside.

    Raises:
        TypeError, ValueError: it is none, or a field is what it cannot be.
    """
    if not isinstance(raw, dict):
        raise TypeError(f"a verdict is a {type(raw).__name__}")
    verdict = verdict_from_json(raw)
    for name in ("correct", "lenient_correct"):
        _expect(isinstance(getattr(verdict, name), bool), f"verdict: {name}")
    for name in ("extracted", "provisional"):
        _expect(isinstance(getattr(verdict, name), str | None), f"verdict: {name}")
    if verdict.failure is not None:
        failure_class(verdict.failure)
    _expect(verdict.end in ENDS, "verdict: end")
    for figure in (verdict.score, *verdict.metrics.values()):
        _expect(isinstance(figure, int | float) and isfinite(figure), "verdict: a figure")
    return verdict


def _checksum_without_text(arrived: Sequence[Any]) -> int:
    left_out = (_TEXT,) if arrived[_DRAFTED] is not None else (_TEXT, _DRAFTED)
    return checksum([value for i, value in enumerate(arrived) if i not in left_out])


def _compare(written: object, values: Sequence[Any]) -> None:
    if written is not None:
        _expect(written == checksum(values), "its checksum differs")


def expect_place(place: Place) -> None:
    """Check the fields of a place that comes from outside.

    Raises:
        ValueError: one is what it cannot be.
    """
    for name in _TEXTS_OF_PLACE:
        _expect(isinstance(getattr(place, name), str), f"{name} is no text")
    if count_fault(place.sample) is not None:
        raise ValueError(f"sample is {place.sample!r:.40}")


def _expect(right: bool, what: str) -> None:
    if not right:
        raise ValueError(what)


def _json(text: Any) -> Any:
    if not isinstance(text, str):
        raise TypeError(f"JSON is a {type(text).__name__}")
    return json.loads(text)
