"""The hooks of a session that asks for lrmtest: each hands over to the module that does its job.

What only some sessions need, or only their end, is imported there: a session's first result comes
a third of a second sooner so. They join when the session is configured, or while it collects, so
wrappers of pytest's own and others' are put around them with `trylast`.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import suppress
from importlib import import_module
from typing import Any

import pytest

from lrmtest.errors import (
    LrmtestError,
    MissingStoreError,
    StoreError,
    UsageError,
)
from lrmtest.plugin.collector import serializable
from lrmtest.plugin.distributed import distribute
from lrmtest.plugin.ending.gate_statuses import register_gate_reporter
from lrmtest.plugin.ending.guard import end, guarded, told
from lrmtest.plugin.fixture_owner import our_name
from lrmtest.plugin.garbage import look_as_usual
from lrmtest.plugin.item_report import forget_where, give, given_model, rewrite
from lrmtest.plugin.items import model_of
from lrmtest.plugin.model import Model
from lrmtest.plugin.refusal import refuse
from lrmtest.plugin.selection import Selection
from lrmtest.plugin.session import SESSION, LrmtestSession, session_of
from lrmtest.plugin.set_selection import SetSelection

__all__ = ["begin", "check_items", "given_model", "parametrize"]
"""What the door calls; the rest is pytest's to call."""


def begin(config: pytest.Config) -> None:
    """Read the options, and set up what the session needs.

    Raises:
        pytest.UsageError: a mistake that is known before anything is generated.
        pytest.Exit: the store cannot be read.
    """
    try:
        session = LrmtestSession(config)
    except MissingStoreError as error:
        raise pytest.UsageError(told(error)) from None
    except LrmtestError as error:
        end(error)
    config.stash[SESSION] = session
    if not session.models.names:
        look_as_usual(config)  # else when the first model is asked
    register_gate_reporter(config, session)
    if session.models.names:
        distribute(config, session)
    config.pluginmanager.register(session.collector, "lrmtest-collector")
    set_selection = SetSelection(session)
    config.pluginmanager.register(set_selection, "lrmtest-set")
    config.pluginmanager.register(Selection(session, set_selection), "lrmtest-selection")


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Before anything of a model's is printed; what its card asked for and did not get."""
    if not hasattr(session.config, "workerinput"):
        if os.environ.get("GITHUB_ACTIONS"):
            from lrmtest.plugin.ending.ci import shield_log

            shield_log(session.config)
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            for notice in session_of(session.config).models.notices:
                reporter.write_line(notice, yellow=True)  # also with -q


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Where a path is mistyped, say what is there instead; only in sessions with a model."""
    if not session_of(session.config).models.names:
        return (yield)
    from lrmtest.plugin.near_paths import advising

    with advising(session.config):
        return (yield)


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Parametrize over a suite's questions, and over the models when there are several."""
    session = session_of(metafunc.config)
    session.suites.parametrize(metafunc)
    taken_as = our_name(metafunc.definition)
    if taken_as is not None and len(session.models.names) > 1:
        metafunc.parametrize(taken_as, session.models.names, indirect=True)


def check_items(session: pytest.Session) -> None:
    """Refuse, before anything is generated, what the collected tests cannot be run with.

    Raises:
        pytest.UsageError: no model is named, or another plugin is to run tests elsewhere.
    """
    config = session.config
    if config.option.collectonly or session.testsfailed:
        return  # nothing will be run
    try:
        needs_model = [item for item in session.items if model_of(item)]
    except UsageError as error:
        refuse(config, session.items, told(error))
        return
    if needs_model and config.getoption("forked", False):
        refuse(
            config,
            session.items,
            "--forked runs each test in a process that is gone with its results, and with what "
            "the model answered\n  -> leave it out for lrmtest's tests; it may stand in addopts",
        )


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run tests in order of completion; leave sessions that need no model to pytest."""
    config = session.config
    distributed = config.pluginmanager.hasplugin("dsession") or hasattr(config, "workerinput")
    if config.option.collectonly or session.testsfailed or distributed:
        return None
    lrmtest_session = session_of(config)
    try:
        if not any(model_of(item) for item in session.items):
            return None
        from lrmtest.plugin.loop import RunLoop
        from lrmtest.plugin.progress_line import progress_line

        RunLoop(session, lrmtest_session, progress_line(config)).run()
    except LrmtestError as error:
        end(error)
    return True


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give a test its model. An engine error surfaces before it runs, so that it is no failure.

    Between pytest's own: after a test's marks have been heard, before its fixtures are made.
    """
    session = session_of(item.config)
    name = model_of(item)
    if name is None:
        return
    source = session.sources.source_of(name)
    selected = session.suites.selected_by(item)
    schedule = session.schedule(name)
    if selected is not None and (why := schedule.check(selected, source)):
        pytest.skip(why)
    give(item, Model(schedule, source, item, selected))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """In property mode, search for a question that fails; leave other tests to pytest."""
    searched = session_of(pyfuncitem.config).suites.searched_by(pyfuncitem)
    if searched is None:
        return None
    from lrmtest.plugin.property.item import search

    search(pyfuncitem, searched)
    return True


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say what the model did instead of where Python was."""
    forget_where(item, call)
    report = yield
    return rewrite(report, item, call)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_report_to_serializable() -> Generator[
    None, dict[str, Any] | None, dict[str, Any] | None
]:
    """What a report carries survives the way between processes as JSON values."""
    data = yield
    return None if data is None else serializable(data)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table of pass rates and tokens, and the comparisons."""
    session = session_of(terminalreporter.config)
    with guarded(terminalreporter.config):
        from lrmtest.plugin.ending.finish import print_comparisons
        from lrmtest.plugin.ending.summary import print_searches, print_summary

        print_searches(terminalreporter)
        print_summary(terminalreporter, session)
        print_comparisons(terminalreporter, session)


@pytest.hookimpl(wrapper=True, tryfirst=True, specname="pytest_terminal_summary")
def pytest_last_lines(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """Behind all else, say how to go on."""
    yield
    _say_how_to_go_on(terminalreporter.config)


def _say_how_to_go_on(config: pytest.Config) -> None:
    session = session_of(config)
    if session.models.names:
        with guarded(config):
            from lrmtest.plugin.ending.next_steps import print_next_steps

            print_next_steps(config, session)


_AT_THE_END = (
    *(("finish", "finish"), ("summary", "write_summary_json")),
    *(("html", "write_html"), ("ci", "write_job_summary")),
)
"""What ends a session, by its module: each also where one before it has failed."""


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Compare, decide, and write the files that were asked for."""
    if hasattr(session.config, "workerinput"):
        # The controller reads the store as soon as its workers have finished.
        with suppress(StoreError):  # What a full disk loses here, grading brings back.
            session_of(session.config).flush()
        return
    for module, name in _AT_THE_END:
        with guarded(session.config):
            getattr(import_module(f"lrmtest.plugin.ending.{module}"), name)(session)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what still runs."""
    session = config.stash.get(SESSION, None)
    if session is not None:
        # pytest sums nothing up where it was made to exit.
        _say_how_to_go_on(config)
        with guarded(config):
            session.close()
