"""Floors and ceilings: what the gate says where a drop could not be seen.

Baselines with true pass rates from 0 to 100 %, of alike and of mixed questions. The candidate is
the same model, one that has lost everything, or one that is worse by the mde, as far as there is so
much to lose. The gate is lrmtest's own, of the pass rate alone, fixed and sequential.

Stated: a collapsed model, and one that is worse by the mde, is called ok with probability 1 - power
at most, whatever the baseline's rate; one that is the same is called regressed with probability
alpha at most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from math import sqrt

import numpy as np
from gate_scenarios.compared import comparison_of
from gate_scenarios.stated import Stated
from rich.console import Console
from rich.table import Table

from lrmtest.analysis.gate import GateResult, check, conclude
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.pairs import PairedQuestion
from lrmtest.analysis.sequential import SequentialGate
from lrmtest.runs.outcomes import Outcomes, QuestionOutcome, SampleOutcome

RATES = (0.0, 0.02, 0.05, 0.1, 0.12, 0.2, 0.95, 1.0)
POINTS = ((30, 1), (100, 1), (30, 4))
SETTINGS = GateSettings(rate_margin=None, token_margin=None)
RESULTS: tuple[GateResult, ...] = ("ok", "regressed", "undecided", "cannot-tell")
SEQUENTIAL = (0.05, 0.12, 0.95)
"""Rates at which the sequential gate is simulated, with a tenth of the runs: it is slow."""

Model = Callable[[np.ndarray], np.ndarray]
"""The candidate's pass probabilities from the baseline's."""


def report(console: Console, runs: int, seed: int, stated: Stated) -> None:
    """Simulate, and print the shares of every result.

    Args:
        console: where.
        runs: simulated pairs of runs for each row.
        seed: of the simulation.
        stated: checks what is stated.
    """
    models: Mapping[str, Model] = {"same": np.copy, "collapsed": np.zeros_like, "worse": _worse}
    for kind, mixed in (("alike", False), ("mixed: Beta(r, 1 - r)", True)):
        table = Table(
            title=f"Floors and ceilings, questions {kind}: results of the fixed gate in %, "
            f"{runs:,} simulated pairs of runs a row; mde {100 * SETTINGS.mde:g} points, power "
            f"{100 * SETTINGS.power:g} %; simulation error of 20 %: "
            f"{100 * sqrt(0.16 / runs):.1f} points"
        )
        for column in (
            "true rate",
            "questions x samples",
            *(f"{name}: ok / regressed / undecided / cannot tell" for name in models),
        ):
            table.add_column(column, justify="right")
        for rate in RATES:
            for n, k in POINTS:
                shares = {
                    name: _shares(rate, n, k, model, mixed, runs, np.random.default_rng(seed))
                    for name, model in models.items()
                }
                what = f"{kind}, {100 * rate:g} %, {n} x {k}"
                cells = [
                    " / ".join(f"{100 * share:.1f}" for share in part)
                    + _mark(stated, name, part, runs, f"{what}, fixed gate")
                    for name, part in shares.items()
                ]
                table.add_row(f"{100 * rate:g} %", f"{n} x {k}", *cells)
        console.print(table)
    few = max(20, runs // 10)
    table = Table(title=f"The sequential gate, questions alike, {few:,} simulated pairs a row")
    for column in ("true rate", "questions x samples", *models):
        table.add_column(column, justify="right")
    for rate in SEQUENTIAL:
        for n, k in ((30, 1), (30, 4)):
            cells = []
            for name, model in models.items():
                found = _sequential(rate, n, k, model, few, np.random.default_rng(seed))
                part = [found[result] / few for result in RESULTS]
                what = f"{100 * rate:g} %, {n} x {k}, sequential gate"
                mark = _mark(stated, name, part, few, what)
                cells.append(" / ".join(f"{100 * share:.0f}" for share in part) + mark)
            table.add_row(f"{100 * rate:g} %", f"{n} x {k}", *cells)
    console.print(table)


def _worse(p: np.ndarray) -> np.ndarray:
    """Worse by the mde on average over questions, or with nothing left."""
    mean = p.mean(axis=-1, keepdims=True)
    kept = np.divide(mean - SETTINGS.mde, mean, out=np.zeros_like(mean), where=mean > 0)
    return p * np.clip(kept, 0, 1)


def _probabilities(rate: float, n: int, mixed: bool, random: np.random.Generator) -> np.ndarray:
    if not mixed or rate in (0, 1):
        return np.full(n, rate)
    drawn = random.beta(rate, 1 - rate, n)
    # The mean over the questions is the true rate: it is these questions that the claim is about.
    power = _exponent(drawn, rate)
    return drawn**power


def _exponent(p: np.ndarray, rate: float) -> float:
    low, high = 1e-3, 1e3
    for _ in range(60):
        middle = sqrt(low * high)
        low, high = (middle, high) if (p**middle).mean() > rate else (low, middle)
    return sqrt(low * high)


def _shares(
    rate: float, n: int, k: int, model: Model, mixed: bool, runs: int, random: np.random.Generator
) -> list[float]:
    found: Counter[GateResult] = Counter()
    for _ in range(runs):
        p = _probabilities(rate, n, mixed, random)
        before, after = random.binomial(k, p), random.binomial(k, model(p))
        alike = Counter(zip(before.tolist(), after.tolist(), strict=True))
        found[_fixed(tuple(sorted(alike.items())), k)] += 1
    return [found[result] / runs for result in RESULTS]


@lru_cache(maxsize=1 << 16)
def _fixed(alike: tuple[tuple[tuple[int, int], int], ...], k: int) -> GateResult:
    """The fixed gate's result; passes of baseline and candidate, of how many questions."""
    questions = [
        PairedQuestion(k - before, k, k - after, k)
        for (before, after), number in alike
        for _ in range(number)
    ]
    comparison = comparison_of(questions)
    return conclude(check(comparison, SETTINGS), (), SETTINGS).result


def _sequential(
    rate: float, n: int, k: int, model: Model, runs: int, random: np.random.Generator
) -> Counter[GateResult]:
    found: Counter[GateResult] = Counter()
    for number in range(runs):
        p = _probabilities(rate, n, False, random)
        before, after = _run(p, k, random), _run(model(p), k, random)
        gate = SequentialGate(
            before, list(before), samples=k, budget=1, settings=SETTINGS, seed=number
        )
        for key, sample in gate.order:
            gate.update(key, sample, after[key].samples[sample])
        found[gate.finish().result] += 1
    return found


def _run(p: np.ndarray, k: int, random: np.random.Generator) -> Outcomes:
    passed = random.random((len(p), k)) < p[:, None]
    return {
        ("simulated", str(i)): QuestionOutcome(
            "simulated",
            str(i),
            {j: SampleOutcome(None if good else "wrong") for j, good in enumerate(row)},
        )
        for i, row in enumerate(passed)
    }


def _mark(stated: Stated, model: str, shares: list[float], runs: int, what: str) -> str:
    """Checks the rate that is stated of a model; of `RESULTS` in `shares`."""
    if model == "same":
        return stated.at_most(shares[1], runs, SETTINGS.alpha, f"{what}: same, regressed")
    # A model without anything to lose is the same when it has lost it, and still not ok.
    return stated.at_most(shares[0], runs, 1 - SETTINGS.power, f"{what}: {model}, ok")
