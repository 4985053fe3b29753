"""The known table: a baseline with several samples of each question, paid for once.

A candidate whose samples are paired with a baseline's pays for the luck of both: of N pairs, the
mean worsening varies by 2 v / N, where v is what one sample varies within its question. A baseline
of K samples is all there before the candidate's first, so that the variance need not be more than
v (1 / N + 1 / K). `lrmtest.analysis.table_bets` has the bets that use it, and when they are valid;
here is what is settled beforehand: whether it pays, and in which order, and how often, questions
are asked.

**How often.** Each question has a turn in every round, but is not asked in each. Whether it is, is
a coin with a share of its own, drawn from the seed; what it shows then counts for one over that
share, so that the mean over questions stays what is bet on. Questions that vary little and take
long (those that the baseline never solves, first of all) are asked less often: the mean varies
least per token if the shares are as sqrt(v / tokens) (Neyman 1934). A share has a floor, since one
over it bounds the bets, and questions that the baseline solves are asked nearly every time, since
their failures are what bold bets can least afford.

Reference:
    Neyman (1934), On the two different aspects of the representative method. Journal of the Royal
    Statistical Society 97: stratified sampling, with costs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import log, sqrt
from random import Random
from statistics import fmean

from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.runs.looks import LOOKING_SHARE
from lrmtest.runs.outcomes import Outcomes, QuestionKey, QuestionOutcome

LEAST_SHARE = 0.6
"""Of its turns in which a question is asked. At 0.4 drops of 30 points take longer to see than by
pairs; at 1 equal models take some 15 % more tokens."""
LOOKING_AT_TABLE = 0.7
"""Of both error rates, for looking early against a table, where the candidate has many samples."""
_ENOUGH = 1.6
"""Of these, as a multiple of those that make a baseline's table pay: 240 at the defaults, four
times what an equal model mostly takes."""
_FULL = 0.6
"""The quantile of questions from which on all turns are taken."""
_WITHIN = 0.13
"""Variance of a sample within its question: the mean of p (1 - p) for p from Beta(0.6, 0.5)."""
_GAIN = 1.2
"""By how much the table's bets must be expected to be ahead of the pairs'."""

Turn = tuple[QuestionKey, int | None]
"""A question, and the index of the sample that is asked; None where it is not asked."""


@dataclass(frozen=True, slots=True)
class TableSize:
    """How much a baseline knows.

    Attributes:
        fewest: samples of the question that has fewest.
        samples: as many of equal weight, in the smallest suite, as its mean over questions has:
            with k samples of each of n questions n k.
    """

    fewest: int
    samples: float


def table_size(baseline: Outcomes) -> TableSize:
    """The size of a baseline with at least one question; each has a sample."""
    inverse: dict[str, list[float]] = {}
    for question in baseline.values():
        inverse.setdefault(question.suite, []).append(1 / question.count)
    return TableSize(
        min(question.count for question in baseline.values()),
        min(len(part) / fmean(part) for part in inverse.values()),
    )


def samples_that_pay(settings: GateSettings) -> float:
    """How many samples of a suite a baseline needs, for its table to be better than pairs.

    With N pairs an equal model is told when delta^2 / (2 v (2 / N)) reaches log(1 / beta); with a
    table of K when delta^2 / (2 v (1 / N + 1 / K)) does. Of the looks' outcome nothing is used, nor
    of the baseline's: which test is taken must not depend on what it tests.
    """
    beta = (1 - settings.power) * LOOKING_SHARE
    pairs = 4 * _WITHIN * log(1 / beta) / settings.mde**2
    # 1 / N = 2 / pairs - 1 / K, and N is to be at most pairs / _GAIN.
    return pairs / (2 - _GAIN)


def table_pays(baseline: Outcomes, settings: GateSettings) -> bool:
    """Whether a gate that looks early bets against the baseline's table, not on pairs.

    Args:
        baseline: its questions, each with a sample.
        settings: error rates and mde.
    """
    size = table_size(baseline)
    return size.fewest > 1 and size.samples >= samples_that_pay(settings)


def looking_share(
    baseline: Outcomes, samples: int, settings: GateSettings, *, by_index: bool = False
) -> float:
    """The part of both error rates that is for looking early.

    Half, but more against a table where the candidate has so many samples that the fixed gate at
    the end will hardly ever be asked. It follows from numbers of samples alone.

    Args:
        baseline: its questions, each with a sample.
        samples: per question of the candidate.
        settings: error rates and mde.
        by_index: samples go in pairs, and no table is bet against.
    """
    if by_index:
        return LOOKING_SHARE
    enough = len(baseline) * samples >= _ENOUGH * samples_that_pay(settings)
    return LOOKING_AT_TABLE if enough and table_pays(baseline, settings) else LOOKING_SHARE


def shares_of_turns(baseline: Outcomes) -> dict[QuestionKey, float]:
    """In which share of its turns each question is asked, in [`LEAST_SHARE`, 1].

    Args:
        baseline: its questions, each with a sample.
    """
    worth = {
        key: sqrt(_varies(question) / (question.tokens / question.count + 1))
        for key, question in baseline.items()
    }
    full = sorted(worth.values())[int(_FULL * len(worth))]
    return {
        key: min(1.0, max(LEAST_SHARE, fmean(question.values), worth[key] / full))
        for key, question in baseline.items()
    }


def _varies(question: QuestionOutcome) -> float:
    """Variance of a sample within a question; one that never varied may do so yet."""
    mean = (sum(question.values) + 0.5) / (question.count + 1)
    return mean * (1 - mean) + 0.02


def draw_turns(
    shares: Mapping[QuestionKey, float], samples: int, seed: int
) -> tuple[list[Turn], list[Turn]]:
    """Every question's turns in rounds, each round shuffled, and the samples left over.

    More samples make the turns longer, and leave what they were before as they are.

    Args:
        shares: of its turns in which each question is asked.
        samples: rounds, and samples per question.
        seed: draws order and coins.
    """
    order, coins = Random(seed), Random(f"{seed} asked")
    turns: list[Turn] = []
    asked: Counter[QuestionKey] = Counter()
    for _ in range(samples):
        keys = sorted(shares)
        coin = {key: coins.random() < shares[key] for key in keys}
        order.shuffle(keys)
        for key in keys:
            turns.append((key, asked[key] if coin[key] else None))
            asked[key] += coin[key]
    left: list[Turn] = [
        (key, sample) for sample in range(samples) for key in sorted(shares) if sample >= asked[key]
    ]
    return turns, left


def table_identity(baseline: Outcomes) -> list[list[float]]:
    """What tells tables apart: how many samples of each question, their values and tokens."""
    return [
        [question.count, round(sum(question.values), 6), question.tokens]
        for _, question in sorted(baseline.items())
    ]
