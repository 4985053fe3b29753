"""The fewest samples with which something holds, where more of them never undo it."""

from __future__ import annotations

from collections.abc import Callable


def fewest_samples(enough: Callable[[int], bool], most: int) -> int | None:
    """The smallest number of samples that is enough; None if `most` are not.

    Args:
        enough: of a number of samples, at least 1; once true, true of every larger one.
        most: a power of two.
    """
    high = 1
    while not enough(high):
        high *= 2
        if high > most:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
