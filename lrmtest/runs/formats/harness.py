"""Sample logs of lm-evaluation-harness: ``samples_TASK_DATE.jsonl`` beside ``results_DATE.json``.

The harness writes them with ``--output_path`` and ``--log_samples``. Each row is one document
under one filter, with everything that was generated for it in ``resps``: with several filters the
same outputs come several times, which is one completion, and not one for each filter. Its Python
interface gives the rows of all tasks in one object, under ``samples``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lrmtest.bounded import parse_json
from lrmtest.errors import DataError, UsageError
from lrmtest.models.engines.recorded.completion import RecordedOutput
from lrmtest.models.engines.recorded.end_column import value_in
from lrmtest.models.engines.recorded.finish_reason import told_reason
from lrmtest.models.hashes import sha256_of
from lrmtest.runs.formats.json_rows import JsonRow, json_document, json_rows
from lrmtest.runs.formats.literals import list_or_dict
from lrmtest.runs.formats.log import (
    Log,
    LogSample,
    count_or_none,
    number_or_none,
    numbers_of,
    texts_of,
    word_of,
)
from lrmtest.runs.formats.marks import is_mark, right_or_wrong

TOOL = "lm-evaluation-harness"

_HINT = "lm_eval writes such files with --output_path DIR --log_samples"
_FILE_NAME = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT[\d.-]+)\.jsonl?(?:\.gz)?")
_LONGEST_NAME = 200
_LIKELIHOODS = "this task compares likelihoods, so that no text was generated"
_NO_OUTPUT = (
    "the log has no output for this sample: lm-evaluation-harness writes an empty text where the "
    "server gave none"
)
# Filters after which a document's figures are those of its first repeat.
_OF_FIRST = ("take_first",)

_Rows = Callable[[], Iterator[JsonRow]]


def is_harness_line(line: Mapping[str, Any]) -> bool:
    """Whether a line of JSON is one of the harness's."""
    return {"doc_id", "doc", "resps"} <= line.keys()


def is_harness_results(content: Mapping[str, Any]) -> bool:
    """Whether a JSON object is a whole result of the harness, with its samples."""
    return "results" in content and isinstance(content.get("samples"), Mapping)


def read_harness_log(path: Path) -> Log:
    """A samples file of lm-evaluation-harness, with what its results file says of the run.

    Raises:
        DataError: it is not such a file, or a row is malformed; names file, row and field.
        UsageError: the task compared likelihoods, so that nothing was generated.
    """
    name = _FILE_NAME.fullmatch(path.name)
    date = name["date"] if name else ""
    stem = path.name.removesuffix(".gz").rpartition(".")[0] or path.name
    task = name["task"] if name else stem.removeprefix("samples_")
    results = _results(path, date)
    model = word_of(results.get("model_name")) or path.parent.name or "model"
    return _log(path, task, lambda: json_rows(path, _HINT), results, model, date or stem)


def read_harness_results(path: Path) -> list[Log]:
    """The tasks of a result that holds its samples, one log each; what failed is left to the last.

    Raises:
        DataError: it is not such a file, or a row is malformed; names file, task and row.
        UsageError: no task generated any text.
    """
    content = json_document(path, _HINT)
    if not isinstance(content, Mapping) or not is_harness_results(content):
        raise DataError(f"{path}: no results with samples in it", hint=_HINT)
    model = word_of(content.get("model_name")) or path.stem
    logs: list[Log] = []
    refused: UsageError | None = None
    for task, rows in content["samples"].items():
        try:
            logs.append(_log(path, task, _held(path, task, rows), content, model, path.stem))
        except UsageError as error:
            refused = error
    if not logs:
        raise refused or DataError(f"{path}: no samples in it", hint=_HINT)
    return logs


def _held(path: Path, task: str, rows: Any) -> _Rows:
    def read() -> Iterator[JsonRow]:
        for number, row in enumerate(rows if isinstance(rows, list) else (), start=1):
            place = f"{path}, task {task[:_LONGEST_NAME]}, row {number}"
            if not isinstance(row, dict):
                raise DataError(f"{place}: not a JSON object", hint=_HINT)
            yield place, row

    return read


def _log(
    path: Path, task: str, rows: _Rows, results: Mapping[str, Any], model: str, when: str
) -> Log:
    survey = _survey(path, rows, _part(_part(results, "higher_is_better"), task))
    generation = _generation_settings(survey.first)
    settings = numbers_of(
        generation, {"temperature": "temperature", "top_p": "top_p", "seed": "seed"}
    )
    if generation.get("do_sample") is False:
        settings["temperature"] = 0
    of_first = _takes_first(_part(_part(results, "configs"), task), survey.filter)
    return Log(
        tool=TOOL,
        version=word_of(results.get("lm_eval_version")),
        task=task,
        model=model,
        invocation=f"{model} {when}",
        created=_created(results, when),
        settings=settings,
        max_tokens=count_or_none(generation.get("max_gen_toks"))
        or count_or_none(generation.get("max_tokens")),
        file=path.name,
        sha256=sha256_of(path, DataError),
        samples=lambda: _samples(rows, survey, of_first=of_first),
        remarks=tuple(survey.remarks()),
    )


@dataclass(slots=True)
class _Survey:
    """What a first reading of all rows says.

    Attributes:
        first: the first row that generated text.
        marks: by metric and filter, in the order of the log, the marks by document.
        documents: for each document, the place of the row that counts, to tell it from copies.
        names: documents by their number in the log, to tell two tasks in one file apart.
        copies: rows that hold the completions of an earlier row under another filter.
        filters: of the copies.
        rows: how many there are.
        generated: how many documents of them text was generated for.
    """

    first: Mapping[str, Any] = field(default_factory=dict)
    marks: dict[tuple[str, str], dict[bytes, bool]] = field(default_factory=dict)
    documents: dict[bytes, str] = field(default_factory=dict)
    names: dict[str, bytes] = field(default_factory=dict)
    copies: int = 0
    filters: dict[str, None] = field(default_factory=dict)
    rows: int = 0
    generated: int = 0

    @property
    def mark(self) -> tuple[str, str] | None:
        """Metric and filter that mark the samples of this log: the first that mark any."""
        return next(iter(self.marks), None)

    @property
    def filter(self) -> str:
        """The filter whose figures count."""
        return self.mark[1] if self.mark else ""

    def remarks(self) -> Iterator[str]:
        """What is worth telling."""
        if self.copies:
            named = [name for name in self.filters if name and name != self.filter]
            under = f" under other filters ({', '.join(named[:5])})" if named else " once more"
            yield f"{self.copies} of its {self.rows} rows hold the same completions{under}"
        if not self.marks:
            yield "it holds no metric that says right or wrong of a sample"


def _survey(path: Path, rows: _Rows, higher_is_better: Mapping[str, Any]) -> _Survey:
    survey = _Survey()
    reason = ""
    for place, row in rows():
        _check(row, place)
        survey.rows += 1
        key = _key(row, place)
        copied = survey.documents.setdefault(key, place) != place
        refusal = _refusal(row)
        if refusal:
            reason = reason or f"{place}: {refusal}"
            continue
        survey.first = survey.first or row
        _generated(row, place)
        if copied:
            survey.copies += 1
            survey.filters[_filter(row)] = None
        else:
            survey.generated += 1
        survey.names.setdefault(str(row["doc_id"]), _document(row, place))
        for metric in _metrics(row):
            mark = right_or_wrong(row.get(metric))
            if mark is None or higher_is_better.get(metric) is False:
                continue
            survey.marks.setdefault((metric, _filter(row)), {}).setdefault(key, mark)
    if not survey.rows:
        raise DataError(f"{path}: the file is empty", hint=_HINT)
    if not survey.generated:
        raise UsageError(reason, hint="import the log of a task with output_type generate_until")
    return survey


def _samples(rows: _Rows, survey: _Survey, *, of_first: bool) -> Iterator[LogSample]:
    named = f"{survey.mark[0]}, filter {survey.mark[1]}" if survey.mark else ""
    named = named.removesuffix(", filter ")
    marks = survey.marks[survey.mark] if survey.mark else {}
    for place, row in rows():
        key = _key(row, place)
        if survey.documents.get(key) != place:
            continue
        if _refusal(row):
            yield _sample(row, None, place, skipped=_LIKELIHOODS)
            continue
        texts = _generated(row, place)
        same_document = survey.names.get(str(row["doc_id"])) == _document(row, place)
        suffix = "" if same_document else f"-{_document(row, place).hex()[:8]}"
        for index, text in enumerate(texts):
            # A document's mark is that of one repeat, or of a vote among all.
            marked = len(set(texts)) == 1 or (of_first and text == texts[0])
            yield _sample(
                row,
                text,
                place,
                index=index,
                suffix=suffix,
                passed=marks.get(key) if marked else None,
                mark=named,
            )


def _sample(
    row: Mapping[str, Any],
    text: str | None,
    place: str,
    *,
    index: int = 0,
    suffix: str = "",
    passed: bool | None = None,
    mark: str = "",
    skipped: str = "",
) -> LogSample:
    doc = row["doc"]
    reason, word = told_reason(value_in(row, "finish_reason", index))
    texts = list(texts_of(doc))
    choices = doc.get("choices") if isinstance(doc, Mapping) else None
    if isinstance(choices, Mapping):
        choices = choices.get("text")
    return LogSample(
        place=place,
        id=str(row["doc_id"]) + suffix,
        prompt=_prompt(row),
        asked="\n".join(texts),
        names=tuple(text for text in texts if len(text) <= _LONGEST_NAME),
        targets=_targets(row.get("target")),
        options=tuple(texts_of(choices)),
        output=RecordedOutput(text, reason, finish_word=word) if text else None,
        error="" if text else _NO_OUTPUT,
        passed=passed if text else None,
        mark=mark,
        skipped=skipped,
        row=row,
        index=index,
    )


def _check(row: Mapping[str, Any], place: str) -> None:
    for name in ("doc_id", "doc", "resps"):
        if name not in row:
            raise DataError(f"{place}: field {name!r} is missing", hint=_HINT)
    if not isinstance(row["doc_id"], int | str) or len(word_of(row["doc_id"])) == 0:
        raise DataError(f"{place}: field 'doc_id' must be a number or a text", hint=_HINT)


def _refusal(row: Mapping[str, Any]) -> str:
    """Why nothing was generated for a row; empty if something was."""
    requests = row["resps"]
    if not isinstance(requests, list):
        return ""
    # A request to generate has settings behind its prompt, one for a likelihood a continuation.
    arguments = _first_request(row)
    asked_for_text = len(arguments) > 1 and isinstance(arguments[1], Mapping)
    if arguments and not asked_for_text:
        return _LIKELIHOODS
    if not asked_for_text and _holds_lists(requests):
        return _LIKELIHOODS
    return _LIKELIHOODS if any(map(_is_likelihood, _innermost(requests))) else ""


def _holds_lists(requests: list[Any]) -> bool:
    return any(
        isinstance(text, list) for each in requests if isinstance(each, list) for text in each
    )


def _innermost(value: list[Any]) -> Iterator[list[Any]]:
    """The lists in a list that hold no further ones."""
    left = [value]
    while left:
        one = left.pop()
        inner = [each for each in one if isinstance(each, list)]
        left += inner
        if not inner:
            yield one


def _is_likelihood(value: list[Any]) -> bool:
    """A logarithm, and whether a greedy model had gone on so, as the harness writes them."""
    if len(value) != 2 or str(value[1]) not in ("True", "False"):
        return False
    return (
        isinstance(value[0], str | float)
        and re.fullmatch(r"-?[\d.e+-]+|-?inf|nan", str(value[0])) is not None
    )


def _generated(row: Mapping[str, Any], place: str) -> list[str | None]:
    """What was generated for a document, one text for each repeat."""
    requests = row["resps"]
    if not isinstance(requests, list):
        raise DataError(f"{place}: field 'resps' must be a list of lists", hint=_HINT)
    texts: list[str | None] = []
    left = list(reversed(requests))
    while left:
        text = left.pop()
        if isinstance(text, list):
            left.extend(reversed(text))
        elif text is None or isinstance(text, str):
            texts.append(text)
        else:
            raise DataError(f"{place}: field 'resps' must hold texts", hint=_HINT)
    return texts


def _key(row: Mapping[str, Any], place: str) -> bytes:
    """Tells completions apart: by the document and all that was generated for it."""
    return _digest([row["doc_id"], row["doc"], row["resps"]], place)


def _document(row: Mapping[str, Any], place: str) -> bytes:
    return _digest(row["doc"], place)


def _digest(value: Any, place: str) -> bytes:
    try:
        return hashlib.sha256(json.dumps(value).encode("ascii")).digest()
    except (RecursionError, ValueError) as error:
        raise DataError(f"{place}: nested too deeply", hint=_HINT) from error


def _filter(row: Mapping[str, Any]) -> str:
    return word_of(row.get("filter"))


def _metrics(row: Mapping[str, Any]) -> list[str]:
    """The metrics of a row that say right or wrong, in the log's order."""
    metrics = row.get("metrics")
    named = metrics if isinstance(metrics, list) else [name for name in row if is_mark(name)]
    return [name for name in named if isinstance(name, str) and is_mark(name)]


def _takes_first(config: Mapping[str, Any], name: str) -> bool:
    """Whether a filter leaves the first repeat's output, so that its figures are of that one.

    Without any filter the harness takes the first, and calls that filter ``none``.
    """
    filters = config.get("filter_list")
    for each in filters if isinstance(filters, list) else ():
        if isinstance(each, Mapping) and each.get("name") == name:
            steps = each.get("filter")
            last = steps[-1] if isinstance(steps, list) and steps else {}
            return isinstance(last, Mapping) and last.get("function") in _OF_FIRST
    return name in ("none", "")


def _prompt(row: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    arguments = _first_request(row)
    prompt = arguments[0] if arguments else ""
    if isinstance(prompt, list) and prompt:
        prompt = prompt[0]
    if not isinstance(prompt, str):
        return ()
    try:
        messages = parse_json(prompt, "")
        return tuple((str(message["role"]), str(message["content"])) for message in messages)
    except (DataError, TypeError, KeyError):
        return (("user", prompt),)


def _generation_settings(row: Mapping[str, Any]) -> Mapping[str, Any]:
    arguments = _first_request(row)
    settings = arguments[1] if len(arguments) > 1 else None
    return settings if isinstance(settings, Mapping) else {}


def _first_request(row: Mapping[str, Any]) -> list[Any]:
    """The arguments of the first request: the prompt, then how to generate."""
    arguments = row.get("arguments")
    if isinstance(arguments, Mapping):
        first = arguments.get("gen_args_0")
        return list(first.values()) if isinstance(first, Mapping) else []
    if isinstance(arguments, list) and arguments and isinstance(arguments[0], list):
        return arguments[0]
    return []


def _targets(target: Any) -> tuple[str, ...]:
    """What is expected; the harness writes a list of aliases as Python's text of it."""
    if isinstance(target, str):
        aliases = list_or_dict(target)
        target = aliases if isinstance(aliases, list) and target.startswith("[") else target
    values = target if isinstance(target, list) else [target]
    usable = (each for each in values if isinstance(each, str | int | float))
    return tuple(dict.fromkeys(text for each in usable if (text := str(each).strip())))


def _part(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = content.get(name)
    return part if isinstance(part, Mapping) else {}


def _results(path: Path, date: str) -> Mapping[str, Any]:
    """The results file of the same run; empty without one."""
    beside = path.with_name(f"results_{date}.json")
    if not date or not beside.is_file():
        return {}
    results = json_document(beside, _HINT)
    return results if isinstance(results, dict) else {}


def _created(results: Mapping[str, Any], date: str) -> str:
    seconds = number_or_none(results.get("date"))
    if seconds is not None and 0 <= seconds < 2**37:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    day, _, time = date.partition("T")
    return f"{day}T{time.replace('-', ':')[:8]}" if time else ""
