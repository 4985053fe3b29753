"""The HTML report: one file that opens offline, with every figure and every trace in it.

Python works out every figure and every text; the page's script, built from ``frontend/`` into
``assets/``, only shows them. `lrmtest.reports.html.page` says how the file is made and why nothing
in it can be run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lrmtest.analysis.compare import ComparedRuns
from lrmtest.reports.html.chunks import chunked
from lrmtest.reports.html.figures import document
from lrmtest.reports.html.page import page
from lrmtest.reports.html.readings import ReportReadings
from lrmtest.reports.html.table import question_keys
from lrmtest.reports.html.texts import question_texts
from lrmtest.runs.files import write_whole
from lrmtest.runs.records import RunRecord

__all__ = ["report_text", "write_report"]


def write_report(
    path: Path,
    runs: Sequence[RunRecord],
    compared: Mapping[str, ComparedRuns] | None = None,
    *,
    threshold: float = 0.5,
) -> int:
    """Write the report of some runs, whole or not at all.

    Args:
        path: the file; missing folders are made.
        runs: in the order in which they are shown.
        compared: comparisons by the candidate's run id.
        threshold: share of a question's samples that must be correct for it to pass.

    Returns:
        The file's size in bytes.

    Raises:
        StoreError: a run cannot be read or the file cannot be written.
    """
    text = report_text(runs, compared or {}, threshold)
    write_whole(path, text, what="the report")
    return len(text)


def report_text(
    runs: Sequence[RunRecord], compared: Mapping[str, ComparedRuns], threshold: float
) -> str:
    """The report's HTML; ASCII only. See `write_report`."""
    keys = question_keys(runs)
    with ReportReadings(runs) as readings:
        chunks, places, brief = chunked(question_texts(runs, readings.shaded), keys)
        figures = document(runs, compared, keys, places, brief, threshold)
        if read := readings.document(keys):
            figures["readings"] = read
    return page(figures, chunks)
