"""The marks of other tools: which of a sample's figures say that it was right or wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# A figure of 0 or 1 is no mark by itself: `bypass`, a length or a count of failed extractions can
# be 0 as well. These names say right or wrong, with words before them (`strict_`, `prompt_level_`).
_OF_ONE = re.compile(
    r"(?:\w+_)?(?:exact_match|extractive_match|math_verify|em|qem|pem|pqem|acc|accuracy"
    r"|averageaccuracy|correct|is_correct|correctness|pass@1|pass_at_1|averagepass@1)"
)
# Shares of right ones among several samples: these say something of each at 0 and at 1 only.
_OF_SEVERAL = re.compile(r"(?:\w+_)?(?:avg@\w+|mean@\w+|pass@1)")
_PARAMETER = re.compile(r"([kn])=(\d{1,6})")
_RIGHT = frozenset(("c", "correct", "true", "yes", "pass", "1", "1.0"))
_WRONG = frozenset(("i", "incorrect", "false", "no", "fail", "n", "0", "0.0"))


def is_mark(name: str) -> bool:
    """Whether a figure of this name says right or wrong of one sample."""
    return _OF_ONE.fullmatch(_bare(name)) is not None


def is_share(name: str) -> bool:
    """Whether a figure of this name is the share of right ones among a question's samples."""
    return _OF_SEVERAL.fullmatch(_bare(name)) is not None


def right_or_wrong(value: Any) -> bool | None:
    """A figure that is plainly 0 or 1 as wrong or right; None for every other."""
    if isinstance(value, bool | int | float):
        return {0.0: False, 1.0: True}.get(value)
    if isinstance(value, str) and len(value) < 20:
        word = value.strip().casefold()
        return True if word in _RIGHT else False if word in _WRONG else None
    return None


def first_mark(figures: Mapping[str, Any], *, samples: int = 1) -> tuple[str, bool] | None:
    """The first of a sample's figures that says right or wrong, and what it says.

    Args:
        figures: by name, in the tool's order.
        samples: of how many samples of the question they are.
    """
    for name, value in figures.items():
        known = is_share(name) or (samples == 1 and is_mark(name))
        mark = right_or_wrong(value) if known else None
        if mark is not None:
            return name, mark
    return None


def _bare(name: str) -> str:
    """``math_pass@k:k=1&n=4`` as ``math_pass@1``, ``exact_match,strict-match`` as its beginning."""
    base, _, parameters = name[:200].casefold().partition(":")
    base = base.partition(",")[0].strip()
    for letter, number in _PARAMETER.findall(parameters):
        if base.endswith(f"@{letter}"):
            base = base.removesuffix(letter) + number
    return base
