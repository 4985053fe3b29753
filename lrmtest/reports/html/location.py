"""The page of ``lrmtest locate``: the map of the modules and the restoring curve as pictures.

It has the report's style and its policy, and no script at all: it is written as HTML and SVG, every
text in it escaped, and shows itself light or dark as the reader's system is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lrmtest.analysis.location import Location
from lrmtest.analysis.restoring import Curve, CurvePoint
from lrmtest.reports.html.drawing import Axes, element, figure, legend, table, text
from lrmtest.reports.html.page import whole_page
from lrmtest.reports.location import (
    ROWS_RESTORED,
    LocationHeading,
    location_lines,
    location_notes,
    location_title,
    modules_rows,
    token_kinds_rows,
    top_rows_map,
)
from lrmtest.reports.numbers import percent, three_digits
from lrmtest.reports.restoring import curve_rows, passes_rows

_CELL, _ROW, _SIDE, _HEAD = 44, 24, 44, 54
"""Sizes of the map: a module, its row, the layers' numbers and the names above."""
_MOST_SHOWN = 200
"""Modules in the table of ranks."""
_RANK, _RANDOM, _LAST = "s1", "s0", "s2"
"""Colours of the curve: by rank, at random, the last layer's MLP."""


def location_page(found: Location, heading: LocationHeading) -> str:
    """A location as a page that opens offline; ASCII only.

    Raises:
        StoreError: the package lacks the report's style.
    """
    title = location_title(heading)
    parts = [
        element(
            "div",
            element("h1", text(title)),
            *(element("p", text(line, 1000)) for line in location_lines(found)),
            class_="title",
        ),
    ]
    places = [_map(found)]
    if found.top_rows:
        places.append(_card(ROWS_RESTORED, table(top_rows_map(found))))
    if found.kinds:
        places.append(_card("Where in the traces the loss is", table(token_kinds_rows(found))))
    parts.append(element("div", *places, class_="plots"))
    if found.curve is not None:
        curves = [_losses(found, found.curve)]
        if any(one.passes is not None for one in found.curve.suggested):
            curves.append(_passing(found, found.curve))
        parts.append(element("div", *curves, class_="plots"))
    if found.passes is not None:
        rows = passes_rows(found.passes, *found.restored_together)
        parts.append(_card("What passes with the first ranks restored", table(rows)))
    rows = modules_rows(found.modules[:_MOST_SHOWN])
    parts.append(_card("Modules by what restoring them would mend", table(rows)))
    notes = [element("p", text(line, 2000)) for line in location_notes(found, heading)]
    parts.append(_card("What else there is to know", *notes))
    content = "\n".join(parts)
    page = whole_page(title, f'<main class="page">\n{content}\n</main>')
    return page.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _card(title: str, *content: str) -> str:
    return element("section", element("h2", text(title)), *content, class_="card")


def _map(found: Location) -> str:
    """Layers down, kinds of modules across, the deeper the colour the more a module would mend."""
    layers = sorted({one.layer for one in found.modules})
    most = max(max((one.share or 0.0) for one in found.modules), 1e-12)
    drawn = []
    for column, kind in enumerate(found.layout):
        x = _SIDE + (column + 0.5) * _CELL
        short = kind.rpartition(".")[2].removesuffix("_proj")
        drawn.append(
            element(
                "text",
                element("title", text(kind)) + text(short, 9),
                x=x,
                y=_HEAD - 8,
                text_anchor="start",
                transform=f"rotate(-40 {x} {_HEAD - 8})",
            )
        )
    for row, layer in enumerate(layers):
        y = _HEAD + row * _ROW + _ROW * 0.66
        drawn.append(element("text", str(layer), x=_SIDE - 8, y=y, text_anchor="end"))
    for one in found.modules:
        share = max(0.0, one.share or 0.0)
        x = _SIDE + found.layout.index(one.kind) * _CELL
        y = _HEAD + layers.index(one.layer) * _ROW
        words = f"{one.name}: rank {one.rank}, {percent(one.share)} of the loss"
        drawn.append(
            element(
                "g",
                element("title", text(words)),
                element(
                    "rect",
                    x=x + 1,
                    y=y + 1,
                    width=_CELL - 2,
                    height=_ROW - 2,
                    class_="fill",
                    fill_opacity=0.06 + 0.64 * share / most,
                ),
                element(
                    "text",
                    str(round(100 * (one.share or 0.0))),
                    x=x + _CELL / 2,
                    y=y + _ROW * 0.66,
                    text_anchor="middle",
                    class_="row-name",
                ),
                class_=_LAST,
            )
        )
    width = _SIDE + (len(found.layout)) * _CELL + 12
    height = _HEAD + len(layers) * _ROW + 4
    drawing = element(
        "svg",
        *drawn,
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        aria_label="What restoring each module would mend, by layer and kind of module",
        class_="chart",
    )
    return figure(
        "Where the loss is",
        "What restoring each module alone would mend, in % of the loss: layers down, kinds of "
        "modules across. Shares need not add up to 100 %.",
        drawing,
    )


def _losses(found: Location, curve: Curve) -> str:
    points = [*curve.suggested, *(() if curve.last_mlp is None else (curve.last_mlp,))]
    heights = [one.interval.high for one in points] + [band.loss[2] for band in curve.random]
    axes = Axes(1.05 * max(heights), three_digits)
    return _curve_figure(
        "Loss against what is restored",
        f"Nats a trace with the {curve.unit}s really restored, by rank and in random orders; the "
        "dashed line is the parent's.",
        axes,
        curve,
        lambda one: (one.loss, one.interval.low, one.interval.high),
        [(band.share, *band.loss) for band in curve.random],
        found.parents_loss.value,
        lambda value, low, high: (
            f"loss {three_digits(value)} [{three_digits(low)}, {three_digits(high)}]"
        ),
    )


def _passing(found: Location, curve: Curve) -> str:
    def figures(one: CurvePoint) -> tuple[float, float, float] | None:
        if one.passes is None or one.passes.value is None:
            return None
        return one.passes.value, one.passes.interval.low, one.passes.interval.high

    parents = None if found.passes is None else found.passes.parent.value
    return _curve_figure(
        "Pass rate against what is restored",
        f"Of the traces' questions, generated again with the {curve.unit}s restored; the dashed "
        "line is the parent's rate.",
        Axes(1.0, lambda value: f"{100 * value:.0f} %"),
        curve,
        figures,
        [(band.share, *band.passes) for band in curve.random if band.passes is not None],
        parents,
        lambda value, low, high: f"passes {percent(value)} [{percent(low)}, {percent(high)}]",
    )


_Figures = tuple[float, float, float]


def _curve_figure(
    title: str,
    note: str,
    axes: Axes,
    curve: Curve,
    figures: Callable[[CurvePoint], _Figures | None],
    bands: Sequence[tuple[float, float, float, float]],
    parents: float | None,
    words: Callable[[float, float, float], str],
) -> str:
    first = curve.suggested[0], curve.suggested[-1]
    ends = [(one.share, *found) for one in first if (found := figures(one)) is not None]
    drawn = []
    if parents is not None:
        y = axes.y(parents)
        drawn.append(element("line", x1=axes.left, x2=axes.right, y1=y, y2=y, class_="reference"))
    if bands and len(ends) == 2:
        # Where nothing or everything is restored there is no order.
        start, end = ((share, value, value, value) for share, value, _, _ in ends)
        spread = [start, *bands, end]
        drawn.append(axes.band([(share, low, high) for share, _, low, high in spread], _RANDOM))
        drawn.append(axes.curve([(share, mean) for share, mean, _, _ in spread], _RANDOM))
    points = [(one, found) for one in curve.suggested if (found := figures(one)) is not None]
    drawn.append(axes.curve([(one.share, found[0]) for one, found in points], _RANK))
    for one, found in points:
        said = f"by rank, {percent(one.share)}: {words(*found)}"
        drawn.append(axes.dot(one.share, found[0], found[1:], _RANK, said))
    entries = [(_RANK, "by rank, with 95 % intervals")]
    if bands:
        entries.append((_RANDOM, "random orders: mean, lowest and highest"))
    last = curve.last_mlp
    if last is not None and (found := figures(last)) is not None:
        said = f"the last layer's MLP, {percent(last.share)}: {words(*found)}"
        drawn.append(axes.dot(last.share, found[0], found[1:], _LAST, said))
        entries.append((_LAST, "the last layer's MLP"))
    drawing = axes.drawn(title, *drawn) + legend(entries)
    return figure(title, note, drawing, curve_rows(curve))
