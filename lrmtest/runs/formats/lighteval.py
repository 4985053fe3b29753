"""Details of lighteval: ``details/MODEL/DATE/details_TASK_DATE.parquet``, one row a question.

lighteval writes them with ``--save-details``, and ``results/MODEL/results_DATE.json`` beside.
From 0.9 on a row has a document, the model's response and its metrics; before, one column for
each of their parts, and earlier still every column is the text of a Python value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from lrmtest.bounded import MOST_VALUES
from lrmtest.errors import DataError, UsageError
from lrmtest.grading.split import Tags
from lrmtest.models.engines.recorded.completion import RecordedOutput
from lrmtest.models.hashes import sha256_of
from lrmtest.questions.parquet_trial import try_parquet
from lrmtest.runs.formats.chat_output import section, with_tags
from lrmtest.runs.formats.json_rows import json_document
from lrmtest.runs.formats.literals import list_or_dict
from lrmtest.runs.formats.log import (
    Log,
    LogSample,
    count_or_none,
    numbers_of,
    texts_of,
    word_of,
)
from lrmtest.runs.formats.marks import first_mark

TOOL = "lighteval"

_HINT = "lighteval writes such files with --save-details, into details/MODEL/DATE"
_DATE = r"\d{4}-\d\d-\d\dT[\d.-]+"
_FILE_NAME = re.compile(rf"details_(?P<task>.+)_(?P<date>{_DATE})\.parquet")
_LONGEST_NAME = 200
_BATCH = 8
"""Rows that are read at once: each may hold many long samples."""
_MOST_GROUP_BYTES = 2 * 2**30
"""Of one row group, unpacked: pyarrow reads it piece by piece, but a page of it whole."""
_LIKELIHOODS = "this task compares likelihoods, so that no text was generated"
_NO_OUTPUT = "the log has no output for this sample"

_Row = Mapping[str, Any]


def is_details(columns: list[str]) -> bool:
    """Whether a Parquet file with these columns has details of lighteval."""
    return _newer(columns) is not None or {"predictions", "full_prompt"} <= set(columns)


def read_lighteval_log(path: Path, tags: Tags, column: str = "") -> Log:
    """One task's details, with what the results file says of the run.

    Args:
        path: the Parquet file.
        tags: put around reasoning that the log has apart from the text.
        column: a further column that is to be read, or the way to a field of one.

    Raises:
        DataError: it is no such file, or a row is malformed; names file, row and field.
        UsageError: pyarrow is not installed, or the task compared likelihoods.
    """
    name = _FILE_NAME.fullmatch(path.name)
    date = name["date"] if name else ""
    full_task = name["task"] if name else path.stem.removeprefix("details_")
    if find_spec("pyarrow") is not None:  # what asks for it says that it is missing
        try_parquet(path, path, hint=_HINT)
    first: LogSample | None = None
    refused: LogSample | None = None
    budget = None
    for place, row in _rows(path, column):
        budget = budget or count_or_none(section(row, "doc").get("generation_size"))
        for sample in _samples_of(row, place, tags):
            if sample.skipped:
                refused = refused or sample
            else:
                first = first or sample
    if first is None and refused is not None:
        raise UsageError(
            f"{refused.place}: {refused.skipped}", hint="import the details of a generative task"
        )
    if first is None:
        raise DataError(f"{path}: there is no row in it", hint=_HINT)
    results = _results(path, date)
    general = section(results, "config_general")
    config = section(general, "model_config") or section(general, "config")
    generation = section(config, "generation_parameters")
    model = (
        word_of(general.get("model_name"))
        or word_of(config.get("model_name"))
        or path.resolve().parent.parent.name
    )
    return Log(
        tool=TOOL,
        version=_version(general),
        task=_task(full_task),
        model=model,
        invocation=f"{model} {date or path.stem}",
        created=_created(date),
        settings=numbers_of(
            generation, {"temperature": "temperature", "top_p": "top_p", "seed": "seed"}
        ),
        max_tokens=count_or_none(generation.get("max_new_tokens")) or budget,
        file=path.name,
        sha256=sha256_of(path, DataError),
        samples=lambda: (
            sample for place, row in _rows(path, column) for sample in _samples_of(row, place, tags)
        ),
    )


def _rows(path: Path, column: str) -> Iterator[tuple[str, _Row]]:
    """The rows, each as ``doc``, ``model_response`` and ``metric``, with its place.

    A further column stands beside these.
    """
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError:
        raise UsageError(
            f"{path}: pyarrow is needed to read Parquet", hint="pip install 'lrmtest[hub]'"
        ) from None
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            columns = _newer(names)
            if not is_details(names):
                raise DataError(f"{path}: no details of lighteval, by its columns", hint=_HINT)
            _check_size(file, path)
            read = list(columns.values()) if columns else [n for n in _OLDER if n in names]
            further = {column, column.partition(".")[0]} & set(names)
            read = list(dict.fromkeys((*read, *further)))
            for batch in file.iter_batches(batch_size=_BATCH, columns=read):
                for row in batch.to_pylist():
                    number += 1
                    place = f"{path}, row {number}"
                    beside = {name: row[name] for name in further}
                    if columns:
                        named = {ours: row[theirs] for ours, theirs in columns.items()}
                        yield place, beside | named
                    else:
                        asked = {name: _value(value) for name, value in beside.items()}
                        yield place, {**asked, **_from_older(row)}
    except DataError:
        raise
    # pyarrow's errors for a damaged file derive from ValueError, OSError, RuntimeError and others.
    except Exception as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DataError(
            f"{path}: not a readable Parquet file, after row {number} ({reason})", hint=_HINT
        ) from error


def _check_size(file: Any, path: Path) -> None:
    for index in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(index)
        if not 0 <= group.total_byte_size <= _MOST_GROUP_BYTES:
            raise DataError(
                f"{path}: a row group of {group.total_byte_size:,} bytes is too large to be read",
                hint=_HINT,
            )
        for column in map(group.column, range(group.num_columns)):
            # Encoded, a text that repeats a million times takes no more than one.
            if column.physical_type == "BYTE_ARRAY" and column.num_values > MOST_VALUES:
                raise DataError(
                    f"{path}: {column.num_values:,} texts in one column; {MOST_VALUES:,} are read "
                    "at most",
                    hint=_HINT,
                )


def _newer(names: list[str]) -> dict[str, str] | None:
    """The three columns of the newer layout by our names for them; None for another layout."""
    for form in ("{}", "__{}__"):
        columns = {name: form.format(name) for name in ("doc", "model_response", "metric")}
        if {columns["doc"], columns["model_response"]} <= set(names):
            return {ours: theirs for ours, theirs in columns.items() if theirs in names}
    return None


_OLDER = (
    "example",
    "instruction",
    "full_prompt",
    "predictions",
    "cont_tokens",
    "input_tokens",
    "gold",
    "gold_index",
    "choices",
    "metrics",
    "specifics",
)


def _from_older(row: _Row) -> _Row:
    """A row of the older layout in the form of the newer."""
    row = {name: _value(value) for name, value in row.items()}
    golds = row.get("gold") or []
    predictions = row.get("predictions")
    texts: list[Any] = []
    scores: list[Any] = []
    left = list(reversed(predictions)) if isinstance(predictions, list) else [predictions]
    while left:
        prediction = left.pop()
        if isinstance(prediction, list):
            left.extend(reversed(prediction))
        elif isinstance(prediction, str) or prediction is None:
            texts.append(prediction)
        else:
            scores.append(prediction)
    return {
        "doc": {
            "query": row.get("example"),
            "instruction": row.get("instruction"),
            "choices": row.get("choices") or golds,
            "gold_index": row.get("gold_index"),
            "golds": golds,
            "specific": row.get("specifics"),
        },
        "model_response": {
            "input": row.get("full_prompt"),
            "text": texts if not scores else [],
            "logprobs": scores,
            "output_tokens": _per_sample(row.get("cont_tokens")),
            "input_tokens": _flat(row.get("input_tokens")),
        },
        "metric": row.get("metrics"),
    }


def _value(value: Any) -> Any:
    """A column's value, which early releases wrote as Python's text of it."""
    if not isinstance(value, str):
        return value
    read = list_or_dict(value)
    return value if read is None else read


def _per_sample(tokens: Any) -> list[Any]:
    """Token lists, one for each sample: older releases nest them once more, by request."""
    while isinstance(tokens, list) and len(tokens) == 1 and _is_nested(tokens[0]):
        tokens = tokens[0]
    return tokens if isinstance(tokens, list) and _is_nested(tokens) else []


def _is_nested(tokens: Any) -> bool:
    return isinstance(tokens, list) and bool(tokens) and isinstance(tokens[0], list)


def _flat(tokens: Any) -> Any:
    while _is_nested(tokens):
        tokens = tokens[0]
    return tokens


def _samples_of(row: _Row, place: str, tags: Tags) -> Iterator[LogSample]:
    doc, response = section(row, "doc"), section(row, "model_response")
    query = doc.get("query")
    if not isinstance(query, str):
        raise DataError(f"{place}: it has no question, a text 'query'", hint=_HINT)
    texts = response.get("text")
    if isinstance(texts, str):
        texts = [texts]
    if not isinstance(texts, list) or not all(isinstance(each, str | None) for each in texts):
        raise DataError(f"{place}: the model's response has no list of texts", hint=_HINT)
    original = doc.get("original_query")
    asked = [query, original] if isinstance(original, str) else [query]
    id_ = word_of(doc.get("id"))
    skipped = _LIKELIHOODS if not texts and response.get("logprobs") else ""
    common: dict[str, Any] = {
        "place": place,
        "id": id_ or place.rpartition(" ")[2],
        "prompt": _prompt(response.get("input"), doc),
        "asked": "\n".join(asked),
        "names": tuple(each for each in (id_, *_specific(doc)) if 0 < len(each) <= _LONGEST_NAME),
        "targets": _golds(doc),
        "options": _options(doc),
        "skipped": skipped,
        "row": row,
    }
    if not texts:
        yield LogSample(**common, output=None, error=_NO_OUTPUT)
        return
    name, passed = first_mark(section(row, "metric"), samples=len(texts)) or ("", None)
    for index, text in enumerate(texts):
        output = _output(response, index, text, tags)
        yield LogSample(
            **common,
            output=output,
            error="" if output is not None else _NO_OUTPUT,
            passed=passed if output is not None else None,
            mark=name,
            index=index,
        )


def _specific(doc: _Row) -> Iterator[str]:
    """What the task knows of a question beside it, less what its grader has put there."""
    for name, value in section(doc, "specific").items():
        if not name.startswith("extracted_"):
            yield from texts_of(value)


def _output(response: _Row, index: int, text: str | None, tags: Tags) -> RecordedOutput | None:
    reasoning = _at(response.get("reasonings"), index)
    whole = text or ""
    if isinstance(reasoning, str) and reasoning.strip():
        whole = with_tags(reasoning.strip("\n"), whole.strip("\n"), tags, None)
    if not whole:
        return None
    tokens = _at(response.get("output_tokens"), index)
    asked = response.get("input_tokens")
    return RecordedOutput(
        text=whole,
        prompt_tokens=len(asked) or None if isinstance(asked, list) else None,
        # A placeholder of one token stands where an endpoint's tokens are not known.
        completion_tokens=len(tokens) if isinstance(tokens, list) and len(tokens) > 1 else None,
    )


def _at(values: Any, index: int) -> Any:
    return values[index] if isinstance(values, list) and index < len(values) else None


def _prompt(asked: Any, doc: _Row) -> tuple[tuple[str, str], ...]:
    if isinstance(asked, str):
        asked = _value(asked)
    messages = []
    for message in asked if isinstance(asked, list) else ():
        if isinstance(message, Mapping) and isinstance(message.get("content"), str):
            messages.append((word_of(message.get("role")) or "user", message["content"]))
    if messages:
        return tuple(messages)
    return (("user", asked if isinstance(asked, str) else str(doc["query"])),)


def _golds(doc: _Row) -> tuple[str, ...]:
    """The choices that are right, or what an older log calls gold."""
    choices = doc.get("choices")
    choices = choices if isinstance(choices, list) else []
    index = doc.get("gold_index")
    indices = index if isinstance(index, list) else [index]
    golds: list[Any] = [
        choices[each] for each in indices if isinstance(each, int) and -1 < each < len(choices)
    ]
    flat = texts_of(golds or doc.get("golds"))
    return tuple(dict.fromkeys(text.strip() for text in flat if text.strip()))


def _options(doc: _Row) -> tuple[str, ...]:
    """The choices of a question that has some wrong ones."""
    choices = tuple(texts_of(doc.get("choices")))
    return choices if len(choices) > len(_golds(doc)) else ()


def _task(name: str) -> str:
    """``SUITE|TASK|SHOTS`` or ``TASK|SHOTS`` as the task alone."""
    parts = name.split("|")
    if len(parts) > 1 and parts[-1].isdigit():
        parts = parts[:-1]
    return parts[-1] or name


def _results(path: Path, date: str) -> Mapping[str, Any]:
    """The results file of the same run: beside it, or in the tree of results."""
    if not date:
        return {}
    name = f"results_{date}.json"
    places = [path.with_name(name)]
    for folder in islice(path.resolve().parents, 8):
        if folder.name == "details":
            inside = path.resolve().parent.parent.relative_to(folder)
            places.append(folder.parent / "results" / inside / name)
    for place in places:
        if place.is_file():
            content = json_document(place, _HINT)
            return content if isinstance(content, dict) else {}
    return {}


def _version(general: Mapping[str, Any]) -> str:
    sha = word_of(general.get("lighteval_sha"))
    return "" if sha in ("?", "None") else sha


def _created(date: str) -> str:
    day, _, time = date.partition("T")
    return f"{day}T{time.replace('-', ':')[:8]}" if time else ""
