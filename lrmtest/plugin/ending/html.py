"""`--html`: the session's runs, and what they are compared with, as one file."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from lrmtest.errors import UsageError
from lrmtest.plugin.ending.finish import session_runs
from lrmtest.plugin.ending.summary import complaining
from lrmtest.plugin.session import LrmtestSession, session_of
from lrmtest.reports.html import write_report
from lrmtest.runs.records import RunRecord
from lrmtest.runs.store import Store


def write_html(session: pytest.Session) -> None:
    """Write `--html`, if it was asked for; a file that cannot be written is an error."""
    shared = session_of(session.config)
    path = shared.settings.html
    if path is None:
        return
    with complaining(session):
        shared.flush()
        runs = _runs(shared)
        compared = {each.candidate.run_id: each for each in shared.comparisons.results}
        if runs:
            write_report(path, runs, compared, threshold=shared.settings.pass_threshold)


def _runs(shared: LrmtestSession) -> list[RunRecord]:
    """The baselines first, then what this session has made."""
    own = [replace(run, lacking=tuple(shared.store.lacking(run))) for run in session_runs(shared)]
    compared_with = {each.baseline.run_id: each.baseline for each in shared.comparisons.results}
    baselines = [_with_texts(shared.store, baseline) for baseline in compared_with.values()]
    return [*baselines, *own]


def _with_texts(store: Store, baseline: RunRecord) -> RunRecord:
    """A baseline as it is in the store, if it was read from a file and the store has it."""
    if baseline.store is None:
        with suppress(UsageError):
            found = store.run(baseline.run_id)
            if found.run_id == baseline.run_id:
                return store.record(found)
    return baseline
