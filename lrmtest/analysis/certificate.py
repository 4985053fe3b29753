"""The certificate: a gate's ok from reading the baseline's traces, before anything is generated.

A finished trace x of the baseline has the weight w(x) = P_candidate(x) / P_baseline(x)
(`lrmtest.analysis.trace_weights`). Of any figure f(x) that is not below 0 the candidate's
expectation is E_baseline[w f] at least, for what it may write that the baseline cannot only adds to
it. So a figure that is good, in [0, 1], falls by at most

    E_baseline[f] - E_candidate[f] <= E_baseline[f (1 - w)] <= E_baseline[f (1 - min(w, 2))],

and the last figure is in [-1, 1] trace by trace. Its upper confidence bound
(`lrmtest.analysis.reweighted_mean`) bounds the drop. Each claim of the gate has its f: that a
sample passes, its score, that it is not truncated, that it does not loop. Of tokens L, counted up
to M, f is M - L, and the claim that they rise by no more than r is about
(M - L) (1 - min(w, 2)) - r L, whose mean must be below 0.

Where all claims are so excluded, the gate's ok has been said without a token of the candidate. It
cannot say more: that a model *is* worse would need a lower bound on the drop, and that comes to
nothing as soon as the candidate leaves the baseline's traces, as damaged models do. So this stage
spends of 1 - power alone, and alpha is untouched. A claim that it has excluded stays so for the
gates that go on; each stage has its part of 1 - power, and the union bound joins them.

What it takes for granted stands beside each certificate (`lrmtest.analysis.certificate_said`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from statistics import fmean

from lrmtest.analysis.claims import Claim, claims
from lrmtest.analysis.detectability import Obstacle, obstacles_to_come
from lrmtest.analysis.ends import unknown_ends
from lrmtest.analysis.gate import Check, Decision, GateResult, conclude
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.paired_comparison import MissingQuestion
from lrmtest.analysis.reweighted_mean import Figures, highest_mean, p_mean_at_least
from lrmtest.analysis.summary import ALL_SUITES
from lrmtest.analysis.trace_weights import UNKNOWN_WEIGHT, TraceWeight
from lrmtest.runs.outcomes import (
    Outcomes,
    QuestionKey,
    QuestionOutcome,
    SampleOutcome,
    only_scores_of,
)

MOST_WEIGHT = 2.0
"""Beyond which a weight counts no more. Any number from 1 on is valid. With 1, what the candidate
is likelier to write would never make up for what it is not, and of two models that differ by
nothing but noise the bound would be their whole total variation; with more than 2 a few traces that
were read wrongly could acquit by themselves."""
_CONTRADICTION = 0.001
"""Weights have a mean of 1 at most. Where that is rejected at this level, they are no weights."""
_EQUAL = TraceWeight(1.0, 0.0)
_LEAST_RISE, _MOST_RISE = -1.0, 1e3
"""Between which relative changes of tokens a bound is sought."""

TraceKey = tuple[QuestionKey, int]
"""A question and the index of a sample of it."""


@dataclass(frozen=True, slots=True)
class ClaimBound:
    """What reading says of one claim.

    Attributes:
        claim: the figure, the suite and the limits.
        result: ``ok``: a worsening by the claim's limit is excluded; ``cannot-tell``: it could not
            have been seen, whatever the candidate; else ``undecided``.
        worsening: at most so much on the traces as they are; of tokens relative, else in
            points / 100. Below 0 for a change for the better.
        highest: the upper confidence bound of the worsening, at the certificate's level.
        p: of the hypothesis that the worsening is at least the claim's limit.
        obstacle: why it cannot tell; None unless that is the result.
        longest: of tokens, up to which a completion counts: as many as any of the baseline's has.
        at_budget: of tokens, the upper bound if completions count up to their budget; infinite
            where there is none. None of other claims, or where the budget is not known.
    """

    claim: Claim
    result: GateResult
    worsening: float
    highest: float
    p: float
    obstacle: Obstacle | None = None
    longest: int = 0
    at_budget: float | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """What reading the baseline's traces has come to.

    Attributes:
        bounds: every claim of the gate; the primary metric of all suites comes first.
        level: of each, the part of 1 - power that this stage may spend.
        questions: that are asked and have a verdict in the baseline.
        traces: their samples.
        unknown: those of them of which nothing is known: not kept, not read, or without their end.
        variation: S, the sum over a trace's tokens of the total variation between both models'
            next-token distributions, mean over questions and their traces of which something is
            known; None without any.
        gaps: why no claim is certified, in words, whatever the bounds; empty for no reason.
        greedy: the baseline is of temperature 0, so that the claims are about questions like these.
        settings: the gate's.
        enough: as many traces of a model that is just the same would be certified.
        same_prompts: of how many questions the prompt that the candidate would be given was made,
            and is the traces' token by token; 0 where that is not shown for all that were read.
        read: by question and sample, what was found of each trace; empty where it is not at hand,
            as in what a run remembers.
    """

    bounds: tuple[ClaimBound, ...]
    level: float
    questions: int
    traces: int
    unknown: int
    variation: float | None
    gaps: tuple[str, ...]
    greedy: bool
    settings: GateSettings
    enough: bool = True
    same_prompts: int = 0
    read: Mapping[TraceKey, TraceWeight] = field(default_factory=dict, compare=False, repr=False)

    @property
    def certified(self) -> bool:
        """Whether the gate's ok follows."""
        return bool(self.bounds) and not self.gaps and _all_ok(self.bounds, self.settings)

    @property
    def excluded(self) -> Mapping[Claim, ClaimBound]:
        """The claims that are certified, whether all are or not."""
        if self.gaps:
            return {}
        return {bound.claim: bound for bound in self.bounds if bound.result == "ok"}


def certify(
    baseline: Outcomes,
    asked: Collection[QuestionKey],
    weights: Mapping[TraceKey, TraceWeight],
    settings: GateSettings,
    *,
    level: float,
    metrics: Mapping[str, str] | None = None,
    greedy: bool = False,
    unlike: Sequence[str] = (),
    budget: int = 0,
    highest: bool = True,
) -> Certificate:
    """Bound every claim of the gate by what the candidate says of the baseline's traces.

    Args:
        baseline: the baseline's questions, with the verdicts on the traces.
        asked: the questions that the candidate is to be asked.
        weights: by question and sample. A sample that is not there counts as one that the candidate
            would never have written.
        settings: the gate's.
        level: the part of 1 - power that this stage may spend, in (0, 1).
        metrics: the primary metric of each suite that is compared by a score.
        greedy: the baseline is of temperature 0: its samples of one question are copies.
        unlike: in what the candidate, as it would be asked, is not as the baseline was, in words;
            nothing is certified then.
        budget: the most tokens that a completion can have; 0 where it is not known.
        highest: find each claim's upper bound, which takes longest; without it is infinite.
    """
    metrics = metrics or {}
    both = {key: one for key, one in baseline.items() if key in asked and one.count}
    both = dict(only_scores_of(both, metrics))
    found = {
        key: {index: weights.get((key, index), UNKNOWN_WEIGHT) for index in one.samples}
        for key, one in both.items()
    }
    gaps = [*unlike, *_missing(baseline, asked, settings), *_ends(both, settings)]
    bounds: tuple[ClaimBound, ...] = ()
    enough = False
    if both:
        if _contradicted(found):
            gaps.append(
                "the candidate finds the traces likelier than any model could: they were not "
                "written, or not read, with the probabilities that are told"
            )
        bounds = _bounds(both, found, settings, level, metrics)
        enough = _all_ok(bounds, settings)
        if highest:
            bounds = tuple(_with_highest(bound, both, found, level, budget) for bound in bounds)
            equal = {key: dict.fromkeys(part, _EQUAL) for key, part in found.items()}
            enough = enough or _all_ok(_bounds(both, equal, settings, level, metrics), settings)
    else:
        gaps.append("no question has a verdict in the baseline")
    known = [[one for one in part.values() if one.known] for part in found.values()]
    varied = [fmean(one.variation for one in part) for part in known if part]
    traces = sum(one.count for one in both.values())
    return Certificate(
        bounds=bounds,
        level=level,
        questions=len(both),
        traces=traces,
        unknown=traces - sum(map(len, known)),
        variation=fmean(varied) if varied else None,
        gaps=tuple(gaps),
        greedy=greedy,
        settings=settings,
        enough=enough,
        read=weights,
    )


def _all_ok(bounds: Sequence[ClaimBound], settings: GateSettings) -> bool:
    """Whether every claim is excluded, or may be left open."""
    return all(
        bound.result == "ok"
        or (bound.result == "cannot-tell" and bound.claim.may_stay_untold(settings))
        for bound in bounds
    )


def certified_decision(certificate: Certificate, reasons: Sequence[str]) -> Decision:
    """The gate's decision that a certificate is.

    Args:
        certificate: one that is certified.
        reasons: in words, one for each claim.
    """
    checks = tuple(_check(bound, certificate) for bound in certificate.bounds)
    return Decision("ok", tuple(reasons), checks, None, certificate.settings)


def with_excluded(
    decision: Decision, missing: Sequence[MissingQuestion], certificate: Certificate
) -> Decision:
    """A later gate's decision, with the claims that reading has excluded before it.

    What it established stays; what it left undecided and reading had excluded is ok.

    Args:
        decision: of all of its claims, on the candidate's samples.
        missing: questions that only one of the runs has.
        certificate: what reading came to before.
    """
    concluded = conclude(decision.checks, missing, decision.settings)
    # Withheld for another reason, such as unknown ends, it says nothing of its claims.
    if not certificate.excluded or not decision.checks or concluded.reasons != decision.reasons:
        return decision
    found = excluded_checks(certificate)
    checks = [
        found.get(check.claim, check) if check.result == "undecided" else check
        for check in decision.checks
    ]
    if checks == list(decision.checks):
        return decision
    return conclude(checks, missing, decision.settings)


def excluded_checks(certificate: Certificate) -> dict[Claim, Check]:
    """What reading has found on the claims that it has excluded, for the gates after it."""
    return {claim: _check(bound, certificate) for claim, bound in certificate.excluded.items()}


def kept_evidence(certificate: Certificate) -> dict[Claim, float]:
    """What reading has found against the claims that it leaves open, for the gate after it.

    Returns:
        By claim, what is added to 1 over the later gate's p-value: the capital that reading has
        won, times its part of 1 - power. In expectation it is no more than that part where the
        claim is as much worse as its limit says, and so a sum of both keeps the parts of both.
    """
    if certificate.gaps:
        return {}
    part = certificate.level / (1 - certificate.settings.power)
    # A p-value is never above 1, also where less than the first capital is left.
    return {
        bound.claim: part * (1 / bound.p - 1)
        for bound in certificate.bounds
        if bound.result == "undecided"
    }


def _check(bound: ClaimBound, certificate: Certificate) -> Check:
    """A bound as the gate's other stages tell what they found; it regresses nothing."""
    p_ok = min(1.0, bound.p * (1 - certificate.settings.power) / certificate.level)
    return Check(bound.claim, bound.result, bound.worsening, 1.0, p_ok, None, bound.obstacle)


def _bounds(
    questions: Outcomes,
    weights: Mapping[QuestionKey, Mapping[int, TraceWeight]],
    settings: GateSettings,
    level: float,
    metrics: Mapping[str, str],
) -> tuple[ClaimBound, ...]:
    suites = list(dict.fromkeys(suite for suite, _ in questions))
    tokens = any(one.tokens for one in questions.values())
    tested = claims(suites, settings, tokens=tokens, metrics=metrics)
    # Without room there would be an ok for every candidate. That with few samples no candidate
    # fails is another matter: here a candidate fails that is unlike its parent.
    blocked = {
        claim: obstacle
        for claim, obstacle in obstacles_to_come(tested, questions, 1, settings).items()
        if not obstacle.has_room
    }
    bounds = []
    for claim in tested:
        part = _of(claim, questions)
        figures = _Figures(claim, part, weights)
        p, obstacle = figures.p_value(claim.limit), blocked.get(claim)
        result: GateResult = "ok" if p <= level else "undecided"
        if obstacle is not None:
            result = "cannot-tell"
        bounds.append(ClaimBound(claim, result, figures.worsening, inf, p, obstacle))
    return tuple(bounds)


def _with_highest(
    bound: ClaimBound,
    questions: Outcomes,
    weights: Mapping[QuestionKey, Mapping[int, TraceWeight]],
    level: float,
    budget: int,
) -> ClaimBound:
    part = _of(bound.claim, questions)
    figures = _Figures(bound.claim, part, weights)
    if bound.claim.what != "tokens":
        return replace(bound, highest=figures.highest(level))
    return replace(
        bound,
        highest=figures.highest(level),
        longest=figures.most,
        at_budget=_Figures(bound.claim, part, weights, budget).highest(level) if budget else None,
    )


def _of(claim: Claim, questions: Outcomes) -> Outcomes:
    """The questions that a claim is about."""
    return {k: one for k, one in questions.items() if claim.suite in (one.suite, ALL_SUITES)}


class _Figures:
    """The reweighted figures of one claim.

    A rise of tokens is relative, and a completion counts up to the longest that was seen, as in the
    gate's other stages: what loops so rare that none was seen would add is for the claims about
    truncation and looping.
    """

    def __init__(
        self,
        claim: Claim,
        questions: Outcomes,
        weights: Mapping[QuestionKey, Mapping[int, TraceWeight]],
        most: int = 0,
    ) -> None:
        self._claim = claim
        self._samples = [
            [(sample, _lost(weights[key][index])) for index, sample in one.samples.items()]
            for key, one in questions.items()
        ]
        longest = max(sample.tokens for part in self._samples for sample, _ in part)
        self.most = max(longest, most)

    def p_value(self, worsening: float) -> float:
        """Of the hypothesis that it is at least so much worse."""
        if self._claim.what == "tokens":
            return p_mean_at_least(self._excess(worsening), 0.0)
        return p_mean_at_least(self._lost_figures(), worsening)

    @property
    def worsening(self) -> float:
        """At most so much on the traces as they are."""
        if self._claim.what != "tokens":
            return fmean(map(fmean, self._lost_figures()))
        spent = fmean(fmean(sample.tokens for sample, _ in part) for part in self._samples)
        return self.most * fmean(map(fmean, self._excess(0.0))) / spent

    def highest(self, level: float) -> float:
        """The upper confidence bound of the worsening; infinite where tokens have none."""
        if self._claim.what != "tokens":
            return highest_mean(self._lost_figures(), level, self._claim.limit)
        low, high = _LEAST_RISE, _MOST_RISE
        if self.p_value(high) > level:
            return inf
        while high - low > 1e-3 * (1 + abs(high)):
            middle = (low + high) / 2
            low, high = (low, middle) if self.p_value(middle) <= level else (middle, high)
        return high

    def _lost_figures(self) -> Figures:
        return [
            [_good(self._claim, sample) * lost for sample, lost in part] for part in self._samples
        ]

    def _excess(self, rise: float) -> Figures:
        """Above 0 on average where tokens may rise by more than `rise`; at most 1."""
        most = self.most
        return [
            [((most - sample.tokens) * lost - rise * sample.tokens) / most for sample, lost in part]
            for part in self._samples
        ]


def _good(claim: Claim, sample: SampleOutcome) -> float:
    """The figure of which a fall is the claim's worsening, in [0, 1]."""
    if claim.primary:
        return sample.value
    return float(sample.end != ("ran-out" if claim.what == "truncation" else "loop"))


def _lost(weight: TraceWeight) -> float:
    """By so much less the candidate writes a trace, of the baseline's 1; in [-1, 1]."""
    return 1 - min(weight.weight, MOST_WEIGHT)


def _contradicted(weights: Mapping[QuestionKey, Mapping[int, TraceWeight]]) -> bool:
    """Whether weights are higher on average than those of any model can be."""
    losses = [[_lost(one) for one in part.values()] for part in weights.values()]
    return p_mean_at_least(losses, 0.0) <= _CONTRADICTION


def _missing(
    baseline: Outcomes, asked: Collection[QuestionKey], settings: GateSettings
) -> list[str]:
    """What the certificate would not be about, as the gate names it; nothing where that may be."""
    if settings.allow_missing:
        return []
    wanted = set(asked)
    lacking = [key for key in asked if key not in baseline or not baseline[key].count]
    beside = [key for key, one in baseline.items() if one.count and key not in wanted]
    return [
        f"{len(keys)} question{'s' * (len(keys) > 1)} {what}: "
        + ", ".join(f"{suite} {question}" for suite, question in keys[:3])
        + (", ..." if len(keys) > 3 else "")
        for what, keys in (
            ("without a verdict in the baseline", lacking),
            ("of the baseline that the candidate is not asked", beside),
        )
        if keys
    ]


def _ends(questions: Mapping[QuestionKey, QuestionOutcome], settings: GateSettings) -> list[str]:
    """Too many of the baseline's samples do not say how they ended."""
    ends = unknown_ends(questions.values())
    if ends.share <= settings.max_unknown_ends:
        return []
    return [
        f"{ends.unknown:,} of {ends.samples:,} samples of the baseline do not say how they ended "
        f"({100 * ends.share:.3g} %): no verdict above {100 * settings.max_unknown_ends:.3g} % "
        "(--max-unknown-ends)"
    ]
