"""Callables by which what takes long tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

LayersDone = Callable[[int, int], None]
"""Receives how many layers are done, and how many there are."""

Tell = Callable[[str], None]
"""Receives a line for the user about something that may take long."""


def silent(message: str) -> None:
    """A `Tell` that tells nobody."""


Tick = Callable[[], None]
"""Called now and then while something takes long."""
