"""pass@k and maj@k: several samples of one question, and the verdict on all of them.

pass@k: of k samples at least one passes. maj@k: of the answers of k samples the most frequent one
is right (self-consistency, Wang et al., arXiv 2203.11171). Both are estimated from all n samples
of a question as the mean over all choices of k of them, which is unbiased, where the plug-in
1 - (1 - c/n)^k is not (Chen et al., arXiv 2107.03374, equation 1).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import comb

from lrmtest.analysis.intervals import Interval, clustered
from lrmtest.runs.outcomes import SampleOutcome

MOST = 64
"""The largest k that is worked out."""


@dataclass(frozen=True, slots=True)
class SeveralSamples:
    """What k samples of each question come to.

    Attributes:
        k: how many.
        any_of, any_of_interval: pass@k.
        majority, majority_interval: maj@k.
    """

    k: int
    any_of: float
    any_of_interval: Interval
    majority: float
    majority_interval: Interval


@dataclass(frozen=True, slots=True)
class Votes:
    """The samples of one question.

    Attributes:
        right: those that passed.
        others: those that ended by themselves with each other answer, by answer.
        silent: those that say nothing: without an answer, or cut off.
    """

    right: int
    others: tuple[int, ...]
    silent: int

    @classmethod
    def of(cls, samples: Iterable[SampleOutcome]) -> Votes:
        """Of samples that have a verdict."""
        right = silent = 0
        others: Counter[str] = Counter()
        for sample in samples:
            if sample.passed:
                right += 1
            elif sample.answer and not sample.end:
                others[sample.answer] += 1
            else:
                silent += 1
        return cls(right, tuple(sorted(others.values())), silent)

    @property
    def count(self) -> int:
        """All of them."""
        return self.right + sum(self.others) + self.silent

    def any_of(self, k: int) -> float:
        """The share of choices of k samples, of which at least one passed."""
        return 1 - comb(self.count - self.right, k) / comb(self.count, k)

    def majority(self, k: int) -> float:
        """The share of choices of k samples, whose most frequent answer is right.

        Of equally frequent ones each counts its part, as if one were drawn.
        """
        found = 0.0
        for right in range(1, min(self.right, k) + 1):
            for (ties, votes), ways in _ways(self.others, right, k - right).items():
                rest = comb(self.silent, k - right - votes)
                found += comb(self.right, right) * ways * rest / (ties + 1)
        return found / comb(self.count, k)


def _ways(others: Sequence[int], most: int, room: int) -> dict[tuple[int, int], int]:
    """How many choices of other answers there are in which none has more than `most` votes.

    Args:
        others: samples by answer.
        most: votes of the right answer.
        room: votes that the others may have in all.

    Returns:
        by how many of them have just as many, and by how many votes they have.
    """
    single = others.count(1)
    found: dict[tuple[int, int], int] = {}
    for votes in range(min(single, room) + 1):
        found[votes if most == 1 else 0, votes] = comb(single, votes)
    for samples in others:
        if samples == 1:
            continue
        before, found = found, {}
        for (ties, votes), ways in before.items():
            for more in range(min(samples, most, room - votes) + 1):
                key = ties + (more == most), votes + more
                found[key] = found.get(key, 0) + ways * comb(samples, more)
    return found


def several_samples(
    questions: Iterable[Iterable[SampleOutcome]], level: float = 0.95
) -> tuple[SeveralSamples, ...]:
    """pass@k and maj@k of one suite, for powers of 2 and the fewest samples that a question has.

    The intervals are `clustered`'s for questions like these, at as many independent figures a
    question as its samples make groups of k: the mean over all choices varies no more than the
    mean over such groups (Hoeffding 1948).

    Args:
        questions: the samples of each with a verdict; a question without any is left out.
        level: of the intervals.

    Returns:
        by rising k, from 1; nothing where a question has one sample, or there is none.

    Raises:
        UsageError: `level` is not between 0 and 1.
    """
    votes = [one for one in map(Votes.of, questions) if one.count]
    fewest = min((one.count for one in votes), default=0)
    if fewest < 2:
        return ()
    powers = [2**power for power in range(fewest.bit_length())]
    wanted = sorted({k for k in (*powers, fewest) if k <= min(fewest, MOST)})

    def mean(figures: Sequence[float], k: int) -> tuple[float, Interval]:
        parts = [
            (min(figure, 1.0) * (one.count // k), one.count // k)
            for figure, one in zip(figures, votes, strict=True)
        ]
        return sum(figures) / len(figures), clustered(parts, level)

    return tuple(
        SeveralSamples(
            k,
            *mean([one.any_of(k) for one in votes], k),
            *mean([one.majority(k) for one in votes], k),
        )
        for k in wanted
    )
