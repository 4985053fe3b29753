"""Printing to the terminal, a pipe or the log of a continuous integration service."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

from rich.console import RenderableType

from lrmtest.reports.data_text import csv_text, json_text
from lrmtest.reports.escape import plain
from lrmtest.reports.log_commands import disarmed
from lrmtest.reports.terminal import render

_MOST = 1_000_000


def show(renderable: RenderableType, *, crop: bool = True) -> None:
    """Print a renderable; with colours on a terminal, unless NO_COLOR is set.

    Args:
        renderable: anything rich can show, whose texts are made safe already.
        crop: cut off what is wider than the terminal; False for text that is to be pasted.
    """
    color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    width = shutil.get_terminal_size((120, 24)).columns
    _print(render(renderable, width, color, crop=crop), sys.stdout)


def say(text: str) -> None:
    """Print a line, whatever files and models put into it."""
    _print(plain(text, _MOST), sys.stdout)


def add_data_output_options(parser: argparse.ArgumentParser, what: str) -> None:
    """Add ``--json`` and ``--csv``, of which one may be given, in place of what is for people.

    Args:
        parser: the command's.
        what: each line of the CSV is.
    """
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--json", action="store_true", help="print all figures as JSON")
    group.add_argument("--csv", action="store_true", help=f"print a line for each {what} as CSV")


def print_json(document: object) -> None:
    """Print JSON values whole, with nothing in them that a log's reader would obey."""
    print(json_text(document), flush=True)


def print_csv(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    """Print a table as CSV, as `lrmtest.reports.data_text.csv_text` has it."""
    _print(csv_text(columns, rows).removesuffix("\n"), sys.stdout)


def complain(text: str) -> None:
    """Print a line to standard error, whatever files and models put into it."""
    _print(plain(text, _MOST), sys.stderr)


def _print(text: str, file: TextIO) -> None:
    encoding = file.encoding or "utf-8"
    print(disarmed(text).encode(encoding, "replace").decode(encoding), file=file, flush=True)
