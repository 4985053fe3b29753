"""The plan of a gate: the samples it needs and what they cost, from a baseline.

A question's pass probability is known only from its samples. It counts as a draw from the Beta
distribution that these leave of a prior, Beta(0.6, 0.5), U-shaped as benchmark questions are for
reasoning models: a question passed once out of once is likely, not certain, to pass again.

Fixed gate: a pair of samples of one question differs with probability 2 p (1 - p) between equal
models, which is the variance of a pair; the number of pairs follows from the textbook formula for
a test at level alpha with the given power. Sequential gate: the mean of simulated runs.

Reference:
    Connor (1987), Sample size for testing differences in proportions for the paired-sample
    design. Biometrics 43.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from random import Random
from statistics import NormalDist, fmean

from lrmtest.analysis.baseline_chance import (
    TOLERATED,
    GivenBaseline,
    baseline_samples,
    given_baseline,
    series_rate,
    share_of_baselines,
    unlucky_rate,
)
from lrmtest.analysis.claims import Claim, claims
from lrmtest.analysis.detectability import Obstacle, obstacles_to_come, samples_to_see
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.sequential import SequentialGate
from lrmtest.analysis.summary import ALL_SUITES
from lrmtest.errors import UsageError
from lrmtest.runs.outcomes import Outcomes, QuestionOutcome, SampleOutcome, only_scores_of

PRIOR_PASSES, PRIOR_FAILURES = 0.6, 0.5
_SIMULATED_RUNS = 60
_SIMULATED = {True: SampleOutcome(None), False: SampleOutcome("wrong")}
"""A sample, by whether it passed."""
SERIES = 10
"""Candidates of an example of what comes of a baseline that is used again."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a number of completions costs.

    Attributes:
        completions: how many; a mean for the sequential gate.
        tokens: None when the baseline has no token counts.
        seconds: None without a rate.
    """

    completions: float
    tokens: float | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class SamplePlan:
    """What a gate needs so that a model worse by margin + mde is called regressed with `power`.

    Attributes:
        questions: of the baseline, with a verdict.
        samples: per question, in both runs, for the fixed gate.
        candidate_samples: per question of the candidate, with the baseline as it is; None when
            the baseline has too few samples for any number to do.
        obstacles: why, with the baseline as it is, a gate could not tell, in words; empty if it
            could, and in every plan by `samples`.
        sequential_samples: per question, in both runs, at most, for the sequential gate.
        fixed: what `samples` cost the candidate.
        sequential_same: mean cost of the sequential gate on an equal model.
        sequential_worse: its mean cost on a model worse by margin + mde.
        settings: the gate's.
        own_chance: what a baseline's luck does, with `samples` in both runs.
        given: the false-alarm rate against the baseline as it is, and a candidate with
            `candidate_samples` or, when there is no such number, with as many as the baseline
            has; None at temperature 0.
        paired_samples: per question, in both runs, for the fixed gate, where samples are paired by
            index and no more of them can differ than was given; None where that was not given.
        paired: what these cost the candidate, were all of its tokens generated.
    """

    questions: int
    samples: int
    candidate_samples: int | None
    obstacles: tuple[str, ...]
    sequential_samples: int
    fixed: Cost
    sequential_same: Cost
    sequential_worse: Cost
    settings: GateSettings
    own_chance: OwnChance
    given: GivenBaseline | None
    paired_samples: int | None = None
    paired: Cost | None = None


@dataclass(frozen=True, slots=True)
class OwnChance:
    """What a baseline's own luck does to the candidates of its model.

    Attributes:
        unlucky: of the baselines one in twenty has this false-alarm rate or a higher one.
        often: the share of baselines with more than `TOLERATED` times the level.
        series: how often one candidate or more of `SERIES` is called regressed.
        baseline_samples: per question, with which one baseline in twenty at most has more than
            twice the level; None when no number of them does it.
        candidate_samples: what a candidate needs then.
    """

    unlucky: float
    often: float
    series: float
    baseline_samples: int | None
    candidate_samples: int | None


def plan(
    baseline: Outcomes,
    settings: GateSettings | None = None,
    *,
    tokens_per_second: float | None = None,
    greedy: bool = False,
    metrics: Mapping[str, str] | None = None,
    differ: float | None = None,
) -> SamplePlan:
    """Plan the gate of the primary metric on the baseline's questions.

    A score counts as passes with the same mean, which vary more: a plan for it asks for rather too
    many samples.

    Costs (tokens, truncation, looping) take their share of alpha into account, but no samples
    of their own: they show earlier.

    Args:
        baseline: one sample per question suffices.
        settings: margin, mde and error rates.
        tokens_per_second: measured; for the times.
        greedy: the baseline is of temperature 0.
        metrics: the primary metric of each suite that is compared by a score.
        differ: of samples that are paired by index, the share that can differ at most, as from the
            traces that a candidate leaves; None where nothing is known of it.

    Raises:
        UsageError: the baseline has no verdict, or passes too little to lose margin + mde: what
            a gate would say it cannot tell, whatever the samples.
    """
    settings = settings or GateSettings()
    metrics = metrics or {}
    baseline = only_scores_of(baseline, metrics)
    asked = [question for question in baseline.values() if question.count]
    if not asked:
        raise UsageError("the baseline has no verdict to plan from")
    tokens = any(question.tokens for question in asked)
    have = len(asked) / sum(1 / question.count for question in asked)
    tested = [
        claim
        for claim in claims(_suites(asked), settings, tokens=tokens, metrics=metrics)
        if claim.primary and not claim.may_stay_untold(settings)
    ]
    now = _obstacles(tested, baseline, settings, max(1, round(have)))
    needed = _samples_needed(tested, asked, settings, settings.look_alpha)
    # The sequential gate has only this part of alpha left for its last look.
    looking = replace(settings, look=settings.look.with_looking())
    last_look = looking.look_alpha
    samples = max(ceil(needed), samples_to_see(tested, baseline, settings))
    sequential = max(
        ceil(_samples_needed(tested, asked, settings, last_look)),
        samples_to_see(tested, baseline, looking),
    )
    per_completion = fmean(q.tokens / q.count for q in asked) if tokens else None

    def cost(completions: float) -> Cost:
        if per_completion is None:
            return Cost(completions, None, None)
        spent = completions * per_completion
        return Cost(completions, spent, spent / tokens_per_second if tokens_per_second else None)

    paired = None
    if differ is not None and not greedy:
        pairs = _samples_needed(tested, asked, settings, settings.look_alpha, differ)
        paired = max(ceil(pairs), samples_to_see(tested, baseline, settings))
    same, worse = _simulate(asked, sequential, settings.margin + settings.mde, looking)
    candidate_samples = None if now else _candidate_samples(needed, have)
    return SamplePlan(
        questions=len(asked),
        samples=samples,
        candidate_samples=candidate_samples,
        obstacles=tuple(obstacle.words() for obstacle in now),
        fixed=cost(len(asked) * samples),
        sequential_samples=sequential,
        sequential_same=cost(same),
        sequential_worse=cost(worse),
        settings=settings,
        own_chance=_own_chance(settings, needed),
        given=None
        if greedy
        else given_baseline(baseline, settings, candidate_samples or max(1, round(have))),
        paired_samples=paired,
        paired=None if paired is None else cost(len(asked) * paired),
    )


def _own_chance(settings: GateSettings, needed: float) -> OwnChance:
    alpha = settings.look_alpha
    # A level from which twice as much is no longer rare needs no baseline to be better.
    most = baseline_samples(alpha, partial(_candidate_samples, needed)) if alpha < 0.25 else None
    return OwnChance(
        unlucky=unlucky_rate(alpha, 1.0),
        often=share_of_baselines(alpha, 1.0, min(TOLERATED * alpha, 0.99)),
        series=series_rate(alpha, 1.0, SERIES),
        baseline_samples=most,
        candidate_samples=None if most is None else _candidate_samples(needed, most),
    )


def _obstacles(
    tested: Sequence[Claim], baseline: Outcomes, settings: GateSettings, samples: int
) -> list[Obstacle]:
    """What keeps the pass rate from being decided with the baseline as it is.

    Raises:
        UsageError: one that no number of samples would remove.
    """
    found = obstacles_to_come(tested, baseline, samples, settings).values()
    for obstacle in found:
        if obstacle.samples_needed is None:
            raise UsageError(
                obstacle.words(),
                hint="choose a smaller --mde, questions of which the baseline passes more, or, of "
                "one suite among several, --allow-cannot-tell SUITE",
            )
    return list(found)


def _suites(questions: Iterable[QuestionOutcome]) -> list[str]:
    return list(dict.fromkeys(question.suite for question in questions))


def _samples_needed(
    tested: Sequence[Claim],
    asked: Sequence[QuestionOutcome],
    settings: GateSettings,
    alpha: float,
    differ: float = 1.0,
) -> float:
    """Samples per question that decide the pass rate, pooled and of every suite."""
    needed = 0.0
    for claim in tested:
        part = [question for question in asked if claim.suite in (question.suite, ALL_SUITES)]
        pairs = _pairs_needed(claim, part, alpha * claim.share, settings.power, differ)
        needed = max(needed, pairs / len(part))
    return needed


def _pairs_needed(
    claim: Claim,
    questions: Sequence[QuestionOutcome],
    alpha: float,
    power: float,
    differ: float,
) -> float:
    # A drop of d needs pairs that differ with probability d at least.
    variance = max(min(differ, fmean(map(_discordance, questions))), claim.limit)
    z = NormalDist().inv_cdf
    return variance * ((z(1 - alpha) + z(power)) / claim.mde) ** 2


def _posterior(question: QuestionOutcome) -> tuple[float, float]:
    passes = sum(question.values)
    return passes + PRIOR_PASSES, question.count - passes + PRIOR_FAILURES


def _discordance(question: QuestionOutcome) -> float:
    """Expectation of 2 p (1 - p) over the posterior of p."""
    a, b = _posterior(question)
    return 2 * a * b / ((a + b) * (a + b + 1))


def _candidate_samples(needed: float, have: float) -> int | None:
    """Solve ``needed = 2 have x / (have + x)``, the harmonic mean, for x."""
    if needed >= 2 * have:
        return None
    return max(1, ceil(needed * have / (2 * have - needed) - 1e-9))


def _simulate(
    asked: Sequence[QuestionOutcome], samples: int, drop: float, settings: GateSettings
) -> tuple[float, float]:
    """Mean numbers of completions that the sequential gate looks at.

    Of an equal model and of one that is worse by `drop`, with the same random numbers.
    """
    settings = replace(settings, rate_margin=None, token_margin=None)
    random = Random(0)
    looked_at: tuple[list[int], list[int]] = ([], [])
    for _ in range(_SIMULATED_RUNS):
        rates = {question.key: random.betavariate(*_posterior(question)) for question in asked}
        before = {
            key: QuestionOutcome(
                *key, {sample: _SIMULATED[random.random() < rate] for sample in range(samples)}
            )
            for key, rate in rates.items()
        }
        drawn = {key: [random.random() for _ in range(samples)] for key in rates}
        gate = SequentialGate(before, list(before), samples=samples, budget=1, settings=settings)
        lower = max(0.0, 1 - drop / fmean(rates.values()))
        for kept, found in zip((1.0, lower), looked_at, strict=True):
            told = gate.copied()
            for key, sample in told.order:
                told.update(key, sample, _SIMULATED[drawn[key][sample] < rates[key] * kept])
                if told.decision is not None:
                    break
            found.append(told.looked_at)
    same, worse = looked_at
    return fmean(same), fmean(worse)
