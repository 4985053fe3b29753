"""A short memory of what was worked out of a text, which several ask for one after the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

_LONGEST = 200_000
"""Characters of a text for which it is worth its memory."""
_TEXTS = 4
_SHORT = 8_000
_SHORT_TEXTS = 512
"""Short ones that are remembered where an engine that reads is ahead of the tests."""

P = ParamSpec("P")
T = TypeVar("T")


def remembered(function: Callable[P, T]) -> Callable[P, T]:
    """`function` of a text, its first argument, worked out once for each of the last few texts.

    A pure function whose result nobody changes. Safe from any thread.
    """
    return _remembered(function, 0)


def remembered_ahead(function: Callable[P, T]) -> Callable[P, T]:
    """The same, for short texts worked out once for each of the last few hundred."""
    return _remembered(function, _SHORT)


def _remembered(function: Callable[P, T], short: int) -> Callable[P, T]:
    known = lru_cache(maxsize=_TEXTS)(function)
    known_short = lru_cache(maxsize=_SHORT_TEXTS)(function)

    @wraps(function)
    def ask(*args: P.args, **kwargs: P.kwargs) -> T:
        size = len(str(args[0]))
        if size > _LONGEST:
            return function(*args, **kwargs)
        # A text and languages have hashes.
        return (known_short if size < short else known)(*args, **kwargs)  # type: ignore[arg-type]

    return ask
