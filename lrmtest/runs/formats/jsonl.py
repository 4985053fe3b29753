"""Runs as files: JSON Lines that carry a whole run, to read, to share and to regrade.

The first line is ``{"lrmtest": "run/1", "run_id", "model", "identity", "created", "finished",
"manifest"}``. Lines with ``"lrmtest": "question/1"`` hold what was asked, lines with
``"lrmtest": "error/1"`` an engine error; every other line is a completion with its ``suite``,
``question``, ``sample``, ``output`` and token counts, so that the file is also what
``--model recorded:FILE`` reads. Where traces were asked for, a completion that has one carries it
as ``trace`` (`lrmtest.runs.trace_codec`, in base64).
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lrmtest.bounded import parse_json, read_lines
from lrmtest.errors import DataError
from lrmtest.grading.completion import count_fault
from lrmtest.runs.checked_rows import expect_place, read_verdict
from lrmtest.runs.extent import EVERYTHING, Extent, narrowed_manifest
from lrmtest.runs.files import replacing
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.records import RunHead, StoredCompletion, StoredError, StoredQuestion
from lrmtest.runs.rows import (
    COMPLETION_ROW,
    ERROR_ROW,
    completion_from_row,
    completion_to_row,
    error_from_row,
    error_to_row,
    question_from_json,
    question_to_json,
)
from lrmtest.runs.store import Store
from lrmtest.runs.trace_codec import trace_from_bytes, trace_to_bytes

RUN_FORMAT = "run/1"

_NAMES = {"question_id": "question", "text": "output"}
"""What rows' fields are called in the file, where it is something else."""


def export_run(
    store: Store,
    run: RunHead,
    path: Path,
    extent: Extent = EVERYTHING,
    *,
    traces: bool = False,
) -> int:
    """Write a run, or an extent of it, to a JSON Lines file, replaced only when all is written.

    Args:
        store: where the run is.
        run: the run.
        path: the file.
        extent: what of it.
        traces: with the traces that are kept.

    Returns:
        The number of completions written.

    Raises:
        StoreError: the file cannot be written.
    """
    count = 0
    with replacing(path) as unfinished, unfinished.open("w", encoding="ascii") as file:
        for line in _lines(store, run, extent, traces=traces):
            count += "output" in line
            file.write(json.dumps(line) + "\n")
    return count


def _lines(store: Store, run: RunHead, extent: Extent, *, traces: bool) -> Iterator[dict[str, Any]]:
    yield {
        "lrmtest": RUN_FORMAT,
        "run_id": run.run_id,
        "model": run.model,
        "identity": run.identity,
        "created": run.created,
        "finished": run.finished,
        "manifest": narrowed_manifest(run.manifest, extent).to_json(),
    }
    for suite, question_id, asked in store.questions(run.run_id, extent=extent):
        yield {
            "lrmtest": "question/1",
            "suite": suite,
            "question": question_id,
            "content": None if asked.question is None else question_to_json(asked.question),
            "prompt": [list(message) for message in asked.prompt],
        }
    for error in store.errors(run.run_id, extent=extent):
        yield {"lrmtest": "error/1", **_named(error_to_row(error))}
    for stored in store.completions(run.run_id, extent=extent):
        line = _named(completion_to_row(stored))
        trace = store.trace(run.run_id, stored.place.key) if traces else None
        if trace is not None:
            line["trace"] = b64encode(trace_to_bytes(trace)).decode("ascii")
        yield line


def import_run(store: Store, path: Path) -> tuple[RunHead, int]:
    """Read a file that `export_run` wrote into a store, all of it or nothing.

    A run that is there already is completed with what it lacks.

    Returns:
        The run, and how many completions the file held.

    Raises:
        DataError: the file is missing or is not such an export; names file, line and field.
        StoreError: the store cannot be written.
    """
    # A first pass over the whole file checks it before anybody is kept from writing.
    runs = [record for record in _records(path) if isinstance(record, RunHead)]
    with store.transaction():
        return runs[0], _import_run(store, path, runs[0])


def _import_run(store: Store, path: Path, run: RunHead) -> int:
    known = store.head(run.run_id)
    if known is None:
        store.add_run(run.run_id, run.model, run.identity, run.manifest)
    count = 0
    for record in _records(path):
        if isinstance(record, StoredCompletion):
            count += 1
            _add_completion(store, run.run_id, record)
            if record.verdict is not None:
                store.set_verdicts(run.run_id, [(record.place.key, record.verdict)])
        elif isinstance(record, StoredError):
            store.add_error(run.run_id, record.place, record.message, record.attempts)
        elif isinstance(record, _QuestionRecord):
            asked = record.asked
            store.add_questions(
                run.run_id, [(record.suite, record.question_id, asked.question, asked.prompt)]
            )
    if run.finished and (known is None or known.finished is None):
        store.finish_run(run.run_id)
    return count


def _add_completion(store: Store, run_id: str, record: StoredCompletion) -> None:
    """Add a completion with its trace, or the trace to the same completion that is there."""
    place, trace = record.place, record.trace
    new = store.add_completion(
        run_id, place, record.completion, created=record.created, trace=trace
    )
    if not new and trace is not None:
        there = store.completion(run_id, place.key)
        if there is not None and there.completion.text == record.completion.text:
            store.add_trace(run_id, place.key, trace)


_NOT_AN_EXPORT = (
    "import reads files written by `lrmtest export`, lm_eval or inspect; other outputs go to "
    "--model recorded:FILE"
)


@dataclass(frozen=True, slots=True)
class _QuestionRecord:
    suite: str
    question_id: str
    asked: StoredQuestion


_Record = RunHead | StoredCompletion | StoredError | _QuestionRecord


def _records(path: Path) -> Iterator[_Record]:
    """The file's records in order, the run first."""
    number = 0
    for number, line in _read_lines(path):
        if (number == 1) != (line.get("lrmtest") == RUN_FORMAT):
            raise DataError(f"{path}:{number}: not an exported run", hint=_NOT_AN_EXPORT)
        try:
            yield _record(line)
        except KeyError as error:
            raise DataError(
                f"{path}:{number}: field {error.args[0]!r} is missing", hint=_NOT_AN_EXPORT
            ) from error
        except (TypeError, ValueError, AttributeError) as error:
            raise DataError(
                f"{path}:{number}: a field has the wrong type or value: {error}",
                hint=_NOT_AN_EXPORT,
            ) from error
    if not number:
        raise DataError(f"{path}: the file is empty", hint=_NOT_AN_EXPORT)


def _record(line: dict[str, Any]) -> _Record:
    match line.get("lrmtest"):
        case "run/1":
            finished = line["finished"]
            return RunHead(
                run_id=_text(line, "run_id"),
                model=_text(line, "model"),
                identity=_text(line, "identity"),
                created=_text(line, "created"),
                finished=None if finished is None else _text(line, "finished"),
                manifest=Manifest.from_json(line["manifest"]),
            )
        case "question/1":
            content = line["content"]
            asked = StoredQuestion(
                question=None if content is None else question_from_json(content),
                prompt=tuple((role, text) for role, text in line["prompt"]),
            )
            return _QuestionRecord(_text(line, "suite"), _text(line, "question"), asked)
        case "error/1":
            error = error_from_row(_row(line, ERROR_ROW))
            expect_place(error.place)
            _text(line, "message")
            if (wrong := count_fault(error.attempts)) is not None:
                raise ValueError(f"attempts {wrong}")
            return error
        case None:
            return _completion(line)
        case other:
            raise ValueError(f"unknown kind of line {other!r}")


def _completion(line: dict[str, Any]) -> StoredCompletion:
    # Which files of earlier versions do not have.
    line = {"finish_word": "", "drafted_tokens": None, **line}
    stored = completion_from_row({**_row(line, COMPLETION_ROW), "verdict": None})
    expect_place(stored.place)
    _text(line, "created")
    if (fault := stored.completion.fault) is not None:
        raise ValueError(fault)
    if line.get("trace") is not None:
        data = b64decode(_text(line, "trace"), validate=True)
        stored = replace(stored, trace=trace_from_bytes(data))
    if line["verdict"] is None:
        return stored
    return replace(stored, verdict=read_verdict(line["verdict"]))


def _text(line: dict[str, Any], name: str) -> str:
    value = line[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is a {type(value).__name__}")
    value.encode()  # half a surrogate pair, which no column can hold, is a ValueError
    return value


def _named(row: dict[str, Any]) -> dict[str, Any]:
    """A row with the names that it has in the file."""
    return {_NAMES.get(name, name): value for name, value in row.items()}


def _row(line: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The inverse of `_named`."""
    return {name: line[_NAMES.get(name, name)] for name in names}


def _read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, _, text in read_lines(path):
        line = parse_json(text, f"{path}:{number}", hint=_NOT_AN_EXPORT)
        if not isinstance(line, dict):
            raise DataError(f"{path}:{number}: not a JSON object", hint=_NOT_AN_EXPORT)
        yield number, line
