"""Figures as text for scripts and spreadsheets: JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence

from lrmtest.reports.escape import one_line

_CELL_CHARS = 30_000
"""What a spreadsheet's cell can hold, with room for what is written out."""


def json_text(document: object) -> str:
    """JSON in ASCII, of several lines, without anything that a log's reader would obey.

    Raises:
        ValueError: a figure that JSON does not have.
    """
    text = json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False)
    # A continuous integration service obeys ``##vso[`` wherever it stands; the value is the same.
    return text.replace("##", r"#\u0023")


def csv_text(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> str:
    """CSV with a line of names; an empty cell for None.

    A text stands in one line, cut where no spreadsheet could hold it. What a spreadsheet would
    take for a formula begins with an apostrophe.

    Args:
        columns: the names, in their order.
        rows: texts, numbers and None by these names.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row[name]) for name in columns] for row in rows)
    return out.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return value
    text = one_line(value, _CELL_CHARS)
    return f"'{text}" if text[:1] in tuple("=+-@") else text
