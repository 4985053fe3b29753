"""A run by what people call it: a name in the store, or a baseline's file."""

from __future__ import annotations

import os
from pathlib import Path

from lrmtest.runs.extent import EVERYTHING, Extent, beside, extent_of, selected
from lrmtest.runs.formats.baseline import read_baseline
from lrmtest.runs.records import RunRecord
from lrmtest.runs.store import Store


def is_file(reference: str) -> bool:
    """Whether `reference` names a baseline's file and not a run in the store."""
    looks_so = reference.endswith(".json") or os.sep in reference
    return looks_so or Path(reference).is_file()


def load_run(reference: str, store: Path, extent: Extent | None = None) -> RunRecord:
    """A run by its name, or a baseline by its file.

    Args:
        reference: a baseline's file, or a run as in `Store.run`: an id, its beginning, ``last``
            or ``last:MODEL``.
        store: the SQLite file that runs are looked up in.
        extent: what of a run in the store; None for what its last session selected. A file has
            what it has.

    Raises:
        DataError: the file is missing or malformed.
        UsageError: no run or several runs answer to the name.
        StoreError: the store is not there or cannot be read.
    """
    if is_file(reference):
        return read_baseline(Path(reference))
    with Store(store, create=False) as opened:
        return opened.record(opened.run(reference), extent)


def load_baseline(
    reference: str, store: Path, candidate: RunRecord, *, whole: bool = False
) -> RunRecord:
    """What a run is compared with, by its name or file; see `load_run`.

    A run in the store is narrowed for the candidate, by `beside`; a file has what it has.
    """
    found = load_run(reference, store, EVERYTHING)
    if whole or is_file(reference):
        return found
    return baseline_for(found, extent_of(sample.place for sample in candidate.samples))


def baseline_for(run: RunRecord, asked: Extent) -> RunRecord:
    """A whole run of the store as the baseline of a candidate that asks so much."""
    has = extent_of(sample.place for sample in run.samples)
    found = beside(selected(run.manifest) or has, asked)
    # Of what the candidate asks it says nothing that it does not have.
    return run.within({key: min(count, has[key]) for key, count in found.items() if key in has})
