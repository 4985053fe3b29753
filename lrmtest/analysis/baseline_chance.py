"""A baseline's own chance: what its luck does to every candidate that is compared with it.

A baseline is one draw. Where it was lucky, each candidate of the same model looks worse, and the
false alarms of all of them rise together: the rate that a gate states is a mean over baselines.

**Of baselines in general**, in the normal approximation: baseline and candidate have k_b and k_c
samples of each question, r = k_c / k_b, and the test rejects beyond z standard errors of the
difference. Given a baseline whose mean lies u of its own standard errors too high, an equal
candidate is rejected with probability ``1 - Phi(z sqrt(1 + r) - u sqrt(r))``; the spread of one
sample cancels. u is standard normal, so this gives how often baselines are bad, how bad one in
twenty is, and how often one candidate or more of a series is rejected (Dunnett 1955 has that
last integral).

**Of this baseline**: its true pass probabilities are drawn from what its samples leave of a
prior, a Beta distribution fitted to each of its suites (mean and concentration are drawn, too, by
their likelihood and a weak prior around Beta(0.6, 0.5)); candidates of the same model are drawn
from those, and the gate's own test is asked from which drop on it rejects. Assumed are that prior
and samples independent within a question; the claim is the pass rate over all suites.

Reference:
    Dunnett (1955), A multiple comparison procedure for comparing several treatments with a
    control. Journal of the American Statistical Association 50.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, lgamma, log, sqrt
from random import Random
from statistics import NormalDist, fmean

from lrmtest.analysis.claims import claims
from lrmtest.analysis.fewest import fewest_samples
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.pairs import PairedQuestion, pair
from lrmtest.analysis.summary import ALL_SUITES
from lrmtest.runs.outcomes import Outcomes, QuestionKey, QuestionOutcome

UNLUCKY = 0.05
"""The share of baselines that are called unlucky here: one in twenty."""
TOLERATED = 2.0
"""How many times alpha an unlucky baseline's rate may be, for its own chance to be small."""
_MOST_SAMPLES = 1 << 17
_NORMAL = NormalDist()
_DRAWS = 400
_ASKED = 64
_PASSES, _FAILURES = 0.6, 0.5
_MEANS = [(number + 0.5) / 25 for number in range(25)]
_CONCENTRATIONS = [0.25 * 1.8**number for number in range(9)]


def rate_given_luck(alpha: float, ratio: float, luck: float) -> float:
    """How often an equal candidate is called regressed, given how lucky its baseline was.

    Args:
        alpha: the test's level, in (0, 1).
        ratio: samples per question of the candidate to those of the baseline, above 0.
        luck: by how many of its standard errors the baseline's pass rate is too high.
    """
    return 1 - _NORMAL.cdf(_NORMAL.inv_cdf(1 - alpha) * sqrt(1 + ratio) - luck * sqrt(ratio))


def unlucky_rate(alpha: float, ratio: float) -> float:
    """The rate of the best of the one baseline in twenty that raises most false alarms."""
    return rate_given_luck(alpha, ratio, _NORMAL.inv_cdf(1 - UNLUCKY))


def share_of_baselines(alpha: float, ratio: float, rate: float) -> float:
    """The share of baselines whose own rate of false alarms is above `rate`."""
    z, limit = _NORMAL.inv_cdf(1 - alpha), _NORMAL.inv_cdf(1 - rate)
    return 1 - _NORMAL.cdf((z * sqrt(1 + ratio) - limit) / sqrt(ratio))


def series_rate(alpha: float, ratio: float, candidates: int) -> float:
    """How often one or more of equal candidates are called regressed against one baseline."""
    steps = 400
    luck = [_NORMAL.inv_cdf((step + 0.5) / steps) for step in range(steps)]
    return fmean(1 - (1 - rate_given_luck(alpha, ratio, each)) ** candidates for each in luck)


def baseline_samples(alpha: float, candidate: Callable[[int], int | None]) -> int | None:
    """The samples per question that make a baseline's own chance small.

    So many that one baseline in twenty at most raises false alarms in more than twice `alpha`.

    Args:
        alpha: the test's level, below 0.5 / `TOLERATED`.
        candidate: samples per question that a candidate needs with so many of the baseline.

    Returns:
        None when no number of them does it.
    """

    def enough(samples: int) -> bool:
        needed = candidate(samples)
        return needed is not None and unlucky_rate(alpha, needed / samples) <= TOLERATED * alpha

    return fewest_samples(enough, _MOST_SAMPLES)


@dataclass(frozen=True, slots=True)
class GivenBaseline:
    """How often an equal candidate is called regressed against one very baseline.

    Attributes:
        rate: the expectation, given the baseline's samples.
        high: with probability 95 %, given these, the rate is no higher.
        samples: per question of the candidate.
    """

    rate: float
    high: float
    samples: float


def given_baseline(
    baseline: Outcomes,
    settings: GateSettings,
    samples: Mapping[QuestionKey, int] | int,
    *,
    seed: int = 0,
) -> GivenBaseline | None:
    """The false-alarm rate of the gate's pass-rate test in this look, given a baseline.

    Args:
        baseline: its questions.
        settings: margin, error rates, series and look.
        samples: the candidate's, of every question or by question; questions without any do
            not count.
        seed: of the draws.

    Returns:
        None when no question is left.
    """
    asked = [
        (question, count)
        for key, question in baseline.items()
        if question.count
        and (count := samples if isinstance(samples, int) else samples.get(key, 0)) > 0
    ]
    if not asked:
        return None
    random = Random(seed)
    suites = list(dict.fromkeys(question.suite for question, _ in asked))
    tokens = any(question.tokens for question, _ in asked)
    pooled = next(
        claim
        for claim in claims(suites, settings, tokens=tokens)
        if claim.what == "pass rate" and claim.suite == ALL_SUITES
    )
    level = settings.look_alpha * pooled.share
    draw = _posterior([question for question, _ in asked], random)
    before = fmean(question.pass_rate for question, _ in asked)

    failures = [(each.count - each.passes, each.count, count) for each, count in asked]

    def rejects(rates: Sequence[float]) -> tuple[float, bool]:
        """A candidate with these pass probabilities: its drop, and whether it is rejected."""
        pairs, passed = [], []
        for (failed, of, count), rate in zip(failures, rates, strict=True):
            passes = sum([random.random() < rate for _ in range(count)])
            pairs.append(PairedQuestion(failed, of, count - passes, count))
            passed.append(passes / count)
        return before - fmean(passed), pair(pairs).p_above(pooled.margin) <= level

    n = len(asked)
    found, spreads = [], []
    for _ in range(_DRAWS):
        rates = draw()
        found.append(before - fmean(rates))
        spreads.append(
            sqrt(sum(p * (1 - p) / k for p, (_, k) in zip(rates, asked, strict=True))) / n
        )
    typical = sqrt(2) * fmean(spreads) or 1 / n
    span = pooled.margin + 2.5 * max(_NORMAL.inv_cdf(1 - level), 1.0) * typical
    seen = []
    for number in range(_ASKED):
        rates = draw()
        seen.append(rejects(_unlucky(rates, before - (number + 0.5) / _ASKED * span)))
    limit = _limit(seen)
    rates_of_alarm = sorted(
        1 - NormalDist(drop, spread).cdf(limit) if spread else float(drop >= limit)
        for drop, spread in zip(found, spreads, strict=True)
    )
    mean_samples = fmean(count for _, count in asked)
    return GivenBaseline(
        fmean(rates_of_alarm), rates_of_alarm[min(_DRAWS - 1, int(0.95 * _DRAWS))], mean_samples
    )


def _unlucky(rates: Sequence[float], mean: float) -> list[float]:
    """The pass probabilities of a model, given that its candidate passes this share of samples.

    Every log-odds falls or rises by the same: exponential tilting, which is what conditioning a
    sum of coins on its value comes to.
    """
    low, high = -40.0, 40.0
    for _ in range(30):
        shift = (low + high) / 2
        factor = exp(shift)
        tilted = [rate * factor / (1 - rate + rate * factor) for rate in rates]
        low, high = (shift, high) if fmean(tilted) < mean else (low, shift)
    return tilted


def _limit(seen: Sequence[tuple[float, bool]]) -> float:
    """The drop from which on a test rejects: what separates best those that it did reject."""
    ordered = sorted(seen)
    wrong = sum(rejected for _, rejected in ordered)
    # Below the lowest drop nothing is told apart: all are taken to be rejected.
    least, best = len(ordered) - wrong, ordered[0][0]
    errors = least
    for (drop, rejected), (above, _) in zip(ordered, [*ordered[1:], (2.0, True)], strict=True):
        errors += 1 if rejected else -1
        if errors < least:
            least, best = errors, (drop + above) / 2
    return best


def _posterior(questions: Sequence[QuestionOutcome], random: Random) -> Callable[[], list[float]]:
    """Draws the pass probabilities of all questions, given their samples."""
    by_suite: dict[str, Counter[tuple[int, int]]] = {}
    for question in questions:
        counted = by_suite.setdefault(question.suite, Counter())
        counted[question.passes, question.count] += 1
    fitted = {suite: _fit(counted) for suite, counted in by_suite.items()}
    priors = {suite: list(weights) for suite, weights in fitted.items()}
    counts = [(each.suite, each.passes, each.count) for each in questions]

    def draw() -> list[float]:
        chosen = {
            suite: random.choices(priors[suite], list(weights.values()))[0]
            for suite, weights in fitted.items()
        }
        return [
            random.betavariate(chosen[suite][0] + passes, chosen[suite][1] + count - passes)
            for suite, passes, count in counts
        ]

    return draw


def _fit(counted: Mapping[tuple[int, int], int]) -> dict[tuple[float, float], float]:
    """Weights of Beta priors, given how many questions passed so often out of so many samples."""
    usual = _PASSES + _FAILURES
    logs = {}
    for mean in _MEANS:
        for concentration in _CONCENTRATIONS:
            a, b = mean * concentration, (1 - mean) * concentration
            weak = -(log(concentration / usual) ** 2) / 2
            logs[a, b] = weak + sum(
                number * (_log_beta(a + passes, b + count - passes) - _log_beta(a, b))
                for (passes, count), number in counted.items()
            )
    most = max(logs.values())
    return {prior: exp(value - most) for prior, value in logs.items()}


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
