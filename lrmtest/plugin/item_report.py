"""A test's report: what the model did, instead of where Python was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from _pytest._code.code import ReprExceptionInfo, ReprFileLocation, ReprTracebackNative

from lrmtest.errors import EngineError, LrmtestError, UsageError
from lrmtest.plugin.collector import (
    attach,
    attach_search,
    mark_infrastructure,
    mark_own_failure,
)
from lrmtest.plugin.ending.guard import is_refused
from lrmtest.plugin.ending.junit import properties
from lrmtest.plugin.fixture_owner import MODEL, holds_ours
from lrmtest.plugin.items import model_of
from lrmtest.plugin.model import Model
from lrmtest.plugin.own_failure import own_failure, show_beside
from lrmtest.plugin.property.result import SEARCHED, SmallestFailure
from lrmtest.plugin.session import session_of
from lrmtest.runs.records import SampleRecord

_MODEL = pytest.StashKey[Model]()
_PACKAGE = f"{Path(__file__).parents[1]}{os.sep}"


def give(item: pytest.Item, model: Model) -> None:
    """Keep a test's model, for its fixtures and its report.

    A test that asks for lrmtest's own fixture gets it at once, for pytest takes a tenth of a
    millisecond to make a fixture; one for which somebody else made a fixture of that name does not.
    """
    item.stash[_MODEL] = model
    if not isinstance(item, pytest.Function) or item.config.getoption("setupshow", False):
        return
    if holds_ours(item):
        item.funcargs[MODEL] = model
        # Only the fixture that is not made would have asked for it, or its value is the same.
        item.funcargs.setdefault("request", item._request)


def given_model(item: pytest.Item) -> Model:
    """The model that a test was given.

    Raises:
        UsageError: it was not known before the test ran that it would ask for one.
    """
    if _MODEL not in item.stash:
        raise UsageError(
            f"{item.nodeid} asks for a model while it runs",
            hint="let the test, or one of its fixtures, take `model` as an argument",
        )
    return item.stash[_MODEL]


def forget_where(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Keep of an error that says itself what was wrong only what is in the test's file.

    No more of its traceback is shown, and pytest would parse the source of each frame, its own too,
    before the report is rewritten: 40 milliseconds for a question that a server does not answer.
    """
    raised = call.excinfo
    if raised is not None and isinstance(raised.value, LrmtestError | SmallestFailure):
        own = str(item.path)
        raised.traceback = raised.traceback.filter(
            lambda entry: entry.frame.code.raw.co_filename == own
        )


def rewrite(
    report: pytest.TestReport, item: pytest.Item, call: pytest.CallInfo[None]
) -> pytest.TestReport:
    """Explain a failed attempt, turn engine errors into errors, and attach what was recorded."""
    model = item.stash.get(_MODEL, None)
    error = call.excinfo.value if call.excinfo is not None else None
    if error is not None and call.excinfo is not None:
        _explain(report, item, call.excinfo, model)
    if call.when == "call" and SEARCHED in item.stash:
        result, smallest = item.stash[SEARCHED]
        attach_search(report, result, (model_of(item) or "", smallest) if smallest else None)
        item.user_properties.append(("search", result))
    if call.when == "teardown":
        if model is not None:
            del item.stash[_MODEL]  # pytest keeps its items to the end; this would keep all texts
    elif records := _records(item, model, error):
        attach(report, records)
        # JUnit files take a test's properties from the report of its teardown.
        item.user_properties += [
            each for each in properties(records) if each not in item.user_properties
        ]
    return report


def _explain(
    report: pytest.TestReport,
    item: pytest.Item,
    raised: pytest.ExceptionInfo[BaseException],
    model: Model | None,
) -> None:
    error = raised.value
    if isinstance(error, LrmtestError):
        report.longrepr = _explanation(report, str(error))
        if not isinstance(error, UsageError):
            _make_error(report, mistaken=is_refused(error))
    elif isinstance(error, SmallestFailure):
        report.longrepr = _explanation(report, str(error))
    elif _through_lrmtest(raised, item):
        _make_error(report)  # a bug there, or in a grader: it says nothing of the model
    elif model is not None and report.when != "teardown" and not _is_skipped(report):
        failed = [attempt for _, attempt in model.attempts if not attempt.passed]
        if failed:
            own = own_failure(raised, failed)
            if not own.words:
                text = "\n".join(attempt.explain() for attempt in failed)
                report.longrepr = _explanation(report, text)
                return
            if not own.about_verdict:
                mark_own_failure(report)
            show_beside(report, own, failed)


def _is_skipped(report: pytest.TestReport) -> bool:
    """Whether a test was skipped, and not expected to fail."""
    return report.skipped and not hasattr(report, "wasxfail")


def _make_error(report: pytest.TestReport, *, mistaken: bool = False) -> None:
    mark_infrastructure(report, mistaken=mistaken)
    # pytest calls a failure in the call phase FAILED, in any other phase ERROR.
    report.when = "setup" if report.when == "call" else report.when


def _through_lrmtest(raised: pytest.ExceptionInfo[BaseException], item: pytest.Item) -> bool:
    """Whether an exception came out of lrmtest into the test, and is none of pytest's own."""
    if not isinstance(raised.value, Exception):
        return False
    # By their names: pytest's own paths ask the disk for each of some fifty frames.
    files = [entry.frame.code.raw.co_filename for entry in raised.traceback]
    own = str(item.path)
    if own not in files:
        return False
    # The test itself may be one of the package's.
    return any(file.startswith(_PACKAGE) and file != own for file in files[files.index(own) :])


def _explanation(report: pytest.TestReport, text: str) -> ReprExceptionInfo:
    """A failure's representation: text for the terminal, one line for the short summary.

    Of pytest's own type, so that under pytest-xdist it is the same after its way.
    """
    path, line, _ = report.location
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None and path in crash.path:
        line = crash.lineno
    lines = [f"{each}\n" for each in [*text.splitlines(), f"{path}:{line or 0}"]]
    headline = text.partition("\n")[0]
    return ReprExceptionInfo(
        reprtraceback=ReprTracebackNative(lines),
        reprcrash=ReprFileLocation(path, line or 0, headline),
    )


def _records(
    item: pytest.Item, model: Model | None, error: BaseException | None
) -> list[SampleRecord]:
    if not isinstance(error, EngineError):
        return [] if model is None else model.records()
    session = session_of(item.config)
    name = model_of(item)
    if name is None or name in session.generations.failures:
        return []
    selected = session.suites.selected_by(item)
    if selected is None:
        return []
    return session.schedule(name).error_records(selected, session.sources.source_of(name))
