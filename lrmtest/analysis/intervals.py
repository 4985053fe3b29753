"""Confidence intervals for pass rates, with one sample per question and with several.

Both intervals are for the rate on *questions like these*: the questions count as a random draw
from the kind of question that the suite stands for. They are therefore honest about 30 questions
being few, however often each is sampled.

References:
    Wilson (1927), Probable inference, the law of succession, and statistical inference. JASA 22.
    Kish (1965), Survey Sampling: the design effect.
    Korn & Graubard (1998), Confidence intervals for proportions with small expected number of
    positive counts estimated from survey data. Survey Methodology 24: a binomial interval at
    the effective sample size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from lrmtest.errors import UsageError

WILSON = "wilson"
CLUSTERED_WILSON = "clustered-wilson"


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided confidence interval.

    Attributes:
        low, high: its ends; of a rate in [0, 1], of a change of a rate in [-1, 1].
        level: nominal coverage, in (0, 1).
        method: one of the names that the modules of this package give their methods.
    """

    low: float
    high: float
    level: float
    method: str


def wilson(passes: float, n: float, level: float = 0.95) -> Interval:
    """Wilson's score interval (Wilson 1927) for `passes` out of `n` independent questions.

    Both may be fractional, so that an effective sample size can be put in. With ``n = 0``
    nothing is known and the interval is [0, 1].

    Raises:
        UsageError: `level` is not between 0 and 1.
        ValueError: not ``0 <= passes <= n``.
    """
    if not 0 <= passes <= n:
        raise ValueError(f"{passes} passes out of {n}")
    z = _z(level)
    if n == 0:
        return Interval(0.0, 1.0, level, WILSON)
    rate = passes / n
    centre = (passes + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * sqrt(passes * (1 - rate) + z * z / 4)
    # At 0 and n one end is the rate itself, exactly; elsewhere rounding must not pass it by.
    low = 0.0 if passes == 0 else min(rate, max(0.0, centre - half))
    high = 1.0 if passes == n else max(rate, min(1.0, centre + half))
    return Interval(low, high, level, WILSON)


def clustered(pass_counts: Sequence[tuple[float, int]], level: float = 0.95) -> Interval:
    """An interval for the mean of per-question pass rates, samples clustered by question.

    Wilson's interval around the mean rate at Kish's effective sample size: as many independent
    samples as would leave the mean just as uncertain as the spread between questions does.
    It lies between the number of questions (samples of one question always agree) and the
    number of samples (they agree no more than those of different questions).

    The spread is estimated with one passed and one failed question added. Without them a suite
    passed or failed as a whole has no spread at all, and one with a single pass among 480
    samples would claim all 480; with them the interval is continuous in the data, and at 0 and
    1 it is Wilson's for the number of questions. This errs on the wide side when questions are
    equally hard, which benchmark questions are not. With one sample per question it *is*
    Wilson's interval.

    It assumes that questions are independent of each other, and nothing of samples within one:
    greedy samples, all alike, count once.

    Args:
        pass_counts: per question, how much of it passed and out of how many samples. A sum of
            figures in [0, 1], such as F1 scores, serves as well: no such figure varies more than
            a pass rate with the same mean does. Questions without a sample are left out.
        level: nominal coverage.

    Raises:
        UsageError: `level` is not between 0 and 1.
        ValueError: a question with more passes than samples.
    """
    asked = [(passes, samples) for passes, samples in pass_counts if samples > 0]
    if any(not 0 <= passes <= samples for passes, samples in asked):
        raise ValueError("a question has fewer than 0 passes, or more than samples")
    if all(samples == 1 for _, samples in asked):
        return wilson(sum(passes for passes, _ in asked), len(asked), level)
    n = len(asked)
    rates = [passes / samples for passes, samples in asked]
    mean = sum(rates) / n
    # The mean and the variance with the two added questions.
    padded_mean = (sum(rates) + 1) / (n + 2)
    padded_variance = (sum(rate * rate for rate in rates) + 1) / (n + 2) - padded_mean**2
    # Samples if they were independent: n times the harmonic mean of the samples per question.
    most = n * n / sum(1 / samples for _, samples in asked)
    effective = n * padded_mean * (1 - padded_mean) / padded_variance
    effective = min(max(effective, n), most)
    interval = wilson(min(mean * effective, effective), effective, level)
    return Interval(interval.low, interval.high, level, CLUSTERED_WILSON)


def tail(level: float) -> float:
    """The error rate on each side of a two-sided interval.

    Raises:
        UsageError: `level` is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise UsageError(
            f"a confidence level of {level} is not between 0 and 1", hint="use 0.95, say"
        )
    return (1 - level) / 2


def _z(level: float) -> float:
    """The normal quantile for a two-sided interval at `level`."""
    return NormalDist().inv_cdf(1 - tail(level))
