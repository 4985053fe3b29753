"""The output of a sweep over what is protected: tables for people, JSON values and rows of data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from lrmtest.analysis.protection import Contrast, ProtectedRun, Protections
from lrmtest.analysis.sweep import SweepLevel
from lrmtest.counted import three_digits
from lrmtest.reports.comparison_json import suite_document
from lrmtest.reports.comparison_words import change_said
from lrmtest.reports.escape import one_line
from lrmtest.reports.markdown import literal, markdown_table
from lrmtest.reports.numbers import UNKNOWN, p_value, percent
from lrmtest.reports.sweep import FIGURES, GATE, decision_said, figures_cells
from lrmtest.reports.sweep_data import (
    FIGURE_COLUMNS,
    figures_document,
    figures_row,
    run_values,
)
from lrmtest.reports.tables import open_table

SCHEMA = "lrmtest-protections/1"
"""Raised when a field is removed or changes its meaning, not when one is added."""

LEVEL_COLUMNS = (
    *("label", "way", "protected", "size", "model", "run_id", "suite"),
    *(*FIGURE_COLUMNS, "gate"),
)
_NAME_LIMIT = 60


def protection_view(found: Protections, axis: str, notes: Sequence[str]) -> RenderableType:
    """Ways of protecting as a rich renderable.

    Args:
        found: the ways.
        axis: what the size is: ``sparsity``, ``bits per weight``.
        notes: lines to know beside the figures.
    """
    parts: list[RenderableType] = []
    for suite in found.names:
        parts.append(Text(one_line(suite, _NAME_LIMIT), style="bold"))
        for headers, rows in _tables(found, suite, axis):
            table = open_table()
            for place, header in enumerate(headers):
                table.add_column(Text(header), justify="left" if place < 1 else "right")
            for row in rows:
                table.add_row(*(Text(one_line(cell, _NAME_LIMIT)) for cell in row))
            parts += [Text(), table]
        parts.append(Text())
    parts += [Text(one_line(note, 500)) for note in notes]
    return Group(*parts, Text(_LEGEND, style="dim"))


def protection_markdown(found: Protections, axis: str, title: str, notes: Sequence[str]) -> str:
    """The same as Markdown, ending in a line feed."""
    parts = [f"## {literal(title, 2 * _NAME_LIMIT)}"]
    for suite in found.names:
        parts.append(f"### {literal(suite, _NAME_LIMIT)}")
        for headers, rows in _tables(found, suite, axis):
            cells = [[literal(cell, _NAME_LIMIT) for cell in row] for row in rows]
            parts.append(markdown_table(headers, cells, left=1))
    return "\n\n".join([*parts, *(literal(note, 500) for note in notes), _LEGEND]) + "\n"


def protection_document(found: Protections, axis: str) -> dict[str, Any]:
    """The same as JSON values, unrounded; what is not known is null."""
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
            for level in found.levels
        ],
        "contrasts": [
            {
                "first": one.first,
                "second": one.second,
                "draws": one.draws,
                "suites": {name: suite_document(part) for name, part in one.suites.items()},
            }
            for one in found.contrasts
        ],
    }


def protection_cells(found: Protections) -> list[dict[str, object]]:
    """Each variant and suite by `LEVEL_COLUMNS`."""
    return [
        {**_level(level), "suite": suite, **figures_row(figures)}
        for level in found.levels
        for suite, figures in level.suites.items()
    ]


_LEGEND = (
    "n: questions. Pass rate and change as in every sweep; the change is from the first line. "
    "Difference: the first way's pass rate less the second's, with a 95 % interval for questions "
    "like these, paired by question. Random draws count as one way, by their mean; how much "
    "draws differ is in their lines and not in the interval. Lines are not adjusted for their "
    "number."
)


def _tables(found: Protections, suite: str, axis: str) -> list[tuple[list[str], list[list[str]]]]:
    gated = any(level.compared and level.compared.decision for level in found.levels)
    headers = [
        "protected",
        axis,
        "weights kept",
        *FIGURES,
        *([GATE] if gated else []),
    ]
    levels = [_cells(level, suite, gated=gated) for level in found.levels]
    contrasts = [_contrast(one, suite) for one in found.contrasts if suite in one.suites]
    return [(headers, levels), (["first way", "second way", "difference, points", "p"], contrasts)]


def _cells(level: SweepLevel[ProtectedRun], suite: str, *, gated: bool) -> list[str]:
    of = level.of
    return [
        of.label,
        UNKNOWN if of.size is None else three_digits(of.size),
        UNKNOWN if of.protected is None else percent(of.protected),
        *figures_cells(level, suite),
        *([decision_said(level) or UNKNOWN] if gated else []),
    ]


def _contrast(one: Contrast, suite: str) -> list[str]:
    part = one.suites[suite]
    second = f"{one.second}, {one.draws} draws" if one.draws > 1 else one.second
    said = change_said(-part.failed.worsening, part.failed.general_interval, falling=True)
    return [one.first, second, said, p_value(part.p_different)]


def _level(level: SweepLevel[ProtectedRun]) -> dict[str, Any]:
    return {
        "label": level.of.label,
        "way": level.of.way,
        "protected": level.of.protected,
        "size": level.of.size,
        **run_values(level),
    }
