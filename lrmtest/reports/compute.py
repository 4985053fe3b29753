"""The output of ``lrmtest compute``."""

from __future__ import annotations

from collections.abc import Mapping
from math import isinf

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lrmtest.analysis.compute import Compute, ComputeChange, LengthEffect, Ratio
from lrmtest.counted import counted
from lrmtest.reports.escape import one_line
from lrmtest.reports.numbers import UNKNOWN, count, interval_percent, percent, points
from lrmtest.reports.tables import open_table

_NAME_LIMIT = 60


def compute_report(
    suites: Mapping[str, Compute], title: str, *, estimated: bool = False
) -> RenderableType:
    """Tokens against correctness in one run, as a rich renderable.

    Args:
        suites: what analysis says of each suite.
        title: which run.
        estimated: token counts come from text length.
    """
    level = next(iter(suites.values())).between.rate.interval.level
    parts: list[RenderableType] = [
        Text(one_line(title, 300), style="bold"),
        "",
        _lengths(suites),
        "",
        _costs(suites, estimated=estimated),
    ]
    for name, result in suites.items():
        parts += ["", _budgets(name, result, estimated=estimated)]
    return Group(*parts, "", _legend(level, estimated=estimated))


def compute_change_report(suites: Mapping[str, ComputeChange], title: str) -> RenderableType:
    """Two runs at equal token budgets, as a rich renderable.

    Args:
        suites: what analysis says of each suite.
        title: which runs.
    """
    parts: list[RenderableType] = [Text(one_line(title, 300), style="bold")]
    for name, result in suites.items():
        table = _table(one_line(name, _NAME_LIMIT), ("baseline", "candidate", "change, points"))
        for point in result.budgets:
            change = Text.assemble(
                (points(point.change), "bold"), (f" {interval_percent(point.interval)}", "dim")
            )
            table.add_row(
                Text(f"{point.budget:,}"),
                Text(percent(point.baseline)),
                Text(percent(point.candidate)),
                change,
            )
        cost = Text.assemble(
            "tokens per correct answer, candidate to baseline: ", _ratio(result.tokens_per_correct)
        )
        parts += ["", table, cost]
    first = next(iter(suites.values()))
    level = first.budgets[0].interval.level
    legend = (
        f"Pass rate when a completion may have so many tokens; change [{100 * level:g} % interval "
        "on these questions], paired by question, weighted pairs; ratio by bootstrap over "
        "questions."
    )
    return Group(*parts, "", Text(legend, style="dim"))


def _lengths(suites: Mapping[str, Compute]) -> Table:
    table = open_table()
    table.add_column(Text("is the shorter one right?"))
    table.add_column(Text("of two questions"), justify="right")
    table.add_column(Text("of two samples of one"), justify="right")
    for name, result in suites.items():
        table.add_row(
            Text(one_line(name, _NAME_LIMIT)), _effect(result.between), _effect(result.within)
        )
    return table


def _effect(effect: LengthEffect) -> Text:
    """The share, its interval, and what may be said of it."""
    rate = effect.rate
    if rate.value is None:
        return Text("no such pair", style="dim")
    if rate.interval.low > 0.5:
        said = "shorter is better"
    elif rate.interval.high < 0.5:
        said = "longer is better"
    else:
        said = "not established"
    return Text.assemble(
        (percent(rate.value), "bold"),
        (f" {interval_percent(rate.interval)}", "dim"),
        f"\n{said}",
        (f"; {counted(effect.questions, 'question')}", "dim"),
    )


def _costs(suites: Mapping[str, Compute], *, estimated: bool) -> Table:
    table = open_table()
    table.add_column(Text("cost"))
    table.add_column(Text("tokens per correct answer"), justify="right")
    table.add_column(Text("reasoning share"), justify="right")
    for name, result in suites.items():
        cost = result.tokens_per_correct
        shown = Text(UNKNOWN)
        if cost.value is not None and cost.interval is not None:
            high = "∞" if isinf(cost.interval.high) else count(cost.interval.high)
            ends = f" [{count(cost.interval.low)}, {high}]"
            shown = Text.assemble((count(cost.value, estimated=estimated), "bold"), (ends, "dim"))
        share = result.reasoning_share
        reasoning = Text(UNKNOWN)
        if share is not None and share.value is not None and share.interval is not None:
            reasoning = Text.assemble(
                (percent(share.value), "bold"), (f" {interval_percent(share.interval)}", "dim")
            )
        table.add_row(Text(one_line(name, _NAME_LIMIT)), shown, reasoning)
    return table


def _budgets(name: str, result: Compute, *, estimated: bool) -> Table:
    table = _table(one_line(name, _NAME_LIMIT), ("pass rate", "mean tokens", "cut off"))
    for point in result.budgets:
        rate = Text.assemble(
            (percent(point.accuracy.value), "bold"),
            (f" {interval_percent(point.accuracy.interval)}", "dim"),
        )
        table.add_row(
            Text(f"{point.budget:,}"),
            rate,
            Text(count(point.mean_tokens, estimated=estimated)),
            Text(percent(point.cut)),
        )
    return table


def _table(suite: str, headers: tuple[str, ...]) -> Table:
    table = open_table()
    table.add_column(Text(f"{suite}, budget"), justify="right")
    for header in headers:
        table.add_column(Text(header), justify="right", no_wrap=True)
    return table


def _ratio(ratio: Ratio) -> Text:
    if ratio.value is None or ratio.interval is None:
        return Text(UNKNOWN)
    ends = (f"{end:.2f}" if not isinf(end) else "∞" for end in (ratio.interval.low,
                                                               ratio.interval.high))  # fmt: skip
    return Text.assemble((f"{ratio.value:.2f}", "bold"), (f" [{', '.join(ends)}]", "dim"))


def _legend(level: float, *, estimated: bool) -> Text:
    sentences = [
        "Of a right and a wrong completion, how often the right one is the shorter; ties count "
        "half. Of two questions this speaks of difficulty too; of two samples of one question "
        "of length alone.",
        "Budget: a completion that is longer has failed and costs the budget; nothing is "
        "generated for this.",
        f"[{100 * level:g} % intervals: jackknife, Gaffke, bootstrap, Wilson].",
    ]
    if estimated:
        sentences.append("~: tokens estimated from text length.")
    return Text(" ".join(sentences), style="dim")
