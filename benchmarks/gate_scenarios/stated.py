"""Stated rates: what simulation says of them, and which of them it has found exceeded.

A row is marked, and the command ends with status 1, where the 99 % interval of what was simulated
lies wholly on the wrong side of what is stated: Wilson's interval for shares of independent runs,
a normal one for means over baselines, of each of which many runs were made. A gate that errs just
as often as it may is marked so by chance in one row of 200: another --seed tells chance from more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt

from lrmtest.analysis.intervals import wilson

LEVEL = 0.99
_DEVIATIONS = 2.5758
MARK = " <- exceeds"


@dataclass
class Stated:
    """The stated rates that were checked, and those that do not hold.

    Attributes:
        checked: how many were.
        exceeded: a line for each that does not hold.
    """

    checked: int = 0
    exceeded: list[str] = field(default_factory=list)

    def at_most(self, rate: float, runs: int, allowed: float, what: str) -> str:
        """Check a share of independent runs against the highest that is stated.

        Args:
            rate: simulated, in [0, 1].
            runs: of so many.
            allowed: the highest that is stated, in [0, 1].
            what: the row and the rate, for the list at the end.

        Returns:
            What is put behind the figure: `MARK` if it is exceeded, else nothing.
        """
        interval = wilson(round(rate * runs), runs, LEVEL)
        return self._mark(
            interval.low > allowed, f"{what}: {100 * rate:.1f} %", f"at most {100 * allowed:g} %"
        )

    def at_least(self, rate: float, runs: int, promised: float, what: str) -> str:
        """The same for the lowest that is stated."""
        interval = wilson(round(rate * runs), runs, LEVEL)
        return self._mark(
            interval.high < promised,
            f"{what}: {100 * rate:.1f} %",
            f"at least {100 * promised:g} %",
        )

    def mean_at_most(self, rates: Sequence[float], allowed: float, what: str) -> str:
        """The same for a mean of independent shares, such as those of several baselines."""
        n, mean = len(rates), sum(rates) / len(rates)
        spread = sqrt(sum((rate - mean) ** 2 for rate in rates) / max(1, n - 1) / n)
        return self._mark(
            mean - _DEVIATIONS * spread > allowed,
            f"{what}: {100 * mean:.1f} %",
            f"at most {100 * allowed:g} %",
        )

    def exactly_at_most(self, rate: float, allowed: float, what: str) -> str:
        """The same for a rate that was computed, not simulated."""
        return self._mark(
            rate > allowed + 1e-9, f"{what}: {100 * rate:.2f} %", f"at most {100 * allowed:g} %"
        )

    def _mark(self, wrong: bool, found: str, stated: str) -> str:
        self.checked += 1
        if wrong:
            self.exceeded.append(f"{found}, stated {stated}")
        return MARK if wrong else ""
