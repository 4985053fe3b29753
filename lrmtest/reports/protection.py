"""The output of a sweep over what is protected: tables for people, JSON values and rows of data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from lrmtest.analysis.protection import Contrast, ProtectedLevel, Protections
from lrmtest.reports.comparison_json import suite_document
from lrmtest.reports.comparison_words import change_said, in_words
from lrmtest.reports.escape import one_line
from lrmtest.reports.markdown import literal, markdown_table
from lrmtest.reports.numbers import UNKNOWN, count, interval_percent, p_value, percent
from lrmtest.reports.summary_json import rate_document
from lrmtest.reports.tables import open_table

SCHEMA = "lrmtest-protections/1"
"""Raised when a field is removed or changes its meaning, not when one is added."""

LEVEL_COLUMNS = (
    *("label", "way", "protected", "size", "model", "run_id", "suite", "questions", "pass_rate"),
    *("low", "high", "level", "change", "change_low", "change_high", "tokens", "truncated"),
    *("looped", "gate"),
)
_COLUMNS = ("weights kept", "n", "pass rate", "change, points", "tokens", "truncated", "looped")
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
                    name: {
                        "questions": figures.questions,
                        "pass_rate": rate_document(figures.rate),
                        "tokens": figures.tokens,
                        "truncated": figures.truncated,
                        "looped": figures.looped,
                        "change": None
                        if figures.change is None
                        else suite_document(figures.change),
                    }
                    for name, figures in level.suites.items()
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
    rows = []
    for level in found.levels:
        for suite, figures in level.suites.items():
            rate = rate_document(figures.rate)
            failed = None if figures.change is None else figures.change.failed
            rows.append(
                {
                    **_level(level),
                    "suite": suite,
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
            )
    return rows


_LEGEND = (
    "n: questions. Pass rate and change as in every sweep; the change is from the first line. "
    "Difference: the first way's pass rate less the second's, with a 95 % interval for questions "
    "like these, paired by question. Random draws count as one way, by their mean; how much "
    "draws differ is in their lines and not in the interval. Lines are not adjusted for their "
    "number."
)


def _tables(found: Protections, suite: str, axis: str) -> list[tuple[list[str], list[list[str]]]]:
    gated = any(level.compared and level.compared.decision for level in found.levels)
    headers = ["protected", axis, *_COLUMNS, *(["gate, all suites"] if gated else [])]
    levels = [_cells(level, suite, gated=gated) for level in found.levels]
    contrasts = [_contrast(one, suite) for one in found.contrasts if suite in one.suites]
    return [(headers, levels), (["first way", "second way", "difference, points", "p"], contrasts)]


def _cells(level: ProtectedLevel, suite: str, *, gated: bool) -> list[str]:
    figures, of = level.suites[suite], level.of
    rate = percent(figures.rate.value)
    if figures.rate.value is not None:
        rate += f" {interval_percent(figures.rate.interval)}"
    change = UNKNOWN
    if figures.change is not None:
        failed = figures.change.failed
        change = change_said(-failed.worsening, failed.interval, falling=True)
    decision = None if level.compared is None else level.compared.decision
    return [
        of.label,
        UNKNOWN if of.size is None else f"{of.size:.3g}",
        UNKNOWN if of.protected is None else percent(of.protected),
        str(figures.questions),
        rate,
        change,
        count(figures.tokens, estimated=of.run.tokens_estimated),
        percent(figures.truncated),
        percent(figures.looped),
        *([in_words(decision.result) if decision else UNKNOWN] if gated else []),
    ]


def _contrast(one: Contrast, suite: str) -> list[str]:
    part = one.suites[suite]
    second = f"{one.second}, {one.draws} draws" if one.draws > 1 else one.second
    said = change_said(-part.failed.worsening, part.failed.general_interval, falling=True)
    return [one.first, second, said, p_value(part.p_different)]


def _level(level: ProtectedLevel) -> dict[str, Any]:
    decision = None if level.compared is None else level.compared.decision
    return {
        "label": level.of.label,
        "way": level.of.way,
        "protected": level.of.protected,
        "size": level.of.size,
        "model": level.of.run.model,
        "run_id": level.of.run.run_id,
        "gate": None if decision is None else decision.result,
    }
