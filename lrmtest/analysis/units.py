"""Units that are restored: a linear module, or a row of its matrix, which makes one output.

A unit is known by its name: ``model.layers.0.self_attn.k_proj``, or with a row's number, from 0,
``model.layers.0.self_attn.k_proj[17]``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

Unit = Literal["module", "row"]
MODULE: Unit = "module"
ROW: Unit = "row"
_ROW = re.compile(r"(.+)\[(\d+)\]", re.DOTALL)


def row_name(module: str, row: int) -> str:
    """The name of a module's row."""
    return f"{module}[{row}]"


def rows_by_module(units: Iterable[str]) -> dict[str, tuple[int, ...] | None]:
    """By module, which of its rows are among some units; None where all of it is.

    Returns:
        Modules in the order in which they are first met, rows ascending.
    """
    rows: dict[str, set[int]] = {}
    whole: set[str] = set()
    for unit in units:
        found = _ROW.fullmatch(unit)
        name = found[1] if found else unit
        rows.setdefault(name, set())
        if found:
            rows[name].add(int(found[2]))
        else:
            whole.add(name)
    return {name: None if name in whole else tuple(sorted(each)) for name, each in rows.items()}
