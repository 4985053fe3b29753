"""Rows: records as JSON values by name, and back.

The store, every export and the way between xdist's processes use them, so that the fields of a
completion are named once, in `Completion` itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from operator import attrgetter, itemgetter
from typing import Any

from lrmtest.grading.completion import Completion
from lrmtest.grading.verdict import Verdict, usual_end
from lrmtest.questions.place import Place
from lrmtest.questions.question import Question
from lrmtest.runs.records import SampleRecord, StoredCompletion, StoredError

PLACE_ROW = tuple(one.name for one in fields(Place))
_TEXT_ROW = tuple(one.name for one in fields(Completion))
COMPLETION_ROW = (*PLACE_ROW, *_TEXT_ROW, "created", "verdict")
ERROR_ROW = (*PLACE_ROW, "message", "attempts")

# They get all fields at once: this is done for every completion.
_of_place, _place_of = attrgetter(*PLACE_ROW), itemgetter(*PLACE_ROW)
_of_completion, _completion_of = attrgetter(*_TEXT_ROW), itemgetter(*_TEXT_ROW)


def place_to_row(place: Place) -> dict[str, Any]:
    """A place as a row of `PLACE_ROW`."""
    return dict(zip(PLACE_ROW, _of_place(place), strict=True))


def place_from_row(row: Mapping[str, Any]) -> Place:
    """The inverse of `place_to_row`; more in the row does not matter.

    Raises:
        KeyError: a field is missing.
    """
    return Place(*_place_of(row))


def arrived_values(stored: StoredCompletion) -> list[Any]:
    """The values of a completion's row of `COMPLETION_ROW`, but for its verdict."""
    return [*_of_place(stored.place), *_of_completion(stored.completion), stored.created]


def completion_to_row(stored: StoredCompletion) -> dict[str, Any]:
    """A completion as a row of `COMPLETION_ROW`."""
    verdict = None if stored.verdict is None else verdict_to_json(stored.verdict)
    return dict(zip(COMPLETION_ROW, (*arrived_values(stored), verdict), strict=True))


def completion_from_row(row: Mapping[str, Any]) -> StoredCompletion:
    """The inverse of `completion_to_row`.

    Raises:
        KeyError, TypeError: `row` is not such a dictionary.
    """
    if not isinstance(row["text"], str):
        raise TypeError("what was generated is no text")
    verdict = row["verdict"]
    return StoredCompletion(
        place=place_from_row(row),
        completion=Completion(*_completion_of(row)),
        created=row["created"],
        verdict=None if verdict is None else verdict_from_json(verdict),
    )


def error_to_row(error: StoredError) -> dict[str, Any]:
    """An engine error as a row of `ERROR_ROW`."""
    return {
        **place_to_row(error.place),
        "message": error.message,
        "attempts": error.attempts,
    }


def error_from_row(row: Mapping[str, Any]) -> StoredError:
    """The inverse of `error_to_row`.

    Raises:
        KeyError: a field is missing.
    """
    return StoredError(place_from_row(row), row["message"], row["attempts"])


def question_to_json(question: Question) -> dict[str, Any]:
    """A question as JSON values."""
    return {
        "id": question.id,
        "suite": question.suite,
        "material": dict(question.material),
        "references": list(question.references),
        "kind": question.kind,
    }


def question_from_json(raw: dict[str, Any]) -> Question:
    """The inverse of `question_to_json`.

    Raises:
        KeyError, TypeError: `raw` is not such a dictionary.
        UnicodeEncodeError: half a surrogate pair in a name.
    """
    names = [raw["id"], raw["suite"], raw["kind"]]
    references, material = raw["references"], raw["material"]
    if not (
        all(isinstance(text, str) for text in names)
        and isinstance(material, dict)
        and isinstance(references, list)
        and references
        and all(isinstance(text, str) for text in references)
    ):
        raise TypeError("a question is not as lrmtest writes it")
    "".join(names).encode()
    return Question(
        id=raw["id"],
        suite=raw["suite"],
        material=material,
        references=tuple(references),
        kind=raw["kind"],
    )


def verdict_to_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON values."""
    # Written out: `dataclasses.asdict` copies deeply, which is felt over 10,000 questions.
    return {
        "correct": verdict.correct,
        "score": verdict.score,
        "extracted": verdict.extracted,
        "failure": verdict.failure,
        "lenient_correct": verdict.lenient_correct,
        "provisional": verdict.provisional,
        "metrics": dict(verdict.metrics),
        # Older versions know no such field, and need none where the class says it.
        **({} if verdict.end == usual_end(verdict.failure) else {"end": verdict.end}),
    }


def verdict_from_json(raw: dict[str, Any]) -> Verdict:
    """The inverse of `verdict_to_json`.

    Raises:
        TypeError: `raw` has other fields, or metrics that are none.
    """
    verdict = Verdict(**raw)
    if not isinstance(verdict.metrics, dict):
        raise TypeError("a verdict's metrics are no object")
    return verdict


def record_to_json(record: SampleRecord) -> dict[str, Any]:
    """A sample's record as JSON values, if it is not from a baseline's file."""
    raw = {one.name: getattr(record, one.name) for one in fields(record)}
    raw["place"] = place_to_row(record.place)
    raw["verdict"] = None if record.verdict is None else verdict_to_json(record.verdict)
    return raw


def record_from_json(raw: dict[str, Any]) -> SampleRecord:
    """The inverse of `record_to_json`.

    Raises:
        TypeError: `raw` has other fields.
    """
    verdict = raw["verdict"]
    return SampleRecord(
        **{
            **raw,
            "place": place_from_row(raw["place"]),
            "verdict": None if verdict is None else verdict_from_json(verdict),
        }
    )
