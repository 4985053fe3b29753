"""Questions in a dataset's rows, whichever columns they are in."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lrmtest.errors import DataError, UsageError
from lrmtest.questions.dataset_files import listed, near
from lrmtest.questions.lettered_options import OPTION_LETTERS, drawn_order, lettered
from lrmtest.questions.prompt import fields_of
from lrmtest.questions.question import OPTION, Question
from lrmtest.questions.rows import Row
from lrmtest.suites.inline import reference_in
from lrmtest.unicode import quote

_LOOKED_AT = 100
"""Rows whose columns are looked at; lines of JSON need not all have the same."""
_NAMED = 30
_ID_DIGITS = 12

AnswerColumn = str | Callable[[Mapping[str, Any]], Any]
"""The column of the answers, or a function of a row, its values by column."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Where in a dataset's rows a question and its answer are.

    Attributes:
        question: the column with the question's text.
        answer: the column with the answer, or a function of a row, its values by column.
        options: the column with the options, or the columns with one option each.
        id: the column with the ids; empty where there is none.
        where: by column, the value, or one of the values, that a row must have to be asked.
    """

    question: str
    answer: AnswerColumn
    options: str | tuple[str, ...] = ()
    id: str = ""
    where: Mapping[str, Any] = field(default_factory=dict)

    def check(self, rows: Sequence[Row], place: str) -> list[str]:
        """The names of the columns of `rows`, among which are all that are meant.

        Raises:
            DataError: one is not there; names those that are.
        """
        there = list(dict.fromkeys(name for row in rows[:_LOOKED_AT] for name in row.values))
        for name in self._meant() if rows else ():
            if name not in there:
                raise DataError(
                    f"{place} has no column {name!r}{near(name, there)}",
                    hint=f"there are {listed(there, _NAMED)}",
                )
        return there

    def asked(self, rows: Sequence[Row], place: str) -> list[Row]:
        """The rows that are asked.

        Raises:
            DataError: there are none.
        """
        kept = list(rows)
        for name, wanted in self.where.items():
            several = isinstance(wanted, Collection) and not isinstance(wanted, str | bytes)
            values = list(wanted) if several else [wanted]
            before = kept
            kept = [row for row in before if row.values.get(name) in values]
            if before and not kept:
                there = dict.fromkeys(repr(row.values.get(name)) for row in before)
                raise DataError(
                    f"{place} has no row with {name!r} as where= wants it",
                    hint=f"there are {listed(list(there), _NAMED)}",
                )
        if not kept:
            raise DataError(f"{place}: no questions in it", hint="is it the file that was meant?")
        return kept

    def _meant(self) -> list[str]:
        options = [self.options] if isinstance(self.options, str) else list(self.options)
        answer = [self.answer] if isinstance(self.answer, str) else []
        return [*filter(None, [self.question, *answer, *options, self.id]), *self.where]


@dataclass(frozen=True, slots=True)
class _NamedRow(Row):
    """A row in the form of questions of one's own, whose errors name the dataset's columns."""

    names: Mapping[str, str] = field(default_factory=dict)

    def error(self, field: str, problem: str) -> DataError:
        named = self.names.get(field, field)
        return DataError(f"{self.place}, field {named!r}: {problem}", hint=self.hint)


@dataclass(frozen=True, slots=True)
class RowReader:
    """Makes the questions of a suite out of a dataset's rows.

    Attributes:
        suite: the suite's name.
        kind: the answer kind.
        columns: where in a row a question is.
        fields: the columns that the prompt shows beside the question, by its names for them.
    """

    suite: str
    kind: str
    columns: Columns
    fields: Mapping[str, str]

    def question(self, row: Row, _number: int = 0) -> Question:
        """The question in a row.

        Raises:
            DataError: a bad row; names its place and the column.
        """
        columns = self.columns
        material: dict[str, Any] = {"question": row.text(columns.question).strip()}
        options, labels = self._options(row)
        id_ = self._id(row, material["question"], options)
        answer = self._answer(row)
        if isinstance(columns.options, tuple) and answer in columns.options:
            # Datasets of this form have the right one first.
            order = drawn_order(id_, columns.options)
            options = [options[columns.options.index(name)] for name in order]
            answer = OPTION_LETTERS[order.index(answer)]
        if options:
            material |= {"options": options, "options_text": lettered(options)}
        for name, column in self.fields.items():
            material[name] = _shown(row, column)
        answers = answer if isinstance(answer, list) else [answer]
        if not answers:
            raise row.error(self._answer_name, "empty")
        named = _NamedRow(row.place, {"options": options}, row.hint, {"answer": self._answer_name})
        references = tuple(
            _letter(named, options, labels, each)
            if self.kind == OPTION
            else reference_in(named, self.kind, _as_text(each))
            for each in answers
        )
        return Question(id_, self.suite, material, tuple(dict.fromkeys(references)), self.kind)

    @property
    def _answer_name(self) -> str:
        return self.columns.answer if isinstance(self.columns.answer, str) else "answer"

    def _answer(self, row: Row) -> Any:
        if isinstance(self.columns.answer, str):
            if isinstance(self.columns.options, tuple) and (
                self.columns.answer in self.columns.options
            ):
                return self.columns.answer
            return row.value(self.columns.answer)
        try:
            return self.columns.answer(dict(row.values))
        except Exception as error:  # whatever a user's own function does
            raise DataError(
                f"{row.place}: the function that is given as answer= fails: "
                f"{type(error).__name__}: {quote(str(error), 200)}",
                hint=row.hint,
            ) from error

    def _options(self, row: Row) -> tuple[list[str], list[str]]:
        """A row's options, and their labels where the dataset has its own."""
        where, labels = self.columns.options, list[str]()
        if not where:
            return [], []
        if isinstance(where, tuple):
            options = [str(_shown(row, name)) for name in where]
            column = where[0]
        else:
            column, value = where, row.value(where)
            if isinstance(value, dict):
                # Lists side by side, as many datasets have them: {"text": [...], "label": [...]}.
                inner = _NamedRow(row.place, value, row.hint, dict.fromkeys(value, where))
                options = list(inner.texts("text"))
                said = value.get("label")
                labels = list(map(str, said)) if isinstance(said, list) else labels
            else:
                options = list(row.listed(where))
        options = [option.strip() for option in options]
        if not 2 <= len(options) <= len(OPTION_LETTERS) or not all(options):
            raise row.error(column, f"from 2 to {len(OPTION_LETTERS)} options were expected")
        return options, labels

    def _id(self, row: Row, asked: str, options: list[str]) -> str:
        if not self.columns.id:
            said = json.dumps([asked, sorted(options)])
            return hashlib.sha256(said.encode()).hexdigest()[:_ID_DIGITS]
        value = row.value(self.columns.id)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return row.text(self.columns.id)


def shown_fields(
    columns: Columns, there: Sequence[str], template: str, suite: str
) -> dict[str, str]:
    """The columns that a prompt shows beside the question, by its names for them.

    Args:
        columns: what a question is made of.
        there: the names of all columns.
        template: the prompt.
        suite: the suite's name.

    Raises:
        UsageError: the prompt shows the answer.
    """
    by_name: dict[str, str] = {}
    for name in there:
        by_name.setdefault(re.sub(r"[^a-z]+", "_", name.casefold()).strip("_"), name)
    by_name |= {name: name for name in there}
    fields = {
        each: by_name[each]
        for each in fields_of(template)
        if each in by_name and each not in ("question", "options", "options_text")
    }
    if hidden := [each for each, name in fields.items() if name == columns.answer]:
        raise UsageError(
            f"suite {suite!r}: {{{hidden[0]}}} in its prompt is the column of the answers",
            hint="a question must not show its answer",
        )
    return fields


def _letter(row: Row, options: list[str], labels: list[str], answer: Any) -> str:
    """The letter of the right option, of which there is one."""
    place: int | None = None
    if isinstance(answer, float) and answer.is_integer():
        answer = int(answer)
    if isinstance(answer, int) and not isinstance(answer, bool):
        place = answer
    elif isinstance(answer, str):
        text = answer.strip()
        letter = text.removeprefix("(").removesuffix(")")
        if text in labels:
            place = labels.index(text)
        elif text in options:
            place = options.index(text)
        elif len(letter) == 1 and letter in OPTION_LETTERS:
            place = OPTION_LETTERS.index(letter)
        elif text.isascii() and text.isdigit() and len(text) <= 2:
            place = int(text)
    if place is None or not 0 <= place < len(options):
        counted = " counted from 0" if isinstance(answer, int) else ""
        if place == len(options):
            counted += "; where they are counted from 1, give a function: answer=lambda row: ..."
        given = quote(str(answer), 60)
        raise row.error("answer", f"{given!r} is none of the {len(options)} options{counted}")
    if options.count(options[place]) > 1:
        raise row.error("answer", f"option {OPTION_LETTERS[place]} is there twice")
    return OPTION_LETTERS[place]


def _as_text(answer: Any) -> Any:
    """An answer as questions of one's own have it: whole numbers without a point."""
    if isinstance(answer, float):
        return int(answer) if answer.is_integer() else repr(answer)
    return answer


def _shown(row: Row, column: str) -> Any:
    """A column as JSON has it."""
    value = row.value(column)
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise row.error(column, "no text, number or list of them, so no prompt has it") from None
    return value
