"""The table of ``lrmtest models``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from lrmtest.models.listing import ModelRow
from lrmtest.reports.escape import one_line
from lrmtest.reports.numbers import UNKNOWN
from lrmtest.reports.tables import Widest, open_table

_Columns = dict[str, Callable[[ModelRow], Text]]
"""How to fill a column, by its header."""
_FIGURES = ("params", "bits", "zeros", "on disk", "memory")

_FIT_STYLES = {"yes": "green", "offload": "yellow", "no": "dim"}


def models_table(rows: Sequence[ModelRow]) -> RenderableType:
    """What models there are, what they need and whether they run here, as a rich renderable.

    Where the terminal has no room for every column, the reason why a model runs here or not is
    left out first, then where it comes from and the size of its files, then its engine. The
    narrowest form has bits and sparsity but no method of compression.
    """
    name: _Columns = {"model": lambda row: Text(one_line(row.name, 60), style="bold")}
    engine: _Columns = {"engine": lambda row: Text(one_line(row.engine, 20))}
    size: _Columns = {"params": lambda row: Text(_parameters(row.parameters))}
    method: _Columns = {"compression": lambda row: Text(_compression(row))}
    amount: _Columns = {
        "bits": lambda row: Text(_bits(row.bits_per_weight)),
        "zeros": lambda row: Text(_zeros(row.sparsity)),
    }
    files: _Columns = {
        "from": lambda row: Text(row.origin),
        "on disk": lambda row: Text(_gb(row.disk_gb)),
    }
    needs: _Columns = {
        "memory": lambda row: Text(_gb(row.memory_gb)),
        "runs\nhere": lambda row: Text(row.fit.verdict, style=_FIT_STYLES[row.fit.verdict]),
    }
    why: _Columns = {"": lambda row: Text(one_line(row.fit.why, 90), style="dim")}
    return Widest(
        _table(rows, name | engine | size | method | files | needs | why),
        _table(rows, name | engine | size | method | files | needs),
        _table(rows, name | engine | size | method | needs),
        _table(rows, name | size | method | needs),
        _table(rows, name | size | amount | needs),
    )


def _table(rows: Sequence[ModelRow], columns: _Columns) -> Table:
    table = open_table()
    for header in columns:
        table.add_column(
            Text(header),
            justify="right" if header in _FIGURES else "left",
            no_wrap=header != "model",
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(cell(row) for cell in columns.values()))
    return table


def _parameters(billions: float | None) -> str:
    if billions is None:
        return UNKNOWN
    return f"{billions:.3g}B" if billions >= 1 else f"{1000 * billions:.3g}M"


def _compression(row: ModelRow) -> str:
    """Method, bits per weight and sparsity: ``dynamic-gguf 1.67 bits``, ``sparsegpt 50 % zeros``.

    Sixteen bits are what weights have anyway.
    """
    parts = [] if row.method == "none" else [one_line(row.method, 24)]
    if row.bits_per_weight is not None and row.bits_per_weight < 16:
        parts.append(f"{_bits(row.bits_per_weight)} bits")
    if row.sparsity:
        parts.append(f"{_zeros(row.sparsity)} zeros")
    return " ".join(parts) or "none"


def _bits(bits: float | None) -> str:
    return UNKNOWN if bits is None else f"{bits:.3g}"


def _zeros(sparsity: float) -> str:
    return f"{100 * sparsity:.3g} %" if sparsity else ""


def _gb(size: float | None) -> str:
    if size is None:
        return UNKNOWN
    return f"{size:.1f} GB" if size < 99.95 else f"{size:.0f} GB"
