"""Logs of inspect_ai, ``.json`` and ``.eval`` (a zip of JSON files, one for each sample).

inspect_ai moves long texts of a sample aside, into its ``attachments``, and leaves
``attachment://`` and their key behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lrmtest.bounded import parse_json
from lrmtest.errors import DataError
from lrmtest.grading.split import Tags
from lrmtest.models.engines.recorded.completion import RecordedOutput
from lrmtest.models.hashes import sha256_of
from lrmtest.runs.formats.chat_output import asked_conversation, messages_of, output_of, section
from lrmtest.runs.formats.json_rows import json_document
from lrmtest.runs.formats.log import (
    Log,
    LogSample,
    count_or_none,
    numbers_of,
    shortened,
    texts_of,
    word_of,
)
from lrmtest.runs.formats.marks import right_or_wrong
from lrmtest.runs.formats.zip_file import ZipMembers

TOOL = "inspect_ai"

_HINT = "inspect_ai writes such files into its log folder, as .eval or .json"
# Limits of a sample that take the model's room to answer; others end the conversation around it.
_RAN_OUT = frozenset(("context", "time", "working", "token", "cost"))

_LogSamples = Iterator[LogSample]


def read_inspect_log(path: Path, tags: Tags = ()) -> Log:
    """A log of inspect_ai.

    Args:
        path: the file; its first bytes tell which of the two formats it has.
        tags: put around the reasoning.

    Raises:
        DataError: it is not such a log, or is damaged; or a compression cannot be read here.
    """
    sha256 = sha256_of(path, DataError)
    with path.open("rb") as file:
        zipped = file.read(4) == b"PK\x03\x04"
    header, samples = (_zipped if zipped else _plain)(path)
    spec = _header_section(header, "eval", path)
    plan = section(section(header, "plan"), "config")
    config = {**plan, **section(spec, "model_generate_config")}
    model, task = word_of(spec.get("model")), word_of(spec.get("task"))
    if not model or not task:
        raise DataError(f"{path}: no model or no task in it", hint=_HINT)
    return Log(
        tool=TOOL,
        version=word_of(section(spec, "packages").get("inspect_ai")),
        task=task,
        model=model,
        invocation=f"{model} {word_of(spec.get('run_id')) or sha256}",
        created=word_of(spec.get("created")),
        settings=numbers_of(
            config, {"temperature": "temperature", "top_p": "top_p", "seed": "seed"}
        ),
        max_tokens=count_or_none(config.get("max_tokens")),
        file=path.name,
        sha256=sha256,
        samples=lambda: _read(samples(), tags),
        remarks=tuple(_remarks(header)),
    )


_Samples = Callable[[], Iterator[tuple[str, Mapping[str, Any]]]]


def _plain(path: Path) -> tuple[Mapping[str, Any], _Samples]:
    content = json_document(path, _HINT)
    if not isinstance(content, dict):
        raise DataError(f"{path}: not a JSON object", hint=_HINT)
    samples = content.get("samples") or []
    if not isinstance(samples, list):
        raise DataError(f"{path}: field 'samples' must be a list", hint=_HINT)

    def read() -> Iterator[tuple[str, Mapping[str, Any]]]:
        for number, sample in enumerate(samples, start=1):
            place = f"{path}, sample {number}"
            if not isinstance(sample, dict):
                raise DataError(f"{place}: not a JSON object", hint=_HINT)
            yield place, sample

    return content, read


def _zipped(path: Path) -> tuple[Mapping[str, Any], _Samples]:
    with ZipMembers(path, _HINT) as archive:
        # A run that was interrupted has no header, but what its first entry says.
        complete = "header.json" in archive.names
        name = "header.json" if complete else "_journal/start.json"
        header = _parsed(archive.read(name), f"{path}, {name}")

    def read() -> Iterator[tuple[str, Mapping[str, Any]]]:
        with ZipMembers(path, _HINT) as archive:
            for name in archive.names:
                if name.startswith("samples/") and name.endswith(".json"):
                    place = f"{path}, {name}"
                    yield place, _parsed(archive.read(name), place)

    return header, read


def _parsed(data: bytes, place: str) -> dict[str, Any]:
    content = parse_json(data, place, hint=_HINT)
    if not isinstance(content, dict):
        raise DataError(f"{place}: not a JSON object", hint=_HINT)
    return content


def _header_section(content: Mapping[str, Any], name: str, path: Path) -> Mapping[str, Any]:
    part = content.get(name)
    if not isinstance(part, Mapping):
        raise DataError(f"{path}: no section {name!r}, so no log of inspect_ai", hint=_HINT)
    return part


def _remarks(header: Mapping[str, Any]) -> Iterator[str]:
    status = word_of(header.get("status"))
    if status in ("", "success"):
        return
    spec = section(header, "eval")
    samples = count_or_none(section(spec, "dataset").get("samples"))
    epochs = count_or_none(section(spec, "config").get("epochs")) or 1
    planned = f" of {samples * epochs} planned samples" if samples else ""
    reason = word_of(section(header, "error").get("message"))
    told = f" ({reason})" if reason else ""
    yield f"its run did not end well: {status}{told}; what it has{planned} is read"


def _read(samples: Iterator[tuple[str, Mapping[str, Any]]], tags: Tags) -> _LogSamples:
    """The samples, marked by the first scorer that calls any of them right or wrong."""
    scorer = ""
    for place, raw in samples:
        sample = _sample(raw, place, tags)
        scores = _scores(raw)
        if not scorer:
            scorer = next((name for name, mark in scores.items() if mark is not None), "")
        # What was compared with nothing is no mark: an empty target is in every answer.
        said = scores.get(scorer)
        passed, untargeted = (said, None) if sample.targets else (None, said)
        yield replace(sample, passed=passed, untargeted=untargeted, mark=scorer, row=raw)


def _sample(raw: Mapping[str, Any], place: str, tags: Tags) -> LogSample:
    for name in ("id", "input"):
        if name not in raw:
            raise DataError(f"{place}: field {name!r} is missing", hint=_HINT)
    id_ = word_of(raw["id"])
    if not id_:
        raise DataError(f"{place}: field 'id' must be a text or a number", hint=_HINT)
    # Before 0.3.60 the texts that were moved aside stood in the transcript.
    attachments = section(raw, "attachments") or section(section(raw, "transcript"), "content")
    asked = messages_of(raw["input"], attachments)
    output, error = _output(raw, attachments, tags)
    return LogSample(
        place=place,
        id=id_,
        prompt=asked_conversation(raw.get("messages"), attachments) or asked,
        asked="\n".join(text for _, text in asked),
        names=(id_,),
        targets=_targets(raw.get("target")),
        options=tuple(texts_of(raw.get("choices"))),
        output=output,
        error=error,
        skipped="it was marked as invalid in the log" if raw.get("invalidation") else "",
    )


def _targets(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    usable = (each for each in values if isinstance(each, str | int | float))
    return tuple(text for each in usable if (text := str(each).strip()))


def _output(
    raw: Mapping[str, Any], attachments: Mapping[str, Any], tags: Tags
) -> tuple[RecordedOutput | None, str]:
    """What was generated, or why nothing was."""
    if raw.get("error"):
        error = raw["error"]
        message = error.get("message") if isinstance(error, Mapping) else error
        return None, shortened(str(message))
    limit = section(raw, "limit")
    kind = word_of(limit.get("type"))
    ran_out = f"{kind} limit" if kind in _RAN_OUT else ""
    output = section(raw, "output")
    if ran_out and not output.get("choices"):
        # The answer that went beyond the limit is not the sample's output any more.
        output = _last_answer(raw)
    return output_of(output, tags, attachments=attachments, ran_out=ran_out)


def _last_answer(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the model gave last, in the sample's events."""
    events = raw.get("events")
    for event in reversed(events if isinstance(events, list) else []):
        if isinstance(event, Mapping) and event.get("event") == "model":
            return section(event, "output")
    return {}


def _scores(raw: Mapping[str, Any]) -> dict[str, bool | None]:
    """What each scorer said, in the log's order, as inspect_ai's own metrics read its values."""
    scores = section(raw, "scores") or {"score": raw.get("score")}
    found: dict[str, bool | None] = {}
    for name, score in scores.items():
        value = score.get("value") if isinstance(score, Mapping) else None
        if isinstance(value, Mapping) and len(value) == 1:
            (value,) = value.values()
        found[word_of(name)] = right_or_wrong(value)
    return found
