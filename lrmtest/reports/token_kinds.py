"""Kinds of tokens and words, and their shares of the total variation: tables, Markdown, JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from lrmtest.analysis.token_kinds import Part, VariationByKind
from lrmtest.reports.escape import one_line
from lrmtest.reports.markdown import literal, markdown_table
from lrmtest.reports.numbers import count, interval_percent, percent
from lrmtest.reports.tables import open_table

_WORD_LIMIT = 40

TEXTS_UNKNOWN = (
    "What the traces' tokens say is not known here, so that they are not sorted by kind: read them "
    "with a model from files (a folder or a GGUF file), which tell it."
)


def kinds_view(found: VariationByKind) -> list[RenderableType]:
    """Two tables, as rich renderables."""
    parts: list[RenderableType] = [_table("kind of token", found.kinds)]
    if found.words:
        parts += [Text(), _table("word", found.words)]
    return parts


def kinds_markdown(found: VariationByKind) -> list[str]:
    """The same as Markdown."""
    headers = ["share of TV", "95 %" if not found.kinds else _level(found.kinds[0])]
    headers += ["of tokens", "tokens", "TV/token"]
    tables = [("kind of token", found.kinds), ("word", found.words)]
    return [
        markdown_table(
            [name, *headers],
            [[literal(one.name, _WORD_LIMIT), *_figures(one)] for one in parts],
            left=1,
        )
        for name, parts in tables
        if parts
    ]


def kinds_document(found: VariationByKind | None) -> dict[str, Any] | None:
    """The same as JSON values, unrounded; None where it is not known, or nothing differs."""
    if found is None:
        return None
    return {
        "tokens": found.tokens,
        "variation": found.variation,
        "kinds": [_document(one) for one in found.kinds],
        "words": [_document(one) for one in found.words],
    }


def _document(one: Part) -> dict[str, Any]:
    return {
        "name": one.name,
        "kind": one.kind,
        "share": one.share,
        "interval": [one.interval.low, one.interval.high],
        "token_share": one.token_share,
        "tokens": one.tokens,
        "per_token": one.per_token,
    }


def _table(name: str, parts: Sequence[Part]) -> Table:
    table = open_table()
    table.add_column(name)
    for header in ("share of TV", _level(parts[0]), "of tokens", "tokens", "TV/token"):
        table.add_column(header, justify="right")
    for one in parts:
        table.add_row(Text(one_line(one.name, _WORD_LIMIT)), *map(Text, _figures(one)))
    return table


def _level(one: Part) -> str:
    return f"{100 * one.interval.level:g} %"


def _figures(one: Part) -> list[str]:
    return [
        percent(one.share),
        interval_percent(one.interval),
        percent(one.token_share),
        count(one.tokens),
        f"{one.per_token:.2g}",
    ]
