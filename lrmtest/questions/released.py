"""Fingerprints of the released questions.

``released/NAME.txt`` lists the ids of a benchmark's questions, in order, each with the start of
a SHA-256 over everything that is asked and expected. It tells a changed, a missing and an added
question without containing any of them, and whatever file format they came in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from lrmtest.errors import DataError
from lrmtest.questions.question import Question

_SHOWN = 3
"""How many questions a message names before it says how many more there are."""


def fingerprint(question: Question) -> str:
    """16 hex digits over id, material, references and kind; not over the suite's name.

    Copies of a benchmark differ in line ends and trailing blanks, so each run of whitespace
    counts as one space.
    """
    content = json.dumps(
        _canonical([question.id, question.material, question.references, question.kind]),
        sort_keys=True,
        ensure_ascii=False,
    )
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def released_fingerprints(name: str) -> dict[str, str]:
    """Fingerprints by question id, in the released order, from ``released/NAME.txt``."""
    text = files("lrmtest.questions").joinpath("released", f"{name}.txt").read_text("utf-8")
    return dict(line.split() for line in text.splitlines())


def closest_list(names: Sequence[str], questions: Sequence[Question]) -> str:
    """The list in ``released/`` that has the most of these questions; the first one of several."""
    digests = {(question.id, fingerprint(question)) for question in questions}
    return max(names, key=lambda name: len(digests & set(released_fingerprints(name).items())))


def in_released_order(
    name: str, questions: Sequence[Question], places: Sequence[str], *, file: str, hint: str
) -> tuple[Question, ...]:
    """The questions in the released order, if they are exactly the released ones.

    Args:
        name: the release, as in ``released/``.
        questions: the questions read from `file`.
        places: where each stands, for messages.
        file: name of the file, for messages.
        hint: what the reader should do.

    Raises:
        DataError: names what is missing, added or changed, and where.
    """
    expected = released_fingerprints(name)
    by_id = {question.id: question for question in questions}
    changed = [
        f"{place} (question {question.id})"
        for question, place in zip(questions, places, strict=True)
        if question.id in expected and fingerprint(question) != expected[question.id]
    ]
    missing = [id_ for id_ in expected if id_ not in by_id]
    added = [id_ for id_ in by_id if id_ not in expected]
    if len(changed) + len(added) == len(questions):
        raise DataError(
            f"{file}: none of its {len(questions)} questions is one of {name}'s {len(expected)}",
            hint=hint,
        )
    problems = [
        f"{word}: {_some(items)}"
        for word, items in (("changed", changed), ("missing", missing), ("unknown", added))
        if items
    ]
    if problems:
        counts = f"{len(questions)} questions, {len(expected)} were released"
        raise DataError(f"{file}: {counts}; {'; '.join(problems)}", hint=hint)
    return tuple(by_id[id_] for id_ in expected)


def _canonical(value: Any) -> Any:
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, Mapping):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_canonical(item) for item in value]
    return value


def _some(items: Sequence[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more
