"""Runs, questions and their changes as JSON values and as rows of a table of data, unrounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from lrmtest.analysis.flips import Flip
from lrmtest.reports.changes import change_document
from lrmtest.reports.runs_table import QuestionRow, RunRow, SampleView
from lrmtest.reports.summary_json import rate_document

Cells = Mapping[str, object]
"""A row by the names of its columns."""

RUN_COLUMNS = (
    *("run_id", "model", "created", "complete", "suites", "others"),
    *("questions", "samples", "errors", "pass_rate", "low", "high", "level"),
    *("state", "samples_done", "samples_wanted", "tokens"),
)
QUESTION_COLUMNS = (
    *("suite", "question", "samples", "passes", "errors", "expected", "extracted"),
    *("failures", "tokens", "tokens_estimated"),
)
CHANGE_COLUMNS = (
    *("suite", "question", "change", "difference", "p", "baseline_passes", "baseline_samples"),
    *("candidate_passes", "candidate_samples", "failure"),
)


def run_document(row: RunRow) -> dict[str, Any]:
    """A run in the list of runs; its pass rate is null where nothing has a verdict."""
    return {
        "run_id": row.run_id,
        "model": row.model,
        "created": row.created,
        "complete": row.complete,
        "suites": list(row.suites),
        "others": row.others,
        "questions": row.questions,
        "samples": row.samples,
        "errors": row.errors,
        "pass_rate": rate_document(row.pass_rate) if row.samples else None,
        "state": row.state,
        "samples_done": row.done,
        "samples_wanted": row.wanted,
        "tokens": row.tokens,
    }


def run_cells(row: RunRow) -> Cells:
    """The same by `RUN_COLUMNS`."""
    rate = rate_document(row.pass_rate) if row.samples else {}
    return {
        **run_document(row),
        "suites": " ".join(row.suites),
        "pass_rate": rate.get("value"),
        **{name: rate.get(name) for name in ("low", "high", "level")},
    }


def question_document(row: QuestionRow) -> dict[str, Any]:
    """A question of a run."""
    return {
        "suite": row.suite,
        "question": row.question_id,
        "samples": row.samples,
        "passes": row.passes,
        "errors": row.errors,
        "expected": row.expected,
        "extracted": list(row.extracted),
        "failures": {str(failure): number for failure, number in row.failures.items()},
        "tokens": row.tokens,
        "tokens_estimated": row.tokens_estimated,
    }


def question_cells(row: QuestionRow) -> Cells:
    """The same by `QUESTION_COLUMNS`; answers with a bar between them, failures with a space."""
    failures = " ".join(f"{failure}:{number}" for failure, number in row.failures.items())
    extracted = " | ".join(answer or "" for answer in row.extracted)
    return {**question_document(row), "extracted": extracted, "failures": failures}


def change_cells(flip: Flip) -> Cells:
    """What became of a question, by `CHANGE_COLUMNS`."""
    document = change_document(flip)
    sides = {
        f"{side}_{name}": number
        for side in ("baseline", "candidate")
        for name, number in document[side].items()
    }
    return {**document, **sides}


def asked_document(
    suite: str,
    question_id: str,
    prompt: Sequence[tuple[str, str]],
    expected: str,
    samples: Sequence[SampleView],
) -> dict[str, Any]:
    """One question of a run with everything the model said.

    Args:
        suite, question_id: which question.
        prompt: the conversation as (role, content).
        expected: the reference answer; empty for a test's own prompt.
        samples: in order.
    """
    return {
        "suite": suite,
        "question": question_id,
        "prompt": [{"role": role, "content": content} for role, content in prompt],
        "expected": expected,
        "samples": [_sample(view) for view in samples],
    }


def _sample(view: SampleView) -> dict[str, Any]:
    document = {each.name: getattr(view, each.name) for each in fields(view)}
    if view.verdict is not None:
        document["verdict"] = {
            each.name: getattr(view.verdict, each.name) for each in fields(view.verdict)
        } | {"metrics": dict(view.verdict.metrics)}
    return document
