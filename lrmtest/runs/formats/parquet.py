"""Runs as Parquet: one row for each sample, engine errors included, for data frames.

The run's manifest is in the file's metadata, as JSON under ``lrmtest``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from lrmtest.errors import UsageError
from lrmtest.grading import split
from lrmtest.grading.split import Tags
from lrmtest.questions.place import Place
from lrmtest.questions.question import Question
from lrmtest.runs.extent import EVERYTHING, Extent, narrowed_manifest
from lrmtest.runs.files import replacing
from lrmtest.runs.records import RunHead, StoredCompletion
from lrmtest.runs.rows import PLACE_ROW, completion_to_row
from lrmtest.runs.store import Store
from lrmtest.unicode import well_formed

_GROUP_CHARACTERS = 16_000_000
"""Texts are gathered up to about this many characters before a row group is written."""


def export_parquet(store: Store, run: RunHead, path: Path, extent: Extent = EVERYTHING) -> int:
    """Write a run, or an extent of it, to a Parquet file.

    Columns: ``run_id``, ``model``, ``suite``, ``question``, ``sample``, ``kind``, ``references``,
    ``prompt`` (role and text), ``output``, ``reasoning``, ``answer``, ``finish_reason``,
    ``finish_word``, ``prompt_tokens``, ``completion_tokens``, ``reasoning_tokens``,
    ``tokens_estimated``, ``seed``, ``seconds``, ``created``, ``correct``, ``lenient_correct``,
    ``score``, ``extracted``, ``failure``, ``provisional``, ``metrics`` and ``error``. What is not
    known is null; so is everything that a completion has, where the engine failed.

    Returns:
        The number of completions written.

    Raises:
        UsageError: pyarrow is not installed.
        StoreError: the file cannot be written.
    """
    try:
        arrow = import_module("pyarrow")
        parquet = import_module("pyarrow.parquet")
    except ImportError:
        raise UsageError(
            "pyarrow is needed to write Parquet", hint="pip install 'lrmtest[hub]'"
        ) from None
    run = replace(run, manifest=narrowed_manifest(run.manifest, extent))
    header = {"run_id": run.run_id, "created": run.created, "manifest": run.manifest.to_json()}
    schema = _schema(arrow).with_metadata({"lrmtest": json.dumps(header)})
    count = 0
    with (
        replacing(path) as unfinished,
        parquet.ParquetWriter(unfinished, schema, compression="zstd") as writer,
    ):
        for rows in _groups(_rows(store, run, extent)):
            count += sum(row.get("output") is not None for row in rows)
            writer.write_table(arrow.Table.from_pylist(rows, schema=schema))
    return count


def _schema(arrow: Any) -> Any:
    text, count, real, flag = arrow.string(), arrow.int64(), arrow.float64(), arrow.bool_()
    message = arrow.struct([("role", text), ("text", text)])
    return arrow.schema(
        [
            ("run_id", text),
            ("model", text),
            ("suite", text),
            ("question", text),
            ("sample", count),
            ("kind", text),
            ("references", arrow.list_(text)),
            ("prompt", arrow.list_(message)),
            ("output", arrow.large_string()),
            ("reasoning", arrow.large_string()),
            ("answer", arrow.large_string()),
            ("finish_reason", text),
            ("finish_word", text),
            ("prompt_tokens", count),
            ("completion_tokens", count),
            ("reasoning_tokens", count),
            ("tokens_estimated", flag),
            ("seed", count),
            ("seconds", real),
            ("created", text),
            ("correct", flag),
            ("lenient_correct", flag),
            ("score", real),
            ("extracted", text),
            ("failure", text),
            ("provisional", text),
            ("metrics", arrow.map_(text, real)),
            ("error", text),
        ]
    )


def _rows(store: Store, run: RunHead, extent: Extent) -> Iterator[dict[str, Any]]:
    asked = {}
    for suite, question_id, stored in store.questions(run.run_id, extent=extent):
        asked[suite, question_id] = {
            **_question(stored.question),
            "prompt": [{"role": role, "text": well_formed(text)} for role, text in stored.prompt],
        }
    for completion in store.completions(run.run_id, extent=extent):
        yield {
            **_place(run, completion.place),
            **asked.get(completion.place.question, {}),
            **_completion(completion, run.manifest.reasoning_tags),
        }
    for error in store.errors(run.run_id, extent=extent):
        yield {
            **_place(run, error.place),
            **asked.get(error.place.question, {}),
            "error": well_formed(error.message),
        }


def _place(run: RunHead, place: Place) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "model": run.model,
        "suite": place.suite,
        "question": place.question_id,
        "sample": place.sample,
    }


def _question(question: Question | None) -> dict[str, Any]:
    if question is None:
        return {}
    return {"kind": question.kind, "references": list(question.references)}


def _completion(stored: StoredCompletion, tags: Tags) -> dict[str, Any]:
    completion, verdict = stored.completion, stored.verdict
    parts = split(completion.text, tags)
    row = completion_to_row(stored)
    row |= {
        "output": row.pop("text"),
        "reasoning": parts.reasoning,
        "answer": parts.answer,
        "prompt_tokens": completion.prompt_tokens or None,
        "completion_tokens": completion.completion_tokens or None,
        "reasoning_tokens": completion.reasoning_tokens if completion.completion_tokens else None,
        "seconds": completion.seconds or None,
    }
    if verdict is not None:
        row |= row["verdict"] | {"metrics": list(verdict.metrics.items())}
    return {
        name: well_formed(value) if isinstance(value, str) else value
        for name, value in row.items()
        if name != "verdict" and name not in PLACE_ROW
    }


def _groups(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        group.append(row)
        size += len(row.get("output") or "")
        if size > _GROUP_CHARACTERS:
            yield group
            group, size = [], 0
    if group:
        yield group
