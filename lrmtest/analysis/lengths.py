"""The lengths of completions, correct and incorrect ones apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lrmtest.analysis.summary import quantile
from lrmtest.runs.records import SampleRecord


@dataclass(frozen=True, slots=True)
class Spread:
    """The tokens of some completions.

    Attributes:
        count: completions.
        p5, q1, median, q3, p95: percentiles, linear between neighbours.
    """

    count: int
    p5: float
    q1: float
    median: float
    q3: float
    p95: float


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens by correctness; None where there is no such completion."""

    correct: Spread | None
    incorrect: Spread | None


def lengths(samples: Iterable[SampleRecord]) -> Lengths | None:
    """Tokens generated per completion, correct and incorrect apart.

    Engine errors are left out.

    Returns:
        None when no sample has a token count.
    """
    tokens: dict[bool, list[int]] = {True: [], False: []}
    for sample in samples:
        if sample.outcome is not None:
            tokens[sample.outcome.passed].append(sample.tokens)
    if not any(tokens[True]) and not any(tokens[False]):
        return None
    return Lengths(correct=_spread(tokens[True]), incorrect=_spread(tokens[False]))


def _spread(counts: Sequence[int]) -> Spread | None:
    if not counts:
        return None
    ordered = sorted(counts)
    return Spread(
        len(ordered), *(quantile(ordered, share) for share in (0.05, 0.25, 0.5, 0.75, 0.95))
    )
