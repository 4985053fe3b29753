"""The random draws that a fresh question is made of."""

from __future__ import annotations

import hashlib
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

VERSION = "1"
"""Of the questions that come out; changes whenever any of them does."""

Draws = tuple[int, ...]
"""What a question is made of: the integers that its family drew, in order.

A draw from one possibility is no draw and is left out.
"""


class DrawSource(ABC):
    """Draws integers; everything else about a question follows from them.

    A family is a function of its draw and a difficulty alone, so that the draws may come from a
    seed, or from a search for a question that a model fails.
    """

    @abstractmethod
    def below(self, limit: int) -> int:
        """An integer from 0 to ``limit - 1``."""

    def between(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, both included."""
        return low + self.below(high - low + 1)

    def pick(self, items: Sequence[T]) -> T:
        """One of `items`."""
        return items[self.below(len(items))]

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """`count` different items, in random order."""
        pool = list(items)
        return [pool.pop(self.below(len(pool))) for _ in range(count)]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """All items, in random order."""
        return self.sample(items, len(items))


class SeededDraws(DrawSource):
    """Draws that are the same on every machine and in every Python.

    Python promises only ``random.random()`` to stay the same for an integer seed, so everything
    is made of that; and text is turned into the seed by SHA-256, not by ``hash``.

    Args:
        name: what the draws are for; other words, other draws.
    """

    def __init__(self, *name: object) -> None:
        text = "/".join(str(part) for part in name)
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
        self._random = random.Random(seed).random

    def below(self, limit: int) -> int:
        """See `DrawSource.below`."""
        return int(self._random() * limit)


def seeded_draws(
    family: str, difficulty: int, seed: int, index: int, again: int = 0
) -> SeededDraws:
    """The draws of question number `index` of a seed; `again` counts further tries for it."""
    level = [] if difficulty == 1 else [f"d{difficulty}"]
    repeat = [f"again{again}"] if again else []
    return SeededDraws(family, VERSION, *level, seed, index, *repeat)


class ReplayedDraws(DrawSource):
    """Draws that were noted before.

    Any integers will do: what a draw cannot be counts as 0, as do draws beyond the last.
    """

    def __init__(self, draws: Draws) -> None:
        self._draws = iter(draws)

    def below(self, limit: int) -> int:
        """See `DrawSource.below`."""
        draw = 0 if limit == 1 else next(self._draws, 0)
        return draw if 0 <= draw < limit else 0


class NotedDraws(DrawSource):
    """Another's draws, noted.

    Args:
        draw: the other.

    Attributes:
        noted: the draws so far.
    """

    def __init__(self, draw: DrawSource) -> None:
        self._draw = draw
        self.noted: list[int] = []

    def below(self, limit: int) -> int:
        """See `DrawSource.below`."""
        draw = self._draw.below(limit)
        if limit > 1:
            self.noted.append(draw)
        return draw
