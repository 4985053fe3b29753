"""The progress line, drawn on pytest's own terminal writer."""

from __future__ import annotations

import io
import os
from functools import partial

import pytest

from lrmtest.plugin.ending.gate_statuses import FAILED_UNDER_GATE, PASSED_UNDER_GATE
from lrmtest.plugin.lines import write_line
from lrmtest.progress import silent
from lrmtest.reports.progress import StatusLine


def progress_line(config: pytest.Config) -> StatusLine:
    """Progress on pytest's terminal; plain lines in CI and when the output is not a terminal."""
    reporter: pytest.TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or config.option.verbose < 0:
        return _silent()
    screen = reporter._tw
    interactive = reporter.isatty and not os.environ.get("CI") and os.environ.get("TERM") != "dumb"

    return StatusLine(
        screen._file,
        terminal=bool(interactive),
        width=lambda: screen.fullwidth,
        column=lambda: screen.width_of_current_line,
        write_line=partial(write_line, config, reporter),
        color=screen.hasmarkup,
    )


def test_counts(config: pytest.Config) -> tuple[int, int, int]:
    """Tests passed, failed and ended in an error so far."""
    reporter: pytest.TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
    stats = reporter.stats if reporter is not None else {}

    def number(*names: str) -> int:
        return sum(len(stats.get(name, ())) for name in names)

    return (
        number("passed", *PASSED_UNDER_GATE),
        number("failed", *FAILED_UNDER_GATE),
        number("error"),
    )


def _silent() -> StatusLine:
    return StatusLine(
        io.StringIO(), terminal=False, width=lambda: 80, column=lambda: 0, write_line=silent
    )
