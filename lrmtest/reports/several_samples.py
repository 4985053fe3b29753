"""pass@k and maj@k in words, and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from lrmtest.analysis.intervals import Interval
from lrmtest.analysis.several_samples import SeveralSamples
from lrmtest.analysis.summary import RunSummary
from lrmtest.reports.escape import one_line
from lrmtest.reports.numbers import interval_percent, percent
from lrmtest.reports.tables import open_table

_NAME_LIMIT = 60

MEANING = (
    "pass@k: of k samples at least one passes; maj@k: the most frequent answer of k samples is "
    "right; both over all choices of k of a question's samples."
)


def several_said(summary: RunSummary) -> str:
    """``aime pass@4 80.0 % [62.7, 90.5], maj@4 66.7 % [48.8, 80.8]``; empty where there is none.

    Each suite's at the largest k.
    """
    return "; ".join(
        f"{one_line(part.suite, _NAME_LIMIT)} pass@{last.k} "
        f"{_share(last.any_of, last.any_of_interval)}, "
        f"maj@{last.k} {_share(last.majority, last.majority_interval)}"
        for part in summary.suites
        for last in part.several[-1:]
    )


def several_table(suites: Mapping[str, Sequence[SeveralSamples]]) -> Table:
    """Every k of every suite."""
    table = open_table()
    table.add_column(Text("samples, k"))
    for header in ("k", "pass@k", "maj@k"):
        table.add_column(Text(header), justify="right", no_wrap=True)
    for suite, points in suites.items():
        for number, one in enumerate(points):
            table.add_row(
                Text("" if number else one_line(suite, _NAME_LIMIT)),
                Text(str(one.k)),
                Text(_share(one.any_of, one.any_of_interval)),
                Text(_share(one.majority, one.majority_interval)),
            )
    return table


def _share(value: float, interval: Interval) -> str:
    return f"{percent(value)} {interval_percent(interval)}"
