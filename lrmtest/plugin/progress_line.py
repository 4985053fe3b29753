"""The progress line, drawn on pytest's own terminal writer while models generate."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from lrmtest.plugin.ending.gate_statuses import FAILED_UNDER_GATE, PASSED_UNDER_GATE
from lrmtest.plugin.generation.generation import Generation
from lrmtest.plugin.lines import write_line
from lrmtest.progress import Tick, silent
from lrmtest.reports.progress import ProgressSnapshot, StatusLine


def progress_line(config: pytest.Config, *, guarded: bool = False) -> StatusLine:
    """Progress on pytest's terminal; plain lines in CI and when the output is not a terminal.

    Args:
        config: pytest's configuration.
        guarded: pytest prints from another thread than the one that draws.
    """
    reporter: pytest.TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or config.option.verbose < 0:
        return _silent()
    screen = reporter._tw
    interactive = reporter.isatty and not os.environ.get("CI") and os.environ.get("TERM") != "dumb"

    line = StatusLine(
        screen._file,
        terminal=bool(interactive),
        width=lambda: screen.fullwidth,
        column=lambda: screen.width_of_current_line,
        write_line=partial(write_line, config, reporter),
        color=screen.hasmarkup,
    )
    if guarded:
        # All that pytest and its plugins print goes through these two, whichever hook it is of.
        for name in ("write", "write_raw"):
            setattr(screen, name, line.guarded(getattr(screen, name)))
    return line


class ShownProgress:
    """Shows where a session's generations stand.

    Args:
        config: pytest's configuration.
        line: where it is shown.
    """

    def __init__(self, config: pytest.Config, line: StatusLine) -> None:
        self._config = config
        self._line = line
        self._drawing = threading.Lock()
        self._begins: Generation | None = None
        """What may be starting its engine, with `_drawing` held."""
        self._stopped = False

    @contextmanager
    def beginning(self, generation: Generation) -> Iterator[Tick]:
        """While a generation begins: what is called now and then to show an engine that starts."""
        with self._drawing:
            self._begins = generation
        try:
            yield self._draw_start
        finally:
            with self._drawing:
                self._begins = None

    def update(self, generation: Generation, questions: int, left: int) -> None:
        """Show how far it is, now and then, while anything is generated.

        Args:
            generation: the model's.
            questions: that are asked of it.
            left: of these, those that are not complete.
        """
        if (generation.samples_fresh or generation.awaits_others) and self._line.due:
            snapshot = self._snapshot(generation, questions, left)
            with self._drawing:
                if not self._stopped:
                    self._line.update(snapshot)

    def finish(self, generation: Generation, questions: int, left: int = 0) -> None:
        """Show how far it came, where anything was generated."""
        if generation.samples_fresh:
            snapshot = self._snapshot(generation, questions, left)
            with self._drawing:
                if not self._stopped:
                    self._line.finish(snapshot)

    def stop(self) -> None:
        """Take away what is shown, and show nothing more."""
        with self._drawing:
            self._stopped = True
            self._line.clear()

    def _draw_start(self) -> None:
        """On a thread of the generation's: show an engine that starts, while nothing else runs."""
        with self._drawing:
            generation = self._begins
            if generation is None or self._stopped:
                return
            if (seconds := generation.outlook.starting_seconds) is None:
                return
            self._line.update(
                ProgressSnapshot(
                    questions_total=0,
                    samples_total=generation.samples_planned,
                    left=generation.outlook.left,
                    starting=generation.head.model,
                    starting_seconds=seconds,
                    log_line=generation.log_line,
                )
            )

    def _snapshot(self, generation: Generation, questions: int, left: int) -> ProgressSnapshot:
        passed, failed, errors = test_counts(self._config)
        outlook, progress = generation.outlook, generation.progress
        return ProgressSnapshot(
            questions_total=questions,
            questions_done=questions - left,
            samples_total=generation.samples_planned,
            samples_done=generation.samples_done,
            samples_reused=generation.samples_stored,
            tokens=outlook.generated,
            tokens_per_second=outlook.tokens_per_second,
            running=progress.running,
            drafted=progress.drafted,
            passed=passed,
            failed=failed,
            errors=errors,
            replicas=generation.replicas,
            left=outlook.left,
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
