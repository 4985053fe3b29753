"""Completions kept in memory for the tests of this process, which need not read them again."""

from __future__ import annotations

import threading

from lrmtest.grading.completion import Completion

_MOST_CHARS = 16 << 20
"""What is beyond them is read from the store."""


class KeptCompletions:
    """Stored completions that a test may ask for soon, by their keys; bounded.

    Safe to use from several threads.

    Args:
        most_chars: characters of completions that are kept.
    """

    def __init__(self, most_chars: int = _MOST_CHARS) -> None:
        self._most_chars = most_chars
        self._chars = 0
        self._kept: dict[str, Completion] = {}
        self._lock = threading.Lock()

    def add(self, key: str, completion: Completion) -> None:
        """Keep a completion, where there is room."""
        with self._lock:
            if self._chars + len(completion.text) <= self._most_chars:
                self._chars += len(completion.text)
                self._kept[key] = completion

    def get(self, key: str) -> Completion | None:
        """A completion, which stays; None where it is not kept."""
        with self._lock:
            return self._kept.get(key)

    def take(self, key: str) -> Completion | None:
        """A completion, which is not kept any longer; None where it was not."""
        with self._lock:
            completion = self._kept.pop(key, None)
            if completion is not None:
                self._chars -= len(completion.text)
            return completion
