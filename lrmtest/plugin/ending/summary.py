"""The end of a session: the summary on the terminal and as a file."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from lrmtest.analysis.summary import RunSummary, summarize
from lrmtest.errors import LrmtestError
from lrmtest.options.exit_codes import INFRASTRUCTURE
from lrmtest.plugin.collector import search_of
from lrmtest.plugin.ending.finish import session_runs
from lrmtest.plugin.session import LrmtestSession, session_of
from lrmtest.reports.escape import one_line
from lrmtest.reports.summary_json import summary_document, write_summary
from lrmtest.reports.terminal import render, summary_table

_NAME_LIMIT = 60


def summaries(session: LrmtestSession) -> list[RunSummary]:
    """One summary per model that has records."""
    return [summarize(run) for run in session_runs(session)]


def print_summary(reporter: pytest.TerminalReporter, session: LrmtestSession) -> None:
    """Print the table of pass rates and tokens, and what is to be known of each run."""
    found = summaries(session)
    graded = [summary.model for summary in found]
    models = [*graded, *_ungraded(session, graded)]
    if not models:
        return
    reporter.section("lrmtest")
    screen = reporter._tw
    if found:
        text = render(summary_table(found), width=screen.fullwidth, color=screen.hasmarkup)
        reporter.write_line(text)
    for model in models:
        generation = session.generations.of(model)
        stopped = ""
        if session.comparisons.certified(model):
            stopped = "certified by reading, nothing was generated: the same command without "
            stopped += "--read generates it"
        elif generation.dropped:
            stopped = "stopped when decided: the same command without --early-stop continues it"
        elif not generation.complete:
            stopped = "interrupted: the same command continues it"
        if stopped:
            reporter.write_line(f"{one_line(model, _NAME_LIMIT)}: {stopped}")
        for note in generation.notes:
            reporter.write_line(note, yellow=True)


def _ungraded(session: LrmtestSession, graded: Collection[str]) -> list[str]:
    """Models whose run was interrupted before the first of their tests had run."""
    begun, failures = session.generations.begun, session.generations.failures
    return [
        name
        for name in session.models.names
        if name in begun and name not in {*graded, *failures} and not begun[name].complete
    ]


def print_searches(reporter: pytest.TerminalReporter) -> None:
    """In property mode, print what came of each search."""
    reports = [*reporter.stats.get("passed", ()), *reporter.stats.get("failed", ())]
    found = [(report.nodeid, text) for report in reports if (text := search_of(report))]
    if not found:
        return
    reporter.section("smallest failing questions")
    for nodeid, text in found:
        reporter.write_line(f"{nodeid}: {text}")


def write_summary_json(pytest_session: pytest.Session) -> None:
    """Write `--summary-json`, if it was asked for; a file that cannot be written is an error."""
    session = session_of(pytest_session.config)
    path = session.settings.summary_json
    if path is None:
        return
    with complaining(pytest_session):
        write_summary(path, summary_document(summaries(session), session.comparisons.results))


@contextmanager
def complaining(pytest_session: pytest.Session) -> Iterator[None]:
    """Make a file that cannot be written an error of the session, told at its very end."""
    try:
        yield
    except LrmtestError as error:
        pytest_session.exitstatus = INFRASTRUCTURE
        pytest_session.config.add_cleanup(partial(_complain, pytest_session.config, str(error)))


def _complain(config: pytest.Config, message: str) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(f"ERROR: {message}", red=True)
