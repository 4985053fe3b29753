"""Views of what passes with modules restored, and of the restoring curve."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from lrmtest.analysis.restoring import Band, Curve, CurvePoint, Passes
from lrmtest.analysis.summary import Rate
from lrmtest.analysis.units import Unit
from lrmtest.counted import counted
from lrmtest.reports.numbers import (
    UNKNOWN,
    interval_percent,
    p_value,
    percent,
    points_interval,
    three_digits,
)
from lrmtest.reports.tables import open_table

_BAR = 16
"""Characters of the longest bar."""

CSV_COLUMNS = (
    *("restored", "share", "modules", "draws", "loss", "loss_low", "loss_high"),
    *("passes", "passes_low", "passes_high"),
)

_NOT_MEASURED = ("", "", "")


def passes_rows(found: Passes, share: float, units: str) -> list[list[str]]:
    """What passes with which weights restored, below the columns' names.

    Args:
        found: the figures.
        share: of the weights that were restored.
        units: how many modules or rows they are, in words.
    """
    rows = [
        ["restored", "of the weights", "passes", "95 %"],
        ["nothing: the variant", "0 %", *_rate(found.variant)],
        [f"{units} of the first ranks", percent(share), *_rate(found.restored)],
    ]
    if found.random:
        values = [one.value or 0.0 for one in found.random]
        between = f"{percent(min(values))} to {percent(max(values))}"
        rows.append(
            [
                f"as much at random, {counted(len(values), 'draw')}",
                f"≤ {percent(share)}",
                percent(sum(values) / len(values)),
                between,
            ]
        )
    return [*rows, ["everything: the parent", "100 %", *_rate(found.parent)]]


def passes_table(found: Passes, share: float, units: str) -> Table:
    """The same for a terminal."""
    return _table(passes_rows(found, share, units))


def passes_notes(found: Passes) -> list[str]:
    """What the rates come to, a line each."""
    gain = points_interval(found.gain, found.gain_interval.low, found.gain_interval.high)
    against = (
        f"more than {found.beaten} of {len(found.random)} random draws by pass rate"
        if found.random
        else "with no others of that size to compare"
    )
    paired = "paired by question and sample" if found.by_index else "paired by question"
    lines = [
        f"Generated again, {counted(found.samples, 'completion')} of "
        f"{counted(found.questions, 'question')} each, {paired}: the first ranks restored pass "
        f"{gain} points more than the variant, p {_p(found.p_different)}; {against}. "
        f"{'Confirmed by pass rate.' if found.confirmed else 'Not confirmed by pass rate.'}"
    ]
    if found.parent.value is not None:
        lines.append(
            "These are questions that the parent passes, so that its rate is above that of others."
        )
    return lines


def passes_document(found: Passes) -> dict[str, Any]:
    """The same as JSON values, unrounded."""
    interval, on_these = found.gain_interval, found.failed.interval
    return {
        "questions": found.questions,
        "samples": found.samples,
        "parent": _rate_document(found.parent),
        "variant": _rate_document(found.variant),
        "restored": _rate_document(found.restored),
        "gain": {
            "value": found.gain,
            "interval": [interval.low, interval.high],
            "interval_on_these_questions": [-on_these.high, -on_these.low],
            "p_different": found.p_different,
            "paired_by_sample": found.by_index,
        },
        "random": [_rate_document(one) for one in found.random],
        "beaten": found.beaten,
        "draws": len(found.random),
        "confirmed": found.confirmed,
    }


def curve_rows(found: Curve) -> list[list[str]]:
    """Loss and pass rate by the share that is restored, below the columns' names."""
    passing = any(one.passes is not None for one in found.suggested)
    bands = dict(enumerate(found.random, start=1))
    names = ["restored", "loss", "at random"]
    rows = [[*names, "passes", "at random"] if passing else names]
    for place, one in enumerate(found.suggested):
        rows.append([percent(one.share), *_curve_cells(one, bands.get(place), passing=passing)])
    if found.last_mlp is not None:
        one = found.last_mlp
        words = f"{percent(one.share)}, last layer's MLP"
        rows.append([words, *_curve_cells(one, None, passing=passing)])
    return rows


def curve_table(found: Curve) -> Table:
    """The same for a terminal, with a bar for each loss."""
    rows = curve_rows(found)
    points = [*found.suggested, *(() if found.last_mlp is None else (found.last_mlp,))]
    most = max(one.loss for one in points)
    bars = ["", *(("█" * round(_BAR * one.loss / most) if most > 0 else "") for one in points)]
    return _table([[row[0], bar, *row[1:]] for row, bar in zip(rows, bars, strict=True)], left=2)


def curve_notes(found: Curve) -> list[str]:
    """What must be known beside the curve, a line each."""
    if not found.random:
        return []
    return [
        "At random: mean [lowest, highest] of "
        f"{counted(found.random[0].draws, 'random order')} of all {found.unit}s."
    ]


def curve_csv(found: Curve) -> str:
    """A line for each point, unrounded; of random orders mean, lowest and highest."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([f"{found.unit}s" if name == "modules" else name for name in CSV_COLUMNS])
    named = [("by rank", one) for one in found.suggested]
    if found.last_mlp is not None:
        named.append(("last layer's MLP", found.last_mlp))
    for name, one in named:
        losses = (one.loss, one.interval.low, one.interval.high)
        rate = one.passes
        rates = None if rate is None else (rate.value, rate.interval.low, rate.interval.high)
        writer.writerow([name, one.share, one.units, "", *losses, *(rates or _NOT_MEASURED)])
    for band in found.random:
        figures = [*band.loss, *(band.passes or _NOT_MEASURED)]
        writer.writerow(["at random", band.share, "", band.draws, *figures])
    return out.getvalue()


def curve_document(found: Curve) -> dict[str, Any]:
    """The same as JSON values, unrounded."""
    return {
        "by_rank": [_point_document(one, found.unit) for one in found.suggested],
        "last_mlp": None if found.last_mlp is None else _point_document(found.last_mlp, found.unit),
        "random": [
            {
                "share": band.share,
                "draws": band.draws,
                "loss": _spread_document(band.loss),
                "passes": None if band.passes is None else _spread_document(band.passes),
            }
            for band in found.random
        ],
    }


def _table(rows: Sequence[Sequence[str]], left: int = 1) -> Table:
    table = open_table()
    for number, name in enumerate(rows[0]):
        table.add_column(name, justify="left" if number < left else "right")
    for row in rows[1:]:
        table.add_row(*map(Text, row))
    return table


def _curve_cells(one: CurvePoint, band: Band | None, *, passing: bool) -> list[str]:
    cells = [three_digits(one.loss)]
    cells.append(UNKNOWN if band is None else _spread(band.loss, three_digits))
    if passing:
        cells.append(UNKNOWN if one.passes is None else percent(one.passes.value))
        random = None if band is None else band.passes
        cells.append(UNKNOWN if random is None else _spread(random, _whole))
    return cells


def _spread(values: tuple[float, float, float], show: Any) -> str:
    mean, low, high = map(show, values)
    return f"{mean} [{low}, {high}]"


def _p(value: float) -> str:
    said = p_value(value)
    return said if said.startswith("<") else f"= {said}"


def _whole(share: float) -> str:
    return f"{100 * share:.0f} %"


def _rate(rate: Rate) -> list[str]:
    return [percent(rate.value), UNKNOWN if rate.value is None else interval_percent(rate.interval)]


def _rate_document(rate: Rate) -> dict[str, Any]:
    return {"value": rate.value, "interval": [rate.interval.low, rate.interval.high]}


def _point_document(one: CurvePoint, unit: Unit) -> dict[str, Any]:
    return {
        "share": one.share,
        f"{unit}s": one.units,
        "loss": one.loss,
        "interval": [one.interval.low, one.interval.high],
        "passes": None if one.passes is None else _rate_document(one.passes),
    }


def _spread_document(values: tuple[float, float, float]) -> dict[str, float]:
    mean, low, high = values
    return {"mean": mean, "lowest": low, "highest": high}
