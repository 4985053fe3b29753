"""The telling of a generation: about once a second its state is measured and shown.

On a thread of its own, since whoever starts an engine waits for minutes, and tests may take long.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from lrmtest.progress import Tick
from lrmtest.runs.live import LivePage, LiveState

_SECONDS = 1.0


class Telling:
    """Measures a generation, and shows its state to those who watch its run.

    Args:
        page: where its state is shown.
        measure: takes its measures; it raises nothing but by a mistake of its own.
        state: what is shown.
        ticked: called afterwards, such as to draw what a user sees; None for nothing.
    """

    def __init__(
        self,
        page: LivePage,
        measure: Callable[[], None],
        state: Callable[[], LiveState],
        ticked: Tick | None = None,
    ) -> None:
        self._page = page
        self._measure = measure
        self._state = state
        self._ticked = ticked
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lrmtest-telling", daemon=True)
        self._thread.start()

    def now(self) -> None:
        """Show the state at once."""
        self._measure()
        self._page.write(self._state())

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
