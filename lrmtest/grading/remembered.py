"""A short memory of what was worked out of a text, which several ask for one after the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

_LONGEST = 200_000
"""Characters of a text for which it is worth its memory."""
_TEXTS = 4

P = ParamSpec("P")
T = TypeVar("T")


def remembered(function: Callable[P, T]) -> Callable[P, T]:
    """`function` of a text, its first argument, worked out once for each of the last few texts.

    A pure function whose result nobody changes. Safe from any thread.
    """
    known = lru_cache(maxsize=_TEXTS)(function)

    @wraps(function)
    def ask(*args: P.args, **kwargs: P.kwargs) -> T:
        if len(str(args[0])) > _LONGEST:
            return function(*args, **kwargs)
        return known(*args, **kwargs)  # type: ignore[arg-type]  # a text and languages have hashes

    return ask
