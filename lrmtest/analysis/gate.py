"""The gate: is the candidate really worse than its baseline?

regressed: a worsening beyond the margin is established. ok: a worsening beyond margin + mde is
excluded, and could have been seen. Both can be true of a small but certain drop, which is
regressed. Neither: undecided, with the number of samples that would decide it. cannot-tell: such
a worsening could not have been seen, whatever the candidate (`lrmtest.analysis.detectability`), so
nothing follows from its absence. `lrmtest.analysis.claims` says what is tested, and what the error
rates mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, sqrt
from statistics import NormalDist
from typing import Literal

from lrmtest.analysis.claims import Claim, claims
from lrmtest.analysis.detectability import Obstacle, obstacles
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.holm import adjust
from lrmtest.analysis.paired_comparison import (
    Comparison,
    MissingQuestion,
    SuiteComparison,
    TokenChange,
)
from lrmtest.analysis.pairs import Pairs
from lrmtest.analysis.summary import ALL_SUITES
from lrmtest.analysis.written import p_words
from lrmtest.counted import three_digits
from lrmtest.runs.looks import FIRST_SHARE

GateResult = Literal["ok", "regressed", "undecided", "cannot-tell"]


@dataclass(frozen=True, slots=True)
class Check:
    """What the gate found on one claim.

    Attributes:
        claim: the figure, the suite and the limits.
        result: on this claim alone.
        worsening: as observed; of tokens relative, else in points / 100.
        p_regressed: p-value of the hypothesis that the worsening is within the margin, adjusted
            for the number of claims, of looks and of candidates: regressed at or below alpha.
        p_ok: p-value of the hypothesis that it is at least margin + mde, adjusted for the number
            of looks: ok at or below 1 - power.
        samples_needed: per question and run, that would decide an undecided claim with
            probability `power` at the next look, if the observed worsening is the true one; of
            one that cannot tell, with which it could, if further samples of the baseline go as
            these did.
        obstacle: why it cannot tell; None unless that is the result.
    """

    claim: Claim
    result: GateResult
    worsening: float
    p_regressed: float
    p_ok: float
    samples_needed: int | None
    obstacle: Obstacle | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The gate's decision.

    Attributes:
        result: ok, regressed, undecided or cannot-tell.
        reasons: why, in words: what regressed, or what keeps it from being decided.
        checks: every claim; the primary metric of all suites comes first.
        samples_needed: per question and run, that would decide; None unless it is undecided and
            more samples would.
        settings: by which it was decided.
    """

    result: GateResult
    reasons: tuple[str, ...]
    checks: tuple[Check, ...]
    samples_needed: int | None
    settings: GateSettings


def decide(comparison: Comparison, settings: GateSettings | None = None) -> Decision:
    """Decide on a comparison.

    Questions missing in one run keep it from being ok, unless `settings.allow_missing`.
    """
    settings = settings or GateSettings()
    if not comparison.total.questions:
        return nothing_to_compare(settings)
    if not settings.look.share:
        reason = "earlier looks at this run have spent all of its error rates; what can decide is "
        reason += "another test: another --seed for the candidate, and a new baseline"
        return Decision("undecided", (reason,), (), None, settings)
    return conclude(check(comparison, settings), comparison.missing, settings)


def nothing_to_compare(settings: GateSettings) -> Decision:
    """The decision on two runs without a question in common."""
    reason = "cannot tell: no question has a verdict in both runs"
    return Decision("cannot-tell", (reason,), (), None, settings)


def check(comparison: Comparison, settings: GateSettings) -> tuple[Check, ...]:
    """Test every claim, at what this look may spend of the error rates.

    Args:
        comparison: the two runs, with a question in common.
        settings: margins and error rates; `settings.look` may spend something.
    """
    parts = {part.suite: part for part in comparison.suites} | {ALL_SUITES: comparison.total}
    tested = {
        claim: _evidence(claim, parts[claim.suite])
        for claim in claims(
            [part.suite for part in comparison.suites],
            settings,
            tokens=comparison.total.tokens is not None,
            metrics={part.suite: part.metric for part in comparison.suites},
        )
    }
    look = settings.look
    # A look that engine errors cut short has less to spend than the next one.
    most = replace(look, share=max(look.share, FIRST_SHARE * look.left))
    blocked = obstacles(
        list(tested),
        lambda claim: parts[claim.suite].questions_of(claim.what),
        [part.suite for part in comparison.suites],
        replace(settings, look=most),
    )
    adjusted = adjust(
        {claim: evidence.p_above(claim.margin) for claim, evidence in tested.items()},
        {claim: claim.share for claim in tested},
    )
    # The next look has less; where there is none, another test would have as much as this one.
    coming = FIRST_SHARE * look.left or look.share
    alpha, beta = settings.test_alpha * coming, settings.test_beta * coming
    checks = []
    for claim, evidence in tested.items():
        p_regressed, p_ok = adjusted[claim], evidence.p_below(claim.limit)
        result: GateResult = "undecided"
        if p_regressed <= settings.look_alpha:
            result = "regressed"
        elif claim in blocked and evidence.p_below(0.0) > settings.look_beta:
            result = "cannot-tell"
        elif p_ok <= settings.look_beta:
            result = "ok"
        obstacle = blocked.get(claim) if result == "cannot-tell" else None
        needed = None if obstacle is None else obstacle.samples_needed
        if result == "undecided":
            needed = _samples_needed(claim, evidence, alpha * claim.share, beta, settings.power)
        p_regressed = min(1.0, p_regressed * settings.series / look.share)
        p_ok = min(1.0, p_ok / (look.share * look.unread))
        checks.append(
            Check(claim, result, evidence.worsening, p_regressed, p_ok, needed, obstacle),
        )
    return tuple(checks)


def conclude(
    checks: Sequence[Check], missing: Sequence[MissingQuestion], settings: GateSettings
) -> Decision:
    """Put the claims together: regressed if one is, ok if all are and nothing is missing.

    One that cannot tell comes before those that are undecided: samples would decide these, and
    still nothing could be said of it. It does not count where `settings` allow it, but is named.
    """
    regressed = [check for check in checks if check.result == "regressed"]
    undecided = [check for check in checks if check.result == "undecided"]
    blocked = [check for check in checks if check.result == "cannot-tell"]
    allowed = [check for check in blocked if check.claim.may_stay_untold(settings)]
    gaps = [] if settings.allow_missing else _gaps(missing)
    if regressed:
        reasons = [_regressed(check) for check in regressed]
        return Decision("regressed", tuple(reasons + gaps), tuple(checks), None, settings)
    if len(allowed) < len(blocked):
        reasons = [_cannot_tell(check) for check in blocked if check not in allowed]
        reasons += gaps + [_undecided(check) for check in undecided]
        return Decision("cannot-tell", tuple(reasons), tuple(checks), None, settings)
    if undecided or gaps:
        reasons = [_undecided(check) for check in undecided]
        needed = [check.samples_needed for check in undecided if check.samples_needed is not None]
        return Decision(
            "undecided",
            tuple(gaps + reasons),
            tuple(checks),
            max(needed, default=None),
            settings,
        )
    reasons = [_cannot_tell(check) if check in allowed else _ok(check) for check in checks]
    return Decision("ok", tuple(reasons), tuple(checks), None, settings)


@dataclass(frozen=True, slots=True)
class _RateEvidence:
    """A rate's change, on one suite."""

    pairs: Pairs

    @property
    def worsening(self) -> float:
        return self.pairs.worsening

    @property
    def samples(self) -> float:
        """Samples per question and run."""
        return self.pairs.total / self.pairs.questions

    @property
    def error(self) -> float:
        """Standard error of the worsening."""
        return sqrt(self.pairs.spread / self.pairs.total)

    def p_above(self, worsening: float) -> float:
        return self.pairs.p_above(worsening)

    def p_below(self, worsening: float) -> float:
        return self.pairs.p_below(worsening)


@dataclass(frozen=True, slots=True)
class _TokenEvidence:
    """The change of tokens; the worsening is relative."""

    tokens: TokenChange
    samples: float

    @property
    def worsening(self) -> float:
        return self.tokens.ratio - 1

    @property
    def error(self) -> float:
        """Standard error of the ratio."""
        pairs = zip(self.tokens.baseline, self.tokens.candidate, strict=True)
        squares = sum((after - self.tokens.ratio * before) ** 2 for before, after in pairs)
        return sqrt(squares) / sum(self.tokens.baseline)

    def p_above(self, worsening: float) -> float:
        return self.tokens.p_above(1 + worsening)

    def p_below(self, worsening: float) -> float:
        # Loops too rare to be seen are what the claims about truncation and looping are for.
        return self.tokens.p_below_as_seen(1 + worsening)


_Evidence = _RateEvidence | _TokenEvidence


def _evidence(claim: Claim, part: SuiteComparison) -> _Evidence:
    if claim.what != "tokens":
        return _RateEvidence(part.change(claim.what).pairs)
    assert part.tokens is not None
    return _TokenEvidence(part.tokens, part.failed.pairs.total / part.failed.pairs.questions)


def _samples_needed(
    claim: Claim, evidence: _Evidence, alpha: float, beta: float, power: float
) -> int:
    """Samples with which the observed worsening would be established, or its limit excluded.

    The textbook formula: the distance to what is to be excluded must be (z_level + z_power)
    standard errors, and a standard error falls with the root of the samples.
    """
    z = NormalDist().inv_cdf
    factors = [
        ((z(1 - level) + z(power)) * evidence.error / gap) ** 2
        for level, gap in (
            (alpha, evidence.worsening - claim.margin),
            (beta, claim.limit - evidence.worsening),
        )
        if gap > 0
    ]
    return max(ceil(evidence.samples * min(factors)), int(evidence.samples) + 1)


def _gaps(missing: Sequence[MissingQuestion]) -> list[str]:
    return [
        f"{len(keys)} question{'s' * (len(keys) > 1)} without a verdict in the {side}: "
        + ", ".join(f"{suite} {question}" for suite, question in keys[:3])
        + (", ..." if len(keys) > 3 else "")
        for side in ("candidate", "baseline")
        if (keys := [gap.key for gap in missing if gap.side == side])
    ]


def _regressed(check: Check) -> str:
    return (
        f"{named(check.claim)}: {_change(check)}; {_beyond_margin(check.claim)} is established "
        f"({p_words(check.p_regressed)})"
    )


def _ok(check: Check) -> str:
    return (
        f"{named(check.claim)}: {_change(check)}; a change for the worse by "
        f"{amount(check.claim, check.claim.limit)} is excluded ({p_words(check.p_ok)})"
    )


def _cannot_tell(check: Check) -> str:
    assert check.obstacle is not None
    return f"{named(check.claim)}: {check.obstacle.words()}"


def _undecided(check: Check) -> str:
    return (
        f"{named(check.claim)}: {_change(check)}; neither is {_beyond_margin(check.claim)} "
        f"established ({p_words(check.p_regressed)}) nor a change for the worse by "
        f"{amount(check.claim, check.claim.limit)} excluded ({p_words(check.p_ok)})"
    )


def _beyond_margin(claim: Claim) -> str:
    if not claim.margin:
        return "a change for the worse"
    return f"a change for the worse by more than {amount(claim, claim.margin)}"


def named(claim: Claim) -> str:
    """What a claim is about: ``pass rate``, ``pass rate of folio``."""
    figure = claim.metric if claim.what == "score" else claim.what
    return figure if claim.suite == ALL_SUITES else f"{figure} of {claim.suite}"


def _change(check: Check) -> str:
    if not check.worsening:
        return "unchanged"
    worse, better = ("fell", "rose") if check.claim.primary else ("rose", "fell")
    verb = worse if check.worsening > 0 else better
    return f"{verb} by {amount(check.claim, abs(check.worsening))}"


def amount(claim: Claim, worsening: float) -> str:
    """A worsening in the unit of its claim: ``10 points``, ``35 %``."""
    return f"{three_digits(100 * worsening)} {'%' if claim.what == 'tokens' else 'points'}"
