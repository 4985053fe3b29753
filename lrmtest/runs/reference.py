"""A run by what people call it: a name in the store, or a baseline's file."""

from __future__ import annotations

import os
from pathlib import Path

from lrmtest.runs.formats.baseline import read_baseline
from lrmtest.runs.records import RunRecord
from lrmtest.runs.store import Store


def is_file(reference: str) -> bool:
    """Whether `reference` names a baseline's file and not a run in the store."""
    looks_so = reference.endswith(".json") or os.sep in reference
    return looks_so or Path(reference).is_file()


def load_run(reference: str, store: Path) -> RunRecord:
    """A run by its name, or a baseline by its file.

    Args:
        reference: a baseline's file, or a run as in `Store.run`: an id, its beginning, ``last``
            or ``last:MODEL``.
        store: the SQLite file that runs are looked up in.

    Raises:
        DataError: the file is missing or malformed.
        UsageError: no run or several runs answer to the name.
        StoreError: the store is not there or cannot be read.
    """
    if is_file(reference):
        return read_baseline(Path(reference))
    with Store(store, create=False) as opened:
        return opened.record(opened.run(reference))
