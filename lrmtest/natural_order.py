"""The order in which people count: ``q9`` before ``q10``."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LONGEST_NUMBER = 20
"""Digits; longer ones are compared as text: no number of a benchmark has so many."""


def natural(text: str) -> list[tuple[int, int, str]]:
    """A sort key by which ``q9`` comes before ``q10``."""
    parts = [
        (0, int(part), "") if len(part) < _LONGEST_NUMBER and part.isdecimal() else (1, 0, part)
        for part in re.findall(r"\d+|\D+", text)
    ]
    return [*parts, (2, 0, text)]  # 1 and 01 differ in nothing else.


def in_order(questions: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Questions as (suite, id): suites in the order in which they come, ids as people count."""
    found = list(dict.fromkeys(questions))
    places = {suite: place for place, suite in enumerate(dict.fromkeys(one for one, _ in found))}
    return sorted(found, key=lambda key: (places[key[0]], natural(key[1])))
