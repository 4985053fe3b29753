"""Tests under a gate: each says what became of its question, none decides the exit status.

pytest's own outcome of a test stays what it is, so that junit files and ``--lf`` agree with what
the model did; only what the terminal calls it, and what the session makes of it, are the gate's.
"""

from __future__ import annotations

import pytest

from lrmtest.analysis.flips import Flip, flips
from lrmtest.plugin.collector import is_infrastructure, is_own_failure, records_of
from lrmtest.plugin.session import LrmtestSession
from lrmtest.runs.records import outcomes_of

PASSED_UNDER_GATE = ("fixed", "better", "worse but passes")
FAILED_UNDER_GATE = ("broken", "worse", "unstable", "expected failure", "not in baseline")

TestStatus = tuple[str, str, tuple[str, dict[str, bool]]]

_PASSED: dict[str, TestStatus] = {
    "worse": ("worse but passes", "w", ("WORSE BUT PASSES", {"yellow": True})),
    "fixed": ("fixed", "+", ("FIXED", {"green": True})),
    "better": ("better", "^", ("BETTER", {"green": True})),
}
_FAILED: dict[str, TestStatus] = {
    "broken": ("broken", "B", ("BROKEN", {"red": True})),
    "worse": ("worse", "W", ("WORSE", {"red": True})),
    "unstable": ("unstable", "~", ("UNSTABLE", {"yellow": True})),
    "both fail": ("expected failure", "-", ("EXPECTED FAILURE", {"yellow": True})),
}
_UNKNOWN: TestStatus = ("not in baseline", "?", ("NOT IN BASELINE", {"yellow": True}))


def register_gate_reporter(config: pytest.Config, session: LrmtestSession) -> None:
    """Register what tells tests under a gate apart, in the process that reports."""
    if session.settings.comparison.gate is not None and not hasattr(config, "workerinput"):
        config.stash[_REPORTER] = reporter = GateReporter(session)
        config.pluginmanager.register(reporter, "lrmtest-gate")


def gate_reporter(config: pytest.Config) -> GateReporter | None:
    """What tells tests under a gate apart; None in sessions without a gate."""
    return config.stash.get(_REPORTER, None)


class GateReporter:
    """Tells model failures, which the gate judges, from all others.

    Args:
        session: the session's parts.

    Attributes:
        others: tests that failed for reasons of their own, as in any session.
    """

    def __init__(self, session: LrmtestSession) -> None:
        self._session = session
        self.others = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the failures that are neither the gate's to judge nor the machinery's."""
        if not report.failed:
            return
        if not is_infrastructure(report) and self._status(report) is None:
            self.others += 1

    def pytest_report_teststatus(
        self, report: pytest.CollectReport | pytest.TestReport
    ) -> TestStatus | None:
        """What the terminal calls a test of a suite's question."""
        return self._status(report) if isinstance(report, pytest.TestReport) else None

    def _status(self, report: pytest.TestReport) -> TestStatus | None:
        """None for a test that is not about a question's verdict, or where nothing changed."""
        if report.when != "call" or not (report.passed or report.failed):
            return None
        if is_own_failure(report):
            return None
        records = records_of(report)
        baseline = self._session.comparisons.baseline_of(records[0].model) if records else None
        if baseline is None:
            return None
        threshold = self._session.settings.pass_threshold
        after = outcomes_of(records, greedy=baseline.manifest.greedy)
        if all(one.passed(threshold) for one in after.values()) != report.passed:
            return None  # The test has reasons of its own.
        before = {key: baseline.outcomes[key] for key in after if key in baseline.outcomes}
        found = flips(before, after, threshold)
        if report.passed:
            named = {flip.change for flip in found}
            return next((_PASSED[name] for name in _PASSED if name in named), None)
        named_failed = {_failed_as(flip) for flip in found}
        return next((_FAILED[name] for name in _FAILED if name in named_failed), _UNKNOWN)


def _failed_as(flip: Flip) -> str:
    """What became of a question whose test fails; one that failed before, too, can be worse."""
    if flip.change in ("broken", "worse"):
        return flip.change
    return "unstable" if flip.kind == "flaky" else flip.kind


_REPORTER = pytest.StashKey[GateReporter]()
"""Where pytest's configuration keeps the gate's reporter."""
