"""`lrmtest watch`: a run while it is generated, from another terminal or in a browser."""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from lrmtest.analysis.summary import RunSummary, summarize
from lrmtest.cli.output import say
from lrmtest.cli.watched_report import WatchedReport
from lrmtest.errors import MissingStoreError
from lrmtest.options.common import number
from lrmtest.options.exit_codes import INFRASTRUCTURE, OK
from lrmtest.reports.so_far import watch_line, watch_view
from lrmtest.runs.live import live_states
from lrmtest.runs.records import RunHead
from lrmtest.runs.so_far import RunSoFar, so_far
from lrmtest.runs.store import STORE_NAME, Store

_LOOK_SECONDS = 1.0
_SECONDS_BETWEEN_LINES = 30.0
_SHARE_OF_TIME = 0.05
"""Of its time it reads and sums up at most so much."""
_ERRORS_SHOWN = 3
_ANY_PORT = 0


def add_commands(commands: Any, store: argparse.ArgumentParser) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser(
        "watch",
        parents=[store],
        help="follow a run while it is generated",
        description="Follow a run while it is generated, without disturbing it. Ends with the run: "
        "0 when everything planned is there, 11 when it ended before.",
    )
    parser.add_argument(
        "run_name",
        metavar="RUN",
        nargs="?",
        help="a run's id, its beginning, or `last`; left out, the newest that is generated now, "
        "and if there is none the next one that begins",
    )
    parser.add_argument(
        "--html",
        metavar="PORT",
        nargs="?",
        type=number(int, "a port, from 0 to 65,535", lambda port: 0 <= port < 1 << 16),
        const=_ANY_PORT,
        help="serve the report on this machine, and renew it; on a free port if none is given",
    )
    parser.set_defaults(run=_watch)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was read of a run at one moment."""

    now: RunSoFar
    summary: RunSummary
    errors: tuple[str, ...]


class _Reader:
    """Reads how far a run is, as often as that costs little.

    Args:
        store: its store.
        run: the run.
    """

    def __init__(self, store: Store, run: RunHead) -> None:
        self._store = store
        self._run = run
        self._version = -1
        self._summed_at = 0.0
        self._cost = 0.0
        self._summary: RunSummary | None = None

    def look(self) -> _Seen:
        """How far it is now."""
        began = time.monotonic()
        now = so_far(self._store, self._run)
        version = self._store.version()
        due = began - self._summed_at >= self._cost / _SHARE_OF_TIME
        if self._summary is None or (version != self._version and (due or not now.sessions)):
            self._summary = summarize(self._store.record(now.head))
            self._version, self._summed_at = version, began
            self._cost = time.monotonic() - began
        errors = []
        if now.total.failed:
            last = self._store.errors(now.head.run_id)[-_ERRORS_SHOWN:]
            errors = [f"{error.place.question_id}: {error.message}" for error in last]
        return _Seen(now, self._summary, tuple(errors))


def _watch(arguments: argparse.Namespace) -> int:
    path = arguments.reports_dir / STORE_NAME
    store, run = _found(path, arguments.run_name)
    with store:
        reader = _Reader(store, run)
        if arguments.html is None:
            return _followed(reader)
        with WatchedReport(path, run.run_id, arguments.html) as report:
            say(f"the report of {run.run_id}, renewed while it is generated: {report.url}")
            status = _followed(reader)
            say("the run has ended; its report is served until Ctrl-C")
            with suppress(KeyboardInterrupt):
                report.wait()
            return status


def _found(path: Path, name: str | None) -> tuple[Store, RunHead]:
    """The run to watch; without a name it is waited for.

    Raises:
        UsageError: no run or several runs answer to the name.
        StoreError: the store is not there, or cannot be read.
    """
    if name is not None:
        store = Store(path, create=False, read_only=True)
        try:
            return store, store.run(name)
        except BaseException:
            store.close()
            raise
    told = False
    while True:
        with suppress(MissingStoreError):
            store = Store(path, create=False, read_only=True)
            for run in store.runs():
                if live_states(path, run.run_id):
                    return store, run
            store.close()
        if not told:
            told = True
            say(f"waiting for a run to begin in {path.parent} (Ctrl-C to leave)")
        time.sleep(_LOOK_SECONDS)


def _followed(reader: _Reader) -> int:
    """Show a run until it has ended; the exit status that says how."""
    seen = reader.look()
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        color = not os.environ.get("NO_COLOR")
        console = Console(no_color=not color, highlight=False, markup=False, emoji=False)
        with Live(_view(seen), console=console, auto_refresh=False) as live:
            while seen.now.sessions:
                time.sleep(_LOOK_SECONDS)
                seen = reader.look()
                live.update(_view(seen), refresh=True)
    else:
        said = 0.0
        while seen.now.sessions:
            if time.monotonic() - said >= _SECONDS_BETWEEN_LINES or not said:
                said = time.monotonic()
                say(watch_line(seen.now, seen.summary, time.time()))
            time.sleep(_LOOK_SECONDS)
            seen = reader.look()
        say(watch_line(seen.now, seen.summary, time.time()))
    return OK if seen.now.state == "complete" else INFRASTRUCTURE


def _view(seen: _Seen) -> Any:
    return watch_view(seen.now, seen.summary, time.time(), seen.errors)
