"""Logs of inspect_ai, ``.json`` and ``.eval`` (a zip of JSON files, one for each sample).

inspect_ai moves long texts of a sample aside, into its ``attachments``, and leaves
``attachment://`` and their key behind. Reasoning is a part of the message of its own; here it is
put back between the model's tags, where graders and reports look for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from lrmtest.bounded import DOCUMENT, parse_json, read_bytes
from lrmtest.errors import DataError
from lrmtest.grading.completion import FinishReason
from lrmtest.grading.split import DEFAULT_TAGS
from lrmtest.models.engines.recorded.completion import RecordedOutput
from lrmtest.runs.formats.log import (
    Log,
    LogSample,
    count_or_none,
    file_sha256,
    numbers_of,
    shortened,
    texts_of,
)
from lrmtest.runs.formats.zip_file import ZipMembers

TOOL = "inspect_ai"

_HINT = "inspect_ai writes such files into its log folder, as .eval or .json"
_ATTACHMENT = "attachment://"
_FINISH: Mapping[str, FinishReason] = {
    "stop": "stop",
    "max_tokens": "length",
    "model_length": "length",
}
# As inspect_ai's own metrics read its values.
_PASSED = {"C": True, "I": False, 1: True, 0: False}

LogKind = Literal["json", "eval"]


def read_inspect_log(path: Path, tags: tuple[str, str] = DEFAULT_TAGS) -> Log:
    """A log of inspect_ai.

    Args:
        path: the file; its first bytes tell which of the two formats it has.
        tags: put around the reasoning.

    Raises:
        DataError: it is not such a log, or is damaged; or a compression cannot be read here.
    """
    sha256 = file_sha256(path)
    with path.open("rb") as file:
        zipped = file.read(4) == b"PK\x03\x04"
    header, samples = (_zipped if zipped else _plain)(path)
    spec = _section(header, "eval", path)
    config = {**_part(_part(header, "plan"), "config"), **_part(spec, "model_generate_config")}
    model = spec.get("model")
    if not isinstance(model, str) or not isinstance(spec.get("task"), str):
        raise DataError(f"{path}: no model or no task in it", hint=_HINT)
    return Log(
        tool=TOOL,
        version=str(_part(spec, "packages").get("inspect_ai") or ""),
        task=spec["task"],
        model=model,
        invocation=f"{model} {spec.get('run_id') or sha256}",
        created=str(spec.get("created") or ""),
        settings=numbers_of(
            config, {"temperature": "temperature", "top_p": "top_p", "seed": "seed"}
        ),
        max_tokens=count_or_none(config.get("max_tokens")),
        file=path.name,
        sha256=sha256,
        samples=lambda: (_sample(raw, place, tags) for place, raw in samples()),
    )


_Samples = Callable[[], Iterator[tuple[str, Mapping[str, Any]]]]


def _plain(path: Path) -> tuple[Mapping[str, Any], _Samples]:
    content = _parsed(read_bytes(path, DOCUMENT), str(path))
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


def _section(content: Mapping[str, Any], name: str, path: Path) -> Mapping[str, Any]:
    section = content.get(name)
    if not isinstance(section, Mapping):
        raise DataError(f"{path}: no section {name!r}, so no log of inspect_ai", hint=_HINT)
    return section


def _part(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = content.get(name)
    return part if isinstance(part, Mapping) else {}


def _sample(raw: Mapping[str, Any], place: str, tags: tuple[str, str]) -> LogSample:
    for name in ("id", "input"):
        if name not in raw:
            raise DataError(f"{place}: field {name!r} is missing", hint=_HINT)
    attachments = _part(raw, "attachments")
    asked = _messages(raw["input"], attachments)
    output, error = _output(raw, attachments, tags)
    return LogSample(
        place=place,
        id=str(raw["id"]),
        prompt=_asked_conversation(raw, attachments) or asked,
        asked="\n".join(text for _, text in asked),
        names=(str(raw["id"]),),
        targets=tuple(text for text in _list(raw.get("target")) if text),
        options=tuple(texts_of(raw.get("choices"))),
        output=output,
        error=error,
        passed=_passed(raw),
    )


def _list(value: Any) -> list[str]:
    return [str(each) for each in (value if isinstance(value, list) else [value or ""])]


def _asked_conversation(
    raw: Mapping[str, Any], attachments: Mapping[str, Any]
) -> tuple[tuple[str, str], ...]:
    """Every message before the model's first: what its input became."""
    messages = raw.get("messages")
    before: list[Any] = []
    for message in messages if isinstance(messages, list) else []:
        if not isinstance(message, Mapping) or message.get("role") == "assistant":
            break
        before.append(message)
    return _messages(before, attachments)


def _messages(value: Any, attachments: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    if isinstance(value, str):
        return (("user", _attached(value, attachments)),)
    messages = []
    for message in value if isinstance(value, list) else []:
        if isinstance(message, Mapping):
            text = "".join(text for _, text in _contents(message.get("content"), attachments))
            messages.append((str(message.get("role") or "user"), text))
    return tuple(messages)


def _contents(content: Any, attachments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The parts of a message as (type, text)."""
    if isinstance(content, str):
        yield "text", _attached(content, attachments)
        return
    for part in content if isinstance(content, Sequence) else ():
        if not isinstance(part, Mapping):
            continue
        kind = part.get("type")
        text = part.get("reasoning") if kind == "reasoning" else part.get("text")
        if kind == "reasoning" and not text:
            text = part.get("summary")
        if isinstance(text, str):
            yield str(kind), _attached(text, attachments)


def _attached(text: str, attachments: Mapping[str, Any]) -> str:
    if not text.startswith(_ATTACHMENT):
        return text
    found = attachments.get(text.removeprefix(_ATTACHMENT))
    return found if isinstance(found, str) else text


def _output(
    raw: Mapping[str, Any], attachments: Mapping[str, Any], tags: tuple[str, str]
) -> tuple[RecordedOutput | None, str]:
    """What was generated, or why nothing was."""
    if raw.get("error"):
        error = raw["error"]
        message = error.get("message") if isinstance(error, Mapping) else error
        return None, shortened(str(message))
    output = _part(raw, "output")
    choices = output.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, Mapping):
        return None, shortened(str(output.get("error") or "the log has no output for this sample"))
    stop = choice.get("stop_reason")
    if stop == "content_filter":
        return None, "the provider's content filter cut the output off"
    # The sample's own limit (tokens, time) cut it off, whatever the provider said.
    finish = "length" if raw.get("limit") else _FINISH.get(str(stop))
    parts = list(_contents(_part(choice, "message").get("content"), attachments))
    usage = _part(output, "usage")
    time = output.get("time")
    recorded = RecordedOutput(
        text=_text(parts, tags, finish),
        finish_reason=finish,
        prompt_tokens=_input_tokens(usage),
        completion_tokens=count_or_none(usage.get("output_tokens")),
        reasoning_tokens=count_or_none(usage.get("reasoning_tokens")),
        seconds=float(time) if isinstance(time, int | float) else None,
    )
    return recorded, ""


def _text(
    parts: Sequence[tuple[str, str]], tags: tuple[str, str], finish: FinishReason | None
) -> str:
    """The message as the model wrote it: reasoning between its tags, then the answer."""
    reasoning = "\n".join(text for kind, text in parts if kind == "reasoning")
    answer = "".join(text for kind, text in parts if kind != "reasoning")
    if not reasoning:
        return answer
    opening, closing = tags
    if finish == "length" and not answer:
        return f"{opening}\n{reasoning}"
    return f"{opening}\n{reasoning}\n{closing}\n\n{answer}"


def _input_tokens(usage: Mapping[str, Any]) -> int | None:
    names = ("input_tokens", "input_tokens_cache_read", "input_tokens_cache_write")
    counts = [count_or_none(usage.get(name)) for name in names]
    return sum(count or 0 for count in counts) if any(counts) else None


def _passed(raw: Mapping[str, Any]) -> bool | None:
    """The first scorer's value, where it is plainly right or wrong."""
    score = next(iter(_part(raw, "scores").values()), None)
    value = score.get("value") if isinstance(score, Mapping) else None
    return _PASSED.get(value) if isinstance(value, str | int | float) else None
