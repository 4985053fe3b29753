"""`--html`: the session's runs, and what they are compared with, as one file."""

from __future__ import annotations

from contextlib import suppress

import pytest

from lrmtest.errors import UsageError
from lrmtest.plugin.ending.finish import session_runs
from lrmtest.plugin.ending.summary import complaining
from lrmtest.plugin.session import LrmtestSession, session_of
from lrmtest.reports.html import ReportRun, run_of, run_of_file, write_report
from lrmtest.runs.baseline import Baseline
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
        compared = {each.candidate.name: each for each in session.comparisons.results}
        if runs:
            write_report(path, runs, compared, threshold=session.settings.pass_threshold)


def _runs(session: LrmtestSession) -> list[ReportRun]:
    """The baselines first, then what this session has made."""
    by_model = session.collector.by_model()
    own = [
        run_of(session.store, session.store.run(run.name), run, by_model[run.model])
        for run in session_runs(session)
    ]
    compared_with = {each.baseline.name: each.baseline for each in session.comparisons.results}
    baselines = [_baseline(session.store, baseline) for baseline in compared_with.values()]
    return [*baselines, *own]


def _baseline(store: Store, baseline: Baseline) -> ReportRun:
    """A baseline with its texts, if the store has them."""
    with suppress(UsageError):
        found = store.run(baseline.name)
        if found.run_id == baseline.name:
            return run_of(store, found, baseline)
    return run_of_file(baseline)
