"""What was last worked out of a text: asked for by the grader, then again by the failure class."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Concatenate, ParamSpec, TypeVar

_LONGEST = 200_000
"""Characters of a text for which it is worth its memory."""
_TEXTS = 4

P = ParamSpec("P")
T = TypeVar("T")


def remembered(function: Callable[Concatenate[str, P], T]) -> Callable[Concatenate[str, P], T]:
    """`function` of a text, worked out once for each of the last few texts.

    A pure function whose result nobody changes. Safe from any thread.
    """
    known = lru_cache(maxsize=_TEXTS)(function)

    @wraps(function)
    def ask(text: str, *args: P.args, **kwargs: P.kwargs) -> T:
        return (known if len(text) <= _LONGEST else function)(text, *args, **kwargs)

    return ask
