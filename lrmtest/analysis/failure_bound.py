"""The highest failure rate that a number of passes, and no failure, leaves possible.

References:
    Clopper & Pearson (1934), The use of confidence or fiducial limits illustrated in the case of
    the binomial. Biometrika 26.
    Hanley & Lippman-Hand (1983), If nothing goes wrong, is everything all right? JAMA 249: its
    approximation 3/n at level 0.95, the rule of three.
"""

from __future__ import annotations

from lrmtest.errors import UsageError


def highest_rate(passed: int, level: float = 0.95) -> float:
    """The upper end of the one-sided interval for the share of questions that fail.

    Clopper and Pearson's bound for 0 failures: the rate at which as many passes in a row have
    probability ``1 - level``.

    Args:
        passed: independently drawn questions, all of which passed.
        level: coverage, in (0, 1).

    Raises:
        UsageError: `level` is not between 0 and 1.
        ValueError: `passed` is negative.
    """
    if not 0 < level < 1:
        raise UsageError(
            f"a confidence level of {level} is not between 0 and 1", hint="use 0.95, say"
        )
    if passed < 0:
        raise ValueError(f"{passed} questions passed")
    return 1.0 if passed == 0 else 1 - (1 - level) ** (1 / passed)
