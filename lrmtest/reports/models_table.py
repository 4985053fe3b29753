"""The table of ``lrmtest models``, and all of one card."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lrmtest.counted import three_digits
from lrmtest.masking import masked_arguments, masked_url, masked_values
from lrmtest.models.card import Checkpoint, ModelCard
from lrmtest.models.listing import ModelRow
from lrmtest.reports.escape import one_line
from lrmtest.reports.numbers import UNKNOWN
from lrmtest.reports.tables import Widest, open_table

_Columns = dict[str, Callable[[ModelRow], Text]]
"""How to fill a column, by its header."""
_FIGURES = ("params", "bits", "zeros", "on disk", "memory")

_FIT_STYLES = {"yes": "green", "offload": "yellow", "fetch": "cyan", "no": "dim"}
_LONG = 2_000


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


def model_view(card: ModelCard, row: ModelRow) -> RenderableType:
    """All that a card says, where from, and whether the model runs here, as a rich renderable."""
    facts = {
        "what": card.note,
        "also called": ", ".join(card.aliases),
        "made from": card.parent,
        "parameters": _parameters(card.parameters),
        "compression": _compression(row),
        "to be made": row.recipe,
        "runs on": card.engine,
        **_files(card.checkpoint),
        "on disk": _gb(row.disk_gb),
        "memory": _gb(row.memory_gb),
        "context": f"{card.context_length} tokens" if card.context_length else "",
        "budget": f"{card.max_tokens} tokens" if card.max_tokens else "",
        "sampling": f"temperature {_figure(card.temperature)}, top-p {_figure(card.top_p)}",
        "request": json.dumps(masked_values(card.request), ensure_ascii=False)
        if card.request
        else "",
        "reasoning tags": " ... ".join(card.reasoning_tags),
        "system prompt": card.system_prompt or "",
        "number formats": ", ".join(filter(None, (card.dtype, card.quantization))),
        "key-value cache": card.kv_cache_dtype,
        "engine arguments": " ".join(masked_arguments(card.engine_args)),
        "card": card.file,
        "runs here": f"{row.fit.verdict}: {row.fit.why}",
    }
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        if value:
            table.add_row(Text(name), Text(one_line(value, _LONG)))
    return Group(Text(one_line(card.name, _LONG), style="bold"), table)


def _files(checkpoint: Checkpoint) -> dict[str, str]:
    """Where a card's files are."""
    revision = checkpoint.revision
    if checkpoint.repo and not checkpoint.is_pinned:
        revision += " (not pinned: a run's manifest has the commit that it meant)"
    return {
        "path": checkpoint.path,
        "endpoint": masked_url(checkpoint.url),
        "repository": checkpoint.repo,
        "revision": revision if checkpoint.repo else "",
        "files": ", ".join(checkpoint.files),
        "SHA-256": checkpoint.sha256,
        "wheel": checkpoint.wheel,
    }


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


def _figure(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:g}"


def _parameters(billions: float | None) -> str:
    if billions is None:
        return UNKNOWN
    return f"{three_digits(billions)}B" if billions >= 1 else f"{1000 * billions:.3g}M"


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
