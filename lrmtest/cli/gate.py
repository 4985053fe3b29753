"""`lrmtest gate`: a set of questions, a candidate, a baseline, and an exit status."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from lrmtest.cli.output import complain
from lrmtest.cli.session import TESTED, add_asked_options, asked_words, split_words
from lrmtest.errors import UsageError
from lrmtest.models.programs.foreground import run_in_foreground
from lrmtest.models.resolve import resolve
from lrmtest.options.common import (
    add_cards_option,
    add_threshold_option,
    read_cards,
)
from lrmtest.options.gate import add_gate_options, add_read_options
from lrmtest.options.repeat import repeat_arguments
from lrmtest.runs.reference import is_file

_SET = "quick"
"""The set that is asked where neither a set nor a suite is named."""


def add_commands(commands: Any, store: argparse.ArgumentParser) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser(
        "gate",
        parents=[store],
        help="ask a set of questions of a model, and decide whether it is worse than its baseline",
        description=f"Asks --set {_SET} unless told otherwise. "
        "Runs pytest with --gate and --early-stop, and ends as it does: 0 ok, "
        "1 regressed, 10 undecided, 12 cannot tell, 11 the machinery failed.",
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="the candidate, as for pytest's --model")
    add(
        "--baseline",
        required=True,
        metavar="RUN|FILE",
        help="a run (an id, `last:MODEL`) or a baseline's file",
    )
    add(
        "--parent",
        metavar="NAME",
        help="where the baseline is a file that is not there: ask this model first, and write it",
    )
    add_asked_options(add)
    add("--no-early-stop", action="store_true", help="generate everything, also once it is decided")
    add(
        "--pytest",
        action="append",
        default=[],
        metavar="OPTIONS",
        help="further options for pytest: --pytest='--samples 4 --html report.html'; repeat it",
    )
    add_cards_option(add)
    add_threshold_option(add)
    add_gate_options(add)
    add_read_options(add)
    parser.set_defaults(run=_gate)


def _gate(arguments: argparse.Namespace) -> int:
    cards = read_cards(arguments)
    models = [arguments.model, *([arguments.parent] if arguments.parent is not None else [])]
    for name in models:
        resolve(name, cards)
    if arguments.set is None and not arguments.suite:
        arguments.set = _SET
    more = [word for text in arguments.pytest for word in split_words(text)]
    command = [sys.executable, "-m", "pytest", *asked_words(arguments)]
    command += ["--reports-dir", str(arguments.reports_dir)]
    command += [word for path in arguments.cards for word in ("--cards", str(path))]
    command += [f"--pass-threshold={arguments.pass_threshold}", *more]
    if is_file(arguments.baseline) and not Path(arguments.baseline).exists():
        status = _make_baseline(command, arguments)
        if status not in TESTED:
            return status
    decides = repeat_arguments(arguments, add_gate_options)
    decides += repeat_arguments(arguments, add_read_options)
    decides = (*decides, *([] if arguments.no_early_stop else ["--early-stop"]))
    return run_in_foreground(
        [
            *(*command, f"--model={arguments.model}", f"--baseline={arguments.baseline}"),
            *("--gate", *decides),
        ]
    )


def _make_baseline(command: list[str], arguments: argparse.Namespace) -> int:
    """Ask the parent, and write what it answers as the baseline; pytest's exit status.

    Raises:
        UsageError: nobody has named the parent.
    """
    if arguments.parent is None:
        raise UsageError(
            f"there is no baseline {arguments.baseline}",
            hint="name the model that the candidate was made of, and it is asked first: "
            "--parent NAME",
        )
    complain(f"there is no {arguments.baseline} yet: {arguments.parent} is asked for it")
    file = Path(arguments.baseline)
    written = [f"--model={arguments.parent}", f"--save-baseline={file}", "--tb=no", "-rN"]
    status = run_in_foreground([*command, *written])
    if status not in TESTED:
        complain(f"no baseline: {shlex.join([*command[1:], *written])} ended with {status}")
    return status
