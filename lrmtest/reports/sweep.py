"""The output of ``lrmtest sweep``: a table by degree of compression, and the collapse point."""

from __future__ import annotations

from math import isinf
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lrmtest.analysis.collapse import Collapse
from lrmtest.analysis.sweep import Sweep, SweepLevel, SweepRun
from lrmtest.counted import counted
from lrmtest.reports.comparison_words import change_said, in_words, interval_said
from lrmtest.reports.escape import one_line
from lrmtest.reports.markdown import literal, markdown_table
from lrmtest.reports.numbers import (
    UNKNOWN,
    count,
    interval_percent,
    percent,
)
from lrmtest.reports.tables import Widest, open_table

_NAME_LIMIT = 60
_STYLES = {"ok": "green", "regressed": "red", "undecided": "yellow", "cannot tell": "yellow"}
GATE = "gate, all suites"
FIGURES = ("n", "pass rate", "change, points", "tokens", "truncated", "looped")
"""Headers of a suite's figures."""


def sweep_view(sweep: Sweep, axis: str) -> RenderableType:
    """A sweep as a rich renderable.

    Args:
        sweep: the sweep.
        axis: what is varied, as a column's heading: ``sparsity``, ``bits per weight``.
    """
    parts: list[RenderableType] = []
    gated = any(decision_said(level) for level in sweep.levels)
    for suite, collapse in sweep.collapses.items():
        forms = [_table(sweep, suite, axis, gated=gated, named=named) for named in (True, False)]
        title = Text(one_line(suite, _NAME_LIMIT), style="bold")
        parts += [title, "", Widest(*forms), "", Text(collapse_words(collapse, axis)), ""]
    return Group(*parts, Text(_legend(sweep), style="dim"))


def _table(sweep: Sweep, suite: str, axis: str, *, gated: bool, named: bool) -> Table:
    table = open_table()
    table.add_column(Text(axis))
    if named:
        table.add_column("variant")
    for name in FIGURES:
        table.add_column(Text(name), justify="right")
    if gated:
        table.add_column(GATE)
    for level in sweep.levels:
        decision = decision_said(level)
        label, variant, *figures = _cells(level, suite)
        cells = [label, *([one_line(variant, _NAME_LIMIT)] if named else []), *figures]
        end = [Text(decision, style=_STYLES.get(decision, ""))] if gated else []
        table.add_row(*map(Text, cells), *end)
    return table


def sweep_markdown(sweep: Sweep, axis: str, title: str) -> str:
    """A sweep as Markdown, ending in a line feed."""
    parts = [f"## {literal(title, 2 * _NAME_LIMIT)}"]
    gated = any(decision_said(level) for level in sweep.levels)
    for suite, collapse in sweep.collapses.items():
        headers = [axis, "variant", *FIGURES, *([GATE] if gated else [])]
        rows = [
            [literal(cell, _NAME_LIMIT) for cell in _cells(level, suite)]
            + ([decision_said(level)] if gated else [])
            for level in sweep.levels
        ]
        parts.append(f"### {literal(suite, _NAME_LIMIT)}")
        parts.append(markdown_table(headers, rows, left=2))
        parts.append(collapse_words(collapse, axis))
    return "\n\n".join([*parts, _legend(sweep)]) + "\n"


def collapse_words(collapse: Collapse, axis: str) -> str:
    """The collapse point in a sentence."""
    loss = f"{100 * collapse.lost:g} % of its pass rate"
    if collapse.point is None or collapse.interval is None:
        return "No collapse point: the model itself passes nothing."
    interval = collapse.interval
    if isinf(interval.low):
        return f"No collapse: no variant has lost {loss}, nor is it likely to on other questions."
    ends = [_degree(end, axis) for end in (interval.low, interval.high)]
    # More compression is fewer bits.
    low, high = ends if axis == "sparsity" else reversed(ends)
    span = f"{100 * interval.level:g} % interval {low} to {high}"
    if isinf(collapse.point):
        return f"No collapse: no variant has lost {loss} ({span})."
    return (
        f"Collapse point: {axis} {_degree(collapse.point, axis)}, where the model has lost {loss} "
        f"({span}, {counted(collapse.questions, 'question')})."
    )


def _degree(degree: float, axis: str) -> str:
    if isinf(degree):
        return "beyond the last variant"
    return f"{100 * degree:.1f} %" if axis == "sparsity" else f"{abs(degree):.2f}"


def _cells(level: SweepLevel[SweepRun], suite: str) -> list[str]:
    return [level.of.label, level.of.run.model, *figures_cells(level, suite)]


def figures_cells(level: SweepLevel[Any], suite: str) -> list[str]:
    """A suite's figures in words, by `FIGURES`."""
    figures = level.suites[suite]
    rate = percent(figures.rate.value)
    if figures.rate.value is not None:
        rate += f" {interval_percent(figures.rate.interval)}"
    change = UNKNOWN
    if figures.change is not None:
        failed = figures.change.failed
        change = change_said(-failed.worsening, failed.interval, falling=True)
    return [
        str(figures.questions),
        rate,
        change,
        count(figures.tokens, estimated=level.of.run.tokens_estimated),
        percent(figures.truncated),
        percent(figures.looped),
    ]


def decision_said(level: SweepLevel[Any]) -> str:
    """What the gate says of a level; nothing where it was not asked."""
    if level.compared is None or level.compared.decision is None:
        return ""
    return in_words(level.compared.decision.result)


def _legend(sweep: Sweep) -> str:
    changes = [level.compared for level in sweep.levels if level.compared is not None]
    comparison = changes[0].comparison
    level, interval = comparison.level, interval_said(comparison.total.failed.interval)
    return (
        f"n: questions. Pass rate [{100 * level:g} % interval for questions like these]. Change "
        f"from the first line {interval}, paired by question. "
        "Tokens: mean per completion. The collapse point is read off the nearest curve that never "
        "rises; its interval is a bootstrap over questions and knows nothing of other seeds or "
        "calibration data. Lines are not adjusted for their number."
    )
