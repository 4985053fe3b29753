"""Models by suites: a row for each run, a column for each suite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from lrmtest.analysis.summary import RunSummary, SuiteSummary
from lrmtest.counted import counted
from lrmtest.reports.escape import one_line
from lrmtest.reports.numbers import UNKNOWN, count, interval_percent, percent
from lrmtest.reports.summary_json import rate_document
from lrmtest.reports.tables import open_table, width_of

COLUMNS = (
    *("run_id", "model", "suite", "questions", "samples", "errors", "unknown_ends"),
    *("pass_rate", "low", "high", "level", "tokens", "tokens_estimated"),
)
"""Of the table of data: a row for each run and suite, the last of a run all suites together."""

_NAME = 40


class ModelsBySuite:
    """The table, cut into several below each other where the terminal is too narrow for all suites.

    Each cell has the pass rate, its interval below it, then the mean tokens of a completion.

    Args:
        summaries: of the runs, at least one, in the order of the rows.
    """

    def __init__(self, summaries: Sequence[RunSummary]) -> None:
        self._summaries = summaries

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        left = list(dict.fromkeys(part.suite for one in self._summaries for part in _parts(one)))
        # All suites together are the last of each run, and so of all.
        left.sort(key=lambda suite: suite == self._summaries[0].total.suite)
        while left:
            number = len(left)
            while number > 1 and width_of(self._table(left[:number]), console, options) > (
                options.max_width
            ):
                number -= 1
            yield self._table(left[:number])
            yield Text()
            left = left[number:]
        level = self._summaries[0].level
        yield Text(
            f"Pass rate [{100 * level:g} % interval for questions like these], and the mean tokens "
            "of a completion"
        )

    def _table(self, suites: Sequence[str]) -> Table:
        table = open_table()
        table.add_column("model", overflow="fold", max_width=_NAME)
        for suite in suites:
            table.add_column(Text(one_line(suite, _NAME)), justify="right", overflow="fold")
        for number, one in enumerate(self._summaries):
            parts = {part.suite: part for part in _parts(one)}
            if number:
                table.add_row()
            table.add_row(
                Text(one_line(one.model, _NAME)), *(_cell(parts.get(suite)) for suite in suites)
            )
        return table


def by_suite_cells(summaries: Sequence[RunSummary]) -> Iterator[Mapping[str, object]]:
    """The same as rows by `COLUMNS`, unrounded."""
    for one in summaries:
        for part in _parts(one):
            rate = rate_document(part.strict) if part.samples else {}
            yield {
                "run_id": one.run_id,
                "model": one.model,
                "suite": part.suite,
                "questions": part.questions,
                "samples": part.samples,
                "errors": part.errors,
                "unknown_ends": part.unknown_ends,
                "pass_rate": rate.get("value"),
                **{name: rate.get(name) for name in ("low", "high", "level")},
                "tokens": None if part.tokens is None else part.tokens.mean,
                "tokens_estimated": part.tokens_estimated,
            }


def _parts(one: RunSummary) -> list[SuiteSummary]:
    return [*one.suites, one.total] if len(one.suites) > 1 else list(one.suites)


def _cell(part: SuiteSummary | None) -> Text:
    """A suite's figures, one below the other."""
    if part is None or part.strict.value is None:
        lines = [Text(UNKNOWN, style="dim")]
    else:
        lines = [
            Text(percent(part.strict.value), style="bold"),
            Text(interval_percent(part.strict.interval)),
        ]
        if part.tokens is not None:
            tokens = count(part.tokens.mean, estimated=part.tokens_estimated)
            lines.append(Text(f"{tokens} tokens", style="dim"))
    if part is not None:
        told = ((part.errors, "error"), (part.unknown_ends, "unknown end"))
        lines += [Text(counted(number, what), style="yellow") for number, what in told if number]
    return Text("\n").join(lines)
