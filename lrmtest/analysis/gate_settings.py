"""The settings of a gate: what it tolerates, what it must find, how often it may be wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

from lrmtest.errors import UsageError
from lrmtest.runs.looks import Look

MAX_UNKNOWN_ENDS = 0.05
"""Share of a run's samples whose end may be unknown for a gate to decide. Were all of them cut off,
its pass rate would be wrong by so much at most: 5 points, half of the smallest drop that a gate
looks for by default."""


@dataclass(frozen=True, slots=True)
class GateSettings:
    """What a gate tolerates, what it must find, and how often it may be wrong.

    Attributes:
        margin: drop of the pass rate that is tolerated, in [0, 1).
        mde: the smallest drop beyond the margin that must be found.
        alpha: how often a model no worse than tolerated may be called regressed.
        power: how surely a model worse by margin + mde must not be called ok.
        rate_margin: tolerated rise of the share of truncated and of looped samples; their mde
            is that of the pass rate. None: not gated.
        token_margin: tolerated rise of the mean tokens per completion, relative: 0.1 is 10 %
            more. None: not gated.
        token_mde: the smallest rise beyond it that must be found.
        allow_missing: decide although questions are missing in one run.
        allow_cannot_tell: suites on whose own claim the gate may have nothing to say, because a
            drop could not be seen there; the claim on all suites is decided all the same.
        series: how many candidates are judged against one baseline: one or more of them, none
            worse than tolerated, are called regressed with probability `alpha` at most. Each has
            its part of alpha (Bonferroni), which holds though all share the baseline's luck.
        candidate: which of the series this one is, from 1; 0 where nobody counts them.
        look: which look at the test this is, and what it may spend.
        max_unknown_ends: decide while at most this share of either run's samples does not say how
            it ended, in [0, 1].

    Raises:
        UsageError: a value that cannot be meant.
    """

    margin: float = 0.0
    mde: float = 0.1
    alpha: float = 0.05
    power: float = 0.8
    rate_margin: float | None = 0.0
    token_margin: float | None = 0.1
    token_mde: float = 0.25
    allow_missing: bool = False
    allow_cannot_tell: tuple[str, ...] = ()
    max_unknown_ends: float = MAX_UNKNOWN_ENDS
    series: int = 1
    candidate: int = 0
    look: Look = field(default_factory=Look)

    @property
    def test_alpha(self) -> float:
        """Alpha of this candidate's test, over all its looks."""
        return self.alpha / self.series

    @property
    def look_alpha(self) -> float:
        """Alpha of the fixed test in this look."""
        return self.test_alpha * self.look.share

    @property
    def test_beta(self) -> float:
        """How often this candidate's test may call a model ok that is not, over all its looks.

        What reading may spend is not among it.
        """
        return (1 - self.power) * self.look.unread

    @property
    def look_beta(self) -> float:
        """How often the fixed test in this look may call a model ok that is not."""
        return self.test_beta * self.look.share

    def __post_init__(self) -> None:
        for name, margin in (("margin", self.margin), ("rate margin", self.rate_margin or 0.0)):
            if not 0 <= margin < 1 or not self.mde > 0 or not margin + self.mde < 1:
                raise UsageError(
                    f"a {name} of {margin} with an mde of {self.mde} leaves nothing to decide",
                    hint="both are shares: 0.05 is 5 points; mde is above 0, their sum below 1",
                )
        if not 0 <= self.max_unknown_ends <= 1:
            raise UsageError(
                f"a share of unknown ends of {self.max_unknown_ends} is not in [0, 1]",
                hint="0.05 lets one sample in twenty go without, 1 all",
            )
        if not 0 < self.alpha <= 0.5:
            raise UsageError(f"an alpha of {self.alpha} is not in (0, 0.5]", hint="0.05, say")
        if self.series < 1:
            raise UsageError(f"a series of {self.series} candidates", hint="1 or more")
        if not 0.5 <= self.power < 1:
            raise UsageError(f"a power of {self.power} is not in [0.5, 1)", hint="0.8, say")
        if (self.token_margin is not None and not self.token_margin >= 0) or not self.token_mde > 0:
            raise UsageError(
                f"a token margin of {self.token_margin} with an mde of {self.token_mde}",
                hint="both are relative: 0.1 is 10 % more tokens; the mde is above 0",
            )
