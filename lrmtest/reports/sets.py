"""The table of ``lrmtest suites --sets``, and one set in full."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from lrmtest.analysis.expected_power import power_of
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.reports.escape import one_line
from lrmtest.reports.numbers import UNKNOWN, count
from lrmtest.reports.tables import Widest, open_table
from lrmtest.suites.set_listing import SetPartRow, SetRow

DROPS = (0.1, 0.2, 0.3)
"""Drops of the pass rate of which the power is told."""


def sets_table(rows: Sequence[SetRow]) -> RenderableType:
    """What sets there are, as a rich renderable; in a narrow terminal without their titles."""
    return Widest(_table(rows, titles=True), _table(rows, titles=False))


def _table(rows: Sequence[SetRow], *, titles: bool) -> RenderableType:
    table = open_table()
    for header in ("set", "suites"):
        table.add_column(header, overflow="fold")
    numbers = ("questions", "budget", "tokens", *(f"-{100 * drop:g}" for drop in DROPS))
    for header in numbers:
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("here", no_wrap=True)
    if titles:
        table.add_column("title", no_wrap=True)
    for row in rows:
        budgets = {part.max_tokens for part in row.parts if part.max_tokens is not None}
        cells = [
            one_line(row.name, 60),
            one_line(", ".join(part.suite for part in row.parts), 300),
            UNKNOWN if row.questions is None else f"{_about(row)}{row.questions:,}",
            _range(budgets),
            count(row.tokens, estimated=row.tokens is not None),
            *(_share(power_of(row, drop)) for drop in DROPS),
            _here(row),
        ]
        if titles:
            cells.append(one_line(row.title, 80))
        table.add_row(*map(Text, cells))
    return table


def _about(row: SetRow) -> str:
    return "" if all(part.is_counted for part in row.parts) else "~"


def _range(budgets: set[int]) -> str:
    if not budgets:
        return UNKNOWN
    low, high = min(budgets), max(budgets)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _share(power: float | None) -> str:
    if power is None:
        return UNKNOWN
    return "> 99 %" if power > 0.99 else f"{100 * power:.0f} %"


def _here(row: SetRow) -> str:
    there = sum(not part.missing for part in row.parts)
    return "yes" if there == len(row.parts) else f"{there} of {len(row.parts)}"


def set_notes(rows: Sequence[SetRow]) -> Iterator[str]:
    """What the table's figures mean, and why a set cannot be asked here."""
    settings = GateSettings()
    yield (
        "tokens: of one candidate, by what recorded outputs of a 4-bit R1-Distill-Llama-8B took. "
        "-10, -20, -30: how often a gate calls a model regressed whose rate in every suite is "
        f"lower by so many points (alpha {100 * settings.alpha:g} %, first look; at that model's "
        "pass rates: docs/gate.md)"
    )
    for row in rows:
        for part in row.parts:
            if part.missing:
                yield f"{one_line(row.name, 60)}: {one_line(_missing(part), 600)}"


def _missing(part: SetPartRow) -> str:
    step = f" -> {part.next_step}" if part.next_step else ""
    return f"{part.suite} cannot be asked here: {part.missing}{step}"


def set_lines(row: SetRow) -> Iterator[str]:
    """One set in full."""
    title = f": {row.title}" if row.title else ""
    yield one_line(f"{row.name}{title}", 400)
    if row.why:
        yield one_line(row.why, 2000)
    if row.file:
        yield f"made in {one_line(row.file, 400)}"
    yield ""
    for part in row.parts:
        questions = UNKNOWN if part.questions is None else f"{part.questions:,}"
        about = "" if part.is_counted or part.questions is None else "about "
        samples = "" if part.samples == 1 else f", {part.samples} samples of each"
        budget = "" if part.max_tokens is None else f", up to {part.max_tokens:,} tokens each"
        expected = "" if part.tokens is None else f", ~{count(part.tokens)} tokens expected"
        yield (
            f"  {one_line(part.suite, 60):<12} {about}{questions} questions{samples}{budget}"
            f"{expected}"
        )
    yield ""
    yield f"to ask it: pytest --set {one_line(row.name, 60)} --model NAME"
