"""Sample logs of lm-evaluation-harness: ``samples_TASK_DATE.jsonl`` beside ``results_DATE.json``.

The harness writes them with ``--output_path`` and ``--log_samples``. Each line is one document
under one filter, with everything that was generated for it in ``resps``: with several filters the
same outputs come several times, so only the first filter's lines are read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lrmtest.bounded import DOCUMENT, parse_json, read_json, read_lines
from lrmtest.errors import DataError, UsageError
from lrmtest.models.engines.recorded.completion import RecordedOutput
from lrmtest.runs.formats.log import (
    Log,
    LogSample,
    count_or_none,
    file_sha256,
    numbers_of,
    texts_of,
)

TOOL = "lm-evaluation-harness"

_HINT = "lm_eval writes such files with --output_path DIR --log_samples"
_FILE_NAME = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT[\d.-]+)\.jsonl")
_LONGEST_NAME = 200


def is_harness_line(line: Mapping[str, Any]) -> bool:
    """Whether a line of JSON is one of the harness's."""
    return {"doc_id", "doc", "resps"} <= line.keys()


def read_harness_log(path: Path) -> Log:
    """A samples file of lm-evaluation-harness, with what its results file says of the run.

    Raises:
        DataError: it is not such a file, or a line is malformed; names file, line and field.
        UsageError: the task compared likelihoods, so that nothing was generated.
    """
    first = next(_lines(path), None)
    if first is None:
        raise DataError(f"{path}: the file is empty", hint=_HINT)
    name = _FILE_NAME.fullmatch(path.name)
    date = name["date"] if name else ""
    results = _results(path, date)
    task = name["task"] if name else path.stem.removeprefix("samples_")
    generation = _generation_settings(first[1])
    settings = numbers_of(generation, {"temperature": "temperature", "top_p": "top_p"})
    if generation.get("do_sample") is False:
        settings["temperature"] = 0
    model = _model_name(results) or path.parent.name or "model"
    return Log(
        tool=TOOL,
        version=str(results.get("lm_eval_version") or ""),
        task=task,
        model=model,
        invocation=f"{model} {date or path.stem}",
        created=_created(results, date),
        settings=settings,
        max_tokens=count_or_none(generation.get("max_gen_toks")),
        file=path.name,
        sha256=file_sha256(path),
        samples=lambda: _samples(path),
    )


def _samples(path: Path) -> Iterator[LogSample]:
    chosen: Any = None
    for number, line in _lines(path):
        place = f"{path}:{number}"
        if number == 1:
            chosen = line.get("filter")
        if line.get("filter") != chosen:
            continue
        for text in _generated(line, place):
            yield _sample(line, text, place)


def _sample(line: Mapping[str, Any], text: str | None, place: str) -> LogSample:
    doc = line["doc"]
    texts = list(texts_of(doc))
    choices = doc.get("choices") if isinstance(doc, Mapping) else None
    if isinstance(choices, Mapping):
        choices = choices.get("text")
    return LogSample(
        place=place,
        id=str(line["doc_id"]),
        prompt=_prompt(line),
        asked="\n".join(texts),
        names=tuple(text for text in texts if len(text) <= _LONGEST_NAME),
        targets=_targets(line.get("target")),
        options=tuple(texts_of(choices)),
        output=None if text is None else RecordedOutput(text),
        error="" if text is not None else "the log has no output for this sample",
        passed=_passed(line),
    )


def _generated(line: Mapping[str, Any], place: str) -> list[str | None]:
    """What was generated for a document, one text for each repeat."""
    requests = line["resps"]
    if not isinstance(requests, list) or not all(isinstance(each, list) for each in requests):
        raise DataError(f"{place}: field 'resps' must be a list of lists", hint=_HINT)
    texts = [text for request in requests for text in request]
    if any(isinstance(text, list) for text in texts) or len(requests) > 1:
        raise UsageError(
            f"{place}: this task compares likelihoods, so that no text was generated",
            hint="import the log of a task with output_type generate_until",
        )
    for text in texts:
        if text is not None and not isinstance(text, str):
            raise DataError(f"{place}: field 'resps' must hold texts", hint=_HINT)
    return texts


def _prompt(line: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    arguments = _first_request(line)
    prompt = arguments[0] if arguments else ""
    if isinstance(prompt, list) and prompt:
        prompt = prompt[0]
    if not isinstance(prompt, str):
        return ()
    try:
        messages = json.loads(prompt)
        return tuple((str(message["role"]), str(message["content"])) for message in messages)
    except (ValueError, TypeError, KeyError, RecursionError):
        return (("user", prompt),)


def _generation_settings(line: Mapping[str, Any]) -> Mapping[str, Any]:
    arguments = _first_request(line)
    settings = arguments[1] if len(arguments) > 1 else None
    return settings if isinstance(settings, Mapping) else {}


def _first_request(line: Mapping[str, Any]) -> list[Any]:
    """The arguments of the first request: the prompt, then how to generate."""
    arguments = line.get("arguments")
    if isinstance(arguments, Mapping):
        first = arguments.get("gen_args_0")
        return list(first.values()) if isinstance(first, Mapping) else []
    if isinstance(arguments, list) and arguments and isinstance(arguments[0], list):
        return arguments[0]
    return []


def _targets(target: Any) -> tuple[str, ...]:
    if isinstance(target, list):
        return tuple(str(each) for each in target)
    return () if target is None or target == "" else (str(target),)


def _passed(line: Mapping[str, Any]) -> bool | None:
    metrics = line.get("metrics")
    first = metrics[0] if isinstance(metrics, list) and metrics else None
    value = line.get(first) if isinstance(first, str) else None
    return bool(value) if isinstance(value, bool | int | float) and value in (0, 1) else None


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, _, text in read_lines(path):
        yield number, _line(text, f"{path}:{number}")


def _line(text: bytes, place: str) -> dict[str, Any]:
    line = parse_json(text, place, hint=_HINT)
    if not isinstance(line, dict):
        raise DataError(f"{place}: not a JSON object", hint=_HINT)
    for name in ("doc_id", "doc", "resps"):
        if name not in line:
            raise DataError(f"{place}: field {name!r} is missing", hint=_HINT)
    return line


def _results(path: Path, date: str) -> Mapping[str, Any]:
    """The results file of the same run; empty without one."""
    beside = path.with_name(f"results_{date}.json")
    if not date or not beside.is_file():
        return {}
    results = read_json(beside, DOCUMENT, hint=_HINT)
    return results if isinstance(results, dict) else {}


def _model_name(results: Mapping[str, Any]) -> str:
    name = results.get("model_name")
    return name if isinstance(name, str) else ""


def _created(results: Mapping[str, Any], date: str) -> str:
    seconds = results.get("date")
    if isinstance(seconds, int | float) and 0 <= seconds < 2**40:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    day, _, time = date.partition("T")
    return f"{day}T{time.replace('-', ':')[:8]}" if time else ""
