"""The placing of recorded outputs: which question of which suite each of them answers.

Suites may number their questions alike, so an id alone does not say whose question it is. What
does, the strongest first:

1. the prompt in the line (``prompt``, ``messages`` or ``input``), by the question's own text;
2. the suite's name: in the line, in a line before it that says nothing else (``{"suite": NAME}``),
   or in the command (``recorded:PATH#NAME``);
3. the suite's name in the file's name, ``r1.folio.jsonl``: a hint, which is told;
4. the id, if one only of the suites that are asked has such a question.

An output for which nothing does, though several suites have its id, is placed nowhere: the user is
asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lrmtest.counted import counted
from lrmtest.errors import UsageError
from lrmtest.models.engines.recorded.recording import (
    PROMPT_FIELDS,
    RecordedLine,
    Recording,
    names_in,
)
from lrmtest.models.spec import Placing
from lrmtest.questions.matching import QuestionFinder
from lrmtest.questions.question import Question
from lrmtest.suites.registry import ALIASES, SUITES
from lrmtest.unicode import quote

_SHOWN = 80
_MOST_NAMED = 6
_MOST_DEEP = 6


@dataclass(frozen=True, slots=True)
class SelectedSuite:
    """A suite of which some questions are selected.

    Attributes:
        name: the suite's name.
        prompt: its template.
        questions: all that it has.
    """

    name: str
    prompt: str
    questions: Sequence[Question]


@dataclass(slots=True)
class _Notes:
    """What is told of a placing, counted."""

    by_file_name: Counter[tuple[str, str]] = field(default_factory=Counter)
    elsewhere: Counter[str] = field(default_factory=Counter)
    renumbered: int = 0
    unknown: int = 0

    def lines(self, model: str, outputs: int) -> Iterator[str]:
        for (file, suite), count in sorted(self.by_file_name.items()):
            yield (
                f"{model}: {counted(count, 'output')} in {quote(file, _SHOWN)} taken as of "
                f"suite {suite}, by the file's name"
            )
        if self.renumbered:
            yield (
                f"{model}: {counted(self.renumbered, 'output')} answer another question than their "
                "id says: their prompts decide"
            )
        if self.elsewhere:
            named = [
                f"{quote(name, _SHOWN)} ({count:,})"
                for name, count in self.elsewhere.most_common(_MOST_NAMED)
            ]
            more = ", ..." if len(self.elsewhere) > len(named) else ""
            yield (
                f"{model}: {counted(self.elsewhere.total(), 'output')} of suites that are not "
                f"asked here: {', '.join(named)}{more}"
            )
        if self.unknown:
            yield (
                f"{model}: {self.unknown:,} of {counted(outputs, 'output')} answer no question of "
                "the suites asked"
            )


def place(
    model: str, recording: Recording, asked: Sequence[SelectedSuite], told: str = ""
) -> Placing:
    """Place every output of a recording.

    Args:
        model: its name, for messages.
        recording: the outputs.
        asked: the suites of which questions are selected.
        told: the suite's name, by the user's word; empty for none.

    Raises:
        UsageError: an output could be of several of the suites and nothing says which, or there
            is no suite of the name that the user gave.
        DataError: the recording has changed meanwhile.
    """
    told = ALIASES.get(told, told)
    names = {suite.name for suite in asked}
    if told and told not in names | SUITES.keys():
        raise UsageError(
            f"{model}: there is no suite {told!r}",
            hint=f"of those asked here: {', '.join(sorted(names)) or 'none'}",
        )
    ids = {suite.name: {question.id for question in suite.questions} for suite in asked}
    finders: dict[str, QuestionFinder] = {}
    hints = {path.name: _hint(path.name, names) for path in recording.files}
    notes = _Notes()
    unclear: dict[str, list[tuple[str, ...]]] = {}
    keys: list[tuple[str, str] | None] = []
    for line in recording.lines:
        own = line.suite or told
        own = ALIASES.get(own, own)
        by_id = [name for name, of_suite in ids.items() if line.question in of_suite]
        found: list[tuple[str, str]] = []
        if prompt := _prompt_of(recording, line, known=bool(by_id)):
            within = [suite for suite in asked if not own or suite.name == own]
            found = _by_prompt(prompt, within, finders)
        if found:
            narrowed = [key for key in found if key[0] in (own, hints[line.file])]
            narrowed = narrowed or [key for key in found if key[0] in by_id]
            found = narrowed if len(narrowed) == 1 else found
        elif own:
            found = [(own, line.question)]
        elif (hint := hints[line.file]) and (hint not in ids or hint in by_id or not by_id):
            found = [(hint, line.question)]
            notes.by_file_name[line.file, hint] += 1
        else:
            found = [(name, line.question) for name in by_id]
        if len(found) > 1:
            unclear.setdefault(line.file, []).append(tuple(name for name, _ in found))
        key = found[0] if len(found) == 1 else None
        if key is None:
            notes.unknown += not found
        elif key[0] not in names:
            notes.elsewhere[key[0]] += 1
        elif key[1] not in ids[key[0]]:
            notes.unknown += 1
        else:
            notes.renumbered += key[1] != line.question
        keys.append(key)
    if unclear:
        raise _unclear(model, recording, unclear)
    return Placing(
        keys=tuple(keys),
        notes=tuple(notes.lines(model, len(keys))),
        moved=_moved(recording, keys),
    )


def _by_prompt(
    prompt: str, suites: Iterable[SelectedSuite], finders: dict[str, QuestionFinder]
) -> list[tuple[str, str]]:
    """The questions that a prompt asks, of each suite the one that it shows most of; the best."""
    found = []
    for suite in suites:
        if suite.name not in finders:
            finders[suite.name] = QuestionFinder(suite.prompt, suite.questions)
        if (match := finders[suite.name].match(prompt)) is not None:
            found.append((match[1], (suite.name, match[0].id)))
    best = max((size for size, _ in found), default=0)
    return [key for size, key in found if size == best]


def _prompt_of(recording: Recording, line: RecordedLine, *, known: bool) -> str:
    """What a line says that it was asked; its question, if that is no id but a text."""
    if line.prompted:
        record = recording.record(line)
        return "\n".join(
            text for name in PROMPT_FIELDS for text in _texts(record.get(name), _MOST_DEEP)
        )
    return line.question if not known and " " in line.question.strip() else ""


def _texts(value: Any, depth: int) -> Iterator[str]:
    """The texts in a prompt: a text, a conversation, or its messages' parts."""
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, list):
        for part in value:
            yield from _texts(part, depth - 1)
    elif depth and isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part, depth - 1)


def _hint(file_name: str, names: Collection[str]) -> str:
    """The suite that a file's name names; empty where it names none, or several."""
    found = names_in(file_name, {*SUITES, *ALIASES, *names})
    whole = {
        ALIASES.get(name, name)
        for name in found
        if not any(name != other and name in other for other in found)
    }
    return whole.pop() if len(whole) == 1 else ""


def _moved(recording: Recording, keys: Sequence[tuple[str, str] | None]) -> bool:
    """Whether a question's outputs are others than its id alone would give."""
    placed: dict[tuple[str, str], list[RecordedLine]] = {}
    for line, key in zip(recording.lines, keys, strict=True):
        if key is not None:
            placed.setdefault(key, []).append(line)
    return any(
        sorted(lines, key=lambda line: line.sample) != recording.lines_of(*key)
        for key, lines in placed.items()
    )


def _unclear(
    model: str, recording: Recording, unclear: Mapping[str, Sequence[tuple[str, ...]]]
) -> UsageError:
    fits = Counter(name for lines in unclear.values() for names in lines for name in names)
    count = sum(map(len, unclear.values()))
    files = ", ".join(quote(file, _SHOWN) for file in list(unclear)[:_MOST_NAMED])
    named = ", ".join(f"{name} ({fits[name]:,})" for name in list(fits)[:_MOST_NAMED])
    more = ", ..." if len(fits) > _MOST_NAMED else ""
    path = recording.location
    first = next(iter(fits))
    return UsageError(
        f"{model}: {files}: nothing says which suite {count:,} of "
        f"{counted(len(recording), 'output')} belong to, and several that are "
        f"asked have questions of these ids: {named}{more}",
        hint=f'say it: --model recorded:{path}#{first}, or "suite": "{first}" in each line, or '
        f'a line {{"suite": "{first}"}} before them; or ask one suite alone',
    )
