"""The claims that a gate tests at one error rate in all, and its settings.

Every claim is about one figure getting worse: by more than its margin, or by less than its margin
plus the smallest change worth finding. "Regressed" needs one claim of the first kind
established, "ok" needs every claim of the second kind. So only the first are corrected for their
number: a model that is as good as its baseline is called regressed with probability alpha at
most, through whichever figure; one that is worse by margin + mde in any figure is called ok with
probability 1 - power at most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from lrmtest.analysis.summary import ALL_SUITES
from lrmtest.errors import UsageError
from lrmtest.runs.looks import Look
from lrmtest.runs.outcomes import SampleOutcome
from lrmtest.suites.suite import PASS

RateName = Literal["pass rate", "score", "truncation", "looping"]
What = Literal[RateName, "tokens"]

PASS_RATE_SHARE = 0.8
"""Of alpha, when costs are gated too; they share the rest. Costs show in few samples."""
POOLED_SHARE = 0.5
"""Of the pass rate's alpha, with several suites; the suites share the rest."""

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

    def allows(self, claim: Claim) -> bool:
        """Whether ok may be said although nothing can be said of `claim`."""
        return claim.suite != ALL_SUITES and claim.suite in self.allow_cannot_tell


def shared_metric(metrics: Sequence[str]) -> str:
    """The primary metric of several suites together."""
    different = set(metrics)
    return different.pop() if len(different) == 1 else "score" if different else PASS


@dataclass(frozen=True, slots=True)
class Claim:
    """One figure of one suite that may have got worse.

    Attributes:
        what: the figure; the pass rate, or the score where that is the primary metric.
        suite: the suite's name, or `ALL_SUITES`.
        metric: the primary metric of the suite, if the claim is about that.
        margin: the worsening that is tolerated.
        mde: the smallest worsening beyond it that must be found.
        share: of alpha.
    """

    what: What
    suite: str
    margin: float
    mde: float
    share: float
    metric: str = PASS

    @property
    def primary(self) -> bool:
        """Whether it is about the primary metric, not about costs."""
        return self.what in ("pass rate", "score")

    @property
    def limit(self) -> float:
        """The worsening that ok excludes."""
        return self.margin + self.mde

    def figure(self, sample: SampleOutcome) -> float:
        """What is worse the higher it is: tokens, else a share of badness in [0, 1]."""
        if self.what == "tokens":
            return sample.tokens
        if self.primary:
            return 1 - sample.value
        return float(sample.end == ("ran-out" if self.what == "truncation" else "loop"))

    def ratio(self, worsening: float) -> float:
        """What a worsening multiplies the baseline's figure with: of tokens; else 1."""
        return 1 + worsening if self.what == "tokens" else 1.0

    def offset(self, worsening: float) -> float:
        """What a worsening adds to the baseline's figure: 0 of tokens."""
        return 0.0 if self.what == "tokens" else worsening


def claims(
    suites: Sequence[str],
    settings: GateSettings,
    *,
    tokens: bool,
    metrics: Mapping[str, str] | None = None,
) -> list[Claim]:
    """Everything a gate decides about: the primary metric pooled and by suite, the costs pooled.

    Args:
        suites: the suites' names.
        settings: margins.
        tokens: whether both runs have token counts.
        metrics: the primary metric of suites that are compared by a score.
    """
    metrics = metrics or {}
    costs: list[tuple[What, float, float]] = []
    if settings.token_margin is not None and tokens:
        costs.append(("tokens", settings.token_margin, settings.token_mde))
    if settings.rate_margin is not None:
        costs.append(("truncation", settings.rate_margin, settings.mde))
        costs.append(("looping", settings.rate_margin, settings.mde))
    share = PASS_RATE_SHARE if costs else 1.0
    by_suite = suites if len(suites) > 1 else ()
    pooled = share * POOLED_SHARE if by_suite else share

    def primary(suite: str, metric: str, part: float) -> Claim:
        what: What = "pass rate" if metric == PASS else "score"
        return Claim(what, suite, settings.margin, settings.mde, part, metric)

    return [
        primary(ALL_SUITES, shared_metric([metrics.get(name, PASS) for name in suites]), pooled),
        *(
            primary(name, metrics.get(name, PASS), (share - pooled) / len(suites))
            for name in by_suite
        ),
        *(
            Claim(what, ALL_SUITES, margin, mde, (1 - PASS_RATE_SHARE) / len(costs))
            for what, margin, mde in costs
        ),
    ]
