"""Sparsity: how many weights become zero, and where."""

from __future__ import annotations

from dataclasses import dataclass

from lrmtest.errors import UsageError

PATTERNS = {"2:4": 4, "4:8": 8}
"""Patterns by name, and how many weights stand in a group. Half of each group is zero, so that it
does not matter whether the first number counts zeros or what is left."""


@dataclass(frozen=True, slots=True)
class Sparsity:
    """How many weights of a matrix become zero.

    Attributes:
        share: of the weights, in (0, 1).
        group: 0 when the zeros may be anywhere; else they are the same share of every `group`
            consecutive weights of a row.
    """

    share: float
    group: int = 0

    def count(self, weights: int) -> int:
        """How many of so many weights become zero."""
        return round(self.share * weights)


def read_sparsity(share: float | None, pattern: str | None) -> Sparsity:
    """What ``--sparsity`` and ``--pattern`` say; exactly one of them is given.

    Raises:
        UsageError: neither, both, or a value that cannot be meant.
    """
    if (share is None) == (pattern is None):
        raise UsageError(
            "pruning needs either --sparsity or --pattern",
            hint="--sparsity 0.5, or --pattern 2:4",
        )
    if pattern is not None:
        if pattern not in PATTERNS:
            raise UsageError(
                f"--pattern {pattern!r} is not known", hint=f"one of {', '.join(PATTERNS)}"
            )
        return Sparsity(0.5, PATTERNS[pattern])
    assert share is not None
    if not 0 < share < 1:  # nan is neither
        hint = "it is the share of weights that become zero: --sparsity 0.5"
        if share == 0:
            hint = "at sparsity 0 nothing changes: use the model itself"
        raise UsageError(f"--sparsity {share:g} is not above 0 and below 1", hint=hint)
    return Sparsity(share)
