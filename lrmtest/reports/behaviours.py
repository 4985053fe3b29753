"""The output of ``lrmtest behaviours``: tables for a terminal, as Markdown, CSV and JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lrmtest.analysis.agreement import Agreement
from lrmtest.analysis.behaviour_scores import BehaviourImportance, Importances, ModuleImportance
from lrmtest.analysis.location import Mean, kind_of_module, layer_of
from lrmtest.counted import counted
from lrmtest.reports.data_text import csv_text
from lrmtest.reports.escape import one_line
from lrmtest.reports.markdown import literal, markdown_table
from lrmtest.reports.numbers import UNKNOWN, count
from lrmtest.reports.tables import open_table

_NAME_LIMIT = 80
_SHORT_LIMIT = 24


@dataclass(frozen=True, slots=True)
class BehavioursHeading:
    """What stands above the figures.

    Attributes:
        model: its name.
        parent: of what it is compared with; empty for nothing.
        run_id: of the run that the traces are of.
        released: whether the scores are as the paper's script computes them.
        labels: who labelled the segments, in words.
        notes: what else must be known, in sentences.
        agreement: of the file's labels with the rules, token by token; None without a file.
    """

    model: str
    parent: str
    run_id: str
    released: bool
    labels: str
    notes: Sequence[str] = ()
    agreement: Agreement | None = None


def behaviours_view(found: Importances, heading: BehavioursHeading, modules: int) -> RenderableType:
    """Importances as a rich renderable.

    Args:
        found: the figures.
        heading: what is above them.
        modules: how many are listed for each behaviour.
    """
    parts: list[RenderableType] = [
        Text(_title(heading, one_line), style="bold"),
        *(Text(line) for line in _said(heading)),
        Text(),
        _table(_behaviour_columns(found), 1, [_behaviour_row(each) for each in found.behaviours]),
    ]
    for each in found.behaviours:
        parts += [
            Text(),
            Text(f"{each.behaviour}: {_first(each)}"),
            _table(
                _module_columns(each),
                2,
                [_module_row(one, short=True) for one in each.modules[:modules]],
            ),
        ]
    parts += [Text(), Text(_map_title(found)), _map(found)]
    notes = [*_notes(found), *heading.notes]
    parts += [Text(), *(Text(one_line(line, 1000)) for line in notes)]
    return Group(*parts, Text(), Text(_legend(heading), style="dim"))


def behaviours_markdown(found: Importances, heading: BehavioursHeading) -> str:
    """Importances as Markdown, ending in a line feed; all modules are in it."""
    parts = [
        f"## {_title(heading, literal)}",
        *(literal(line, 1000) for line in _said(heading)),
        markdown_table(
            _behaviour_columns(found),
            [_behaviour_row(each) for each in found.behaviours],
            left=1,
        ),
    ]
    for each in found.behaviours:
        rows = [_module_row(one, short=False) for one in each.modules]
        parts += [
            f"### {each.behaviour}",
            markdown_table(
                _module_columns(each),
                [[literal(row[0], _NAME_LIMIT), *row[1:]] for row in rows],
                left=1,
            ),
        ]
    kinds, rows = _map_rows(found)
    parts += [
        _map_title(found),
        markdown_table(["layer", *(literal(kind, _NAME_LIMIT) for kind in kinds)], rows, left=1),
    ]
    parts += [literal(line, 1000) for line in (*_notes(found), *heading.notes)]
    return "\n\n".join([*parts, literal(_legend(heading), 4000)]) + "\n"


def behaviours_csv(found: Importances) -> str:
    """A line for each behaviour and module, unrounded; empty for what there is not."""
    columns = ["behaviour", "module", "layer", "kind", "importance"]
    for name in ("share", "parents_share", "shift"):
        columns += [name, f"{name}_low", f"{name}_high"]
    rows = []
    for each in found.behaviours:
        for one in each.modules:
            row: dict[str, object] = dict.fromkeys(columns)
            row |= {
                "behaviour": each.behaviour,
                "module": one.name,
                "layer": layer_of(one.name),
                "kind": kind_of_module(one.name),
                "importance": one.importance,
            }
            for name, mean in (
                ("share", one.share),
                ("parents_share", one.parents),
                ("shift", one.shift),
            ):
                if mean is not None:
                    row |= {
                        name: mean.value,
                        f"{name}_low": mean.interval.low,
                        f"{name}_high": mean.interval.high,
                    }
            rows.append(row)
    return csv_text(columns, rows)


def behaviours_document(found: Importances, heading: BehavioursHeading) -> dict[str, Any]:
    """Importances as JSON values, unrounded; null for what there is not."""
    return {
        "model": heading.model,
        "parent": heading.parent or None,
        "run_id": heading.run_id,
        "form": "as released" if heading.released else "correct",
        "labels": heading.labels,
        "notes": list(heading.notes),
        "agreement": None
        if (agreed := heading.agreement) is None
        else {
            "kappa": agreed.kappa,
            "interval": [agreed.interval.low, agreed.interval.high],
            "same": agreed.same,
            "tokens": agreed.things,
            "questions": agreed.questions,
        },
        "behaviours": [
            {
                "behaviour": each.behaviour,
                "segments": each.segments,
                "tokens": each.tokens,
                "questions": each.questions,
                "rank_correlation_with_other_form": each.forms,
                "rank_correlation_with_parent": each.parents_ranks,
                "modules": [
                    {
                        "module": one.name,
                        "layer": layer_of(one.name),
                        "kind": kind_of_module(one.name),
                        "importance": one.importance,
                        "share": _mean_document(one.share),
                        "parents_share": _mean_document(one.parents),
                        "shift": _mean_document(one.shift),
                    }
                    for one in each.modules
                ],
            }
            for each in found.behaviours
        ],
        "without_segments": list(found.lacking),
        "rank_correlations": [
            {"behaviours": list(both), "value": value} for both, value in found.alike.items()
        ],
    }


def _title(heading: BehavioursHeading, safe: Callable[[str, int], str]) -> str:
    model, parent, run = (
        safe(name, _NAME_LIMIT) for name in (heading.model, heading.parent, heading.run_id)
    )
    against = f" against {parent}" if heading.parent else ""
    return f"What the modules of {model} have to do with its reasoning{against} ({run})"


def _said(heading: BehavioursHeading) -> list[str]:
    form = (
        "Scores as released: all behaviours share one sum of outputs, as in the authors' script."
        if heading.released
        else "Scores by the paper's definition: each behaviour has its own mean of outputs."
    )
    lines = [form, f"Segments: {one_line(heading.labels, 300)}."]
    if (agreed := heading.agreement) is not None:
        lines.append(
            f"The rules agree with these labels with Cohen's kappa {agreed.kappa:.2f} "
            f"[{agreed.interval.low:.2f}, {agreed.interval.high:.2f}]: the same for "
            f"{100 * agreed.same:.0f} % of {count(agreed.things)} tokens."
        )
    return lines


def _behaviour_columns(found: Importances) -> list[str]:
    columns = ["behaviour", "segments", "tokens", "questions", "ranks as in the other form"]
    return [*columns, "as in the parent"] if _shifted(found) else columns


def _shifted(found: Importances) -> bool:
    """Whether there is a parent to compare with."""
    return any(each.modules[0].shift is not None for each in found.behaviours)


def _behaviour_row(each: BehaviourImportance) -> list[str]:
    row = [
        each.behaviour,
        *(count(number) for number in (each.segments, each.tokens, each.questions)),
        _correlation(each.forms),
    ]
    if each.modules[0].shift is not None:
        row.append(_correlation(each.parents_ranks))
    return row


def _first(each: BehaviourImportance) -> str:
    if each.modules[0].shift is None:
        return "modules with most of the importance"
    return "modules whose share moved most"


def _module_columns(each: BehaviourImportance) -> list[str]:
    columns = ["module", "layer", "share, %"]
    if each.modules[0].shift is not None:
        columns += ["parent's, %", "shift, points"]
    return columns


def _module_row(one: ModuleImportance, *, short: bool) -> list[str]:
    kind, layer = kind_of_module(one.name), layer_of(one.name)
    name = one_line(kind.rpartition(".")[2] if short else kind, _NAME_LIMIT)
    row = [name, str(layer) if layer >= 0 else UNKNOWN, _with_interval(one.share)]
    if one.parents is not None and one.shift is not None:
        row += [_with_interval(one.parents), _with_interval(one.shift, sign=True)]
    return row


def _table(columns: Sequence[str], left: int, rows: Sequence[Sequence[str]]) -> Table:
    table = open_table()
    for number, name in enumerate(columns):
        table.add_column(name, justify="left" if number < left and name != "layer" else "right")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _map_title(found: Importances) -> str:
    what = "Shift of the share, in points" if _shifted(found) else "Share, in %"
    return f"{what}, mean over behaviours, by layer and kind of module"


def _map(found: Importances) -> Table:
    kinds, rows = _map_rows(found)
    names = [one_line(kind.rpartition(".")[2], _SHORT_LIMIT) for kind in kinds]
    return _table(["layer", *names], 0, rows)


def _map_rows(found: Importances) -> tuple[list[str], list[list[str]]]:
    """The kinds of modules, and of each layer its cells."""
    cells: dict[int, dict[str, list[float]]] = {}
    for each in found.behaviours:
        for one in each.modules:
            mean = one.share if one.shift is None else one.shift
            row = cells.setdefault(layer_of(one.name), {})
            row.setdefault(kind_of_module(one.name), []).append(mean.value)
    kinds = sorted({kind for row in cells.values() for kind in row})
    form = "+.1f" if _shifted(found) else ".1f"
    rows = [
        [
            str(layer),
            *(
                f"{100 * fsum(row[kind]) / len(row[kind]):{form}}" if kind in row else UNKNOWN
                for kind in kinds
            ),
        ]
        for layer, row in sorted(cells.items())
    ]
    return kinds, rows


def _notes(found: Importances) -> list[str]:
    lines = [
        f"Ranks of modules for {first} and {second} correlate by {value:.2f}."
        for (first, second), value in found.alike.items()
        if value is not None
    ]
    if found.lacking:
        lines.append(f"No segments of {', '.join(found.lacking)}: nothing is said of it.")
    few = [each for each in found.behaviours if each.questions < 20]
    if few:
        named = ", ".join(
            f"{each.behaviour} ({counted(each.questions, 'question')})" for each in few
        )
        lines.append(f"Intervals over so few questions are too narrow: {named}.")
    return lines


def _legend(heading: BehavioursHeading) -> str:
    text = (
        "share: of the importance of all modules, the importance being the mean over segments of "
        "|difference of means x gradient of the segment's loss|; [95 % interval over questions, "
        "directions taken as given]. "
    )
    if heading.parent:
        text += "shift: share less the parent's, who has read the same segments. "
    return text + (
        "A rank correlation is Spearman's, over modules. Importance is no damage: what restoring a "
        "module mends is asked by lrmtest locate."
    )


def _mean_document(mean: Mean | None) -> dict[str, Any] | None:
    if mean is None:
        return None
    return {"value": mean.value, "interval": [mean.interval.low, mean.interval.high]}


def _correlation(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.2f}"


def _with_interval(mean: Mean, *, sign: bool = False) -> str:
    low, high = 100 * mean.interval.low, 100 * mean.interval.high
    form = "+.2f" if sign else ".2f"
    return f"{100 * mean.value:{form}} [{low:{form}}, {high:{form}}]"
