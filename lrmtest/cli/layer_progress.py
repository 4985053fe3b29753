"""Models that are taken layer by layer: what that needs, and the progress of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from lrmtest.errors import ModelError
from lrmtest.locate.portions import Done


@contextmanager
def looking_into_models() -> Iterator[None]:
    """Say what to install where what looks into models cannot be imported meanwhile.

    Raises:
        ModelError: it cannot.
    """
    try:
        yield
    except ImportError as error:
        raise ModelError(
            f"models cannot be looked into here: {error}", hint="pip install 'lrmtest[cpu]'"
        ) from error


@contextmanager
def layers_shown() -> Iterator[Done]:
    """What tells the user, on stderr, what is being done and how far it is."""
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield lambda what, done, total: None
        return
    columns = (
        TextColumn("{task.description}"),
        MofNCompleteColumn(),
        BarColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def told(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)

        yield told
