"""The output of ``lrmtest locate``: tables for a terminal, as Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lrmtest.analysis.location import LITTLE, Location, Mean, ModuleMend, Restored
from lrmtest.analysis.units import ROW
from lrmtest.counted import counted
from lrmtest.reports.escape import one_line
from lrmtest.reports.markdown import literal, markdown_table
from lrmtest.reports.numbers import UNKNOWN, count, interval_percent, percent, three_digits
from lrmtest.reports.restoring import (
    curve_document,
    curve_notes,
    curve_rows,
    curve_table,
    passes_document,
    passes_notes,
    passes_rows,
    passes_table,
)
from lrmtest.reports.tables import Widest, open_table

_NAME_LIMIT = 80
_SHORT_LIMIT = 24
_ROUNDING = 1e-6
"""Share of the loss that sums in another order make."""
_ROWS_NAMED = 5
"""Rows that are named of those restored together."""
ROWS_RESTORED = "Rows restored together, by layer and kind of module"
_QUESTIONS_MODULES = 3
"""Modules that are named of a question."""


@dataclass(frozen=True, slots=True)
class LocationHeading:
    """What stands above the figures.

    Attributes:
        variant, parent: the models' names.
        run_id: of the run that the traces are of.
        left: traces that were not used, in words; empty for none.
    """

    variant: str
    parent: str
    run_id: str
    left: str = ""


_Column = tuple[str, Callable[[ModuleMend], str]]

_COLUMNS: tuple[_Column, ...] = (
    ("layer", lambda one: str(one.layer) if one.layer >= 0 else UNKNOWN),
    ("weights", lambda one: count(one.weights)),
    ("would mend", lambda one: _with_interval(one.predicted)),
    ("of the loss", lambda one: percent(one.share)),
    ("mends", lambda one: UNKNOWN if one.restored is None else _with_interval(one.restored.mend)),
    ("confirmed", lambda one: _confirmed(one.restored)),
)

_FEWER = (
    ("layer", "would mend", "of the loss", "mends", "confirmed"),
    ("layer", "would mend", "confirmed"),
)


def location_view(
    found: Location, heading: LocationHeading, modules: int, questions: int
) -> RenderableType:
    """A location as a rich renderable.

    Args:
        found: its figures.
        heading: what is above them.
        modules: how many of the first ranks are listed.
        questions: how many of those that lost most are listed.
    """
    parts: list[RenderableType] = [
        Text(location_title(heading, one_line), style="bold"),
        *(
            Text(line, style="bold" * (number > 0))
            for number, line in enumerate(location_lines(found))
        ),
    ]
    first = found.modules[:modules]
    parts += [Text(), Widest(*(_modules_table(first, names) for names in (None, *_FEWER)))]
    parts += [
        Text(),
        Text("Would mend, in % of the loss, by layer and kind of module"),
        _map(found),
    ]
    if found.top_rows:
        parts += [Text(), Text(ROWS_RESTORED), _table_of(top_rows_map(found))]
    if found.kinds:
        parts += [Text(), _kinds_table(found)]
    if questions:
        parts += [Text(), _questions_table(found, questions)]
    if found.passes is not None:
        parts += [Text(), passes_table(found.passes, *found.restored_together)]
    if found.curve is not None:
        parts += [Text(), curve_table(found.curve)]
    parts += [Text(), *(Text(line) for line in location_notes(found, heading))]
    return Group(*parts, Text(), Text(_LEGEND, style="dim"))


def location_markdown(found: Location, heading: LocationHeading) -> str:
    """A location as Markdown, ending in a line feed; all modules and questions are in it."""
    kinds = found.layout
    parts = [
        f"## {location_title(heading, literal)}",
        *(literal(line, 1000) for line in location_lines(found)),
        _markdown(modules_rows(found.modules), left=2),
        markdown_table(
            ["layer", *(literal(kind, _NAME_LIMIT) for kind in kinds)],
            _map_rows(found, kinds, _share_cell),
            left=1,
        ),
    ]
    if found.top_rows:
        names, *rows = top_rows_map(found)
        parts.append(markdown_table([literal(name, _NAME_LIMIT) for name in names], rows, left=1))
    if found.kinds:
        parts.append(_markdown(token_kinds_rows(found), left=1))
    rows = [
        [
            *(literal(part, _NAME_LIMIT) for part in one.question),
            *(str(one.traces), three_digits(one.lost), literal(_first(one.modules), 300)),
        ]
        for one in found.per_question
    ]
    parts.append(markdown_table(["suite", "question", "traces", "lost", "most by"], rows, left=2))
    if found.passes is not None:
        parts.append(_markdown(passes_rows(found.passes, *found.restored_together), left=1))
    if found.curve is not None:
        parts.append(_markdown(curve_rows(found.curve), left=1))
    parts += [literal(line, 1000) for line in location_notes(found, heading)]
    return "\n\n".join([*parts, literal(_LEGEND, 4000)]) + "\n"


def modules_rows(modules: Sequence[ModuleMend]) -> list[list[str]]:
    """A row for each module, below the columns' names; the module's name is a model's own text."""
    return [
        ["rank", "module", *(name for name, _ in _COLUMNS)],
        *([str(one.rank), one.kind, *(show(one) for _, show in _COLUMNS)] for one in modules),
    ]


def token_kinds_rows(found: Location) -> list[list[str]]:
    """A row for each kind of token, below the columns' names."""
    rows = [["kind of token", "of the loss", "95 %", "nats a trace"]]
    for one in found.kinds:
        cells = [percent(one.share), interval_percent(one.interval), three_digits(one.lost)]
        rows.append([one.kind, *cells])
    return rows


def location_csv(found: Location) -> str:
    """A line for each module, unrounded; an empty field for what was not measured. Where rows were
    restored together, how many of each module's is its last field."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    rows = found.top_rows
    writer.writerow(
        [
            *("rank", "module", "layer", "kind", "weights", "would_mend", "low", "high", "share"),
            *("mends", "mends_low", "mends_high", "beaten", "draws", "confirmed"),
            *(("rows_restored",) if rows else ()),
        ]
    )
    for one in found.modules:
        row: list[object] = [one.rank, one.name, one.layer, one.kind, one.weights]
        row += [*_ends(one.predicted), one.share]
        if one.restored is not None:
            row += [*_ends(one.restored.mend), one.restored.beaten, one.restored.draws]
            row.append(str(one.restored.confirmed).lower())
        row += ["" for _ in range(15 - len(row))]
        writer.writerow([*row, len(rows.get(one.name, ()))] if rows else row)
    return out.getvalue()


def location_document(found: Location, heading: LocationHeading) -> dict[str, Any]:
    """A location as JSON values, unrounded; what was not measured is null."""
    return {
        "variant": heading.variant,
        "parent": heading.parent,
        "run_id": heading.run_id,
        "left": heading.left,
        "questions": found.questions,
        "traces": found.traces,
        "level": found.lost.interval.level,
        "loss": _mean_document(found.loss),
        "parents_loss": _mean_document(found.parents_loss),
        "lost": _mean_document(found.lost),
        "nothing_to_locate": found.little,
        "modules": [
            {
                "rank": one.rank,
                "module": one.name,
                "layer": one.layer,
                "kind": one.kind,
                "weights": one.weights,
                "would_mend": _mean_document(one.predicted),
                "share": one.share,
                "by_kind": dict(one.by_kind),
                "restored": _restored_document(one.restored),
            }
            for one in found.modules
        ],
        "top": None
        if found.top is None
        else {
            "share": found.top_share,
            f"{found.unit}s": list(found.top[0]),
            **(_restored_document(found.top[1]) or {}),
        },
        "all_restored": found.all_restored,
        "passes": None if found.passes is None else passes_document(found.passes),
        "curve": None if found.curve is None else curve_document(found.curve),
        "token_kinds": [
            {
                "kind": one.kind,
                "share": one.share,
                "interval": [one.interval.low, one.interval.high],
                "lost": one.lost,
            }
            for one in found.kinds
        ],
        "per_question": [
            {
                "suite": one.question[0],
                "question": one.question[1],
                "traces": one.traces,
                "lost": one.lost,
                "would_mend": dict(one.modules),
            }
            for one in found.per_question
        ],
    }


_LEGEND = (
    "Figures are in nats a trace: 0.1 makes it about 10 % less probable; [95 % interval over "
    "questions]. would mend: what restoring the module alone would take off the loss, by "
    "attribution. mends: the same, measured with the module restored; where it was measured, that "
    "makes the rank and the share. confirmed: it mends for "
    "certain, and more than at least 19 of 20 other modules drawn at random. Shares need not add "
    "up to 100 %: what two modules break together, either may mend."
)


def _markdown(rows: Sequence[Sequence[str]], left: int) -> str:
    names, *others = rows
    safe = [[*(literal(cell, _NAME_LIMIT) for cell in row[:left]), *row[left:]] for row in others]
    return markdown_table(names, safe, left=left)


def location_title(
    heading: LocationHeading, safe: Callable[[str, int], str] = lambda name, _: name
) -> str:
    """What stands above everything; `safe` makes a name fit to be shown."""
    variant, parent, run = (
        safe(name, _NAME_LIMIT) for name in (heading.variant, heading.parent, heading.run_id)
    )
    return f"Where {variant} lost what {parent} can ({run})"


def location_lines(found: Location) -> list[str]:
    """What is lost in all, and whether that is anything, a line each."""
    said = (
        f"{counted(found.traces, 'passing trace')} of {counted(found.questions, 'question')}: loss "
        f"{three_digits(found.loss.value)}, the parent's {three_digits(found.parents_loss.value)}; "
        f"lost {_with_interval(found.lost)} nats a trace."
    )
    return [said, _nothing(found)] if found.little else [said]


def _nothing(found: Location) -> str:
    why = (
        f"that is less than {LITTLE:g} nats a trace"
        if found.lost.value < LITTLE
        else "the interval of what was lost has 0 in it"
    )
    return f"Next to nothing to locate: {why}. Ranks of so little say little."


def _modules_table(modules: Sequence[ModuleMend], names: Sequence[str] | None) -> Table:
    columns = [column for column in _COLUMNS if names is None or column[0] in names]
    table = open_table()
    table.add_column("rank", justify="right")
    table.add_column("module")
    for name, _ in columns:
        table.add_column(name, justify="right")
    for one in modules:
        kind = one.kind if names is None else one.kind.rpartition(".")[2]
        cells = [str(one.rank), one_line(kind, _NAME_LIMIT), *(show(one) for _, show in columns)]
        table.add_row(*map(Text, cells))
    return table


def top_rows_map(found: Location) -> list[list[str]]:
    """How many of each module's rows were restored together, below the columns' names: layers
    down, kinds of modules across."""
    rows = found.top_rows
    return [
        ["layer", *(kind.rpartition(".")[2] for kind in found.layout)],
        *_map_rows(found, found.layout, lambda one: count(len(rows.get(one.name, ())))),
    ]


def _map(found: Location) -> Table:
    names = [kind.rpartition(".")[2] for kind in found.layout]
    return _table_of([["layer", *names], *_map_rows(found, found.layout, _share_cell)])


def _table_of(rows: Sequence[Sequence[str]]) -> Table:
    """Rows of figures, below the columns' names."""
    table = open_table()
    for name in rows[0]:
        table.add_column(one_line(name, _SHORT_LIMIT), justify="right")
    for row in rows[1:]:
        table.add_row(*map(Text, row))
    return table


def _map_rows(
    found: Location, kinds: Sequence[str], cell: Callable[[ModuleMend], str]
) -> list[list[str]]:
    """A cell for each module: layers down, kinds of modules across."""
    cells: dict[int, dict[str, str]] = {}
    for one in found.modules:
        cells.setdefault(one.layer, {})[one.kind] = cell(one)
    return [
        [str(layer), *(row.get(kind, UNKNOWN) for kind in kinds)]
        for layer, row in sorted(cells.items())
    ]


def _kinds_table(found: Location) -> Table:
    names, *rows = token_kinds_rows(found)
    table = open_table()
    for number, name in enumerate(names):
        table.add_column(name, justify="right" if number else "left")
    for kind, *cells in rows:
        table.add_row(*map(Text, [one_line(kind, _NAME_LIMIT), *cells]))
    return table


def _questions_table(found: Location, most: int) -> Table:
    table = open_table()
    for name in ("suite", "question"):
        table.add_column(name)
    table.add_column("lost", justify="right")
    table.add_column("most by")
    for one in found.per_question[:most]:
        names = [one_line(part, _NAME_LIMIT) for part in one.question]
        table.add_row(
            *map(Text, [*names, three_digits(one.lost), one_line(_first(one.modules), 300)])
        )
    return table


def location_notes(found: Location, heading: LocationHeading) -> list[str]:
    """What must be known beside the figures, a line each."""
    lines = []
    if found.top is not None:
        names, top = found.top
        share, units = found.restored_together
        most = _ROWS_NAMED if found.unit == ROW else len(names)
        said = ", ".join(one_line(name, _NAME_LIMIT) for name in names[:most])
        if found.unit == ROW:
            said = f"{units} of {counted(len(found.top_rows), 'module')}, first {said}"
        against = (
            f"more than {top.beaten} of {top.draws} random draws of as many weights"
            if top.draws
            else "with no others of that size to compare"
        )
        lines.append(
            f"Restored together: {said} ({percent(share)} of the weights) mend "
            f"{_with_interval(top.mend)}, {against}."
        )
    if found.all_restored is not None:
        rest = found.all_restored - found.parents_loss.value
        if abs(rest) < _ROUNDING * found.loss.value:
            rest = 0.0
        lines.append(
            f"With all modules restored the loss is {three_digits(found.all_restored)}; the rest "
            f"to the parent's, {three_digits(rest)}, is in embeddings, norms, the head or rounding."
        )
    if found.passes is not None:
        lines += passes_notes(found.passes)
    if found.curve is not None:
        lines += curve_notes(found.curve)
    confirmed = [one for one in found.modules if one.restored is not None]
    if confirmed:
        sure = [str(one.rank) for one in confirmed if one.restored and one.restored.confirmed]
        lines.append(
            f"Confirmed ranks: {', '.join(sure) or 'none'} of {counted(len(confirmed), 'module')} "
            "that were really restored."
        )
    else:
        what = (
            "Nothing was really restored" if found.top is None else "No module was restored alone"
        )
        lines.append(f"{what}: no rank is confirmed.")
    if heading.left:
        lines.append(f"Not used: {one_line(heading.left, 300)}.")
    return lines


def _first(modules: Sequence[tuple[str, float]]) -> str:
    """The modules that would mend most of a question: ``layers.0.mlp.up_proj 0.12, ...``."""
    said = [
        f"{name.removeprefix('model.')} {three_digits(mend)}"
        for name, mend in modules[:_QUESTIONS_MODULES]
        if mend > 0
    ]
    return ", ".join(said) or UNKNOWN


def _confirmed(restored: Restored | None) -> str:
    if restored is None:
        return UNKNOWN
    return f"{'yes' if restored.confirmed else 'no'}, {restored.beaten} of {restored.draws}"


def _restored_document(restored: Restored | None) -> dict[str, Any] | None:
    if restored is None:
        return None
    return {
        "mends": _mean_document(restored.mend),
        "beaten": restored.beaten,
        "draws": restored.draws,
        "confirmed": restored.confirmed,
    }


def _mean_document(mean: Mean) -> Mapping[str, Any]:
    return {"value": mean.value, "interval": [mean.interval.low, mean.interval.high]}


def _ends(mean: Mean) -> tuple[float, float, float]:
    return mean.value, mean.interval.low, mean.interval.high


def _with_interval(mean: Mean) -> str:
    low, high = three_digits(mean.interval.low), three_digits(mean.interval.high)
    return f"{three_digits(mean.value)} [{low}, {high}]"


def _share_cell(one: ModuleMend) -> str:
    return UNKNOWN if one.share is None else str(round(100 * one.share))
