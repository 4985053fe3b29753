"""The table of questions: one row each, one cell per run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lrmtest.analysis.compare import ComparedRuns
from lrmtest.analysis.flips import CHANGES, usual_failure
from lrmtest.grading.verdict import FAILURE_CLASSES, classes_of
from lrmtest.natural_order import in_order
from lrmtest.reports.changes import size_said
from lrmtest.reports.escape import one_line
from lrmtest.reports.html.chunks import TextSlot
from lrmtest.runs.outcomes import QuestionKey, QuestionOutcome
from lrmtest.runs.records import RunRecord


def results_of(runs: Sequence[RunRecord]) -> tuple[str, ...]:
    """What a question's cell can say; the page knows them by their place here."""
    found = {
        sample.failure
        for run in runs
        for outcome in run.outcomes.values()
        for sample in outcome.samples.values()
    }
    return ("correct", *classes_of({*FAILURE_CLASSES, *found}), "error")


NAME = 200
"""Characters of a name that are shown."""


def question_keys(runs: Sequence[RunRecord]) -> list[QuestionKey]:
    """Every question of every run: suites in the runs' order, ids in natural order."""
    return in_order(key for run in runs for key in run.outcomes if key[0])


def table(
    runs: Sequence[RunRecord],
    compared: Mapping[str, ComparedRuns],
    keys: Sequence[QuestionKey],
    places: Mapping[QuestionKey, TextSlot],
    brief: Mapping[QuestionKey, tuple[str, str]],
    threshold: float,
) -> dict[str, Any]:
    """The table by columns, which compress better than rows."""
    suites = list(dict.fromkeys(suite for suite, _ in keys))
    nowhere: TextSlot = (-1, 0)
    results = results_of(runs)
    return {
        "suites": [one_line(suite, NAME) for suite in suites],
        "suite": [suites.index(suite) for suite, _ in keys],
        "id": [one_line(question_id, NAME) for _, question_id in keys],
        "chunk": [places.get(key, nowhere)[0] for key in keys],
        "slot": [places.get(key, nowhere)[1] for key in keys],
        "brief": [brief.get(key, ("", ""))[0] for key in keys],
        "expected": [brief.get(key, ("", ""))[1] for key in keys],
        "runs": [_column(run, keys, results, threshold) for run in runs],
        "changes": {
            str(index): _changes(compared[run.run_id], keys)
            for index, run in enumerate(runs)
            if run.run_id in compared
        },
    }


def change_counts(compared: ComparedRuns) -> dict[str, dict[str, int]]:
    """How many questions of each suite changed in each way; all kinds present."""
    found: dict[str, Counter[str]] = {}
    for flip in compared.flips:
        found.setdefault(flip.candidate.suite, Counter())[flip.change] += 1
    return {suite: {kind: counts[kind] for kind in CHANGES} for suite, counts in found.items()}


def _column(
    run: RunRecord, keys: Sequence[QuestionKey], results: Sequence[str], threshold: float
) -> dict[str, list[int | None]]:
    outcomes = [run.outcomes.get(key) for key in keys]
    return {
        "result": [_result(outcome, results, threshold) for outcome in outcomes],
        "passes": [outcome.passes if outcome else None for outcome in outcomes],
        "samples": [outcome.count if outcome else None for outcome in outcomes],
        "tokens": [_mean_tokens(outcome) for outcome in outcomes],
    }


def _result(
    outcome: QuestionOutcome | None, results: Sequence[str], threshold: float
) -> int | None:
    """The place in `results`; None when the run did not ask the question."""
    if outcome is None:
        return None
    if not outcome.count:
        return results.index("error")
    if outcome.passed(threshold):
        return results.index("correct")
    return results.index(usual_failure(outcome) or "wrong")


def _mean_tokens(outcome: QuestionOutcome | None) -> int | None:
    if outcome is None or not outcome.count or not outcome.tokens:
        return None
    return round(outcome.tokens / outcome.count)


def _changes(
    compared: ComparedRuns, keys: Sequence[QuestionKey]
) -> dict[str, list[int | str | None]]:
    """Of every question its change's place in `CHANGES`, its size in points, and both in words."""
    found = {flip.candidate.key: flip for flip in compared.flips}
    flips = [found.get(key) for key in keys]
    return {
        "kind": [None if flip is None else CHANGES.index(flip.change) for flip in flips],
        "points": [None if flip is None else round(100 * flip.difference) for flip in flips],
        "said": [None if flip is None else size_said(flip) for flip in flips],
    }
