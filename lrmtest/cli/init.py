"""`lrmtest init`: suites, configuration and a CI workflow for a project of one's own."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from lrmtest.cli.output import complain, say
from lrmtest.cli.starter import WORKFLOW, Started, start, suite_files
from lrmtest.options.exit_codes import OK, USAGE


def add_commands(commands: Any) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser(
        "init",
        help="write the suites, pytest's configuration and a CI workflow into a folder",
        description="Writes suites/, a section of pyproject.toml, a line of .gitignore and "
        f"{WORKFLOW}. Nothing that is there is written over; the exit status is {USAGE} when a "
        "file was left that differs. The same command again writes what is missing.",
    )
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path(), metavar="FOLDER", help="default: this one"
    )
    parser.add_argument(
        "--suite",
        action="append",
        default=[],
        metavar="NAME",
        help="write only this one, as `lrmtest suites` lists it, or all of a benchmark or of "
        "`fresh`; repeat it",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="renew files that an earlier lrmtest wrote and nobody has changed",
    )
    parser.set_defaults(run=_init)


def _init(arguments: argparse.Namespace) -> int:
    suites = suite_files(arguments.suite)
    done = start(arguments.folder, suites, renew=arguments.force)
    for line in _lines(done):
        say(line)
    for path, why in done.left.items():
        complain(f"left as it is: {path}: {why}")
    for line in _next_steps(arguments.folder, list(suites)):
        say(line)
    return USAGE if done.left else OK


def _lines(done: Started) -> list[str]:
    lines = [f"wrote    {path}" for path in done.written]
    lines += [f"added to {path}" for path in done.added_to]
    if done.as_wanted:
        lines.append(f"nothing to do for {', '.join(done.as_wanted)}")
    return lines + [f"note: {note}" for note in done.notes]


def _next_steps(folder: Path, suites: list[str]) -> list[str]:
    """What to type now: a suite for which nothing more is needed, if there is one."""
    fresh = [path for path in suites if path.startswith("suites/fresh/")]
    first = Path((fresh or suites)[0])
    asked = first.parent if first.name.startswith("test_") else first
    model = "tiny-lrm" if fresh else "NAME"
    lines = [] if folder == Path() else [f"  cd {shlex.quote(str(folder))}"]
    return [
        "",
        "next:",
        *lines,
        f"  pytest {asked.as_posix()} --model {model}",
        "  lrmtest suites                    # what each asks, and where its questions come from",
    ]
