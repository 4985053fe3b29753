"""The telling of a generation: about once a second its state is measured and shown.

On a thread of its own, since whoever starts an engine waits for minutes, and tests may take long.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from typing import Protocol

from lrmtest.models.engines.base import Progress, ReplicaState
from lrmtest.models.engines.kinds import kind_of
from lrmtest.models.spec import ModelSpec
from lrmtest.plugin.generation.outlook import Outlook
from lrmtest.progress import Tick
from lrmtest.runs.live import MOST_REPLICAS, LivePage, LiveState

_SECONDS = 1.0


class Told(Protocol):
    """A generation, as far as it is told of."""

    outlook: Outlook

    @property
    def spec(self) -> ModelSpec | None:
        """Its model."""

    @property
    def submitted_at(self) -> float | None:
        """When the first requests went to the engine, in monotonic seconds."""

    @property
    def progress(self) -> Progress:
        """The engine's live counters."""

    @property
    def log_line(self) -> str:
        """The last line of the log of an engine that starts; hostile."""

    @property
    def replicas(self) -> tuple[ReplicaState, ...]:
        """The servers that its engine asks, where these are several."""

    @property
    def samples_planned(self) -> int:
        """Samples of all planned questions."""

    @property
    def samples_done(self) -> int:
        """Those that have a completion or an engine error."""

    @property
    def samples_stored(self) -> int:
        """Those that the store had before."""

    @property
    def samples_failed(self) -> int:
        """Those that ended in an engine error."""

    @property
    def samples_fresh(self) -> int:
        """Those that the store did not have."""

    @property
    def awaits_others(self) -> bool:
        """Whether another session generates what is asked for here."""


def live_state(told: Told) -> LiveState:
    """What a generation tells those who watch its run."""
    outlook, progress = told.outlook, told.progress
    starting, left, since = outlook.starting_seconds, outlook.left, told.submitted_at
    if starting is not None:
        phase, seconds = "starting", starting
    else:
        phase, seconds = "generating", 0.0 if since is None else time.monotonic() - since
    # What is to be generated is known as that only when its engine runs.
    known = told.samples_fresh or told.awaits_others
    return LiveState(
        pid=os.getpid(),
        host=socket.gethostname(),
        written=time.time(),
        phase=phase,
        phase_seconds=seconds,
        engine="" if told.spec is None else told.spec.engine,
        log_line=told.log_line,
        samples_planned=told.samples_planned,
        samples_done=told.samples_done if known else told.samples_stored,
        samples_reused=told.samples_stored,
        samples_failed=told.samples_failed,
        tokens=outlook.generated,
        running=progress.running,
        drafted=progress.drafted,
        tokens_per_second=outlook.tokens_per_second,
        replicas=told.replicas[:MOST_REPLICAS],
        left=None if left is None else (left.low, left.middle, left.high),
    )


class Telling:
    """Measures a generation, and shows its state to those who watch its run.

    Args:
        page: where its state is shown.
        told: the generation.
        ticked: called afterwards, such as to draw what a user sees; None for nothing.
    """

    def __init__(self, page: LivePage, told: Told, ticked: Tick | None = None) -> None:
        self._page = page
        self._told = told
        self._ticked = ticked
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lrmtest-telling", daemon=True)
        self._thread.start()

    def now(self) -> None:
        """Show the state at once."""
        spec, outlook = self._told.spec, self._told.outlook
        if spec is not None and kind_of(spec).generates:
            outlook.measure(self._told.progress)
            outlook.look_ahead()
        self._page.write(live_state(self._told))

    def close(self) -> None:
        """Stop, and take the page away."""
        self._ended.set()
        self._thread.join()
        self._page.close()

    def _run(self) -> None:
        while not self._ended.wait(_SECONDS):
            self.now()
            if self._ticked is not None:
                # A terminal that is gone ends nothing here.
                with suppress(OSError, ValueError):
                    self._ticked()
