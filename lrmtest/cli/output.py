"""Printing rich renderables to the terminal or a pipe."""

from __future__ import annotations

import os
import shutil
import sys

from rich.console import RenderableType

from lrmtest.reports.terminal import render


def show(renderable: RenderableType, *, crop: bool = True) -> None:
    """Print a renderable; with colours on a terminal, unless NO_COLOR is set.

    Args:
        renderable: anything rich can show.
        crop: cut off what is wider than the terminal; False for text that is to be pasted.
    """
    color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    width = shutil.get_terminal_size((120, 24)).columns
    text = render(renderable, width, color, crop=crop)
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "replace").decode(encoding))
