"""Records as JSON values and back: for the store, for exports and between xdist's processes."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from lrmtest.grading.verdict import Verdict
from lrmtest.questions.question import Question
from lrmtest.runs.records import SampleRecord


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
    """
    return Question(
        id=raw["id"],
        suite=raw["suite"],
        material=raw["material"],
        references=tuple(raw["references"]),
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
    }


def verdict_from_json(raw: dict[str, Any]) -> Verdict:
    """The inverse of `verdict_to_json`.

    Raises:
        TypeError: `raw` has other fields.
    """
    return Verdict(**raw)


def record_to_json(record: SampleRecord) -> dict[str, Any]:
    """A sample's record as JSON values."""
    raw = {field.name: getattr(record, field.name) for field in fields(record)}
    raw["verdict"] = None if record.verdict is None else verdict_to_json(record.verdict)
    return raw


def record_from_json(raw: dict[str, Any]) -> SampleRecord:
    """The inverse of `record_to_json`.

    Raises:
        TypeError: `raw` has other fields.
    """
    verdict = raw["verdict"]
    return SampleRecord(
        **{**raw, "verdict": None if verdict is None else verdict_from_json(verdict)}
    )
