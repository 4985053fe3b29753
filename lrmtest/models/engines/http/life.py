"""Life: whether a stream makes progress, or only shows that it is there."""

from __future__ import annotations

import time
from collections.abc import Callable

from lrmtest.models.engines.http.failures import BrokenAnswerError

QUEUE_SILENCES = 4
"""Before the first piece of text a server that keeps showing that it lives may take this many
times as long as it may be silent."""


class Life:
    """Whether a stream is alive: text makes progress, anything else only before it begins.

    Drops that never make a line are no better than silence; nor are comments, blank lines and
    empty pieces once there was text. Before, they may tell of a queue, which takes a while.
    """

    def __init__(self, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout = timeout
        self._clock = clock
        self._pieces, self._lines = 0, 0
        self._last_line = self._last_piece = clock()

    def seen(self, pieces: int, lines: int) -> bool:
        """Note what has come so far; whether there is new text.

        Raises:
            BrokenAnswerError: the server has only pretended to live for too long.
        """
        now = self._clock()
        if pieces > self._pieces:
            self._pieces, self._lines = pieces, lines
            self._last_line = self._last_piece = now
            return True
        if lines > self._lines:
            self._lines, self._last_line = lines, now
        elif now - self._last_line > self._timeout:
            raise BrokenAnswerError(f"not a line within {self._timeout:g} s")
        patience = self._timeout if self._pieces else QUEUE_SILENCES * self._timeout
        if now - self._last_piece > patience:
            raise BrokenAnswerError(f"no text within {patience:g} s, though signs of life")
        return False
