"""The garbage collector in a session: what it looks at, and how often.

Nearly all that a session makes stays to its end and is in no cycle: collected tests, questions,
requests, reports. To look at it again and again takes a tenth of a session of thousands of tests.
"""

from __future__ import annotations

import gc

import pytest

_RARELY = 50
_USUAL = pytest.StashKey[tuple[int, int, int]]()
_FROZEN = pytest.StashKey[bool]()


def look_rarely(config: pytest.Config) -> None:
    """Let it look for cycles after fifty times as many new objects as usual.

    Not for long in a process that computes with a model: its garbage is large and not many objects.
    """
    if _USUAL not in config.stash:
        config.stash[_USUAL] = usual = gc.get_threshold()
        gc.set_threshold(_RARELY * usual[0], *usual[1:])


def look_as_usual(config: pytest.Config) -> None:
    """Let it look as it did before `look_rarely`."""
    usual = config.stash.get(_USUAL, None)
    if usual is not None:
        del config.stash[_USUAL]
        gc.set_threshold(*usual)


def freeze(config: pytest.Config) -> None:
    """Let it leave alone what there is, until the session ends."""
    config.stash[_FROZEN] = True
    gc.freeze()


def settle(config: pytest.Config) -> None:
    """Have it take what is garbage, and then leave alone what stays, until the session ends.

    pytest has it look at everything once more before it ends.
    """
    gc.collect()
    freeze(config)


def thaw_at_the_end(config: pytest.Config) -> None:
    """Have all be as before when everything that the session has set up is gone.

    To be called before the plugins are configured, since what is set up first ends last.
    """

    def thaw() -> None:
        look_as_usual(config)
        if config.stash.get(_FROZEN, False):
            gc.unfreeze()

    config.add_cleanup(thaw)
