"""So far: a run that is not complete, in a line, in lines drawn anew, and as JSON values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lrmtest.analysis.summary import RunSummary, SuiteSummary
from lrmtest.counted import counted
from lrmtest.reports.escape import one_line
from lrmtest.reports.numbers import UNKNOWN, count, duration, interval_percent, percent
from lrmtest.reports.progress import starting_words, time_left_words
from lrmtest.reports.replicas import replica_words, replicas_line
from lrmtest.reports.runs_table import done_words
from lrmtest.runs.live import LiveState
from lrmtest.runs.so_far import RunSoFar, SuiteSoFar

_NAME_LIMIT = 60
_STALE_SECONDS = 15.0
_BAR_CELLS = 24
_MOST_REPLICAS = 32
_COLORS = {"running": "cyan", "interrupted": "yellow", "complete": "green"}


def so_far_line(now: RunSoFar, *, left: bool = True) -> Text:
    """The state of a run and what there is of it, in one line; with the time that is left."""
    total = now.total
    line = Text(now.state, style=_COLORS[now.state])
    if now.sessions and left:
        line.append(f" ({', '.join(_who(state) for state in now.sessions)})")
    line.append(f": {done_words(total.done, total.wanted)}", style="default")
    if total.done > total.graded:
        line.append(f", {total.done - total.graded:,} not graded yet", style="default")
    if total.failed:
        line.append(f", {counted(total.failed, 'engine error')}", style="bold red")
    line.append(f", {count(total.tokens)} tokens", style="default")
    if left and (words := left_words(now.sessions)):
        line.append(f", {words}", style="default")
    return line


def left_words(sessions: Sequence[LiveState]) -> str:
    """How long the last of the sessions will take; empty where none says it."""
    told = [state.left for state in sessions if state.left is not None]
    if not told:
        return ""
    low, middle, high = (max(ends) for ends in zip(*told, strict=True))
    return time_left_words(low, middle, high)


def so_far_document(now: RunSoFar) -> dict[str, Any]:
    """The same as JSON values, with what each session tells of itself."""
    return {
        "state": now.state,
        **_suite_document(now.total),
        "suites": {name: _suite_document(suite) for name, suite in now.suites.items()},
        "sessions": [
            {
                **{name: value for name, value in asdict(state).items() if name != "left"},
                "seconds_left": None
                if state.left is None
                else dict(zip(("low", "middle", "high"), state.left, strict=True)),
            }
            for state in now.sessions
        ],
    }


def _suite_document(suite: SuiteSoFar) -> dict[str, Any]:
    return {
        "samples_wanted": suite.wanted,
        "samples_done": suite.done,
        "samples_graded": suite.graded,
        "errors": suite.failed,
        "tokens": suite.tokens,
    }


def watch_line(now: RunSoFar, summary: RunSummary, at: float) -> str:
    """What `watch_view` shows, in one line, for what is no terminal.

    Args:
        now: how far the run is.
        summary: of what has been graded.
        at: the time now, seconds since 1970.
    """
    words = [f"{one_line(now.head.run_id, _NAME_LIMIT)} {so_far_line(now, left=False).plain}"]
    if summary.total.strict.value is not None:
        words.append(f"pass rate so far {_rate(summary.total)}")
    words += [text.plain for text in _session_lines(now, at)]
    return ", ".join(words)


def watch_view(
    now: RunSoFar, summary: RunSummary, at: float, errors: Sequence[str] = ()
) -> RenderableType:
    """A run while it is generated: a bar by suite, pass rates so far, speed, time left.

    Args:
        now: how far the run is.
        summary: of what has been graded.
        at: the time now, seconds since 1970.
        errors: the last engine errors.
    """
    head = now.head
    title = Text.assemble(
        (one_line(head.run_id, 2 * _NAME_LIMIT), "bold"),
        "  ",
        (now.state, _COLORS[now.state]),
    )
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for header in ("suite", "", "samples", "pass rate so far", "tokens"):
        right = header in ("samples", "tokens")
        table.add_column(Text(header), justify="right" if right else "left", no_wrap=True)
    rates = {suite.suite: suite for suite in summary.suites}
    for name, suite in now.suites.items():
        _add_row(table, name, suite, rates.get(name))
    if len(now.suites) > 1:
        _add_row(table, "all", now.total, summary.total)
    total = now.total
    facts = []
    if total.done > total.graded:
        facts.append(Text(f"{counted(total.done - total.graded, 'sample')} not graded yet"))
    lines = [*_session_lines(now, at), *facts]
    if total.failed:
        lines.append(Text(counted(total.failed, "engine error"), style="bold red"))
        lines += [Text(f"  {one_line(error, 200)}", style="red") for error in errors]
    return Group(title, Text(), table, Text(), *lines)


def _add_row(table: Table, name: str, suite: SuiteSoFar, graded: SuiteSummary | None) -> None:
    wanted = suite.wanted
    bar = ProgressBar(
        total=wanted or max(suite.done, 1), completed=suite.done + suite.failed, width=_BAR_CELLS
    )
    shown = f"{suite.done:,}" if wanted is None else f"{suite.done:,}/{wanted:,}"
    rate = UNKNOWN if graded is None else _rate(graded)
    table.add_row(
        Text(one_line(name, _NAME_LIMIT)), bar, Text(shown), Text(rate), Text(count(suite.tokens))
    )


def _rate(suite: SuiteSummary) -> str:
    if suite.strict.value is None:
        return UNKNOWN
    return f"{percent(suite.strict.value)} {interval_percent(suite.strict.interval)}"


def _session_lines(now: RunSoFar, at: float) -> list[Text]:
    """What each session at work tells: where its engine is, its speed, what is left."""
    lines = []
    for state in now.sessions:
        if state.phase == "starting":
            words = starting_words(now.head.model, state.phase_seconds, state.log_line)
            parts = [words]
        else:
            parts = [f"{state.running:,} running"] if state.running else []
            if state.tokens:
                parts.append(f"{count(state.tokens)} tokens generated")
            if state.tokens_per_second is not None:
                parts.append(f"{count(state.tokens_per_second)} tok/s")
            if state.samples_reused:
                parts.append(f"{counted(state.samples_reused, 'sample')} from the store")
            if state.drafted:
                parts.append(f"{count(state.drafted)} tokens of drafts")
        if state.left is not None:
            parts.append(time_left_words(*state.left))
        if 0 < state.written < at - _STALE_SECONDS:
            parts.append(f"no word for {duration(at - state.written)}")
        lines.append(Text(f"{_who(state)}: {', '.join(parts) or 'no word yet'}"))
        named = [one for one in state.replicas if one.phase != "gone"]
        lines += [Text(f"  {replica_words(one)}") for one in named[:_MOST_REPLICAS]]
        if len(named) > _MOST_REPLICAS:
            lines.append(Text(f"  {replicas_line(named)}"))
    return lines


def _who(state: LiveState) -> str:
    where = f" on {one_line(state.host, _NAME_LIMIT)}" if state.elsewhere and state.host else ""
    return f"pid {state.pid}{where}" if state.pid else "a session"
