"""Paired comparison of a yes-or-no figure between two runs over the same questions.

The claim is about *these* questions: by how much the candidate's expected rate, its mean over
the questions asked, is worse than the baseline's. Chance is in the sampling of completions, each
independent of the others. Every sample of the one run is paired with every sample of the other
run on the same question, which is the mean over all ways to pair them one to one. With one
sample each this is McNemar's setting and, against no change, McNemar's exact test; with more,
and against any other change, Gaffke's method on the paired differences -1, 0 and 1.

When the two runs truly differ by nothing on average but do differ question by question (one a
little better here, the other there), the pairs vary less than the method allows for, and it errs
on the safe side.

References:
    McNemar (1947), Note on the sampling error of the difference between correlated proportions
    or percentages. Psychometrika 12.
    Hoeffding (1956), On the distribution of the number of successes in independent trials.
    Annals of Mathematical Statistics 27: unequal questions make sums vary less, not more.
    For Gaffke's method see `lrmtest.analysis.bounded_mean`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from lrmtest.analysis.bounded_mean import GAFFKE, lowest_mean, p_mean_at_most
from lrmtest.analysis.intervals import Interval, tail

PAIRED_GAFFKE = "paired-gaffke"


@dataclass(frozen=True, slots=True)
class PairedQuestion:
    """How often the figure was bad on one question, in each run.

    Attributes:
        baseline, candidate: samples that were bad (failed, truncated, looped).
        baseline_samples, candidate_samples: of how many; at least 1.
    """

    baseline: int
    baseline_samples: int
    candidate: int
    candidate_samples: int

    @property
    def worsening(self) -> float:
        """By how much the candidate's share of bad samples is higher, in [-1, 1]."""
        return self.candidate / self.candidate_samples - self.baseline / self.baseline_samples


@dataclass(frozen=True, slots=True)
class Pairs:
    """The paired samples of all questions, summed up.

    Attributes:
        worse: pairs in which only the candidate's sample was bad.
        better: pairs in which only the baseline's was.
        total: all pairs. None of the three need be a whole number.
        questions: from how many questions they come.
    """

    worse: float
    better: float
    total: float
    questions: int

    @property
    def worsening(self) -> float:
        """Mean over questions of the rise of the bad share, in [-1, 1]; 0 without questions."""
        return (self.worse - self.better) / self.total if self.total else 0.0

    @property
    def spread(self) -> float:
        """Variance of one pair's difference, with one worse and one better pair added."""
        n = self.total + 2
        return (self.worse + self.better + 2) / n - ((self.worse - self.better) / n) ** 2

    def p_above(self, worsening: float) -> float:
        """P-value of the hypothesis that the true worsening is at most `worsening`.

        Small when it is established that the candidate is worse by more than that.
        """
        return p_mean_at_most(self._groups(+1), -1.0, worsening)

    def p_below(self, worsening: float) -> float:
        """P-value of the hypothesis that the true worsening is at least `worsening`."""
        return p_mean_at_most(self._groups(-1), -1.0, -worsening)

    def p_different(self) -> float:
        """Two-sided p-value of no change; McNemar's exact test for one sample per question."""
        return min(1.0, 2 * min(self.p_above(0.0), self.p_below(0.0)))

    def interval(self, level: float = 0.95) -> Interval:
        """For the true worsening on these questions; [-1, 1] when there are none.

        Raises:
            UsageError: `level` is not between 0 and 1.
        """
        alpha = tail(level)
        low = lowest_mean(self._groups(+1), -1.0, alpha)
        high = -lowest_mean(self._groups(-1), -1.0, alpha)
        return Interval(low, high, level, PAIRED_GAFFKE)

    def _groups(self, sign: int) -> list[tuple[float, float]]:
        same = max(0.0, self.total - self.worse - self.better)
        return [(sign * 1.0, self.worse), (sign * -1.0, self.better), (0.0, same)]


def pair(questions: Iterable[PairedQuestion]) -> Pairs:
    """Pair the samples of every question; each question has the same weight.

    Two runs with unequal numbers of samples on a question are worth as many pairs as the
    harmonic mean of the two numbers: the difference of two means of that many samples varies as
    much. Likewise over questions.
    """
    worse = better = inverse = 0.0
    count = 0
    for question in questions:
        before = question.baseline / question.baseline_samples
        after = question.candidate / question.candidate_samples
        worse += after * (1 - before)
        better += before * (1 - after)
        inverse += (1 / question.baseline_samples + 1 / question.candidate_samples) / 2
        count += 1
    if not count:
        return Pairs(0.0, 0.0, 0.0, 0)
    total = count * count / inverse
    return Pairs(worse / count * total, better / count * total, total, count)


def general_interval(questions: Iterable[PairedQuestion], level: float = 0.95) -> Interval:
    """For the worsening on *questions like these*, not just on these.

    The questions count as a random draw, and nothing is assumed of samples within one: Gaffke's
    method on each question's difference of means. With one sample per question it equals
    `Pairs.interval`; with more it is wider, and more samples alone cannot narrow it to nothing.

    Raises:
        UsageError: `level` is not between 0 and 1.
    """
    return mean_interval([question.worsening for question in questions], 1.0, level)


def mean_interval(differences: Iterable[float], bound: float, level: float = 0.95) -> Interval:
    """For the mean of independent differences between -`bound` and `bound`; by Gaffke's method.

    Raises:
        UsageError: `level` is not between 0 and 1.
    """
    alpha = tail(level)
    # Sums of shares differ in their last digits alone when they are equal.
    counts = Counter(round(difference, 9) for difference in differences)
    rises = [(difference, float(count)) for difference, count in counts.items()]
    falls = [(-difference, count) for difference, count in rises]
    low, high = lowest_mean(rises, -bound, alpha), -lowest_mean(falls, -bound, alpha)
    return Interval(low, high, level, GAFFKE)
