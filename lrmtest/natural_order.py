"""The order in which people count: ``q9`` before ``q10``."""

from __future__ import annotations

import re

_LONGEST_NUMBER = 20
"""Digits; longer ones are compared as text: no number of a benchmark has so many."""


def natural(text: str) -> list[tuple[int, int, str]]:
    """A sort key by which ``q9`` comes before ``q10``."""
    parts = [
        (0, int(part), "") if len(part) < _LONGEST_NUMBER and part.isdecimal() else (1, 0, part)
        for part in re.findall(r"\d+|\D+", text)
    ]
    return [*parts, (2, 0, text)]  # 1 and 01 differ in nothing else.
