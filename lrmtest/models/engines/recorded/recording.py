"""Recorded outputs: JSON Lines files with what a model generated earlier.

Each line is ``{"question": id, "output": text}``, with any of ``suite``, ``sample``,
``finish_reason``, ``finish_word``, ``prompt_tokens``, ``completion_tokens``, ``reasoning_tokens``,
``tokens_estimated``, ``seed`` and ``seconds``. A ``finish_reason`` may be any word that a server
has for an end; see `finish_reason_of` for what is known without one. Several lines for one
question are its samples. Reasoning may be apart from the output, as servers send it: in a field of
its own (``reasoning_content``, ``reasoning``, ``thinking``), or in an output that is a message, or
a list of parts.
A line ``{"suite": name}`` names the suite of the lines after it that name none, and ``prompt``,
``messages`` or ``input`` may say what was asked.
Files that `lrmtest export` wrote are of this form; their lines with a field ``lrmtest`` say other
things of the run and are passed over.
"""

from __future__ import annotations

import copy
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from lrmtest.bounded import LINE, parse_json, read_lines
from lrmtest.errors import DataError
from lrmtest.grading.completion import LARGEST, FinishReason
from lrmtest.grading.split import put_together
from lrmtest.models.engines.http.content import REASONING_FIELDS, texts_of
from lrmtest.models.engines.http.failures import BrokenAnswerError, RefusedError
from lrmtest.models.engines.http.finish_reasons import WORD_CHARS
from lrmtest.models.engines.recorded.completion import RecordedOutput
from lrmtest.models.engines.recorded.end_column import EndColumn, value_in
from lrmtest.models.engines.recorded.finish_reason import shared_limit, told_reason
from lrmtest.models.spec import Placing
from lrmtest.suites.registry import ALIASES, SUITES
from lrmtest.unicode import quote, well_formed

_FORMAT = (
    'each line is a JSON object with "question" and "output"; logs of other tools are read by '
    "`lrmtest import`"
)

_OPTIONAL: Mapping[str, tuple[type, ...]] = {
    "suite": (str,),
    "sample": (int,),
    "finish_reason": (str,),
    "finish_word": (str,),
    "prompt_tokens": (int,),
    "completion_tokens": (int,),
    "reasoning_tokens": (int,),
    "tokens_estimated": (bool,),
    "seed": (int,),
    "seconds": (int, float),
}


_BESIDE = frozenset(REASONING_FIELDS)

PROMPT_FIELDS = ("prompt", "messages", "input")
"""Fields of a line that may hold what was asked."""


@dataclass(slots=True, eq=False)
class _File:
    path: Path
    counts: list[int] = field(default_factory=list)
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class RecordedLine:
    """Where an output is, so that texts stay on disk until they are wanted.

    Attributes:
        of_file: its file.
        number: the line's, from 1.
        offset: where it begins, in bytes.
        sample: which sample it says it is; 0 where it says nothing.
        question: the question's id, as it stands there.
        suite: the suite that it, or a line before it, says it belongs to; empty for none.
        prompted: it says what was asked.
    """

    of_file: _File = field(repr=False)
    number: int
    offset: int
    sample: int
    question: str
    suite: str
    prompted: bool

    @property
    def file(self) -> str:
        """The file's name."""
        return self.of_file.path.name


class Recording:
    """All outputs in a file, or in the ``*.jsonl`` files of a folder.

    Every line is checked when the recording is opened; its text is read again when it is wanted.
    Which suite a line belongs to is decided by `lrmtest.models.engines.recorded.placing`, once it
    is known which suites are asked. Without that: its own ``suite`` field decides, or a line
    before it with nothing but that field; else a suite's name in the file's name, as in
    ``r1-awq.folio.jsonl``; else it belongs to any suite that has such a question.

    Args:
        location: the file or folder.
        column: the field of each line that says how its text ended; empty for ``finish_reason``
            alone.

    Attributes:
        ends: what that field holds; None without one.
        location: where it is.
        lines: its outputs, in their order.

    Raises:
        DataError: there is none, a line is malformed (names file, line and field), or no line has
            anything in that column.
    """

    def __init__(self, location: str | Path, column: str = "") -> None:
        self.ends = EndColumn(column) if column else None
        first: dict[str, Any] = {}
        self.location = str(location)
        self.lines: tuple[RecordedLine, ...] = ()
        self._places: dict[tuple[str | None, str], list[RecordedLine]] = {}
        lines: list[RecordedLine] = []
        self._files = [_File(path) for path in _files(Path(location))]
        self._kept = threading.local()
        for file in self._files:
            suite_of_file = _suite_in(file.path.name)
            for line, record in _records(file):
                lines.append(line)
                suite = line.suite or suite_of_file
                self._places.setdefault((suite, line.question), []).append(line)
                count = record.get("completion_tokens")
                if count is not None and not record.get("tokens_estimated"):
                    file.counts.append(count)
                if self.ends is not None:
                    first = first or record
                    self.ends.end_of(record)
            file.limit = shared_limit(file.counts)
            file.counts.clear()
        self.lines = tuple(lines)
        for places in self._places.values():
            places.sort(key=lambda line: line.sample)
        if not self._places:
            raise DataError(f"{location}: no recorded output in it", hint=_FORMAT)
        if self.ends is not None:
            self.ends.check(str(location), first)

    def __len__(self) -> int:
        """Number of outputs."""
        return len(self.lines)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files it was read from, sorted by name."""
        return tuple(file.path for file in self._files)

    def questions(self) -> frozenset[tuple[str | None, str]]:
        """Suite and question id of everything recorded; the suite is None where any may be."""
        return frozenset(self._places)

    def placed(self, placing: Placing) -> Recording:
        """The same outputs, each at the question that it was found to answer.

        Raises:
            DataError: the recording has changed since.
        """
        if len(placing.keys) != len(self.lines):
            raise DataError(
                f"{self.location}: the recording changed while it was in use", hint="start again"
            )
        placed = copy.copy(self)
        placed._places = {}
        for line, key in zip(self.lines, placing.keys, strict=True):
            if key is not None:
                placed._places.setdefault(key, []).append(line)
        for lines in placed._places.values():
            lines.sort(key=lambda line: line.sample)
        return placed

    def has(self, suite: str, question_id: str) -> bool:
        """Whether there is an output for a question."""
        return bool(self._samples(suite, question_id))

    def samples(self, suite: str, question_id: str) -> int:
        """How many outputs there are for a question."""
        return len(self._samples(suite, question_id))

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Let this thread open each file once and not for each output."""
        with ExitStack() as files:
            self._kept.files = {}
            for path in self.files:
                with suppress(OSError):  # whoever reads a file that is gone by now is told so
                    self._kept.files[path] = files.enter_context(path.open("rb"))
            try:
                yield
            finally:
                del self._kept.files

    def read(self, suite: str, question_id: str, sample: int) -> RecordedOutput | None:
        """The output for a question's `sample`-th sample, from 0; None when there is none.

        Raises:
            DataError: the file has changed since it was opened.
        """
        lines = self._samples(suite, question_id)
        if not 0 <= sample < len(lines):
            return None
        line = lines[sample]
        record = self.record(line)
        seconds = record.get("seconds")
        reason, word = told_reason(record.get("finish_reason"))
        word = quote(record.get("finish_word") or "", WORD_CHARS) or word
        if self.ends is not None:
            by_column, there = told_reason(value_in(record, self.ends.name))
            reason, word = by_column or reason, there or word
        return RecordedOutput(
            text=well_formed(_text(record, reason)),
            finish_reason=reason,
            finish_word=word,
            prompt_tokens=record.get("prompt_tokens"),
            completion_tokens=record.get("completion_tokens"),
            reasoning_tokens=record.get("reasoning_tokens"),
            tokens_estimated=bool(record.get("tokens_estimated")),
            seed=record.get("seed"),
            seconds=None if seconds is None else float(seconds),
            limit=line.of_file.limit,
        )

    def record(self, line: RecordedLine) -> dict[str, Any]:
        """All that an output's line says.

        Raises:
            DataError: the file has changed since it was opened.
        """
        try:
            record = _checked(self._bytes(line), "")
        except (DataError, OSError):
            record = None
        if record is None or str(record["question"]) != line.question:
            raise DataError(
                f"{line.of_file.path}:{line.number}: the file changed while it was in use",
                hint="start again",
            )
        return record

    def lines_of(self, suite: str, question_id: str) -> list[RecordedLine]:
        """The outputs for a question, in the order of its samples."""
        return list(self._samples(suite, question_id))

    def _bytes(self, line: RecordedLine) -> bytes:
        path = line.of_file.path
        kept: Mapping[Path, IO[bytes]] = getattr(self._kept, "files", {})
        if (file := kept.get(path)) is not None:
            file.seek(line.offset)
            return file.readline(LINE)
        with path.open("rb") as file:
            file.seek(line.offset)
            return file.readline(LINE)

    def _samples(self, suite: str, question_id: str) -> list[RecordedLine]:
        own = self._places.get((suite, question_id))
        return own if own is not None else self._places.get((None, question_id), [])


def open_recording(location: str | Path, finish_column: str = "") -> Recording:
    """The recording at a place, read and checked once in a process as long as its files stay as
    they are: which questions it has is asked before an engine answers from it.

    Raises:
        DataError: as `Recording`.
    """
    state = tuple(map(_state, _files(Path(location))))
    return _opened(str(location), finish_column, state)


@lru_cache(maxsize=4)
def _opened(
    location: str, finish_column: str, _: tuple[tuple[Path, int, int, int], ...]
) -> Recording:
    return Recording(location, finish_column)


def _state(path: Path) -> tuple[Path, int, int, int]:
    try:
        found = path.stat()
    except OSError:  # whoever reads it is told so
        return path, 0, 0, 0
    return path, found.st_ino, found.st_size, found.st_mtime_ns


def _files(location: Path) -> list[Path]:
    if location.is_file():
        return [location]
    if not location.is_dir():
        raise DataError(
            f"{location}: no such file or folder", hint="--model recorded:PATH names one"
        )
    files = sorted(path for path in location.glob("*.jsonl") if path.is_file())
    if not files:
        raise DataError(f"{location}: no *.jsonl file in this folder", hint=_FORMAT)
    return files


def names_in(file_name: str, names: Iterable[str]) -> list[str]:
    """The names that are a part of `file_name`, between dots, dashes and underscores.

    The longest comes first: ``x.fresh-temporal.jsonl`` is not temporal's. A dash in a name may be
    an underscore, as in the folders of tests: ``aime_2025.jsonl`` is not that of another year.
    """
    return [
        name
        for name in sorted(names, key=len, reverse=True)
        if re.search(rf"(?:^|[._-]){_either_dash(name)}(?:[._-]|$)", file_name)
    ]


def _either_dash(name: str) -> str:
    return "[_-]".join(map(re.escape, name.split("-")))


def _suite_in(file_name: str) -> str | None:
    """The suite that a file's name names; the longest name where several are."""
    found = names_in(file_name, [*SUITES, *ALIASES])
    return ALIASES.get(found[0], found[0]) if found else None


def _records(file: _File) -> Iterator[tuple[RecordedLine, dict[str, Any]]]:
    """Every output in a file, with where it is."""
    suite = ""
    for number, begin, line in read_lines(file.path):
        record = _checked(line, f"{file.path}:{number}")
        if record is None:
            continue
        if _is_heading(record):
            suite = record["suite"]
            continue
        yield (
            RecordedLine(
                of_file=file,
                number=number,
                offset=begin,
                # Equal indices, or none, leave the samples in the order of their lines.
                sample=record.get("sample") or 0,
                question=str(record["question"]),
                suite=record.get("suite") or suite,
                prompted=any(isinstance(record.get(name), str | list) for name in PROMPT_FIELDS),
            ),
            record,
        )


def _is_heading(record: Mapping[str, Any]) -> bool:
    """Whether a line names the suite of those that follow, and says nothing else."""
    return record.keys() == {"suite"}


def _checked(line: bytes, where: str) -> dict[str, Any] | None:
    """The output in a line; None for a blank line and one that says something else of a run.

    Raises:
        DataError: the line is malformed.
    """
    if not line.strip():
        return None
    record = parse_json(line, where, hint=_FORMAT)
    if not isinstance(record, dict):
        raise DataError(f"{where}: not a JSON object", hint=_FORMAT)
    if "lrmtest" in record:
        return None
    if _is_heading(record) and isinstance(record["suite"], str):
        return record
    question = record.get("question")
    if not isinstance(question, str | int) or isinstance(question, bool):
        raise _wrong(where, record, "question", "a string or an integer")
    output = record.get("output")
    if not isinstance(output, str | list | dict):
        raise _wrong(where, record, "output", "a string, a message, or a list of its parts")
    _apart(record, where)
    if _OPTIONAL.keys().isdisjoint(record):
        return record
    for name, types in _OPTIONAL.items():
        value = record.get(name)
        if value is None:
            continue
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise _wrong(where, record, name, " or ".join(kind.__name__ for kind in types))
        if int in types and not _least(name) <= record[name] <= LARGEST:
            raise _wrong(where, record, name, f"a number from {_least(name)} to {LARGEST}")
    return record


def _text(record: Mapping[str, Any], reason: FinishReason | None) -> str:
    """What was generated, in the form in which every engine gives it."""
    reasoning, answer = _apart(record, "")
    closed = bool(answer) or reason == "stop"
    return put_together(reasoning, answer, closed=closed)


def _apart(record: Mapping[str, Any], where: str) -> tuple[str, str]:
    """Reasoning and answer of a line; a text alone is all answer here, whatever tags it has.

    So is one that has the reasoning in it already.

    Raises:
        DataError: it is in no form that a text has.
    """
    output = record["output"]
    if isinstance(output, str) and _BESIDE.isdisjoint(record):
        return "", output
    message = dict(output) if isinstance(output, dict) else {"content": output}
    if isinstance(message.get("message"), dict):  # a choice, as a server sends it
        message = message["message"]
    beside = {name: record[name] for name in REASONING_FIELDS if name in record}
    usable = {name: value for name, value in beside.items() if isinstance(value, str | list | dict)}
    try:
        reasoning, answer = texts_of(usable | message)
    except (BrokenAnswerError, RefusedError) as error:
        raise DataError(f"{where}: field 'output': {error}", hint=_FORMAT) from error
    return ("", answer) if reasoning.strip() in answer else (reasoning, answer)


def _least(name: str) -> int:
    return -LARGEST - 1 if name == "seed" else 0


def _wrong(where: str, record: dict[str, Any], name: str, wanted: str) -> DataError:
    if name not in record:
        return DataError(f"{where}: field {name!r} is missing", hint=_FORMAT)
    return DataError(f"{where}: field {name!r} must be {wanted}", hint=_FORMAT)
