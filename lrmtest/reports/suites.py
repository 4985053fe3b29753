"""The table of ``lrmtest suites``, and one suite in full."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Literal, TypeVar

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from lrmtest.grading import grade_by_kind
from lrmtest.questions import Question, render_prompt
from lrmtest.reports.escape import one_line
from lrmtest.reports.numbers import UNKNOWN
from lrmtest.reports.tables import Widest, open_table
from lrmtest.suites.listing import SuiteRow, SuiteSource
from lrmtest.suites.suite import Suite

_Columns = dict[str, Callable[[SuiteRow], str]]
_SourceColumns = dict[str, Callable[[SuiteSource], str]]
_FIGURES = ("questions", "here", "budget")


def suites_table(rows: Sequence[SuiteRow]) -> RenderableType:
    """What suites there are, as a rich renderable.

    Where the terminal has no room for every column, what runs are compared by is left out, then
    the answers' kinds.
    """
    name: _Columns = {"suite": lambda row: one_line(row.name, 60)}
    number: _Columns = {"questions": questions_of, "here": lambda row: str(row.readable or "")}
    answer: _Columns = {"answer": lambda row: one_line(", ".join(row.kinds), 40)}
    budget: _Columns = {"budget": lambda row: str(row.max_tokens or UNKNOWN)}
    primary: _Columns = {"compared by": lambda row: one_line(row.primary, 20)}
    data: _Columns = {"data": data_of}
    return Widest(
        _table(rows, name | number | answer | budget | primary | data),
        _table(rows, name | number | answer | budget | data),
        _table(rows, name | number | budget | data),
    )


def sources_table(rows: Sequence[SuiteRow]) -> RenderableType:
    """Where the benchmarks' data come from, each release once, as a rich renderable.

    Where there is no room, the names of files in a folder are left out, then the revision.
    """
    sources = list({source.name: source for row in rows for source in row.sources}.values())
    name: _SourceColumns = {"data": lambda source: source.name}
    access: _SourceColumns = {"access": access_of}
    dataset: _SourceColumns = {"dataset on the hub": lambda source: source.dataset or UNKNOWN}
    revision: _SourceColumns = {"revision": _revision}
    files: _SourceColumns = {"file in a folder": lambda source: source.local_files[0]}
    licence: _SourceColumns = {"licence": lambda source: source.licence}
    return Widest(
        _table(sources, name | access | dataset | revision | files | licence),
        _table(sources, name | access | dataset | revision | licence),
        _table(sources, name | access | dataset | licence),
    )


def questions_of(row: SuiteRow) -> str:
    """How many questions a suite has: ``30``, ``204 or 203``, or ``any number``."""
    if row.access == ("generated",):
        return "any number"
    return " or ".join(map(str, row.questions)) or UNKNOWN


def data_of(row: SuiteRow) -> str:
    """The releases that a suite can be read from, ``generated``, or the package or file of it."""
    if row.access == ("package",):
        return one_line(row.package, 40) or UNKNOWN
    if row.place:
        return one_line(PurePath(row.place).name, 40)
    return " or ".join(source.name for source in row.sources) or ", ".join(row.access)


def access_of(source: SuiteSource) -> str:
    """The ways to a release: a folder always, mostly the hub too."""
    hub = "gated hub" if source.gated else "hub"
    return f"folder or {hub}" if source.dataset else "folder"


def missing_lines(rows: Sequence[SuiteRow], *, asks_hub: bool) -> list[str]:
    """What cannot be read here, suites with the same reason together, each with the next step.

    Args:
        rows: the suites.
        asks_hub: whether a session here would ask the hub, since no folder is given.
    """
    by_reason: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.missing:
            by_reason.setdefault((row.missing, _next_step(row, asks_hub)), []).append(row.name)
    lines = []
    for (missing, next_step), names in by_reason.items():
        lines.append(f"{one_line(', '.join(names), 400)}: {one_line(missing, 400)}")
        if next_step:
            lines.append(f"  -> {one_line(next_step, 600)}")
    return lines


def suite_lines(
    row: SuiteRow, suite: Suite, example: Question | None, *, asks_hub: bool
) -> list[str]:
    """One suite in full: figures, data, grader and prompt.

    Args:
        row, suite: the suite.
        example: a question that may be shown whole, since it was made here; None: none may.
        asks_hub: as in `missing_lines`.
    """
    title = f": {row.title}" if row.title else ""
    facts = {
        "also called": ", ".join(row.aliases),
        "offered by": row.package,
        "made in": row.place,
        "questions": f"{questions_of(row)}; {row.readable or 'none'} can be had here now",
        "answer": row.answer or UNKNOWN,
        "budget": f"{row.max_tokens} tokens for one completion, reasoning included",
        "compared by": row.primary,
        "graded by": _grader(suite),
    }
    lines = [one_line(f"{row.name}{title}", 400), ""]
    lines += [f"  {name:<12} {one_line(text, 600)}" for name, text in facts.items() if text]
    for source in row.sources:
        lines += ["", *_source_lines(source)]
    if row.missing:
        lines += ["", *missing_lines([row], asks_hub=asks_hub)]
    lines += ["", "prompt:", "", *textwrap.indent(suite.prompt, "  ").split("\n")]
    if example is not None:
        asked = render_prompt(suite.prompt, example)
        lines += ["", f"as {example.id} is asked, where {example.expected} is expected:", ""]
        lines += textwrap.indent(asked, "  ").split("\n")
    return lines


def _next_step(row: SuiteRow, asks_hub: bool) -> str:
    if not asks_hub or not {"hub", "gated hub"} & {*row.access}:
        return row.next_step
    account = " with the token of an account that has access (HF_TOKEN)"
    fetched = f"fetched when its tests run first{account * ('gated hub' in row.access)}"
    return f"{fetched}; or {row.next_step}"


def _source_lines(source: SuiteSource) -> Iterator[str]:
    yield f"  {'data':<12} {source.title}; licence: {source.licence}"
    if source.dataset:
        gated = ", which wants to be asked for access" * source.gated
        yield f"  {'':<12} {source.hub_file} of {source.dataset} on the hub{gated}"
        yield f"  {'':<12} at revision {source.revision}"
    yield f"  {'':<12} or a file of your own: {' or '.join(source.local_files)}"
    yield f"  {'':<12} {source.obtain}"
    if source.request:
        yield f"  {'':<12} its authors ask: {source.request}"


def _grader(suite: Suite) -> str:
    """The grader's name and the first sentence of what it says of itself."""
    if suite.grader is grade_by_kind:
        return "each question's answer kind"
    name = getattr(suite.grader, "__qualname__", type(suite.grader).__qualname__)
    said = (inspect.getdoc(suite.grader) or "").split("\n\n")[0].replace("\n", " ").rstrip(".")
    return f"{name}{f' ({said})' if said else ''}"


def _revision(source: SuiteSource) -> str:
    """The commit as people write it, or the branch's name."""
    revision = source.revision
    return (revision[:7] if len(revision) == 40 else revision) or UNKNOWN


_Shown = TypeVar("_Shown", SuiteRow, SuiteSource)


def _table(rows: Sequence[_Shown], columns: Mapping[str, Callable[[_Shown], str]]) -> Table:
    table = open_table()
    for header in columns:
        justify: Literal["right", "left"] = "right" if header in _FIGURES else "left"
        table.add_column(Text(header), justify=justify, no_wrap=header != "suite", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell(row)) for cell in columns.values()))
    return table
