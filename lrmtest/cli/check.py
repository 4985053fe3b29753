"""`lrmtest check`: whether a store is as it was written, and what can be salvaged of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lrmtest.cli.output import say
from lrmtest.counted import counted
from lrmtest.errors import UsageError
from lrmtest.options.exit_codes import INFRASTRUCTURE
from lrmtest.reports.escape import one_line
from lrmtest.runs.salvage import Remains, read_remains
from lrmtest.runs.store import STORE_NAME, Store


def add_commands(commands: Any, store: argparse.ArgumentParser) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser(
        "check",
        parents=[store],
        help="read all of the store, and say what is damaged",
        description="Reads every row of the store and changes nothing in it. The exit status is "
        f"{INFRASTRUCTURE} when something is damaged.",
    )
    parser.add_argument(
        "--salvage",
        type=Path,
        metavar="DIR",
        help="write what can be read to a new store, in this folder",
    )
    parser.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> int:
    path = arguments.reports_dir / STORE_NAME
    if arguments.salvage is None:
        remains = read_remains(path)
    else:
        target = arguments.salvage / STORE_NAME
        if target.exists():
            raise UsageError(
                f"--salvage {arguments.salvage}: there is a store already",
                hint="name a new folder",
            )
        with Store(target) as new:
            remains = read_remains(path, new)
    for line in _lines(path, remains):
        say(line)
    if arguments.salvage is not None:
        say(f"written to {arguments.salvage}; use it with --reports-dir {arguments.salvage}")
    elif remains.faults:
        say("to write what can be read to a new store: lrmtest check --salvage DIR")
    return INFRASTRUCTURE if remains.faults else 0


def _lines(path: Path, remains: Remains) -> list[str]:
    """What can be read, run by run, and what cannot."""
    runs = remains.runs.values()
    held = counted(sum(run.completions for run in runs), "completion")
    if traces := sum(run.traces for run in runs):
        held += f" and {counted(traces, 'trace')}"
    if remains.readings:
        figures = counted(sum(remains.readings.values()), "trace")
        held += f", {counted(len(remains.readings), 'reading')} of {figures}"
    state = " can be read" if remains.faults else ", all intact"
    lines = [f"{path}: {counted(len(runs), 'run')} with {held}{state}"]
    for run in runs:
        if run.whole and not (run.damaged or run.verdicts_lost or run.traces_lost):
            continue
        said = [f"{counted(run.completions, 'completion')} can be read"]
        if not run.whole:
            said.append("its settings are lost")
        if run.damaged:
            said.append(f"{counted(run.damaged, 'row')} cannot")
        if run.verdicts_lost:
            said.append(f"{counted(run.verdicts_lost, 'verdict')} lost: `lrmtest regrade`")
        if run.traces_lost:
            said.append(f"{counted(run.traces_lost, 'trace')} lost")
        lines.append(f"run {one_line(run.head.run_id, 100)}: {', '.join(said)}")
    lines += [f"  {one_line(message, 200)}" for message in remains.messages]
    if remains.faults > len(remains.messages):
        lines.append(f"  ... and {remains.faults - len(remains.messages)} more")
    return lines
