"""The form that the command line's tables share."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table


def open_table() -> Table:
    """A table without a frame: bold headers, a rule below them, two spaces between columns."""
    # The box adds a space between columns to the one on the right of each.
    return Table(
        box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold"
    )


def width_of(renderable: RenderableType, console: Console, options: ConsoleOptions) -> int:
    """Columns that `renderable` takes when nothing in it wraps."""
    return Measurement.get(console, options.update(width=10_000), renderable).maximum


class Widest:
    """The first of several forms of a table that fits the terminal unwrapped, else the last."""

    def __init__(self, *forms: RenderableType) -> None:
        self.forms = forms

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for form in self.forms[:-1]:
            if width_of(form, console, options) <= options.max_width:
                yield form
                return
        yield self.forms[-1]
