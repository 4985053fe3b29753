"""Words about replicas for people, not again and again."""

from __future__ import annotations

import math
import threading
import time

from lrmtest.progress import Tell

_AGAIN_SECONDS = 60.0
_MOST_KEPT = 256


class ToldOnce:
    """Tells of a model's replicas, the same words at most once a minute; from any thread.

    Args:
        name: the model's, which everything begins with.
        tell: takes what is new.
    """

    def __init__(self, name: str, tell: Tell) -> None:
        self._name, self._tell = name, tell
        self._lock = threading.Lock()
        self._at: dict[str, float] = {}

    def __call__(self, words: str) -> None:
        """Tell it, if it was not told just now."""
        now = time.monotonic()
        with self._lock:
            if now - self._at.get(words, -math.inf) < _AGAIN_SECONDS:
                return
            if len(self._at) >= _MOST_KEPT:  # a server's words may differ each time
                self._at.clear()
            self._at[words] = now
        self._tell(f"{self._name}: {words.removeprefix(f'{self._name}: ')}")
