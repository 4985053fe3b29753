"""The command line's entry: parses, dispatches, and turns errors into messages."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from lrmtest import __version__
from lrmtest.cli import (
    behaviours,
    certify,
    check,
    comparison,
    compress,
    compute,
    exporting,
    gate,
    importing,
    init,
    knowledge,
    locate,
    merging,
    models,
    noise,
    plan,
    read,
    report,
    runs,
    serve,
    suites,
    sweep,
    triage,
    watch,
)
from lrmtest.cli.completion import complete
from lrmtest.cli.output import complain
from lrmtest.errors import LrmtestError
from lrmtest.options.exit_codes import (
    BUG,
    INFRASTRUCTURE,
    INTERRUPTED,
    READER_GONE,
    USAGE,
    is_mistake,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 when it did what was asked, 1 when a gate says regressed, 2 for a mistake in the command
        or its model, 10 for an undecided gate, 12 for one that cannot tell, 11 for anything else,
        lrmtest's own bugs included.
    """
    try:
        words = list(sys.argv[1:] if argv is None else argv)
        parser = _parser()
        complete(parser)
        arguments = parser.parse_args(words, argparse.Namespace(words=words))
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except LrmtestError as error:
        complain(f"lrmtest: {error}")
        return USAGE if is_mistake(error) else INFRASTRUCTURE
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough. Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception:
        complain(f"{traceback.format_exc()}\n{BUG}")
        return INFRASTRUCTURE
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
    suites.add_commands(commands)
    init.add_commands(commands)
    serve.add_commands(commands)
    compress.add_commands(commands, store)
    sweep.add_commands(commands, store)
    runs.add_commands(commands, store)
    watch.add_commands(commands, store)
    check.add_commands(commands, store)
    exporting.add_commands(commands, store)
    importing.add_commands(commands, store)
    merging.add_commands(commands)
    comparison.add_commands(commands, store)
    gate.add_commands(commands, store)
    certify.add_commands(commands, store)
    plan.add_commands(commands, store)
    noise.add_commands(commands, store)
    compute.add_commands(commands, store)
    knowledge.add_commands(commands, store)
    read.add_commands(commands, store)
    locate.add_commands(commands, store)
    behaviours.add_commands(commands, store)
    report.add_commands(commands, store)
    triage.add_commands(commands, store)
    return parser
