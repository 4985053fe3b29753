"""The log of another tool in the form that `lrmtest.runs.formats.imported` makes a run of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lrmtest.models.engines.recorded.completion import RecordedOutput

_MOST_ERROR = 2000
_MOST_NUMBER = 2**53
"""What a float and a database hold exactly."""
MOST_WORD = 200
"""Characters of a name or a word that is taken from a log."""


@dataclass(frozen=True, slots=True)
class LogSample:
    """One sample of one question.

    Attributes:
        place: where it is in the file, for messages.
        id: what the log calls the question.
        prompt: the conversation that asked it, as (role, text).
        asked: the text of the question itself, without examples before it.
        names: texts that may be the question's id elsewhere.
        targets: what the log expects, its aliases behind it; empty when it does not say.
        options: the options of a question that has some, in their order.
        output: what was generated; None when nothing was.
        error: why nothing was generated.
        passed: what the log's own grader said; None when that was neither right nor wrong, or
            when it graded nothing.
        mark: what said so, in the tool's words: a metric, a scorer.
        untargeted: what it said of a sample without a target. That is no comparison with an
            answer, but of a scorer that needs none, which runs a program's tests, it is the mark.
        skipped: why this is no completion at all and nothing becomes of it; empty for one that is.
        row: the row that it stands in, for what the user knows of its columns.
        index: which of the row's texts it is.
    """

    place: str
    id: str
    prompt: tuple[tuple[str, str], ...]
    asked: str
    names: tuple[str, ...]
    targets: tuple[str, ...]
    options: tuple[str, ...] = ()
    output: RecordedOutput | None = None
    error: str = ""
    passed: bool | None = None
    mark: str = ""
    untargeted: bool | None = None
    skipped: str = ""
    row: Any = field(default=None, repr=False)
    index: int = 0


@dataclass(frozen=True, slots=True)
class Log:
    """One task of one model, as another tool wrote it down.

    Attributes:
        tool, version: what wrote it.
        task: its name for what was asked.
        model: its name for the model.
        invocation: tells the tool's runs apart; the tasks of one have it in common.
        created: when, ISO 8601; empty when it does not say.
        settings: ``temperature``, ``top_p`` and ``seed``, as far as it says.
        max_tokens: the budget; None when it does not say.
        file: the log's file name.
        sha256: of the file, hex.
        samples: reads the samples from the beginning; raises DataError.
        remarks: what whoever imports it should know of it, a sentence each.
    """

    tool: str
    version: str
    task: str
    model: str
    invocation: str
    created: str
    settings: Mapping[str, float]
    max_tokens: int | None
    file: str
    sha256: str
    samples: Callable[[], Iterator[LogSample]] = field(repr=False)
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skipped:
    """Samples of a log that nothing becomes of, for one reason.

    Attributes:
        reason: why.
        count: how many.
        first: the log's name of the first.
    """

    reason: str
    count: int
    first: str


def texts_of(value: Any) -> Iterator[str]:
    """Every text in a JSON value, in order; keys do not count."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from texts_of(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts_of(part)


def numbers_of(settings: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, float]:
    """Those of `settings` that are numbers, under our names.

    Args:
        settings: the tool's.
        names: its names by ours.
    """
    found = {ours: number_or_none(settings.get(theirs)) for ours, theirs in names.items()}
    return {ours: value for ours, value in found.items() if value is not None}


def number_or_none(value: Any) -> float | None:
    """A number that can be reckoned with, or None for anything else."""
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    return value if usable and -_MOST_NUMBER < value < _MOST_NUMBER else None


def count_or_none(value: Any) -> int | None:
    """A token count, or None for anything else; a count of 0 says that nobody counted."""
    usable = isinstance(value, int) and not isinstance(value, bool)
    return value if usable and 0 < value < _MOST_NUMBER else None


def seconds_or_none(value: Any) -> float | None:
    """A duration, or None for anything else."""
    number = number_or_none(value)
    return float(number) if number is not None and number >= 0 else None


def word_of(value: Any) -> str:
    """A short text in a log: a name, a version, a word for an end; empty for anything else."""
    if not isinstance(value, str):
        value = number_or_none(value)
    return "" if value is None else str(value)[:MOST_WORD]


def shortened(message: str) -> str:
    """An error's message, within what a report can show."""
    return message[:_MOST_ERROR]
