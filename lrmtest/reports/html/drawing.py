"""Elements of a page that is written as HTML and needs no script: every text in them is escaped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10, sqrt

from lrmtest.reports.escape import one_line

_TEXT = 400


def text(value: str, most: int = _TEXT) -> str:
    """A text as HTML: one line, bounded, nothing in it markup."""
    return escape(one_line(value, most))


def element(name: str, *content: str, **attributes: object) -> str:
    """An element; its content is HTML already, its attributes are texts.

    A trailing ``_`` of an attribute's name is left out, and one within is a hyphen.
    """
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(_value(value))}"'
        for key, value in attributes.items()
    )
    return f"<{name}{said}>{''.join(content)}</{name}>"


def _value(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of texts, below the columns' names, that scroll where they are too wide."""
    names, *others = rows
    head = element("tr", *(element("th", text(name), scope="col") for name in names))
    body = "".join(
        element(
            "tr",
            element("th", text(row[0]), scope="row"),
            *(element("td", text(cell)) for cell in row[1:]),
        )
        for row in others
    )
    inside = element("thead", head) + element("tbody", body)
    # Reached by keyboard, since it may have to be scrolled.
    return element("div", element("table", inside, class_="plain"), class_="scroll", tabindex=0)


def figure(title: str, note: str, drawing: str, rows: Sequence[Sequence[str]] = ()) -> str:
    """A drawing with what it says, and its figures as a table."""
    said = element("h2", text(title)) + element("p", text(note), class_="quiet")
    figures = ""
    if rows:
        shown = element("summary", "The figures") + table(rows)
        figures = element("details", shown, class_="figures")
    return element(
        "figure",
        element("figcaption", said),
        drawing,
        figures,
        class_="card plot",
    )


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """What the colours mean: classes and words."""
    return element(
        "ul",
        *(
            element("li", element("span", class_=f"swatch {kind}", aria_hidden="true"), text(name))
            for kind, name in entries
        ),
        class_="legend",
    )


def _round_steps(most: float) -> list[float]:
    """From 0 on, at most six round figures that are not above `most`."""
    if most <= 0:
        return [0.0]
    power = 10.0 ** floor(log10(most / 5))
    step = power * next(factor for factor in (1, 2, 5, 10) if most / 5 <= factor * power)
    return [step * number for number in range(int(most / step + 1e-9) + 1)]


@dataclass(frozen=True)
class Axes:
    """A drawing with a share of the weights to the right and a figure upward.

    Attributes:
        most: the figure at the top.
        show: the figure in words.
    """

    most: float
    show: Callable[[float], str]
    width = 440.0
    height = 290.0
    left = 52.0
    bottom = 248.0
    top = 12.0
    right = 416.0

    def x(self, share: float) -> float:
        """Where a share is: by its root, so that the small ones, which matter, have room."""
        return self.left + (self.right - self.left) * sqrt(max(0.0, share))

    def y(self, value: float) -> float:
        """Where a figure is."""
        share = value / self.most if self.most > 0 else 0.0
        return self.bottom - (self.bottom - self.top) * min(1.0, max(0.0, share))

    def drawn(self, label: str, *content: str) -> str:
        """The drawing with its axes."""
        grid = []
        for share in (0.0, 0.02, 0.1, 0.25, 0.5, 1.0):
            x = self.x(share)
            grid.append(element("line", x1=x, x2=x, y1=self.top, y2=self.bottom, class_="grid"))
            words = f"{100 * share:.0f} %"
            grid.append(element("text", words, x=x, y=self.bottom + 16, text_anchor="middle"))
        for value in _round_steps(self.most):
            y = self.y(value)
            grid.append(element("line", x1=self.left, x2=self.right, y1=y, y2=y, class_="grid"))
            words = text(self.show(value))
            grid.append(element("text", words, x=self.left - 8, y=y + 4, text_anchor="end"))
        middle, below = (self.left + self.right) / 2, self.bottom + 36
        title = "share of the layers' weights restored (root scale)"
        grid.append(element("text", title, x=middle, y=below, text_anchor="middle"))
        return element(
            "svg",
            *grid,
            *content,
            viewBox=f"0 0 {self.width:.0f} {self.height:.0f}",
            width=self.width,
            height=self.height,
            role="img",
            aria_label=label,
            class_="chart",
        )

    def curve(self, points: Sequence[tuple[float, float]], kind: str) -> str:
        """A line through points."""
        path = "M" + "L".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        return element("path", d=path, class_=f"curve {kind}")

    def band(self, points: Sequence[tuple[float, float, float]], kind: str) -> str:
        """The room between the lower and the higher of two lines."""
        there = [f"{self.x(x):.1f},{self.y(low):.1f}" for x, low, _ in points]
        back = [f"{self.x(x):.1f},{self.y(high):.1f}" for x, _, high in reversed(points)]
        return element("path", d="M" + "L".join([*there, *back]) + "Z", class_=f"band {kind}")

    def dot(self, x: float, y: float, ends: tuple[float, float], kind: str, words: str) -> str:
        """A point with the ends of its interval, and what it is in words."""
        at = self.x(x)
        low, high = map(self.y, ends)
        return element(
            "g",
            element("title", text(words)),
            element("line", x1=at, x2=at, y1=low, y2=high, class_="whisker thin"),
            element("circle", cx=at, cy=self.y(y), r=4.5, class_="dot"),
            class_=kind,
        )
