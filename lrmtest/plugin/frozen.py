"""Objects that the garbage collector is to leave alone while a session runs, and no longer."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_FROZEN = pytest.StashKey[bool]()


def freeze(config: pytest.Config) -> None:
    """Let the garbage collector leave alone what there is.

    What was collected, and what tests leave of themselves, stays to the end. It need not be looked
    at again and again while thousands of tests run.
    """
    config.stash[_FROZEN] = True
    gc.freeze()


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Let it look for cycles after ten times as many new objects as usual.

    Nearly all that tests leave behind is kept and in no cycle, and a full collection looks at all
    of it. Not for a process that computes with a model: its garbage is large and not many objects.
    """
    usual = gc.get_threshold()
    gc.set_threshold(10 * usual[0], *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def thaw_at_the_end(config: pytest.Config) -> None:
    """Give back what the session freezes, when all that it has set up is gone.

    To be called before the plugins are configured, since what is set up first ends last.
    """

    def thaw() -> None:
        if config.stash.get(_FROZEN, False):
            gc.unfreeze()

    config.add_cleanup(thaw)
