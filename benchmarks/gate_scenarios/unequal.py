"""The gate at unequal numbers of samples, with engine errors, at its worst case, and on tokens.

`report` prints five tables; "before" is the test that all pairs of samples are pooled for, at the
harmonic mean of their numbers, with Gaffke's bound: McNemar's exact test with one sample each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from gate_scenarios.stated import Stated
from rich.console import Console
from rich.table import Table
from scipy.special import gammaln

from lrmtest.analysis.bounded_mean import p_mean_at_most
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.mean_ratio import pair_tokens
from lrmtest.analysis.pairs import PairedQuestion, Pairs, pair
from lrmtest.analysis.sequential import SequentialGate
from lrmtest.runs.outcomes import Outcomes, QuestionOutcome, SampleOutcome

ALPHA = 0.05
BUDGET = 32768
SEQUENTIAL_EVERY = 10
PASS_RATE_ONLY = GateSettings(rate_margin=None, token_margin=None)

Random = np.random.Generator
Rates = Callable[[Random], tuple[np.ndarray, np.ndarray]]
"""Draws the failure probabilities of every question in both runs."""


@dataclass(frozen=True)
class Case:
    """How many samples each question has in each run, and how often it fails.

    `lost` has the probability that a sample of a question ends in an engine error; `lost_failing`
    that one does which would have failed.
    """

    name: str
    rates: Rates
    before: np.ndarray
    after: np.ndarray
    lost: Callable[[np.ndarray], np.ndarray] = lambda p: 0 * p
    lost_failing: float = 0.0


def report(console: Console, runs: int, seed: int, stated: Stated) -> None:
    """Simulate, print, and check what is stated."""
    false_alarms(console, np.random.default_rng(seed), runs, stated)
    worst_level(console, stated)
    powers(console, np.random.default_rng(seed), runs)
    tokens(console, np.random.default_rng(seed), max(50, runs // 4), stated)
    lengths_alone(console, np.random.default_rng(seed), max(50, runs // 4))


def cases() -> list[Case]:
    def same(draw: Callable[[Random], np.ndarray]) -> Rates:
        return lambda random: (draw(random),) * 2

    def beta(n: int) -> Rates:
        return same(lambda random: random.beta(0.5, 0.6, n))

    def swapped(random: Random) -> tuple[np.ndarray, np.ndarray]:
        return np.array([0.75, 0.25] * 20), np.array([1.0, 0.0] * 20)

    def moved(random: Random) -> tuple[np.ndarray, np.ndarray]:
        p = random.beta(0.5, 0.6, 100)
        return p, np.roll(p, 1)

    suites = np.array([1] * 50 + [4] * 150)
    straggler = np.array([1] + [16] * 29)
    few, many = np.full(100, 1), np.full(100, 16)
    four = np.full(100, 4)
    uncertain = same(lambda random: np.array([0.5] * 50 + [0.0] * 150))
    return [
        Case("two suites, 50 x 1 and 150 x 4", beta(200), suites, suites),
        Case("the same, only the 50 uncertain", uncertain, suites, suites),
        Case("1 of 30 has one sample, the rest 16", beta(30), straggler, straggler),
        Case("100 x 1 against 16", beta(100), few, many),
        Case("the same, every question fails 2 %", same(lambda r: np.full(100, 0.02)), few, many),
        Case(
            "100 x 16 against 1, every question fails 98 %",
            same(lambda r: np.full(100, 0.98)),
            many,
            few,
        ),
        Case("40 x 1 against 16, other questions solved", swapped, few[:40], many[:40]),
        Case("100 x 4, other questions solved", moved, four, four),
        Case("100 x 4, 20 % errors at random", beta(100), four, four, lambda p: 0.2 + 0 * p),
        Case(
            "100 x 4, errors on uncertain questions",
            beta(100),
            four,
            four,
            lambda p: 3 * p * (1 - p),
        ),
        Case(
            "100 x 4, half of what fails is lost, in both", beta(100), four, four, lost_failing=0.5
        ),
    ]


def draw(random: Random, case: Case) -> tuple[list[list[int]], list[list[int]]]:
    """Every sample that is there, 1 for a failure, by question; questions left out of one run
    are left out of both."""
    runs: list[list[list[int]]] = []
    for p, count in zip(case.rates(random), (case.before, case.after), strict=True):
        samples = []
        for rate, lost, number in zip(p, case.lost(p), count, strict=True):
            bad = random.random(number) < rate
            kept = random.random(number) >= np.where(bad, max(lost, case.lost_failing), lost)
            samples.append([int(one) for one in bad[kept]])
        runs.append(samples)
    both = [(b, a) for b, a in zip(*runs, strict=True) if b and a]
    return [b for b, _ in both], [a for _, a in both]


def as_pairs(before: list[list[int]], after: list[list[int]]) -> list[PairedQuestion]:
    return [
        PairedQuestion(sum(b), len(b), sum(a), len(a)) for b, a in zip(before, after, strict=True)
    ]


def pooled_p(asked: list[PairedQuestion]) -> float:
    """The test of before."""
    worse = better = inverse = 0.0
    for q in asked:
        was, is_now = q.baseline / q.baseline_samples, q.candidate / q.candidate_samples
        worse += is_now * (1 - was)
        better += was * (1 - is_now)
        inverse += (1 / q.baseline_samples + 1 / q.candidate_samples) / 2
    pairs = len(asked) / inverse
    groups = [(1.0, worse * pairs), (-1.0, better * pairs)]
    return p_mean_at_most(groups, -1.0, 0.0)


def outcomes(samples: list[list[int]]) -> Outcomes:
    return {
        ("s", f"{number:04}"): QuestionOutcome(
            "s",
            f"{number:04}",
            {i: SampleOutcome("wrong" if bad else None) for i, bad in enumerate(question)},
        )
        for number, question in enumerate(samples)
    }


def sequential_alarm(before: list[list[int]], after: list[list[int]], seed: int) -> bool:
    baseline, candidate = outcomes(before), outcomes(after)
    gate = SequentialGate(
        baseline,
        list(baseline),
        samples=max(map(len, after)),
        budget=1,
        settings=PASS_RATE_ONLY,
        seed=seed,
    )
    for key, sample in gate.order:
        gate.update(key, sample, candidate[key].samples.get(sample))
        if gate.decision is not None:
            break
    return gate.finish().result == "regressed"


def false_alarms(console: Console, random: Random, runs: int, stated: Stated) -> None:
    looked = max(1, runs // SEQUENTIAL_EVERY)
    table = Table(
        title=f"False alarms, no true worsening on average: {runs:,} pairs of runs a row, "
        f"simulation error {error(ALPHA, runs)} points at 5 %; sequential gate {looked:,}, "
        f"{error(ALPHA, looked)} points"
    )
    table.add_column("case")
    for column in ("before", "fixed gate", "sequential gate"):
        table.add_column(column, justify="right")
    for case in cases():
        before = now = sequential = 0
        for number in range(runs):
            samples = draw(random, case)
            asked = as_pairs(*samples)
            before += pooled_p(asked) <= ALPHA
            now += pair(asked).p_above(0.0) <= ALPHA
            if number < looked:
                sequential += sequential_alarm(*samples, seed=number)
        shares = (before / runs, now / runs, sequential / looked)
        marks = (
            "",
            stated.at_most(shares[1], runs, ALPHA, f"{case.name}: fixed gate, false alarms"),
            stated.at_most(shares[2], looked, ALPHA, f"{case.name}: sequential gate, false alarms"),
        )
        table.add_row(
            case.name,
            *(f"{100 * share:.1f} %{mark}" for share, mark in zip(shares, marks, strict=True)),
        )
    console.print(table)


def worst_level(
    console: Console, stated: Stated, sizes: Sequence[int] = (10, 20, 30, 50, 80)
) -> None:
    """By enumeration: the highest error rate over all shares of questions that differ."""
    table = Table(
        title="Highest false-alarm rate with one sample per question, by enumeration, in %: "
        "before / now"
    )
    table.add_column("questions")
    margins = (0.0, 0.02, 0.05, 0.1)
    for margin in margins:
        table.add_column(f"margin {100 * margin:.0f}", justify="right")
    for n in sizes:
        cells = []
        for margin in margins:
            old = highest(
                n,
                margin,
                lambda w, b, n, m: p_mean_at_most([(1.0, w), (-1.0, b), (0.0, n - w - b)], -1.0, m),
            )
            new = highest(n, margin, lambda w, b, n, m: Pairs(w, b, n, n).p_above(m))
            mark = stated.exactly_at_most(new, ALPHA, f"{n} x 1, margin {100 * margin:.0f}: level")
            cells.append(f"{100 * old:.2f} / {100 * new:.2f}{mark}")
        table.add_row(str(n), *cells)
    console.print(table)


def highest(n: int, margin: float, p_value: Callable[[float, float, int, float], float]) -> float:
    rejected = [
        (worse, better, n - worse - better)
        for better in range(n + 1)
        for worse in range(better, n + 1 - better)
        if worse - better > n * margin and p_value(worse, better, n, margin) <= ALPHA
    ]
    counts = np.array(rejected).reshape(-1, 3)
    ways = gammaln(n + 1) - gammaln(counts + 1).sum(1)
    rates = []
    for differ in np.linspace(max(margin, 1e-3) + 1e-9, 1 - 1e-9, 80):
        chances = np.array([(differ + margin) / 2, (differ - margin) / 2, 1 - differ])
        rates.append(np.exp(ways + counts @ np.log(np.maximum(chances, 1e-300))).sum())
    return float(max(rates))


def powers(console: Console, random: Random, runs: int) -> None:
    table = Table(
        title=f"Drops found at 5 %: before / now, {runs:,} pairs of runs each, simulation error "
        f"at most {error(0.5, runs)} points"
    )
    table.add_column("questions x samples")
    drops = (0.1, 0.2)
    for drop in drops:
        table.add_column(f"drop {100 * drop:.0f}", justify="right")
    sizes = {
        "30 x 1": (np.full(30, 1),) * 2,
        "30 x 4": (np.full(30, 4),) * 2,
        "100 x 1": (np.full(100, 1),) * 2,
        "30 x 4 against 1": (np.full(30, 4), np.full(30, 1)),
        "15 x 1 and 15 x 4": (np.array([1, 4] * 15),) * 2,
    }
    for name, (before, after) in sizes.items():
        cells = []
        for drop in drops:

            def worse(
                random: Random, n: int = len(before), drop: float = drop
            ) -> tuple[np.ndarray, np.ndarray]:
                passes = random.beta(0.6, 0.5, n)
                return 1 - passes, 1 - passes * max(0.0, 1 - drop / passes.mean())

            found = [0, 0]
            for _ in range(runs):
                asked = as_pairs(*draw(random, Case(name, worse, before, after)))
                found[0] += pooled_p(asked) <= ALPHA
                found[1] += pair(asked).p_above(0.0) <= ALPHA
            cells.append(" / ".join(f"{100 * one / runs:.0f} %" for one in found))
        table.add_row(name, *cells)
    console.print(table)


def spent(random: Random, typical: np.ndarray, loops: float, samples: int) -> list[list[int]]:
    """Tokens of every question's samples: log-normal, some loop to the budget."""
    shape = (len(typical), samples)
    tokens = np.minimum(BUDGET, typical[:, None] * np.exp(random.normal(0, 0.4, shape)))
    return np.where(random.random(shape) < loops, BUDGET, tokens).astype(int).tolist()


_NOISE = np.exp(np.random.default_rng(9).normal(0, 0.4, 500))


def mean_spent(typical: np.ndarray, loops: float, scale: float = 1.0) -> float:
    ended = np.minimum(BUDGET, scale * typical[:, None] * _NOISE).mean()
    return float((1 - loops) * ended + loops * BUDGET)


def scaled(typical: np.ndarray, loops: float, wanted: float) -> float:
    """By what lengths must be multiplied for the mean to be `wanted`."""
    low, high = 0.001, 20.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if mean_spent(typical, loops, middle) < wanted else (low, middle)
    return low


def tokens(console: Console, random: Random, runs: int, stated: Stated) -> None:
    share = GateSettings().alpha * 0.2 / 3
    table = Table(
        title=f"Tokens at a true ratio of 1.1, the tolerated one, 30 questions: {runs:,} pairs of "
        f"runs a row, simulation error at most {error(0.95, runs)} points for the coverage"
    )
    for column in ("shares that loop", "samples", "coverage at 95 %", f"rejected at {share:.2%}"):
        table.add_column(column, justify="right")
    table.add_column("a ratio of 1.35 excluded at 20 %", justify="right")
    for loops, others in ((0.0, 0.0), (0.05, 0.05), (0.05, 0.0), (0.0, 0.03)):
        for before, after in ((1, 1), (4, 4), (1, 4)):
            covered = rejected = excluded = 0
            for _ in range(runs):
                typical = np.exp(random.normal(8, 0.8, 30))
                scale = scaled(typical, others, 1.1 * mean_spent(typical, loops))
                runs_of = (
                    spent(random, typical, loops, before),
                    spent(random, scale * typical, others, after),
                )
                pairs = pair_tokens(list(zip(*runs_of, strict=True)), [BUDGET] * 30)
                above, below = pairs.p_above(1.1), pairs.p_below(1.1)
                covered += min(above, below) > 0.025
                rejected += above <= share
                excluded += pairs.p_below(1.35) <= 0.2
            what = f"tokens, {loops:.0%} / {others:.0%} loop, {before} / {after}"
            marks = (
                stated.at_least(covered / runs, runs, 0.95, f"{what}: coverage"),
                stated.at_most(rejected / runs, runs, share, f"{what}: rejected"),
                "",
            )
            figures = zip((covered, rejected, excluded), marks, strict=True)
            table.add_row(
                f"{loops:.0%} / {others:.0%}",
                f"{before} / {after}",
                *(f"{100 * figure / runs:.1f} %{mark}" for figure, mark in figures),
            )
    console.print(table)


def lengths_alone(console: Console, random: Random, runs: int) -> None:
    """What a doubling of all lengths needs to be seen, by how far the budget is away."""
    share = GateSettings().alpha * 0.2 / 3
    table = Table(
        title=f"All lengths doubled: found at {share:.2%} / same lengths, 35 % more excluded at "
        f"20 %; {runs:,} pairs of runs each, simulation error at most {error(0.5, runs)} points"
    )
    table.add_column("budget over mean tokens")
    sizes = ((30, 1), (30, 4), (30, 16), (200, 1), (200, 4))
    for n, k in sizes:
        table.add_column(f"{n} x {k}", justify="right")
    for far in (3, 6, 12):
        cells = []
        for n, k in sizes:
            found = excluded = 0
            for _ in range(runs):
                typical = np.exp(random.normal(0, 0.8, n))
                typical *= BUDGET / far / typical.mean() / np.exp(0.08)
                base, same = (spent(random, typical, 0, k) for _ in range(2))
                double = spent(random, 2 * typical, 0, k)
                most = [BUDGET] * n
                found += (
                    pair_tokens(list(zip(base, double, strict=True)), most).p_above(1.1) <= share
                )
                excluded += (
                    pair_tokens(list(zip(base, same, strict=True)), most).p_below(1.35) <= 0.2
                )
            cells.append(f"{100 * found / runs:.0f} % / {100 * excluded / runs:.0f} %")
        table.add_row(str(far), *cells)
    console.print(table)


def error(rate: float, runs: int) -> str:
    return f"{100 * sqrt(rate * (1 - rate) / runs):.1f}"
