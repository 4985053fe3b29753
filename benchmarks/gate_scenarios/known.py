"""The sequential gate against a known table, beside the one that pairs samples and the fixed plan.

Lengths are as AIME's in the recorded outputs of a 4-bit R1-Distill-Llama-8B: log-normal, passes
around 4,300 tokens, failures around 14,600, at most 32,768. Bets are computed for all simulated
runs at once, and repeated with `SequentialGate` itself. What is checked are the looks alone, at the
part of alpha and of 1 - power that is theirs: no more turns than `MOST_TURNS` are simulated, and
the fixed gate at the end has its own part and its own tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil, log
from statistics import NormalDist

import numpy as np
from gate_scenarios.stated import Stated
from rich.console import Console
from rich.table import Table

from lrmtest.analysis import table_bets
from lrmtest.analysis.betting import BETS
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.known_table import (
    LEAST_SHARE,
    draw_turns,
    looking_share,
    shares_of_turns,
    table_pays,
)
from lrmtest.analysis.sequential import SequentialGate
from lrmtest.runs.looks import LOOKING_SHARE
from lrmtest.runs.outcomes import QuestionOutcome, SampleOutcome

PASS_RATE = GateSettings(rate_margin=None, token_margin=None)
ALPHA, BETA, MDE = PASS_RATE.alpha, 1 - PASS_RATE.power, PASS_RATE.mde
PASSED, FAILED, BETWEEN, WITHIN, BUDGET = 8.36, 9.59, 0.4, 0.35, 32768
MOST_TURNS = 600
AT_ONCE = 100
DROPS = (0.0, 0.1, 0.2, 0.3)

Random = np.random.Generator
Change = Callable[[np.ndarray], np.ndarray]
"""From the baseline's pass probabilities, shape (runs, questions), to the candidate's."""


@dataclass(frozen=True)
class Runs:
    """Baselines and candidates. Arrays start with (runs,).

    `table`: whether each sample of the baseline failed, (runs, samples, questions). Of every turn,
    (runs, turns): its question, whether it was asked, whether the sample failed, and its tokens.
    `pairs`: the worsening of the pairs in the order in which all questions are asked. `part`: of
    both error rates, for the looks against the table.
    """

    table: np.ndarray
    shares: np.ndarray
    question: np.ndarray
    asked: np.ndarray
    failed: np.ndarray
    tokens: np.ndarray
    pairs: np.ndarray
    pair_tokens: np.ndarray
    part: float


@dataclass(frozen=True)
class Stops:
    """Of every run: whether it stopped as regressed, as ok, and the tokens until then."""

    regressed: np.ndarray
    ok: np.ndarray
    tokens: np.ndarray


def report(console: Console, runs: int, seed: int, stated: Stated) -> None:
    """Simulate, and print a table of each kind.

    Args:
        console: where to.
        runs: simulated pairs of runs a row.
        seed: of everything.
        stated: checks what is stated.
    """
    repeated(console, agrees(np.random.default_rng(seed)), "known table", stated)
    costs(console, np.random.default_rng(seed), runs, stated)
    hard(console, np.random.default_rng(seed), runs, stated)


def repeated(console: Console, same: bool, what: str, stated: Stated) -> None:
    """Say, and check, whether `SequentialGate` itself stops the same runs."""
    console.print(f"repeated with SequentialGate: {'the same' if same else 'OTHER RESULTS'}")
    stated.exactly_at_most(float(not same), 0.0, f"{what}: runs that SequentialGate differs in")


def costs(console: Console, random: Random, runs: int, stated: Stated) -> None:
    """Tokens to a verdict, and rates, by size and drop."""
    table = Table(
        title=f"Thousands of tokens to a verdict: fixed plan / by pairs / against the table; "
        f"{runs:,} pairs of runs a row. R, O: share of looks that end regressed, ok, against the "
        f"table; stated is at most {ALPHA:.0%} at drop 0, {BETA:.0%} at drop 10, times the part "
        "of both that is for looking"
    )
    for column in (
        "questions",
        "baseline",
        "candidate",
        "part",
        *(f"drop {100 * d:.0f}" for d in DROPS),
    ):
        table.add_column(column, justify="right")
    for n, before, after in (
        *((30, k, 16) for k in (8, 16, 32, 64)),
        *((100, k, 16) for k in (4, 16)),
        *((250, k, 4) for k in (2, 16)),
    ):
        cells, part = [], part_for(n, before, after)
        for drop in DROPS:
            found = [
                compare(random, n, before, after, lambda p, d=drop: dropped(p, d), some)
                for some in parts_of(runs)
            ]
            pairs, known = (join([each[side] for each in found]) for side in (0, 1))
            plan = fixed_plan(n) * n * np.mean([each[2] for each in found])
            what = f"{n} questions, {before} and {after} samples, drop {100 * drop:.0f}"
            marks = ""
            if not drop:
                marks = stated.at_most(
                    known.regressed.mean(), runs, part * ALPHA, f"{what}: regressed"
                )
            if drop == MDE:
                marks = stated.at_most(known.ok.mean(), runs, part * BETA, f"{what}: ok")
            cells.append(
                f"{plan / 1e3:.0f} / {pairs.tokens.mean() / 1e3:.0f} / "
                f"{known.tokens.mean() / 1e3:.0f}, R {100 * known.regressed.mean():.0f} "
                f"O {100 * known.ok.mean():.0f}{marks}"
            )
        table.add_row(str(n), str(before), str(after), f"{part:.0%}", *cells)
    console.print(table)


def hard(console: Console, random: Random, runs: int, stated: Stated) -> None:
    """Where a drop hides, and where there is none although questions differ."""

    def few(drop: float) -> Change:
        """A few questions fall to nothing, the same ones in the order of their names."""

        def change(p: np.ndarray) -> np.ndarray:
            left = np.full((len(p), 1), drop * p.shape[1])
            taken = np.clip(left - (p.cumsum(1) - p), 0, p)
            return p - taken

        return change

    def of(chosen: Callable[[np.ndarray], np.ndarray], drop: float) -> Change:
        """Only questions of some difficulty fall, if there is so much to lose."""

        def change(p: np.ndarray) -> np.ndarray:
            where = chosen(p)
            most = (p * where).sum(1, keepdims=True)
            return p - p * where * np.minimum(1, drop * p.shape[1] / np.maximum(most, 1e-9))

        return change

    def exchanged(p: np.ndarray) -> np.ndarray:
        return np.roll(p, 1, axis=1)

    def leveled(p: np.ndarray) -> np.ndarray:
        return np.broadcast_to(p.mean(1, keepdims=True), p.shape)

    def constant(rate: float) -> Change:
        return lambda p: np.full_like(p, rate)

    cases: list[tuple[str, Change, Change, float]] = [
        ("the same, every question 50 %", constant(0.5), same, 0.0),
        ("the same, every question 2 %", constant(0.02), same, 0.0),
        ("the same, every question 98 %", constant(0.98), same, 0.0),
        ("other questions solved", same, exchanged, 0.0),
        ("easy ones lost, hard ones won", same, leveled, 0.0),
        ("10 points, every question 50 %", constant(0.5), lambda p: p - MDE, MDE),
        ("10 points in a few questions", same, few(MDE), MDE),
        ("10 points in hard questions", same, of(lambda p: p < 0.5, MDE), MDE),
        ("10 points in easy questions", same, of(lambda p: p > 0.8, MDE), MDE),
    ]
    table = Table(
        title=f"Looks that err, {runs:,} pairs of runs each: called regressed without a drop "
        f"(stated: {ALPHA:.0%}), called ok at a drop of 10 points (stated: {BETA:.0%}; both times "
        "the part that is for looking), in %"
    )
    sizes = ((30, 8, 16), (30, 32, 16), (100, 16, 8), (250, 2, 4))
    table.add_column("case")
    for n, before, after in sizes:
        table.add_column(f"{n} x {before} / {after}", justify="right")
    for name, start, change, drop in cases:
        cells = []
        for n, before, after in sizes:
            wrong = []
            for part in parts_of(runs):
                p = start(random.beta(0.6, 0.5, (part, n)))
                q = change(p)
                kept = np.isclose(p.mean(1) - q.mean(1), drop, atol=1e-6)
                simulated = simulate(random, p[kept], q[kept], before, after)
                stops = against_table(simulated)
                wrong.append(stops.ok if drop else stops.regressed)
            erred = np.concatenate(wrong)
            allowed = part_for(n, before, after) * (BETA if drop else ALPHA)
            what = f"{name}, {n} x {before} / {after}: looks that err"
            mark = stated.at_most(erred.mean(), len(erred), allowed, what)
            cells.append(f"{100 * erred.mean():.1f}{mark}")
        table.add_row(name, *cells)
    console.print(table)


def same(p: np.ndarray) -> np.ndarray:
    return p


def parts_of(runs: int) -> list[int]:
    """So many runs in parts that fit into memory."""
    return [min(AT_ONCE, runs - start) for start in range(0, runs, AT_ONCE)]


def join(stops: list[Stops]) -> Stops:
    return Stops(
        *(
            np.concatenate([getattr(each, name) for each in stops])
            for name in ("regressed", "ok", "tokens")
        )
    )


def dropped(p: np.ndarray, drop: float) -> np.ndarray:
    """The same questions for a model whose mean is lower by `drop`: log-odds shifted alike."""
    if not drop:
        return p
    logit = np.log(np.clip(p, 1e-9, None)) - np.log(np.clip(1 - p, 1e-9, None))
    low, high = np.zeros((len(p), 1)), np.full((len(p), 1), 40.0)
    for _ in range(40):
        middle = (low + high) / 2
        mean = (p - 1 / (1 + np.exp(middle - logit))).mean(1, keepdims=True)
        low, high = np.where(mean < drop, middle, low), np.where(mean < drop, high, middle)
    return 1 / (1 + np.exp(low - logit))


def fixed_plan(n: int) -> int:
    """Samples per question of a fixed plan that finds `MDE`, as `lrmtest plan` counts them."""
    z = NormalDist().inv_cdf
    pairs = 0.26 * ((z(1 - PASS_RATE.alpha) + z(PASS_RATE.power)) / MDE) ** 2
    return ceil(pairs / n)


def compare(
    random: Random, n: int, before: int, after: int, change: Change, runs: int
) -> tuple[Stops, Stops, float]:
    """Both gates on the same runs, and the mean tokens of a completion."""
    p = random.beta(0.6, 0.5, (runs, n))
    simulated = simulate(random, p, change(p), before, after)
    return by_pairs(simulated), against_table(simulated), float(simulated.pair_tokens.mean())


def simulate(
    random: Random, p: np.ndarray, q: np.ndarray, before: int, after: int, alike: float = 0.0
) -> Runs:
    """Runs of models with pass probabilities p and q, with so many samples of each question.

    Args:
        random: draws everything.
        p, q: of the baseline and the candidate, shape (runs, questions).
        before, after: samples of each question.
        alike: share of the candidate's samples that toss the coin of the baseline's of that index.
    """
    runs, n = p.shape
    typical = random.normal(0, BETWEEN, (runs, 1, n))
    both = min(before, after)
    coins: list[np.ndarray] = []

    def samples(rate: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        coin = random.random((runs, k, n))
        if coins and alike:
            shared = random.random((runs, both, n)) < alike
            coin[:, :both] = np.where(shared, coins[0][:, :both], coin[:, :both])
        coins.append(coin)
        failed = coin >= rate[:, None]
        length = np.where(failed, FAILED, PASSED) + typical + random.normal(0, WITHIN, failed.shape)
        return failed, np.minimum(BUDGET, np.exp(length))

    table, lengths = samples(p, before)
    candidate, spent = samples(q, after)
    order = np.argsort(random.random((runs, after, n)), axis=2)
    shares = shares_of(table, lengths.mean(1))
    asked = random.random((runs, after, n)) < np.take_along_axis(
        np.repeat(shares[:, None], after, axis=1), order, 2
    )

    def flat(values: np.ndarray) -> np.ndarray:
        return np.take_along_axis(values, order, 2).reshape(runs, -1)[:, :MOST_TURNS]

    paired = min(before, after)
    worsening = candidate[:, :paired].astype(int) - table[:, :paired]
    return Runs(
        table=table,
        shares=shares,
        question=order.reshape(runs, -1)[:, :MOST_TURNS],
        asked=asked.reshape(runs, -1)[:, :MOST_TURNS],
        failed=flat(candidate),
        tokens=flat(spent),
        pairs=np.take_along_axis(worsening, order[:, :paired], 2).reshape(runs, -1),
        pair_tokens=np.take_along_axis(spent, order, 2).reshape(runs, -1),
        part=part_for(n, before, after),
    )


def part_for(n: int, before: int, after: int) -> float:
    """What `looking_share` gives, which depends on numbers alone."""
    one = {j: SampleOutcome(None) for j in range(before)}
    baseline = {("s", str(i)): QuestionOutcome("s", str(i), one) for i in range(n)}
    return looking_share(baseline, after, PASS_RATE)


def shares_of(table: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """What `shares_of_turns` gives, for all runs."""
    count = table.shape[1]
    passed = (~table).sum(1)
    mean = (passed + 0.5) / (count + 1)
    worth = np.sqrt((mean * (1 - mean) + 0.02) / (tokens + 1))
    full = np.sort(worth, axis=1)[:, int(0.6 * worth.shape[1])][:, None]
    return np.clip(np.maximum(passed / count, worth / full), LEAST_SHARE, 1.0)


def against_table(runs: Runs) -> Stops:
    """Where the bets of `lrmtest.analysis.table_bets` stop every run."""
    first = [reached(runs, above=above) for above in (True, False)]
    return stopped(first, np.where(runs.asked, runs.tokens, 0).cumsum(1))


def stopped(first: list[np.ndarray], spent: np.ndarray) -> Stops:
    """From the turns at which each side's bet is won, counted from 1; beyond the last if never."""
    turns = spent.shape[1]
    at = np.minimum(np.minimum(*first), turns)
    regressed = (first[0] <= turns) & (first[0] <= first[1])
    tokens = np.take_along_axis(spent, at[:, None] - 1, 1)[:, 0]
    return Stops(regressed, (first[1] <= turns) & ~regressed, tokens)


def reached(runs: Runs, *, above: bool) -> np.ndarray:
    """At which turn one side's capital reaches its level, counted from 1."""
    sign = 1.0 if above else -1.0
    level = log(1 / (runs.part * (ALPHA if above else BETA)))
    figures = runs.table.astype(float)
    count, n = figures.shape[1:]
    totals, means = figures.sum(1), figures.mean(1)
    mean = means.mean(1, keepdims=True)
    expected = (totals + mean) / (count + 1)
    squares = ((figures - means[:, None]) ** 2).sum(1)
    within = squares.sum(1, keepdims=True) / (n * (count - 1))
    spread = ((squares + 2 * within) / count / runs.shares).mean(1, keepdims=True)
    spread = np.maximum(spread, 1e-4)
    offset = 0.0 if above else MDE
    times = np.array(table_bets._SOUGHT if above else (1.0,))
    steps = np.array(table_bets._STEPS)
    cuts = np.clip(mean - sign * MDE * steps, 0, 1)
    centre = expected.mean(1, keepdims=True)
    limits = cuts + offset - centre
    ends = np.concatenate([limits[:, 1:], limits[:, -1:]], 1)
    down = ((expected if above else 1 - expected) / runs.shares).max(1, keepdims=True)
    boldest = table_bets._BOLDEST / np.maximum(
        1e-9, down + np.maximum(0, np.maximum(sign * limits, sign * ends))
    )
    figure = np.where(
        runs.asked,
        (runs.failed - np.take_along_axis(expected, runs.question, 1))
        / np.take_along_axis(runs.shares, runs.question, 1),
        0.0,
    )
    unstaked = table_bets._UNSTAKED
    capital = np.full((len(figure), len(steps), figure.shape[1]), -np.inf)
    beyond = np.full(len(figure), log(unstaked))
    for each in times:
        stake = min(table_bets._BOLDEST_ON_BASELINE, 2 * level / (each * MDE * n * count))
        baseline = on_baseline(figures, cuts, -sign * stake) + log((1 - unstaked) / len(times))
        beyond = np.logaddexp(beyond, baseline[:, 0])
        expects = np.minimum(1, mean + MDE * each * above)
        gap = np.maximum(0, sign * (expects - centre - (limits + ends) / 2))
        bet = sign * np.minimum(boldest, np.divide(gap, spread + gap**2))[:, :, None]
        low, high = (
            np.log1p(bet * (figure[:, None, :] - end[:, :, None])).cumsum(2)
            for end in (limits, ends)
        )
        capital = np.logaddexp(capital, np.minimum(low, high) + log(unstaked / len(times)))
        staked = np.minimum(
            low[:, :-1] + baseline[:, :-1, None], high[:, :-1] + baseline[:, 1:, None]
        )
        capital[:, :-1] = np.logaddexp(capital[:, :-1], staked)
    beyond = np.where((cuts[:, 0] > 0) & (cuts[:, 0] < 1), beyond, np.inf)
    won = np.minimum(capital.min(1), beyond[:, None]) >= level
    return np.where(won.any(1), won.argmax(1) + 1, figure.shape[1] + 1)


def on_baseline(figures: np.ndarray, cuts: np.ndarray, bet: float) -> np.ndarray:
    """`lrmtest.analysis.table_bets.on_baseline`, for all runs: (runs, cuts)."""
    logs = np.zeros_like(cuts)
    sums = np.zeros_like(figures[:, 0])
    for number in range(figures.shape[1]):
        guesses = (sums + 0.5) / (number + 1)
        less = figures[:, number] - guesses + guesses.mean(1, keepdims=True)
        logs += np.log1p(bet * (less[:, None] - cuts[:, :, None])).sum(2)
        sums += figures[:, number]
    return logs


def by_pairs(runs: Runs) -> Stops:
    """Where the bets of `lrmtest.analysis.betting` on pairs stop every run."""
    pairs = runs.pairs.shape[1]
    first = []
    for mean, sign, level in (
        (0.0, 1, ALPHA * LOOKING_SHARE),
        (-MDE, -1, BETA * LOOKING_SHARE),
    ):
        bets = (np.arange(BETS) + 0.5) / BETS / (1 + mean)
        steps = np.log1p(bets * (sign * np.array([[-1], [0], [1]]) - mean))
        logs = np.stack([steps[:, bet][runs.pairs + 1].cumsum(1) for bet in range(BETS)])
        top = logs.max(0)
        won = top + np.log(np.exp(logs - top).mean(0)) >= log(1 / level)
        first.append(np.where(won.any(1), won.argmax(1) + 1, pairs + 1))
    # Undecided runs go on to their end, as far as both gates are simulated.
    spent = runs.pair_tokens[:, : max(pairs, runs.asked.shape[1])].cumsum(1)
    turns = spent.shape[1]
    return stopped([np.where(each > pairs, turns + 1, each) for each in first], spent)


def agrees(random: Random, cases: int = 6) -> bool:
    """Whether `reached` and `SequentialGate` stop the same runs at the same turns."""
    n, before = 20, 12
    for number in range(cases):
        # At 16 samples more is for looking.
        after = (6, 16)[number % 2]
        p = random.beta(0.6, 0.5, (1, n))
        simulated = simulate(random, p, dropped(p, 0.3 * (number % 3) / 2), before, after)
        keys = [("s", f"{i:03}") for i in range(n)]
        baseline = {
            key: QuestionOutcome(
                *key,
                {
                    j: SampleOutcome("wrong" if simulated.table[0, j, i] else None, 100)
                    for j in range(before)
                },
            )
            for i, key in enumerate(keys)
        }
        if not table_pays(baseline, PASS_RATE):
            return False
        shares = shares_of_turns(baseline)
        turns, _ = draw_turns(shares, after, seed=number)
        failed = random.random((after, n)) >= dropped(p, 0.3 * (number % 3) / 2)
        gate = SequentialGate(
            baseline, keys, samples=after, budget=1000, settings=PASS_RATE, seed=number
        )
        for key, sample in gate.order:
            bad = bool(failed[sample, int(key[1])])
            gate.update(key, sample, SampleOutcome("wrong" if bad else None, 100))
        again = replace(
            simulated,
            shares=np.array([[shares[key] for key in keys]]),
            question=np.array([[int(key[1]) for key, _ in turns]]),
            asked=np.array([[sample is not None for _, sample in turns]]),
            failed=np.array(
                [[sample is not None and failed[sample, int(key[1])] for key, sample in turns]]
            ),
        )
        if not np.allclose(shares_of(simulated.table, np.full((1, n), 100.0)), again.shares):
            return False
        at = [int(reached(again, above=above)[0]) for above in (True, False)]
        stop = min(at)
        expected = "undecided"
        if stop <= len(turns):
            expected = "regressed" if at[0] <= at[1] else "ok"
        looked = sum(sample is not None for _, sample in turns[:stop])
        found = gate.decision.result if gate.decision else "undecided"
        if found != expected or (expected != "undecided" and gate.looked_at != looked):
            return False
    return True
