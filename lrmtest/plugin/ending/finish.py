"""The end of a session: comparisons, the baseline's file, and the exit status."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from lrmtest.errors import LrmtestError, UsageError
from lrmtest.options.exit_codes import CANNOT_TELL, INFRASTRUCTURE, REGRESSED, exit_code
from lrmtest.plugin.ending.gate_statuses import GateReporter, gate_reporter
from lrmtest.plugin.ending.guard import is_refused
from lrmtest.plugin.ending.junit_gate import write_decisions
from lrmtest.plugin.session import LrmtestSession, session_of
from lrmtest.reports.comparison import comparison_view
from lrmtest.reports.terminal import render
from lrmtest.runs.formats.baseline import write_baseline
from lrmtest.runs.formats.traces_file import traces_written, write_traces
from lrmtest.runs.records import RunRecord

_DECIDABLE = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)


def finish(pytest_session: pytest.Session) -> None:
    """Compare every model's run, write the baseline's file, and set the exit status.

    A session that was interrupted, broke down or collected nothing is not compared.
    """
    session = session_of(pytest_session.config)
    if pytest_session.exitstatus not in _DECIDABLE:
        return
    stopped = pytest_session.shouldfail or pytest_session.shouldstop
    unfair = f"the session stopped before all tests had run: {stopped}" if stopped else None
    for run in session_runs(session):
        session.comparisons.compare(run, session.generations.of(run.model).dropped, unfair)
        try:
            _save_baseline(session, run, unfair)
        except LrmtestError as error:
            session.comparisons.complaints.append(str(error))
    try:
        write_decisions(pytest_session.config, session.comparisons.results)
    except LrmtestError as error:
        session.comparisons.complaints.append(str(error))
    if (reporter := gate_reporter(pytest_session.config)) is not None:
        pytest_session.exitstatus = _gate_status(session, reporter)
    elif _mistaken(session):
        pytest_session.exitstatus = pytest.ExitCode.USAGE_ERROR
    elif session.collector.infrastructure or session.generations.failures:
        pytest_session.exitstatus = INFRASTRUCTURE
    if session.comparisons.complaints:
        pytest_session.exitstatus = INFRASTRUCTURE


def print_comparisons(reporter: pytest.TerminalReporter, session: LrmtestSession) -> None:
    """Print each comparison, and what could not be written."""
    comparisons = session.comparisons
    screen = reporter._tw
    for compared in comparisons.results:
        reporter.section("comparison")
        test_ids = session.collector.test_ids(compared.candidate.model)
        view = comparison_view(compared, test_ids)
        text = render(view, width=screen.fullwidth, color=screen.hasmarkup, crop=False)
        reporter.write_line(text)
    for line in comparisons.written:
        reporter.write_line(line)
    for complaint in comparisons.complaints:
        reporter.write_line(f"ERROR: {complaint}", red=True)


def session_runs(session: LrmtestSession) -> Iterator[RunRecord]:
    """The runs of this session, as far as their tests have run.

    Also those that were decided before all samples of any question were there.
    """
    collected = session.collector.by_model()
    for name, generation in session.generations.begun.items():
        samples = collected.get(name, ())
        if not samples and not generation.dropped:
            continue
        run = generation.head.with_samples(
            samples, timing=generation.timing(), store=session.store.path
        )
        # The run may have more: other suites, other questions, further samples.
        yield run.within(generation.extent)


def _save_baseline(session: LrmtestSession, run: RunRecord, unfair: str | None) -> None:
    options = session.settings.comparison
    saving = {"baseline is": options.save_baseline, "traces are": options.save_traces}
    paths = {what: path for what, path in saving.items() if path is not None}
    if not paths:
        return
    lacking = unfair
    if not session.generations.of(run.model).complete:
        lacking = lacking or "not every completion is there"
    if lacking:
        refused = (f"the {what} not written to {path}" for what, path in paths.items())
        raise UsageError(
            f"{', '.join(refused)}: {lacking}",
            hint="the same command continues the run; `lrmtest baseline` can write a part of it",
        )
    comparisons = session.comparisons
    if options.save_traces is not None:
        try:
            mark = write_traces(options.save_traces, session.store, run)
        except LrmtestError as error:  # the baseline is of use without them
            comparisons.complaints.append(str(error))
        else:
            run = replace(run, traces=mark)
            comparisons.written += traces_written(mark, run, options.save_traces)
    if options.save_baseline is not None:
        write_baseline(options.save_baseline, run)
        comparisons.saved = options.save_baseline
        comparisons.written.append(f"baseline written to {options.save_baseline}")


def _mistaken(session: LrmtestSession) -> bool:
    """Whether a model was asked for what cannot be, which the others' tests do not change."""
    failures = session.generations.failures.values()
    return bool(session.collector.mistakes) or any(map(is_refused, failures))


def _gate_status(session: LrmtestSession, reporter: GateReporter) -> int:
    """The gate's exit status: a regression before all else, then what kept it from deciding."""
    options, failures = session.settings.comparison, session.generations.failures
    assert options.gate is not None
    outcomes = [
        compared.decision.result
        for compared in session.comparisons.results
        if compared.decision is not None
    ]
    if "regressed" in outcomes:
        return REGRESSED
    if _mistaken(session):
        return pytest.ExitCode.USAGE_ERROR
    if reporter.others:
        return pytest.ExitCode.TESTS_FAILED
    if failures or (session.collector.infrastructure and not options.gate.allow_missing):
        return INFRASTRUCTURE
    if not outcomes:
        return CANNOT_TELL
    return max(exit_code(outcome, options.undecided) for outcome in outcomes)
