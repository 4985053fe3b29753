"""Outputs of evalscope: a folder with ``predictions``, ``reviews`` and ``configs`` of one run.

``predictions/MODEL/DATASET_SUBSET.jsonl`` has what was generated, the file of the same name under
``reviews`` what was expected and how it was graded. From 1.0 on a row has the model's output as
inspect_ai writes it; before, an endpoint's reply, and the reviews hold the outputs as well. A
sample that was generated again has several rows, of which the last counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lrmtest.errors import DataError
from lrmtest.grading.split import Tags
from lrmtest.models.engines.recorded.completion import RecordedOutput
from lrmtest.models.engines.recorded.finish_reason import told_reason
from lrmtest.models.hashes import sha256_of
from lrmtest.runs.formats.chat_output import (
    asked_conversation,
    messages_of,
    output_of,
    section,
    text_of_message,
    with_tags,
)
from lrmtest.runs.formats.json_rows import json_rows
from lrmtest.runs.formats.log import (
    Log,
    LogSample,
    count_or_none,
    number_or_none,
    numbers_of,
    texts_of,
    word_of,
)
from lrmtest.runs.formats.marks import first_mark, right_or_wrong

TOOL = "evalscope"

_HINT = "evalscope writes such files into outputs/DATE/predictions/MODEL; give that outputs/DATE"
_PREDICTIONS, _REVIEWS = "predictions", "reviews"
_LONGEST_NAME = 200
_MOST_CONFIG = 2**20
_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)(\d\d)")
_SETTING = re.compile(r"( *)([\w-]+): *(?:'([^']*)'|([^#\n]*))")
_NO_OUTPUT = "the log has no output for this sample"


def is_evalscope_row(row: Mapping[str, Any]) -> bool:
    """Whether a row of JSON is one of evalscope's predictions or reviews."""
    newer = "index" in row and ("model_output" in row or "sample_score" in row)
    return newer or ("choices" in row and {"raw_input", "answer_id"} <= row.keys())


def read_evalscope_log(path: Path, tags: Tags) -> Log:
    """One dataset's outputs, with the reviews and the settings beside them.

    Args:
        path: a file of predictions; or one of reviews, whose predictions are beside it.
        tags: put around the reasoning.

    Raises:
        DataError: it is no such file, its predictions are not there, or a row is malformed; names
            file, line and field.
    """
    root, inside = _outputs_folder(path)
    predictions = path
    if root is not None and inside.parts[0] == _REVIEWS:
        other = root / _PREDICTIONS / Path(*inside.parts[1:])
        predictions = other if other.is_file() else path
    reviewed = path
    if root is not None and inside.parts[0] == _PREDICTIONS:
        reviewed = root / _REVIEWS / Path(*inside.parts[1:])
    reviews = _reviews(reviewed) if reviewed.is_file() else {}
    places, first = _survey(predictions)
    config = _config(root)
    settings = _numbers(config)
    sha256 = sha256_of(predictions, DataError)
    spec = section(first, "model_spec")
    model = word_of(first.get("model")) or word_of(spec.get("model_id")) or path.parent.name
    date = _DATE.fullmatch(root.name) if root is not None else None
    when = "" if date is None else "{}-{}-{}T{}:{}:{}".format(*date.groups())
    created = number_or_none(first.get("created"))
    if not when and created is not None and 0 <= created < 2**37:
        when = datetime.fromtimestamp(created, UTC).isoformat(timespec="seconds")
    return Log(
        tool=TOOL,
        version=config.get("evalscope_version", ""),
        task=path.stem.removesuffix("_default"),
        model=model,
        invocation=f"{model} {when or sha256}",
        created=when,
        settings=numbers_of(
            settings, {"temperature": "temperature", "top_p": "top_p", "seed": "seed"}
        ),
        max_tokens=count_or_none(settings.get("max_tokens")),
        file=predictions.name,
        sha256=sha256,
        samples=lambda: _samples(predictions, places, reviews, tags),
        remarks=() if reviews else ("its reviews are not beside it: no targets and no marks",),
    )


@dataclass(frozen=True, slots=True)
class _Review:
    """What evalscope found of one row: targets, a group of samples of one question, marks."""

    targets: tuple[str, ...] = ()
    group: str = ""
    marks: tuple[tuple[str, bool | None], ...] = ()


def _outputs_folder(path: Path) -> tuple[Path | None, Path]:
    """The folder of the run that a file is in, and where it is inside."""
    for folder in path.parents:
        if folder.name in (_PREDICTIONS, _REVIEWS):
            return folder.parent, path.relative_to(folder.parent)
    return None, path


def _survey(path: Path) -> tuple[dict[str, str], Mapping[str, Any]]:
    """The place of each sample's last row, and the first row."""
    places: dict[str, str] = {}
    first: Mapping[str, Any] = {}
    for place, row in json_rows(path, _HINT):
        if not is_evalscope_row(row) or not isinstance(row.get("choices", []), list):
            raise DataError(f"{place}: no prediction of evalscope", hint=_HINT)
        if "sample_score" in row and "model_output" not in row:
            raise DataError(
                f"{path}: reviews without the predictions, which hold the outputs", hint=_HINT
            )
        first = first or row
        places[_index(row, place)] = place
    if not places:
        raise DataError(f"{path}: the file is empty", hint=_HINT)
    return places, first


def _index(row: Mapping[str, Any], place: str) -> str:
    index = word_of(row.get("index")) or word_of(row.get("answer_id"))
    if not index:
        raise DataError(f"{place}: field 'index' must be a number or a text", hint=_HINT)
    return index


def _reviews(path: Path) -> dict[str, _Review]:
    """What was found of each sample, by its index."""
    found: dict[str, _Review] = {}
    for place, row in json_rows(path, _HINT):
        if "sample_score" in row:
            found[_index(row, place)] = _newer_review(row)
        elif isinstance(row.get("choices"), list):
            found[_index(row, place)] = _older_review(row)
    return found


def _newer_review(row: Mapping[str, Any]) -> _Review:
    scored = section(row, "sample_score")
    score = section(scored, "score")
    value = section(score, "value")
    main = score.get("main_score_name")
    if isinstance(main, str) and main in value:
        value = {main: value[main], **value}
    usable = score.get("status") in (None, "success")
    name, mark = (first_mark(value) if usable else None) or ("", None)
    group = word_of(scored.get("group_id"))
    return _Review(_texts(row.get("target")), group, ((name, mark),))


def _older_review(row: Mapping[str, Any]) -> _Review:
    targets: tuple[str, ...] = ()
    marks: list[tuple[str, bool | None]] = []
    for choice in row["choices"]:
        review = section(choice if isinstance(choice, Mapping) else {}, "review")
        targets = targets or _texts(review.get("gold"))
        result = review.get("result")
        if isinstance(result, Mapping):
            marks.append(first_mark(result) or ("", None))
        else:
            marks.append(("review", right_or_wrong(result)))
    return _Review(targets, "", tuple(marks))


def _samples(
    path: Path, places: Mapping[str, str], reviews: Mapping[str, _Review], tags: Tags
) -> Iterator[LogSample]:
    for place, row in json_rows(path, _HINT):
        index = _index(row, place)
        if places.get(index) != place:
            continue
        review = reviews.get(index, _Review())
        read = _newer_sample if "model_output" in row else _older_samples
        for number, sample in enumerate(read(row, place, tags)):
            name, mark = review.marks[number] if number < len(review.marks) else ("", None)
            graded = sample.output is not None
            yield replace(
                sample,
                id=review.group or index,
                targets=review.targets,
                passed=mark if graded else None,
                mark=name,
                row=row,
                index=number,
            )


def _newer_sample(row: Mapping[str, Any], place: str, tags: Tags) -> Iterator[LogSample]:
    conversation = asked_conversation(row.get("messages"), {})
    output, error = output_of(section(row, "model_output"), tags, attachments={})
    asked = [text for role, text in conversation if role != "system"]
    yield _sample(place, conversation, asked, row.get("metadata"), output, error)


def _older_samples(row: Mapping[str, Any], place: str, tags: Tags) -> Iterator[LogSample]:
    asked = list(texts_of(row.get("raw_input")))
    origin = section(row, "origin_prompt") or section(row, "raw_input")
    conversation = messages_of(origin.get("messages"), {})
    if not conversation:
        data = origin.get("data")
        text = data[0] if isinstance(data, list) and data else origin.get("prompt")
        conversation = messages_of(text, {}) if isinstance(text, str) else ()
    usage = section(row, "usage") if len(row["choices"]) == 1 else {}
    for choice in row["choices"]:
        choice = choice if isinstance(choice, Mapping) else {}
        output = _endpoint_output(choice, usage, tags)
        yield _sample(
            place,
            conversation or (("user", "\n".join(asked)),),
            asked,
            row.get("raw_input"),
            output,
            "" if output is not None else _NO_OUTPUT,
        )


def _sample(
    place: str,
    conversation: tuple[tuple[str, str], ...],
    asked: list[str],
    material: Any,
    output: RecordedOutput | None,
    error: str,
) -> LogSample:
    texts = list(texts_of(material))
    choices = material.get("choices") if isinstance(material, Mapping) else None
    return LogSample(
        place=place,
        id="",
        prompt=conversation,
        asked="\n".join(asked),
        names=tuple(text for text in texts if len(text) <= _LONGEST_NAME),
        targets=(),
        options=tuple(texts_of(choices)),
        output=output,
        error=error,
    )


def _endpoint_output(
    choice: Mapping[str, Any], usage: Mapping[str, Any], tags: Tags
) -> RecordedOutput | None:
    """An endpoint's choice; None where it has neither a text nor an end."""
    message = section(choice, "message")
    word = word_of(choice.get("finish_reason"))
    finish, _ = told_reason(word)
    text = with_tags(*text_of_message(message), tags, finish)
    if not text or word == "content_filter":
        return None
    return RecordedOutput(
        text=text,
        finish_reason=finish,
        prompt_tokens=count_or_none(usage.get("prompt_tokens")),
        completion_tokens=count_or_none(usage.get("completion_tokens")),
        finish_word=word,
    )


def _texts(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    usable = (each for each in values if isinstance(each, str | int | float))
    return tuple(text for each in usable if (text := str(each).strip()))


def _config(root: Path | None) -> dict[str, str]:
    """Plain values at the top of the run's configuration and in its ``generation_config``.

    It is YAML, of which only lines ``name: value`` are read.
    """
    files = sorted((root / "configs").glob("task_config*.yaml"))[:1] if root is not None else []
    found: dict[str, str] = {}
    for file in files:
        try:
            with file.open("rb") as opened:
                text = opened.read(_MOST_CONFIG).decode("utf-8", "replace")
        except OSError as error:
            raise DataError(f"cannot read {file}: {error.strerror}", hint=_HINT) from error
        parent = ""
        for line in text.split("\n"):
            setting = _SETTING.fullmatch(line.rstrip())
            if setting is None:
                continue
            indent, name, quoted, plain = setting.groups()
            if not indent:
                parent = name
            elif parent != "generation_config" or len(indent) > 4:
                continue
            found.setdefault(name, (quoted if quoted is not None else plain).strip()[:200])
    return found


def _numbers(config: Mapping[str, str]) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for name, text in config.items():
        try:
            numbers[name] = int(text) if text.isdigit() else float(text)
        except ValueError:
            continue
    return numbers
