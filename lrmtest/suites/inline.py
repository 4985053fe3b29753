"""Suites of one's own, from a JSONL file."""

from __future__ import annotations

import hashlib
import re
from functools import partial
from pathlib import Path
from typing import Any

from lrmtest.bounded import DOCUMENT, read_bytes
from lrmtest.errors import DataError, UsageError
from lrmtest.grading import Grader, grade_by_kind
from lrmtest.questions.data import DataOptions, QuestionSet, Source
from lrmtest.questions.lettered_options import OPTION_LETTERS, lettered
from lrmtest.questions.question import INTEGER, LABEL, LABELS, OPTION, Question
from lrmtest.questions.rows import Row, parse_rows
from lrmtest.questions.sources import build_all
from lrmtest.suites.suite import PASS, DefaultBudget, Suite, SuiteDescription

_BUDGET = DefaultBudget(16384)
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_HINT = "correct that line; docs/data.md has the format"


def suite_from_jsonl(
    path: str | Path,
    *,
    name: str,
    prompt: str,
    kind: str = "",
    max_tokens: int | None = None,
    grader: Grader | None = None,
    primary: str = PASS,
) -> Suite:
    """A suite whose questions are read from a JSONL file when they are needed.

    Args:
        path: the file; see `questions_from_jsonl`.
        name: the suite's name, as in reports.
        prompt: template of the user message, with the file's fields in braces.
        kind: how answers are graded, for rows that do not say it themselves.
        max_tokens: the most tokens that one completion may have, reasoning included. It goes
            before a model card's budget; without it the card's counts, else 16384.
        grader: grades the answers, whatever their kinds; the suite's name is the kind then of
            rows that have none.
        primary: what runs are compared by: ``pass``, or a figure that the grader gives, see
            `lrmtest.Suite`.

    Raises:
        UsageError: `max_tokens` is no integer of at least 1.
    """
    kind = kind or ("" if grader is None else name)

    def load(_options: DataOptions) -> QuestionSet:
        return questions_from_jsonl(path, suite=name, kind=kind)

    return Suite(
        name,
        load,
        prompt,
        _BUDGET if max_tokens is None else max_tokens,
        grader or grade_by_kind,
        primary=primary,
        described=SuiteDescription(f"Questions of {Path(path).name}", (kind,) if kind else ()),
    )


def questions_from_jsonl(path: str | Path, *, suite: str, kind: str = "") -> QuestionSet:
    """Reads questions, one JSON object per line.

    ``id``: text or integer, no two alike. ``answer``: the reference, or a list of the reference
    and its aliases. ``kind``: as in `lrmtest.Question`, unless `kind` says it for all.
    ``options``: the list of options, for kind ``option``; its answer is a letter or the text of
    an option, and ``options_text`` is added to the material. Every other field is material.

    Raises:
        DataError: no such file, or a bad line; names file, line and field.
        UsageError: the file's name does not end in ``.jsonl``.
    """
    file = Path(path)
    if file.suffix != ".jsonl":
        raise UsageError(f"{file}: a file that ends in .jsonl was expected")
    data = read_bytes(file, DOCUMENT, hint="correct the path")
    questions = build_all(
        parse_rows(data, file.name, hint=_HINT), partial(question_of_row, suite, kind)
    )
    if not questions:
        raise DataError(f"{file}: no questions in it", hint=_HINT)
    source = Source("inline", file.name, sha256=hashlib.sha256(data).hexdigest())
    return QuestionSet(questions, source)


def question_of_row(suite: str, default_kind: str, row: Row, _number: int = 0) -> Question:
    """The question in a row; see `questions_from_jsonl`.

    Raises:
        DataError: a bad row; names its place and the field.
    """
    kind = default_kind if default_kind and "kind" not in row.values else row.text("kind")
    id_ = row.value("id")
    if isinstance(id_, bool) or not isinstance(id_, int):
        id_ = row.text("id")
    material = {
        name: value for name, value in row.values.items() if name not in ("id", "answer", "kind")
    }
    if not material:
        raise row.error("id", "there is nothing to ask beside id, answer and kind")
    if kind == OPTION:
        options = list(row.texts("options"))
        if not 2 <= len(set(options)) == len(options) <= len(OPTION_LETTERS):
            raise row.error("options", "from 2 to 26 different options were expected")
        material.setdefault("options_text", lettered(options))
    answers = row.value("answer")
    answers = answers if isinstance(answers, list) else [answers]
    if not answers:
        raise row.error("answer", "empty")
    references = tuple(dict.fromkeys(_reference(row, kind, answer) for answer in answers))
    return Question(str(id_), suite, material, references, kind)


def _reference(row: Row, kind: str, answer: Any) -> str:
    if not isinstance(answer, str | int) or not str(answer).strip():
        raise row.error("answer", "a text, an integer or a list of them was expected")
    text = str(answer).strip()
    if kind == INTEGER:
        if not _INTEGER.fullmatch(text):
            raise row.error("answer", f"{text[:40]!r} is not an integer of at most 18 digits")
        return str(int(text))
    if kind == LABEL and text not in LABELS:
        raise row.error("answer", f"{text[:40]!r} is not one of {', '.join(LABELS)}")
    if kind == OPTION:
        options = row.texts("options")
        if text in options:
            return OPTION_LETTERS[options.index(text)]
        letter = text.removeprefix("(").removesuffix(")")
        if len(letter) != 1 or letter not in OPTION_LETTERS[: len(options)]:
            raise row.error("answer", f"{text[:40]!r} is none of the {len(options)} options")
        return letter
    return text
