"""The command line's entry: parses, dispatches, and turns errors into messages."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from lrmtest import __version__
from lrmtest.cli import (
    check,
    comparison,
    compress,
    compute,
    knowledge,
    models,
    plan,
    report,
    runs,
    serve,
    sweep,
    transfer,
    triage,
)
from lrmtest.errors import LrmtestError, UsageError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 when it did what was asked, 2 for a mistake in the command, 1 for anything else.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    arguments = _parser().parse_args(words, argparse.Namespace(words=words))
    try:
        code: int = arguments.run(arguments)
    except LrmtestError as error:
        print(f"lrmtest: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough. Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lrmtest",
        description="Look at models and runs. Suites are run by pytest: "
        "pytest suites/aime --model NAME",
    )
    parser.add_argument("--version", action="version", version=f"lrmtest {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    store = argparse.ArgumentParser(add_help=False)
    store.add_argument(
        "--reports-dir",
        type=Path,
        default=Path("reports"),
        metavar="DIR",
        help="folder of the run store (default: reports)",
    )
    models.add_commands(commands)
    serve.add_commands(commands)
    compress.add_commands(commands, store)
    sweep.add_commands(commands, store)
    runs.add_commands(commands, store)
    check.add_commands(commands, store)
    transfer.add_commands(commands, store)
    comparison.add_commands(commands, store)
    plan.add_commands(commands, store)
    compute.add_commands(commands, store)
    knowledge.add_commands(commands, store)
    report.add_commands(commands, store)
    triage.add_commands(commands, store)
    return parser
