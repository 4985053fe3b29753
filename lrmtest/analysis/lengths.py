"""The lengths of completions, correct and incorrect ones apart."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

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


@dataclass(frozen=True, slots=True)
class LengthBins:
    """How many completions are how long.

    Attributes:
        edges: rising; bin i holds the completions of at least ``edges[i]`` and less than
            ``edges[i + 1]`` tokens.
        counts: completions per bin, by ``correct`` or the failure class.
    """

    edges: tuple[int, ...]
    counts: Mapping[str, tuple[int, ...]]


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


def length_bins(samples: Iterable[SampleRecord], most: int = 24) -> LengthBins | None:
    """A histogram of tokens generated per completion, its bins of about one width on a log scale.

    Engine errors and completions without a token count are left out.

    Args:
        samples: completions.
        most: bins, at most; fewer where there are fewer token counts between the ends.

    Returns:
        None when no sample has a token count.
    """
    done = [
        (sample.tokens, sample.outcome.failure or "correct")
        for sample in samples
        if sample.outcome is not None and sample.tokens
    ]
    if not done:
        return None
    low, high = min(done)[0], max(done)[0] + 1
    steps = (ceil(low * (high / low) ** (step / most)) for step in range(1, most))
    edges = sorted({low, high, *(edge for edge in steps if low < edge < high)})
    found: dict[str, Counter[int]] = {}
    for tokens, result in done:
        found.setdefault(result, Counter())[bisect_right(edges, tokens) - 1] += 1
    return LengthBins(
        tuple(edges),
        {
            result: tuple(counts[place] for place in range(len(edges) - 1))
            for result, counts in found.items()
        },
    )
