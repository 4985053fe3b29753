"""The claims that a gate tests at one error rate in all.

Every claim is about one figure getting worse: by more than its margin, or by less than its margin
plus the smallest change worth finding. "Regressed" needs one claim of the first kind
established, "ok" needs every claim of the second kind. So only the first are corrected for their
number: a model that is as good as its baseline is called regressed with probability alpha at
most, through whichever figure; one that is worse by margin + mde in any figure is called ok with
probability 1 - power at most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.summary import ALL_SUITES
from lrmtest.runs.outcomes import SampleOutcome
from lrmtest.suites.suite import PASS

RateName = Literal["pass rate", "score", "truncation", "looping"]
What = Literal[RateName, "tokens"]

PASS_RATE_SHARE = 0.8
"""Of alpha, when costs are gated too; they share the rest. Costs show in few samples."""
POOLED_SHARE = 0.5
"""Of the pass rate's alpha, with several suites; the suites share the rest."""


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

    def may_stay_untold(self, settings: GateSettings) -> bool:
        """Whether ok may be said although nothing can be said of this claim."""
        return self.suite != ALL_SUITES and self.suite in settings.allow_cannot_tell

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
