"""The runs that a command is given by name: what of each it speaks of, and what it leaves out."""

from __future__ import annotations

import argparse

from lrmtest.cli.output import complain
from lrmtest.options.common import AddOption
from lrmtest.reports.escape import one_line
from lrmtest.runs.extent import EVERYTHING, Extent, left_out, selected
from lrmtest.runs.records import RunHead, RunRecord
from lrmtest.runs.reference import load_baseline, load_run
from lrmtest.runs.store import STORE_NAME, Store

_WORDS = 300
"""Characters of what is left out that are shown."""


def add_whole_run_option(add: AddOption) -> None:
    """Add ``--whole-run``."""
    add(
        "--whole-run",
        action="store_true",
        help="everything that the run has stored, not only what its last session selected",
    )


def named_run(reference: str, arguments: argparse.Namespace) -> RunRecord:
    """The run or baseline's file of this name, as far as its last session selected it.

    What is left out is told on standard error.

    Raises:
        DataError, UsageError, StoreError: as `load_run`.
    """
    store = arguments.reports_dir / STORE_NAME
    return _told(load_run(reference, store, EVERYTHING if arguments.whole_run else None))


def named_baseline(
    reference: str, arguments: argparse.Namespace, candidate: RunRecord
) -> RunRecord:
    """What a run is compared with: the part that is comparable, as `load_baseline` takes it.

    Raises:
        DataError, UsageError, StoreError: as `load_run`.
    """
    store = arguments.reports_dir / STORE_NAME
    return _told(load_baseline(reference, store, candidate, whole=arguments.whole_run))


def chosen_extent(store: Store, run: RunHead, arguments: argparse.Namespace) -> Extent:
    """What of a run a command speaks of that reads the store itself; told as by `named_run`."""
    extent = EVERYTHING if arguments.whole_run else selected(run.manifest)
    if extent:
        places = [*store.places(run.run_id), *(one.place for one in store.errors(run.run_id))]
        _tell(run, left_out(places, extent))
    return extent


def _told(run: RunRecord) -> RunRecord:
    _tell(run, run.left_out)
    return run


def _tell(run: RunHead, words: str) -> None:
    if words:
        complain(
            f"{run.run_id} has more than was asked for last, left out here: "
            f"{one_line(words, _WORDS)} (--whole-run: all of it)"
        )
