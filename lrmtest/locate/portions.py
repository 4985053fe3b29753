"""Portions of traces that are held at a time, and how far they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

Done = Callable[[str, int, int], None]
"""Receives what is being done, how many steps of it are done, and how many there are."""

LayersPassed = Callable[[], None]
"""Is told whenever a layer has done a pass over all traces that are at hand."""


def portions(traces: Iterable[T], length: Callable[[T], int], most: int) -> Iterator[list[T]]:
    """Traces together, the shorter ones first.

    Args:
        traces: all of them.
        length: of a trace, in tokens.
        most: tokens of a portion; one trace alone may have more.
    """
    portion: list[T] = []
    tokens = 0
    for one in sorted(traces, key=length):
        if portion and tokens + length(one) > most:
            yield portion
            portion, tokens = [], 0
        portion.append(one)
        tokens += length(one)
    if portion:
        yield portion


def step_counter(done: Done, what: str, total: int) -> LayersPassed:
    """What is to be called after each of so many steps, so that somebody hears of it."""
    count = 0

    def step() -> None:
        nonlocal count
        count += 1
        done(what, count, total)

    return step
