"""Bets on one claim of a sequential gate: that it is worse than its margin, and within its limit.

Evidence here is a capital, 1 at first, that grows when a hypothesis is wrong and in expectation
does not when it holds; 1 over it is a p-value that may be looked at whenever one likes
(`lrmtest.analysis.betting`). `ClaimBets` keeps what both kinds of evidence have in common:
`PairBets` bets on pairs of samples, `lrmtest.analysis.table_bets` against a known table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from copy import copy
from math import exp
from statistics import fmean

from lrmtest.analysis.betting import Capital
from lrmtest.analysis.claims import Claim
from lrmtest.analysis.detectability import Obstacle
from lrmtest.analysis.foresight import ForeseenPair
from lrmtest.analysis.gate import Check, GateResult
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.summary import ALL_SUITES
from lrmtest.runs.outcomes import SampleOutcome


class ClaimBets:
    """What has been found on one claim so far.

    Args:
        claim: the claim.
        settings: error rates, and what may be spent on looking.
        budget: the largest number of tokens that a completion can have.
        kept: what an earlier stage has found against its limit, and adds to 1 over the p-value
            (`lrmtest.analysis.certificate.kept_evidence`).
    """

    def __init__(
        self, claim: Claim, settings: GateSettings, budget: int, kept: float = 0.0
    ) -> None:
        self.claim = claim
        self._kept = kept
        self.result: GateResult = "undecided"
        self.budget = budget
        self._alpha = settings.alpha
        self._series, self._looking = settings.series, settings.look.looking
        self._beta, self._unread = 1 - settings.power, settings.look.unread
        self._p_regressed = self._p_ok = 1.0
        self._before = self._after = 0.0
        self._questions = 0

    def concerns(self, suite: str) -> bool:
        """Whether the claim is about a suite's questions."""
        return self.claim.suite in (suite, ALL_SUITES)

    def check(self, obstacle: Obstacle | None = None) -> Check:
        """What has been found so far; the p-values hold however often one looks.

        Args:
            obstacle: what keeps its ok from meaning anything.
        """
        change = self._after - self._before
        if self.claim.what == "tokens":
            worsening = change / self._before if self._before else 0.0
        else:
            worsening = change / self._questions if self._questions else 0.0
        result, needed = self.result, None
        if obstacle is not None and result != "regressed":
            result, needed = "cannot-tell", obstacle.samples_needed
        p_values = self._p_regressed, self._p_ok
        return Check(self.claim, result, worsening, *p_values, needed, obstacle)

    def _seen(self, before: float, after: float) -> None:
        """Add one question's turn to what is shown."""
        self._questions += 1
        self._before += before
        self._after += after

    def _settle(self, worse: float, better: float) -> None:
        """Draw the conclusions from both capitals, given as natural logarithms."""
        # What was once established stays so: the bound is on ever reaching the level.
        p_regressed = _inverse(worse) / (self.claim.share * self._looking) * self._series
        self._p_regressed = min(self._p_regressed, p_regressed)
        # Two capitals, each with a part of 1 - power of its own, are added as they stand.
        won = self._looking * self._unread / max(1e-300, _inverse(better))
        self._p_ok = min(self._p_ok, 1 / (won + self._kept))
        if self._p_regressed <= self._alpha:
            self.result = "regressed"
        elif self._p_ok <= self._beta:
            self.result = "ok"


class PairBets(ClaimBets):
    """Both bets on one claim, by pairs of samples of the same question, each used once.

    Args:
        claim, settings, budget, kept: as in `ClaimBets`.
        foreseen: the pairs that are thought to come if both models are equally good, from whatever
            is known beforehand and does not depend on those that come; none for no idea.
    """

    def __init__(
        self,
        claim: Claim,
        settings: GateSettings,
        budget: int,
        kept: float = 0.0,
        foreseen: Sequence[ForeseenPair] = (),
    ) -> None:
        super().__init__(claim, settings, budget, kept)
        # Tokens are bet on as a difference, in which the tolerated ratio is a rise of 0.
        relative = claim.what == "tokens"
        self._worse = Capital(0.0 if relative else claim.margin)
        figures: defaultdict[float, float] = defaultdict(float)
        for often, suite, before, after in foreseen:
            if self.concerns(suite):
                figure = claim.figure(before), claim.figure(after)
                rise = self._mean_rise([figure], claim.ratio(claim.limit))
                figures[-rise] += often
        self._better = Capital(0.0 if relative else -claim.limit, figures)

    def observe(self, suite: str, pairs: Sequence[tuple[SampleOutcome, SampleOutcome]]) -> None:
        """Settle both bets on one question's turn, if the claim is about its suite.

        Args:
            suite: the question's.
            pairs: samples of baseline and candidate; none if all ended in engine errors.
        """
        if not self.concerns(suite):
            return
        figure = self.claim.figure
        figures = [(figure(before), figure(after)) for before, after in pairs]
        if figures:
            self._seen(
                fmean([before for before, _ in figures]), fmean([after for _, after in figures])
            )
        # Tokens are bet on with the tolerated ratio as a rise of 0.
        tolerated, limit = self.claim.ratio(self.claim.margin), self.claim.ratio(self.claim.limit)
        self._worse.observe(self._mean_rise(figures, tolerated) if figures else -1.0)
        self._better.observe(-self._mean_rise(figures, limit) if figures else -1.0)
        self._settle(self._worse.most, self._better.most)

    def copied(self) -> PairBets:
        """A copy, on which the bets go on by themselves."""
        again = copy(self)
        again._worse, again._better = copy(self._worse), copy(self._better)
        return again

    def _mean_rise(self, figures: Sequence[tuple[float, float]], ratio: float) -> float:
        """Above 0 on average when the figure rises by more than `ratio`; in [-1, 1]."""
        most = self.budget if self.claim.what == "tokens" else 1
        return fmean(
            [
                (min(after, most) - ratio * min(before, most)) / (ratio * most)
                for before, after in figures
            ]
        )


def _inverse(capital: float) -> float:
    """1 over a capital, given as its logarithm; never more than a float can hold."""
    return exp(min(-capital, 700.0))
