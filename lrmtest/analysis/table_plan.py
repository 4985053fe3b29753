"""The plan of a baseline's size: what a sequential gate then costs each candidate.

A baseline is paid for once, its candidates each. How many samples of it are worth their price is
found by simulation: pass probabilities are drawn from what the baseline at hand leaves of the
plan's prior, and the same candidates are judged against the first so many samples of the same
baselines, by `SequentialGate` itself on the primary metric alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil
from random import Random
from statistics import fmean

from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.known_table import table_pays
from lrmtest.analysis.plan import PRIOR_FAILURES, PRIOR_PASSES
from lrmtest.analysis.sequential import SampleKey, SequentialGate
from lrmtest.runs.outcomes import (
    Outcomes,
    QuestionKey,
    QuestionOutcome,
    SampleOutcome,
    only_scores_of,
)

SIZES = (4, 8, 16, 32, 64)
"""Samples of each question that a baseline may have."""
WORTH = 0.1
"""Twice the baseline is worth it while it saves each equal candidate this share of its tokens."""
_MOST, _LEAST_TURNS, _RUNS = 3000, 480, 20


@dataclass(frozen=True, slots=True)
class TableCost:
    """What a baseline of one size costs, and each candidate then.

    Attributes:
        samples: of each question, in the baseline.
        known: whether its table is bet against; else its samples are paired.
        baseline: tokens of it; completions where there are no token counts.
        same, worse: the mean of the candidate's, of an equal model and of one worse by margin +
            mde, by the sequential gate.
    """

    samples: int
    known: bool
    baseline: float
    same: float
    worse: float


def table_costs(
    baseline: Outcomes,
    settings: GateSettings,
    *,
    metrics: Mapping[str, str] | None = None,
    seed: int = 0,
) -> tuple[TableCost, ...]:
    """What baselines of several sizes cost, on these questions.

    Args:
        baseline: at hand; one sample per question is enough.
        settings: the gate's.
        metrics: the primary metric of each suite that is compared by a score, which counts as
            passes with the same mean.
        seed: of the simulation.

    Returns:
        From the smallest on; empty where there are too many questions for any of them.
    """
    asked = [one for one in only_scores_of(baseline, dict(metrics or {})).values() if one.count]
    settings = replace(settings, rate_margin=None, token_margin=None)
    sizes = [size for size in SIZES if len(asked) * size <= _MOST]
    if not asked or not sizes:
        return ()
    random = Random(seed)
    samples = max(2, ceil(_LEAST_TURNS / len(asked)))
    most = max(samples, sizes[-1])
    prices = {one.key: one.tokens / one.count or 1.0 for one in asked}
    spent: dict[tuple[int, float], list[float]] = {}
    known: dict[int, bool] = {}
    drop = settings.margin + settings.mde
    for _ in range(_RUNS):
        rates = [
            random.betavariate(sum(one.values) + PRIOR_PASSES, _failed(one) + PRIOR_FAILURES)
            for one in asked
        ]
        whole = _drawn(random, asked, rates, sizes[-1])
        candidates = {}
        for fall in (0.0, drop):
            kept = max(0.0, 1 - fall / fmean(rates))
            candidates[fall] = _drawn(random, asked, [rate * kept for rate in rates], most)
        for size in sizes:
            first = _first(whole, size)
            known[size] = table_pays(first, settings)
            gate = SequentialGate(
                first,
                list(first),
                # Beyond its pairs a candidate's samples tell nothing early.
                samples=samples if known[size] else size,
                budget=1,
                settings=settings,
            )
            for fall, candidate in candidates.items():
                looked = _looked_at(gate.copied(), candidate)
                spent.setdefault((size, fall), []).append(sum(prices[key] for key, _ in looked))
    whole_price = sum(prices.values())
    return tuple(
        TableCost(
            size, known[size], size * whole_price, fmean(spent[size, 0.0]), fmean(spent[size, drop])
        )
        for size in sizes
    )


def worth_paying(costs: Sequence[TableCost]) -> TableCost | None:
    """The smallest baseline of which twice as much saves an equal candidate little."""
    for cost, twice in pairwise(costs):
        if cost.known and twice.same > (1 - WORTH) * cost.same:
            return cost
    return costs[-1] if costs else None


def _failed(question: QuestionOutcome) -> float:
    return question.count - sum(question.values)


def _drawn(
    random: Random, asked: Sequence[QuestionOutcome], rates: Sequence[float], samples: int
) -> Outcomes:
    drawn = {}
    for question, rate in zip(asked, rates, strict=True):
        tokens = round(question.tokens / question.count)
        passed, failed = SampleOutcome(None, tokens), SampleOutcome("wrong", tokens)
        drawn[question.key] = QuestionOutcome(
            *question.key,
            {index: passed if random.random() < rate else failed for index in range(samples)},
        )
    return drawn


def _first(run: Outcomes, samples: int) -> dict[QuestionKey, QuestionOutcome]:
    return {
        key: replace(question, samples={i: question.samples[i] for i in range(samples)})
        for key, question in run.items()
    }


def _looked_at(gate: SequentialGate, candidate: Outcomes) -> Sequence[SampleKey]:
    """The candidate's samples that a gate needs until it decides; all if it does not."""
    for key, sample in gate.order:
        gate.update(key, sample, candidate[key].samples[sample])
        if gate.decision is not None:
            break
    return gate.order[: gate.looked_at]
