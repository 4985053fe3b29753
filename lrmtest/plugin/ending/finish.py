"""The end of a session: comparisons, the baseline's file, and the exit status."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lrmtest.errors import LrmtestError, UsageError
from lrmtest.options.exit_codes import INFRASTRUCTURE, OK, REGRESSED, UNDECIDED, exit_code
from lrmtest.plugin.session import LrmtestSession, session_of
from lrmtest.reports.comparison import comparison_view
from lrmtest.reports.terminal import render
from lrmtest.runs.formats.baseline import write_baseline
from lrmtest.runs.records import RunRecord

_DECIDABLE = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)


def failure_code(shared: LrmtestSession) -> int:
    """The exit status when the only model could not be tested."""
    gated = shared.settings.comparison.gate is not None
    return INFRASTRUCTURE if gated else pytest.ExitCode.INTERNAL_ERROR


def finish(session: pytest.Session) -> None:
    """Compare every model's run, write the baseline's file, and set the exit status.

    A session that was interrupted, broke down or collected nothing is not compared.
    """
    shared = session_of(session.config)
    if session.exitstatus not in _DECIDABLE:
        return
    stopped = session.shouldfail or session.shouldstop
    unfair = f"the session stopped before all tests had run: {stopped}" if stopped else None
    for run in session_runs(shared):
        shared.comparisons.compare(run, shared.generations[run.model].dropped, unfair)
        try:
            _save_baseline(shared, run, unfair)
        except LrmtestError as error:
            shared.comparisons.complaints.append(str(error))
    if shared.watch is not None:
        session.exitstatus = _gate_status(shared)
    if shared.comparisons.complaints:
        session.exitstatus = INFRASTRUCTURE


def print_comparisons(reporter: pytest.TerminalReporter, shared: LrmtestSession) -> None:
    """Print each comparison, and what could not be written."""
    comparisons = shared.comparisons
    screen = reporter._tw
    for compared in comparisons.results:
        reporter.section("comparison")
        test_ids = shared.collector.test_ids(compared.candidate.model)
        view = comparison_view(compared, test_ids)
        text = render(view, width=screen.fullwidth, color=screen.hasmarkup, crop=False)
        reporter.write_line(text)
    if comparisons.saved is not None:
        reporter.write_line(f"baseline written to {comparisons.saved}")
    for complaint in comparisons.complaints:
        reporter.write_line(f"ERROR: {complaint}", red=True)


def session_runs(shared: LrmtestSession) -> Iterator[RunRecord]:
    """The runs of this session, as far as their tests have run."""
    for name, samples in shared.collector.by_model().items():
        generation = shared.generations[name]
        yield generation.head.with_samples(
            samples, timing=generation.timing(), store=shared.store.path
        )


def _save_baseline(shared: LrmtestSession, run: RunRecord, unfair: str | None) -> None:
    path = shared.settings.comparison.save_baseline
    if path is None:
        return
    lacking = unfair
    if not shared.generations[run.model].complete:
        lacking = lacking or "not every completion is there"
    if lacking:
        raise UsageError(
            f"the baseline is not written to {path}: {lacking}",
            hint="the same command continues the run; `lrmtest baseline` can write a part of it",
        )
    write_baseline(path, run)
    shared.comparisons.saved = path


def _gate_status(shared: LrmtestSession) -> int:
    """The gate's exit status: a regression before all else, then what kept it from deciding."""
    watch, options = shared.watch, shared.settings.comparison
    assert watch is not None
    assert options.gate is not None
    outcomes = [
        compared.decision.result
        for compared in shared.comparisons.results
        if compared.decision is not None
    ]
    if "regressed" in outcomes:
        return REGRESSED
    if any(isinstance(error, UsageError) for error in shared.failures.values()):
        return pytest.ExitCode.USAGE_ERROR
    if watch.others:
        return pytest.ExitCode.TESTS_FAILED
    if shared.failures or (watch.infrastructure and not options.gate.allow_missing):
        return INFRASTRUCTURE
    if not outcomes:
        return UNDECIDED if options.undecided == "fail" else OK
    return max(exit_code(outcome, options.undecided) for outcome in outcomes)
