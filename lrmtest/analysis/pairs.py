"""Paired comparison of a figure in [0, 1] between two runs over the same questions.

The figure says how bad a sample is: 0 or 1 where it failed or not, anything between where a score
is compared. The claim is about *these* questions: by how much the candidate's expected figure, its
mean over the questions asked, is worse than the baseline's. Chance is in the sampling of
completions, each independent of the others; a question may have any number of samples in either
run, and counts as much as any other.

**Evidence.** Every sample of the one run is paired with every sample of the other on the same
question. The pairs' mean square difference says how much one pair varies; with so many samples a
question's difference varies so much less. What all of it comes to is expressed as a number of
pairs of single samples that would vary as much as the mean over questions does, and these are
tested: so many worse, so many better, the rest the same. A question's own numbers of samples
decide how much it varies, so that a few questions with one sample each cannot hide among many
with sixteen.

**By index.** Where both runs drew with the same random numbers (`lrmtest.runs.same_draws`), sample
i of the one depends on sample i of the other, and on no other. Then the pairs of the same index say
how much the difference varies, D_i = candidate_i - baseline_i: its mean square is v_b + v_c - 2 c
plus the square of the true difference, c being the covariance that the shared draws make. All other
pairs are of independent samples, and their mean square is v_b + v_c plus the same. With a and b
samples, of which m indices are in both, the question's difference varies by v_b / a + v_c / b -
2 c m / (a b); so the one mean square has the weight m / (a b) of (1 / a + 1 / b) / 2, which is
2 m / (a + b), and the other the rest. With k samples everywhere, all of the same indices, this is
simply the setting of one sample per question with k n questions: so many pairs, each used once, and
nothing assumed of how the two samples of a pair depend on each other. Nor is anything lost where
they do not. Where they do, and are taken for independent, c is ignored: the test then errs too
rarely if c is positive, and too often if it is negative.

**Test.** With one sample per question this is McNemar's setting. His exact test conditions on the
number of questions that differ, and errs far less often than it may; an unconditional test need
not (Suissa & Shuster 1991). Here the p-value is a Dirichlet tail (`lrmtest.analysis.bounded_mean`)
with pairs added: one that counts against the claim, as in Gaffke's method, and up to
three quarters of one that counts for it, as far as pairs that favour it were seen and as far as
pairs came out the same, which is what makes the number that differ vary. Without the second it is
McNemar's exact test; with a whole one it would be its mid-p version. `tests/analysis/
test_pairs.py` computes by enumeration that its error rate stays within its level.

References:
    McNemar (1947), Note on the sampling error of the difference between correlated proportions
    or percentages. Psychometrika 12.
    Suissa & Shuster (1991), The 2 x 2 matched-pairs trial: exact unconditional design and
    analysis. Biometrics 47.
    Fagerland, Lydersen & Laake (2013), The McNemar test for binary matched-pairs data: mid-p and
    asymptotic are better than exact conditional. BMC Medical Research Methodology 13.
    Hoeffding (1956), On the distribution of the number of successes in independent trials.
    Annals of Mathematical Statistics 27: unequal questions make sums vary less, not more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lrmtest.analysis.bounded_mean import (
    GAFFKE,
    highest_rejected,
    lowest_mean,
    weighted_mean_at_most,
)
from lrmtest.analysis.intervals import Interval, tail

WEIGHTED_PAIRS = "weighted-pairs"
_MOST_FOR = 0.75
_SAME_FOR_HALF = 2.0


@dataclass(frozen=True, slots=True)
class PairedQuestion:
    """How bad the samples of one question were, in each run.

    A sample's badness is in [0, 1]. Where it is yes or no, the sums are counts and nothing else
    is needed. Scores are put in by `of_values`, with 1 - score for each sample; what is tested
    then is a rise of the mean badness, which is a drop of the mean score.

    Attributes:
        baseline, candidate: sums of the samples' badness; of yes and no, how many were bad.
        baseline_samples, candidate_samples: of how many; at least 1.
        baseline_squares, candidate_squares: sums of its squares; None where all are 0 or 1, whose
            squares sum to the same.
        indexed: how many sample indices are in both runs, where samples of the same index drew
            with the same random numbers; 0 where all samples are independent.
        indexed_squares: sum of the squared differences of the samples of these indices.
    """

    baseline: float
    baseline_samples: int
    candidate: float
    candidate_samples: int
    baseline_squares: float | None = None
    candidate_squares: float | None = None
    indexed: int = 0
    indexed_squares: float = 0.0

    @classmethod
    def of_values(
        cls,
        baseline: Sequence[float],
        candidate: Sequence[float],
        indexed: Sequence[tuple[float, float]] = (),
    ) -> PairedQuestion:
        """From the badness of every sample.

        Args:
            baseline, candidate: in [0, 1]; at least one each.
            indexed: of baseline and candidate, those of the same index, where these drew with the
                same random numbers.

        Raises:
            ValueError: a value is outside, or a run has none.
        """
        for values in (baseline, candidate):
            if not values or not all(0 <= value <= 1 for value in values):
                raise ValueError(f"{list(values)[:3]}... are not figures in [0, 1]")
        return cls(
            sum(baseline),
            len(baseline),
            sum(candidate),
            len(candidate),
            sum(value * value for value in baseline),
            sum(value * value for value in candidate),
            len(indexed),
            sum((after - before) ** 2 for before, after in indexed),
        )

    @property
    def worsening(self) -> float:
        """By how much the candidate's mean badness is higher, in [-1, 1]."""
        return self.candidate / self.candidate_samples - self.baseline / self.baseline_samples

    @property
    def square(self) -> float:
        """Mean square of a pair's difference, in [0, 1].

        Over all pairs; where some are of the same index, these have the weight with which they
        make `worsening` vary, and the others the rest.
        """
        before, after = self._squares
        a, b = self.baseline_samples, self.candidate_samples
        product = self.baseline / a * self.candidate / b
        square = before / a + after / b - 2 * product
        if self.indexed:
            weight, others = 2 * self.indexed / (a + b), a * b - self.indexed
            apart = (a * b * square - self.indexed_squares) / others if others else 0.0
            square = weight * self.indexed_squares / self.indexed + (1 - weight) * apart
        return min(1.0, max(0.0, square))

    @property
    def own_variance(self) -> float:
        """Variance of `worsening`, from the samples of each run by themselves.

        Without bias, or too high where the question's true worsening is not 0. `square` over the
        harmonic mean of the numbers of samples would be too low where the run with fewer samples
        is the one that varies more.
        """
        a, b = self.baseline_samples, self.candidate_samples
        if a == b:
            return self.square / a
        if a == 1 or b == 1:
            return self.worsening**2
        before, after = self._squares
        before = (before - self.baseline**2 / a) / (a - 1)
        after = (after - self.candidate**2 / b) / (b - 1)
        return self.square * self.mean_share + (1 / a - 1 / b) / 2 * (before - after)

    @property
    def single(self) -> bool:
        """Whether it has one sample in each run, each bad or not."""
        once = self.baseline_samples == self.candidate_samples == 1
        return once and {self.baseline, self.candidate} <= {0, 1}

    @property
    def mean_share(self) -> float:
        """Mean of the weights of one sample of either run in its run's mean."""
        return (1 / self.baseline_samples + 1 / self.candidate_samples) / 2

    @property
    def most_share(self) -> float:
        """The larger of these weights: by how much one sample can move `worsening`."""
        return 1 / min(self.baseline_samples, self.candidate_samples)

    @property
    def _squares(self) -> tuple[float, float]:
        before, after = self.baseline_squares, self.candidate_squares
        return (
            self.baseline if before is None else before,
            self.candidate if after is None else after,
        )


@dataclass(frozen=True, slots=True)
class Pairs:
    """The paired samples of all questions, as so many pairs of single samples.

    Attributes:
        worse: pairs in which only the candidate's sample was bad.
        better: pairs in which only the baseline's was.
        total: all pairs. None of the three need be a whole number.
        questions: from how many questions they come.
        unseen: how many pairs the one is worth that is added against every claim; above 1 where
            a single sample of the run with fewer can move more than a pair.
        step: by how much a pair differs that is worse or better, in (0, 1]; below 1 only for
            scores whose differences are small and nearly all in one direction, and where samples of
            one index are alike and the change comes from those without a partner.
    """

    worse: float
    better: float
    total: float
    questions: int
    unseen: float = 1.0
    step: float = 1.0

    @property
    def worsening(self) -> float:
        """Mean over questions of the rise of the badness, in [-1, 1]; 0 without questions."""
        return self.step * (self.worse - self.better) / self.total if self.total else 0.0

    @property
    def spread(self) -> float:
        """Variance of one pair's difference, with one worse and one better pair added."""
        n = self.total + 2
        squares = self.step**2 * (self.worse + self.better) + 2
        return squares / n - (self.step * (self.worse - self.better) / n) ** 2

    def p_above(self, worsening: float) -> float:
        """P-value of the hypothesis that the true worsening is at most `worsening`.

        Small when it is established that the candidate is worse by more than that.
        """
        return self._p_at_most(self.worse, self.better, worsening)

    def p_below(self, worsening: float) -> float:
        """P-value of the hypothesis that the true worsening is at least `worsening`."""
        return self._p_at_most(self.better, self.worse, -worsening)

    def p_different(self) -> float:
        """Two-sided p-value of no change."""
        return min(1.0, 2 * min(self.p_above(0.0), self.p_below(0.0)))

    def interval(self, level: float = 0.95) -> Interval:
        """For the true worsening on these questions; [-1, 1] when there are none.

        It leaves out 0 exactly when `p_different` is at most 1 - `level`.

        Raises:
            UsageError: `level` is not between 0 and 1.
        """
        alpha = tail(level)
        low = highest_rejected(self.p_above, -1.0, 1.0, alpha)
        high = -highest_rejected(lambda fall: self.p_below(-fall), -1.0, 1.0, alpha)
        return Interval(low, high, level, WEIGHTED_PAIRS)

    def _p_at_most(self, favouring: float, against: float, mean: float) -> float:
        """P-value of a mean of at most `mean`, where pairs of the first kind speak against it."""
        same = max(0.0, self.total - favouring - against)
        # The larger the mean, the less there is to spend: enumeration asks for the last factor.
        added = _MOST_FOR * same / (same + _SAME_FOR_HALF) * favouring / (favouring + 1)
        groups = [
            (self.step, favouring),
            (-self.step, against),
            (0.0, same),
            (-1.0, self.unseen),
            (1.0, added * (1 - abs(mean)) ** 2),
        ]
        return weighted_mean_at_most(groups, mean)


def pair(questions: Iterable[PairedQuestion]) -> Pairs:
    """Pair the samples of every question; each question has the same weight.

    The number of pairs is that of which the mean would vary as much as the mean over questions
    does: the sum of the questions' variances is that of each by its own samples, or the one that
    holds if both runs vary alike, whichever is higher. The first is too low when what happens
    rarely has not happened in the run with fewer samples, the second when the runs differ. One
    pair with the average weight is added to both sides of the division, so that nothing seen is
    not taken for nothing possible.

    With the same number k of samples everywhere it is k pairs per question.
    """
    asked = list(questions)
    n = len(asked)
    if not n:
        return Pairs(0.0, 0.0, 0.0, 0)
    squares = own = alike = moved = mean_share = most_share = worsening = 0.0
    # Of thousands of questions many went alike.
    known: dict[PairedQuestion, tuple[float, float, float, float, float]] = {}
    for question in asked:
        figures = known.get(question)
        if figures is None:
            figures = known[question] = (
                question.square,
                question.mean_share,
                question.most_share,
                question.own_variance,
                question.worsening,
            )
        square, share, most, variance, drift = figures
        squares += square
        own += variance
        alike += square * share
        moved += square * most
        mean_share += share / n
        most_share += most / n
        worsening += drift
    variance = max(own, alike) + mean_share
    total = n * (squares + 1) / variance
    # Of scores that are all alike the sums may differ in their last digit, and no square does.
    step = 1.0 if squares >= abs(worsening) or not squares else squares / abs(worsening)
    differ, drift = squares / step**2, worsening / step
    return Pairs(
        worse=max(0.0, (differ + drift) / 2) / n * total,
        better=max(0.0, (differ - drift) / 2) / n * total,
        total=total,
        questions=n,
        unseen=(moved + most_share) / variance,
        step=step,
    )


def general_interval(questions: Iterable[PairedQuestion], level: float = 0.95) -> Interval:
    """For the worsening on *questions like these*, not just on these.

    The questions count as a random draw, and nothing is assumed of samples within one: Gaffke's
    method on each question's difference of means, whose spread holds whatever number of samples
    each has. With one yes-or-no sample per question it is `Pairs.interval`; with more it is wider,
    and more samples alone cannot narrow it to nothing.

    Raises:
        UsageError: `level` is not between 0 and 1.
    """
    asked = list(questions)
    if all(question.single for question in asked):
        return pair(asked).interval(level)
    return mean_interval([question.worsening for question in asked], 1.0, level)


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
