"""A sweep as JSON values and as rows of a table of data, unrounded."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

from lrmtest.analysis.collapse import Collapse
from lrmtest.analysis.sweep import SuiteFigures, Sweep, SweepLevel, SweepRun
from lrmtest.reports.comparison_json import suite_document
from lrmtest.reports.summary_json import rate_document

SCHEMA = "lrmtest-sweep/1"
"""Raised when a field is removed or changes its meaning, not when one is added."""

FIGURE_COLUMNS = (
    *("questions", "pass_rate", "low", "high", "level", "change", "change_low", "change_high"),
    *("tokens", "truncated", "looped"),
)
LEVEL_COLUMNS = ("label", "degree", "model", "run_id", "suite", *FIGURE_COLUMNS, "gate")


def sweep_document(sweep: Sweep, axis: str) -> dict[str, Any]:
    """A sweep as JSON values; what is infinite or not known is null.

    Args:
        sweep: the sweep.
        axis: what is varied: ``sparsity``, ``bits per weight``.
    """
    return {
        "schema": SCHEMA,
        "axis": axis,
        "levels": [
            {
                **_level(level),
                "suites": {
                    name: figures_document(figures) for name, figures in level.suites.items()
                },
            }
            for level in sweep.levels
        ],
        "collapse": {suite: _collapse(found) for suite, found in sweep.collapses.items()},
    }


def level_cells(sweep: Sweep) -> Sequence[dict[str, object]]:
    """Each level and suite by `LEVEL_COLUMNS`; changes as differences of pass rates, in [-1, 1]."""
    return [
        {**_level(level), "suite": suite, **figures_row(figures)}
        for level in sweep.levels
        for suite, figures in level.suites.items()
    ]


def _level(level: SweepLevel[SweepRun]) -> dict[str, Any]:
    # Bits are kept with a minus sign, so that more is more compressed.
    return {"label": level.of.label, "degree": abs(level.of.degree), **run_values(level)}


def run_values(level: SweepLevel[Any]) -> dict[str, Any]:
    """Which model and run a level is, and what the gate says of it."""
    decision = None if level.compared is None else level.compared.decision
    return {
        "model": level.of.run.model,
        "run_id": level.of.run.run_id,
        "gate": None if decision is None else decision.result,
    }


def figures_document(figures: SuiteFigures) -> dict[str, Any]:
    """A suite's figures as JSON values; what is not known is null."""
    return {
        "questions": figures.questions,
        "pass_rate": rate_document(figures.rate),
        "tokens": figures.tokens,
        "truncated": figures.truncated,
        "looped": figures.looped,
        "change": None if figures.change is None else suite_document(figures.change),
    }


def figures_row(figures: SuiteFigures) -> dict[str, object]:
    """The same for a row of data, by `FIGURE_COLUMNS`; a change is a difference of pass rates."""
    rate, failed = rate_document(figures.rate), None
    if figures.change is not None:
        failed = figures.change.failed
    return {
        "questions": figures.questions,
        "pass_rate": rate["value"],
        **{name: rate[name] for name in ("low", "high", "level")},
        "change": None if failed is None else -failed.worsening,
        "change_low": None if failed is None else -failed.interval.high,
        "change_high": None if failed is None else -failed.interval.low,
        "tokens": figures.tokens,
        "truncated": figures.truncated,
        "looped": figures.looped,
    }


def _collapse(found: Collapse) -> dict[str, Any]:
    interval = found.interval
    return {
        "lost": found.lost,
        "questions": found.questions,
        "pass_rates": list(found.rates),
        "fitted": list(found.fitted),
        "point": _degree(found.point),
        "interval": None
        if interval is None
        else {
            "low": _degree(interval.low),
            "high": _degree(interval.high),
            "level": interval.level,
        },
    }


def _degree(degree: float | None) -> float | None:
    return abs(degree) if degree is not None and isfinite(degree) else None
