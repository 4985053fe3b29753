"""The samples that are still to come, and who waits for them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Generic, TypeVar

Waiter = TypeVar("Waiter", bound=Hashable)


class PendingSamples(Generic[Waiter]):
    """Which waiters (questions, tests) still miss which of their completions.

    Args:
        keys: completion keys that each waiter needs; several may need the same.
    """

    def __init__(self, keys: Mapping[Waiter, Sequence[str]]) -> None:
        self._missing = {waiter: set(needed) for waiter, needed in keys.items()}
        self._waiters: dict[str, list[Waiter]] = {}
        for waiter, needed in keys.items():
            for key in needed:
                self._waiters.setdefault(key, []).append(waiter)

    def arrived(self, key: str) -> list[Waiter]:
        """Strike out one completion; the waiters that miss nothing more."""
        complete = []
        for waiter in self._waiters.pop(key, ()):
            missing = self._missing[waiter]
            missing.discard(key)
            if not missing:
                del self._missing[waiter]
                complete.append(waiter)
        return complete

    def __len__(self) -> int:
        return len(self._missing)
