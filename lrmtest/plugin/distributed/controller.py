"""The controller's hooks: workers learn where the broker is, xdist gets our scheduler."""

from __future__ import annotations

import pytest
from xdist.workermanage import WorkerController

from lrmtest.plugin.collector import mark_infrastructure
from lrmtest.plugin.distributed.scheduler import CompletionScheduling
from lrmtest.plugin.ending.guard import end
from lrmtest.plugin.lines import CLEAR
from lrmtest.plugin.progress_line import ShownProgress, progress_line
from lrmtest.plugin.session import LrmtestSession

_MODES = ("load", "worksteal")


class ControllerPart:
    """A plugin for xdist's controller.

    Args:
        config: pytest's configuration.
        session: the session's parts.

    Raises:
        pytest.UsageError: a ``--dist`` mode that assigns tests by other rules.
    """

    def __init__(self, config: pytest.Config, session: LrmtestSession) -> None:
        mode = config.getvalue("dist")
        if mode not in _MODES:
            raise pytest.UsageError(
                f"--dist {mode} assigns tests by a rule of its own; with --model they go out in "
                f"order of completion\n  -> use one of: {', '.join(_MODES)}"
            )
        self._config = config
        self._scheduling = CompletionScheduling(config, session)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: WorkerController) -> None:
        """Tell a worker that is about to start where the broker is."""
        broker = self._scheduling.broker
        node.workerinput["lrmtest_broker"] = broker.address
        node.workerinput["lrmtest_authkey"] = broker.authkey.hex()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self) -> CompletionScheduling:
        """The scheduler that follows the engine, and shows how far it is."""
        # xdist prints from the main thread, and generating has one of its own.
        line = progress_line(self._config, guarded=True)
        self._config.stash[CLEAR] = line.clear
        self._scheduling.progress = ShownProgress(self._config, line)
        return self._scheduling

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self) -> None:
        """End the session as one process would, where the only model cannot be asked."""
        if (failure := self._scheduling.refused) is not None:
            end(failure)

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, report: pytest.TestReport) -> None:
        """A crashed worker says nothing of the model: an error, not a failure."""
        # pytest calls a failure outside the call phase ERROR.
        report.when = "setup"
        mark_infrastructure(report)

    def pytest_sessionfinish(self) -> None:
        """Note in the store what is complete, and leave the terminal to pytest's summary."""
        if self._scheduling.progress is not None:
            self._scheduling.progress.stop()
        self._scheduling.finish()

    def pytest_unconfigure(self) -> None:
        """Stop serving."""
        self._scheduling.broker.close()
