"""Under pytest-xdist: one generation for all workers.

The controller generates; the workers grade and run tests. The first worker to have collected
tells the controller what every model is to answer (`broker`), the controller submits all of it
at once, and hands each test to the least busy worker as its completions arrive (`scheduler`).
Which worker runs a test, and how many there are, changes nothing in the results.
"""

from __future__ import annotations

import pytest

from lrmtest.plugin.session import LrmtestSession

__all__ = ["distribute"]


def distribute(config: pytest.Config, session: LrmtestSession) -> None:
    """Prepare this process for its part, if the session is distributed.

    Raises:
        pytest.UsageError: a ``--dist`` mode that assigns tests by other rules.
    """
    if hasattr(config, "workerinput"):
        from lrmtest.plugin.distributed.worker import WorkerPart

        config.pluginmanager.register(WorkerPart(config, session), "lrmtest-worker")
    elif _is_controller(config):
        from lrmtest.plugin.distributed.controller import ControllerPart

        config.pluginmanager.register(ControllerPart(config, session), "lrmtest-controller")


def _is_controller(config: pytest.Config) -> bool:
    """Whether xdist is to run the tests in workers; its own plugin may not be registered yet."""
    return (
        # Its options tell that it is there: it may have been loaded by any name.
        config.getoption("dist", "no") != "no"
        and bool(config.getoption("tx", None))
        and not config.getoption("collectonly")
    )
