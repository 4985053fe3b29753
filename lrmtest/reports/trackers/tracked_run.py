"""A run as trackers of experiments show it: figures by name, settings, and a row per question.

Of texts there is nothing in it: no question, no answer and no trace, since a tracker's project may
be open to anybody, and a benchmark that can be read is one that models have read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from lrmtest.analysis.compare import ComparedRuns
from lrmtest.analysis.paired_comparison import SuiteComparison
from lrmtest.analysis.summary import RunSummary
from lrmtest.reports.escape import one_line
from lrmtest.reports.runs_data import QUESTION_COLUMNS, question_cells
from lrmtest.reports.runs_table import QuestionRow
from lrmtest.reports.summary_json import summary_document
from lrmtest.reports.trackers.names import tracker_names

_NAME = 120
_CELL = 200
COLUMNS = tuple(name for name in QUESTION_COLUMNS if name not in ("expected", "extracted"))
"""Of the table of questions."""

Cell = str | float | bool | None


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """What a tracker is given.

    Attributes:
        run_id, name: the run's and its model's, on one line.
        figures: by name, ``SUITE/FIGURE``; a rate with ``..._low`` and ``..._high``. What is not
            known is not there.
        tags: what can be said in a word: the gate's decision and the run that it compared with.
        manifest: the run's settings.
        document: all of it as `--summary-json` has it.
        rows: the questions, by `COLUMNS`.
    """

    run_id: str
    name: str
    figures: Mapping[str, float]
    tags: Mapping[str, str]
    manifest: Mapping[str, Any]
    document: Mapping[str, Any]
    rows: Sequence[Sequence[Cell]]


def tracked_run(
    summary: RunSummary, rows: Sequence[QuestionRow], compared: ComparedRuns | None = None
) -> TrackedRun:
    """What a tracker is given of a run.

    Args:
        summary: the run's.
        rows: its questions.
        compared: with its baseline, and decided by a gate; None without one.
    """
    document = summary_document([summary], [compared] if compared is not None else [])
    (run,) = document["runs"]
    figures = [
        (part["suite"], name, value)
        for part in (*run["suites"], run["total"])
        for name, value in _flat("", part)
    ]
    tags = {"run_id": summary.run_id, "model": summary.model}
    if compared is not None:
        comparison = compared.comparison
        figures += [
            (part.suite, name, value)
            for part in (*comparison.suites, comparison.total)
            for name, value in _changes(part)
        ]
        tags["baseline"] = compared.baseline.run_id
        if compared.decision is not None:
            tags["gate"] = compared.decision.result
    suites = tracker_names(suite for suite, _, _ in figures)
    names = tracker_names(name for _, name, _ in figures)
    return TrackedRun(
        run_id=one_line(summary.run_id, _NAME),
        name=one_line(summary.model, _NAME),
        figures={f"{suites[suite]}/{names[name]}": float(value) for suite, name, value in figures},
        tags={name: one_line(text, _NAME) for name, text in tags.items()},
        manifest=run["manifest"],
        document=document,
        rows=[[_cell(question_cells(row)[name]) for name in COLUMNS] for row in rows],
    )


def _flat(name: str, value: object) -> Iterator[tuple[str, float]]:
    """The numbers in a part of the summary, by the names that lead to them."""
    if isinstance(value, int | float):
        yield name, value
    elif isinstance(value, Mapping) and "value" in value:
        if value["value"] is not None:
            yield name, value["value"]
            yield f"{name}_low", value["low"]
            yield f"{name}_high", value["high"]
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _flat(f"{name}_{key}" if name else key, part)
    elif isinstance(value, list):
        for one in value:
            for which in ("pass", "maj"):
                yield from _flat(f"{which}_at_{one['k']}", one[f"{which}_at_k"])


def _changes(part: SuiteComparison) -> Iterator[tuple[str, float]]:
    """What has changed since the baseline; what cannot be told is left out."""
    failed, tokens = part.failed, part.tokens
    found: dict[str, float | None] = {
        "pass_rate_change": -failed.worsening,
        "pass_rate_change_low": -failed.interval.high,
        "pass_rate_change_high": -failed.interval.low,
        "p_different": part.p_different,
    }
    if tokens is not None:
        found["token_ratio"] = tokens.ratio
        found["token_ratio_low"] = tokens.interval.low
        found["token_ratio_high"] = tokens.interval.high
    for name, value in found.items():
        if value is not None and isfinite(value):
            yield name, value + 0.0  # a negative zero becomes zero


def _cell(value: object) -> Cell:
    if value is None or isinstance(value, int | float):
        return value
    return one_line(str(value), _CELL)
