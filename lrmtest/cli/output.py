"""Printing to the terminal, a pipe or the log of a continuous integration service."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TextIO

from rich.console import RenderableType

from lrmtest.reports.annotations import disarmed
from lrmtest.reports.escape import plain
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


def complain(text: str) -> None:
    """Print a line to standard error, whatever files and models put into it."""
    _print(plain(text, _MOST), sys.stderr)


def _print(text: str, file: TextIO) -> None:
    encoding = file.encoding or "utf-8"
    print(disarmed(text).encode(encoding, "replace").decode(encoding), file=file, flush=True)
