"""Lines for the user on pytest's own terminal writer, also while a test runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

import pytest

from lrmtest.progress import Tell, silent

CLEAR = pytest.StashKey[Callable[[], None]]()
"""What takes away that is drawn below pytest's own line, before another one is printed."""


def line_writer(config: pytest.Config) -> Tell:
    """What prints a line of its own, also while a test runs; nothing with -q."""
    reporter: pytest.TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or config.option.verbose < 0:
        return silent
    return partial(write_line, config, reporter)


def notice_writer(config: pytest.Config) -> Tell:
    """What prints a line that must be seen, even with -q: why nothing happens, for example."""

    def tell(line: str) -> None:
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            write_line(config, reporter, line)

    return tell


def write_line(config: pytest.Config, reporter: pytest.TerminalReporter, line: str) -> None:
    """Print one line."""
    config.stash.get(CLEAR, _nothing)()
    # What a test that is running prints is captured; this is not the test's.
    capture = config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture is not None else nullcontext():
        reporter.ensure_newline()
        reporter.write_line(line)


def _nothing() -> None:
    pass
