"""`--html`: the session's runs, and what they are compared with, as one file."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from lrmtest.errors import UsageError
from lrmtest.plugin.ending.finish import session_runs
from lrmtest.plugin.ending.summary import complaining
from lrmtest.plugin.session import LrmtestSession, session_of
from lrmtest.runs.extent import extent_of
from lrmtest.runs.records import RunRecord
from lrmtest.runs.store import Store


def write_html(pytest_session: pytest.Session) -> None:
    """Write `--html`, if it was asked for; a file that cannot be written is an error."""
    session = session_of(pytest_session.config)
    path = session.settings.html
    if path is None:
        return
    with complaining(pytest_session):
        session.flush()
        runs = _runs(session)
        compared = {each.candidate.run_id: each for each in session.comparisons.results}
        if runs:
            from lrmtest.reports.html import write_report

            write_report(path, runs, compared, threshold=session.settings.pass_threshold)


def _runs(session: LrmtestSession) -> list[RunRecord]:
    """The baselines first, then what this session has made."""
    own = [
        replace(run, lacking=tuple(session.store.lacking(run, run.extent)))
        for run in session_runs(session)
    ]
    compared_with = {each.baseline.run_id: each.baseline for each in session.comparisons.results}
    baselines = [_with_texts(session.store, baseline) for baseline in compared_with.values()]
    return [*baselines, *own]


def _with_texts(store: Store, baseline: RunRecord) -> RunRecord:
    """A baseline as it is in the store, if it was read from a file and the store has it."""
    if baseline.store is None:
        with suppress(UsageError):
            found = store.run(baseline.run_id)
            if found.run_id == baseline.run_id:
                return store.record(found, extent_of(sample.place for sample in baseline.samples))
    return baseline
