"""A run by what people call it: a name in the store, or a baseline's file."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from lrmtest.errors import UsageError
from lrmtest.runs.extent import EVERYTHING, Extent, beside, extent_of, selected
from lrmtest.runs.formats.baseline import read_baseline
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.outcomes import QuestionKey
from lrmtest.runs.records import RunRecord
from lrmtest.runs.store import Store
from lrmtest.suites.sets import NamedSet


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

    A run in the store is narrowed for the candidate, by `beside`; a file has what it has. Either is
    narrowed to the named set that the candidate was asked.
    """
    found = load_run(reference, store, EVERYTHING)
    if whole:
        return found
    if not is_file(reference):
        found = baseline_for(found, extent_of(sample.place for sample in candidate.samples))
    return within_set(found, candidate.manifest)


def baseline_for(run: RunRecord, asked: Extent) -> RunRecord:
    """A whole run of the store as the baseline of a candidate that asks so much."""
    has = extent_of(sample.place for sample in run.samples)
    found = beside(selected(run.manifest) or has, asked)
    # Of what the candidate asks it says nothing that it does not have.
    return run.within({key: min(count, has[key]) for key, count in found.items() if key in has})


def within_set(baseline: RunRecord, candidate: Manifest) -> RunRecord:
    """A baseline without what is not in the named set that a candidate is asked.

    Who asks a set by its name wants to hear of its questions, all of them and no others. Without a
    set, or without a question of it, the baseline stays as it is.
    """
    asked = candidate.named_set.asked
    if asked is None or not any(asked.among(_keys(baseline))):
        return baseline
    return part_of(baseline, asked)


def part_of(run: RunRecord, asked: NamedSet) -> RunRecord:
    """The part of a run that is in a named set.

    Raises:
        UsageError: it has no question of the set.
    """
    has = extent_of(sample.place for sample in run.samples)
    found = asked.among(_keys(run))
    if not found:
        raise UsageError(
            f"run {run.run_id} has no question of set {asked.name}",
            hint=f"it asked {', '.join(run.suites) or 'none'}, the set is of "
            f"{', '.join(asked.suites)}",
        )
    if len(found) == len(has):
        return run
    part = run.within({key: has[key] for key in found})
    both = "; ".join(words for words in (run.left_out, part.left_out) if words)
    return replace(part, left_out=both)


def _keys(run: RunRecord) -> dict[QuestionKey, None]:
    return dict.fromkeys(sample.place.question for sample in run.samples)
