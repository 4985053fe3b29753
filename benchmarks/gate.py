"""How often the gate is wrong, how often it sees a drop, and what stopping early saves.

    python benchmarks/gate.py [--data-dir DIR] [--quick] [--only NAME]

Runs are simulated: every question has a pass probability, every sample is a coin. Without
--data-dir the probabilities are drawn from Beta(0.6, 0.5); with it also from the recorded outputs
in DIR: a recorded question is drawn, then a probability from what its outcome leaves of that
prior. Every simulated run draws anew. Compared are lrmtest's fixed gate, its sequential gate, a
rule that wants the candidate to score 95 % of the baseline ("recovery"), and a one-sided z-test of
two proportions that ignores the pairing.

What is harder for a gate is in `gate_scenarios`, a module for each kind, which are run after these
tables; --only runs one of them, or these tables ("equal").

The gates are lrmtest's own functions, but for p-values and the sequential gate's looks, which are
computed for all simulated runs at once; some of them are repeated with `Pairs` and `SequentialGate`
themselves.

Rows in which a rate is worse than what is stated of our gates are marked, by the rule in
`gate_scenarios.stated`, and listed at the end. Exits with 1 if there is one, or if what was
repeated differs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from math import log, sqrt
from pathlib import Path

import numpy as np
from gate_scenarios import many
from gate_scenarios.stated import Stated
from rich.console import Console
from rich.table import Table

from lrmtest.analysis.betting import BETS
from lrmtest.analysis.claims import Claim, claims
from lrmtest.analysis.detectability import obstacles
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.holm import adjust
from lrmtest.analysis.mean_ratio import pair_tokens
from lrmtest.analysis.pairs import PairedQuestion, pair
from lrmtest.analysis.sequential import SequentialGate, draw_order
from lrmtest.analysis.summary import ALL_SUITES
from lrmtest.errors import DataError, LrmtestError
from lrmtest.grading import Completion, grade
from lrmtest.questions import DataOptions
from lrmtest.runs.looks import LOOKING_SHARE, Look
from lrmtest.runs.outcomes import QuestionOutcome, SampleOutcome
from lrmtest.suites import suite_named

QUESTIONS = (30, 100, 203, 250)
SAMPLES = (1, 4, 16)
EQUAL = "equal"
SCENARIOS = ("unequal", "floors", "looks", "known", "coupled", "reading", "stakes")
ALPHA, POWER, MDE = 0.05, 0.8, 0.1
PRIOR = (0.6, 0.5)
RECOVERY = 0.95
PASS_RATE_ONLY = GateSettings(
    alpha=ALPHA, power=POWER, mde=MDE, rate_margin=None, token_margin=None
)

Random = np.random.Generator
Difficulty = Callable[[Random, tuple[int, int]], np.ndarray]
"""Draws pass probabilities, shape (runs, questions)."""


@dataclass(frozen=True)
class Simulated:
    """Simulated pairs of runs at one point. Arrays are (runs, questions) and (runs, rounds x n)."""

    n: int
    k: int
    baseline: np.ndarray
    candidate: np.ndarray
    worsening: np.ndarray
    """Of every pair of samples, in the sequential gate's order: -1, 0 or 1."""


@dataclass(frozen=True)
class Rates:
    """Shares of simulated runs."""

    runs: int
    fixed: float
    fixed_ok: float
    sequential: float
    sequential_ok: float
    looked_at: float
    recovery: float
    z_test: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir", type=Path, help="folder with the recorded outputs")
    parser.add_argument("--quick", action="store_true", help="a fifth of the simulated runs")
    parser.add_argument("--seed", type=int, default=1)
    scenarios = [name for name in SCENARIOS if find_spec(f"gate_scenarios.{name}")]
    parser.add_argument("--only", choices=[EQUAL, *scenarios], help="the tables of one kind")
    options = parser.parse_args()
    try:
        sources: dict[str, Difficulty] = {f"Beta{PRIOR}": beta}
        if options.data_dir:
            sources["recorded"] = recorded(options.data_dir)
    except LrmtestError as error:
        print(error, file=sys.stderr)
        return 2
    console = Console(width=150)
    runs = 800 if options.quick else 4000
    began = time.perf_counter()
    stated = Stated()
    same = True
    if options.only in (None, EQUAL):
        same = equal(console, sources, runs, options.seed, stated)
    for name in scenarios:
        if options.only in (None, name):
            report = import_module(f"gate_scenarios.{name}").report
            report(console, runs // 4, options.seed, stated)
    console.print(f"{time.perf_counter() - began:.0f} s")
    console.print(
        f"{stated.checked} rates checked against what is stated, {len(stated.exceeded)} worse"
    )
    for each in stated.exceeded:
        console.print(f"  {each}")
    return 0 if same and not stated.exceeded else 1


def equal(
    console: Console, sources: dict[str, Difficulty], runs: int, seed: int, stated: Stated
) -> bool:
    """The tables at equal numbers of samples. Returns whether what was repeated came the same."""
    random = np.random.default_rng(seed)
    same = check_looks(random) and many.agrees(random)
    console.print(f"repeated with lrmtest's own: {'the same' if same else 'OTHER RESULTS'}")
    for name, difficulty in sources.items():
        random = np.random.default_rng(seed)
        false_alarms(console, name, difficulty, random, runs, stated)
        powers(console, name, difficulty, random, runs // 4, stated)
    random = np.random.default_rng(seed)
    stress(console, random, runs, stated)
    whole_gate(console, random, runs // 4, stated)
    bets(console, random, runs // 4)
    return same


# Where pass probabilities come from


def beta(random: Random, shape: tuple[int, int]) -> np.ndarray:
    return random.beta(*PRIOR, shape)


def recorded(data_dir: Path) -> Difficulty:
    """Difficulty of the recorded questions, all suites together."""
    files = sorted(data_dir.glob("recorded/*.jsonl"))
    if not files:
        raise DataError(f"there is no recorded/*.jsonl in {data_dir}", hint="give --data-dir")
    passed: list[bool] = []
    for file in files:
        suite = suite_named(file.stem.rsplit(".", 1)[-1])
        questions = {q.id: q for q in suite.load(DataOptions(data_dir=data_dir)).questions}
        for line in file.read_text("utf-8").splitlines():
            row = json.loads(line)
            # Outputs that never close their reasoning ran into the budget.
            reason = "stop" if "</think>" in row["output"] else "length"
            verdict = grade(questions[str(row["question"])], Completion(row["output"], reason))
            passed.append(verdict.correct)
    outcomes = np.array(passed, dtype=float)

    def draw(random: Random, shape: tuple[int, int]) -> np.ndarray:
        drawn = outcomes[random.integers(len(outcomes), size=shape)]
        return random.beta(PRIOR[0] + drawn, PRIOR[1] + 1 - drawn)

    return draw


def dropped(p: np.ndarray, drop: float) -> np.ndarray:
    """The same questions for a model whose mean pass probability is lower by `drop`.

    Every question gets harder by the same shift of its log-odds.
    """
    if not drop:
        return p
    logit = np.log(np.clip(p, 1e-9, None)) - np.log(np.clip(1 - p, 1e-9, None))
    low, high = np.zeros((len(p), 1)), np.full((len(p), 1), 40.0)
    for _ in range(40):
        middle = (low + high) / 2
        mean = (p - 1 / (1 + np.exp(middle - logit))).mean(1, keepdims=True)
        low, high = np.where(mean < drop, middle, low), np.where(mean < drop, high, middle)
    return 1 / (1 + np.exp(low - logit))


# Simulation


def simulate(random: Random, p: np.ndarray, q: np.ndarray, k: int) -> Simulated:
    runs, n = p.shape
    before = random.random((runs, k, n)) < p[:, None, :]
    after = random.random((runs, k, n)) < q[:, None, :]
    worsening = before.astype(np.int8) - after
    shuffled = random.permuted(worsening, axis=2)
    return Simulated(n, k, before.sum(1), after.sum(1), shuffled.reshape(runs, k * n))


def measure(simulated: Simulated, margin: float = 0.0) -> Rates:
    n, k = simulated.n, simulated.k
    a, b = simulated.baseline, simulated.candidate
    # What `pair` sums up, for all runs at once.
    worse, better = (a * (k - b)).sum(1) / k, (b * (k - a)).sum(1) / k
    p_worse = many.p_above(worse, better, n * k, margin)
    p_better = many.p_below(worse, better, n * k, margin + MDE)
    p_at_all = many.p_below(worse, better, n * k, 0.0)
    passed = a.sum(1).tolist()
    whole, half = (
        replace(PASS_RATE_ONLY, margin=margin, look=Look(share=share))
        for share in (1.0, 1 - LOOKING_SHARE)
    )
    blind = np.array([is_blind(count, n, k, whole) for count in passed])
    fixed, fixed_ok = decided(p_worse, p_better, p_at_all, blind, whole)
    blind = np.array([is_blind(count, n, k, half) for count in passed])
    stopped_worse, seen_ok, looks = look(simulated.worsening, margin, blind)
    stopped_ok = seen_ok & ~blind
    late_worse, late_ok = decided(p_worse, p_better, p_at_all, blind, half)
    sequential = stopped_worse | (late_worse & ~stopped_ok)
    score_a, score_b = a.sum(1), b.sum(1)
    pooled = (score_a + score_b) / (2 * n * k)
    error = np.sqrt(2 * pooled * (1 - pooled) / (n * k))
    z = np.divide((score_a - score_b) / (n * k), error, out=np.zeros(len(a)), where=error > 0)
    return Rates(
        runs=len(a),
        fixed=fixed.mean(),
        fixed_ok=fixed_ok.mean(),
        sequential=sequential.mean(),
        sequential_ok=(~sequential & (stopped_ok | late_ok)).mean(),
        looked_at=looks.mean() / (n * k),
        recovery=(score_b < RECOVERY * score_a).mean(),
        z_test=(z > 1.6449).mean(),
    )


def decided(
    p_worse: np.ndarray,
    p_better: np.ndarray,
    p_at_all: np.ndarray,
    blind: np.ndarray,
    settings: GateSettings,
) -> tuple[np.ndarray, np.ndarray]:
    """What `check` makes of the p-values of every run: whether it is regressed, and ok."""
    regressed = p_worse <= settings.look_alpha
    seen = ~blind | (p_at_all <= settings.look_beta)
    return regressed, ~regressed & seen & (p_better <= settings.look_beta)


@lru_cache(maxsize=1 << 16)
def is_blind(passed: int, n: int, k: int, settings: GateSettings) -> bool:
    """Whether a drop could not be seen with a baseline that passes so many of n x k samples.

    With k samples of every question it is their sum alone that counts.
    """
    failed = [(n * k - passed + i) // n for i in range(n)]
    questions = [PairedQuestion(bad, k, 0, k) for bad in failed]
    claim = claims(["s"], settings, tokens=False)
    return bool(obstacles(claim, lambda _: questions, ["s"], settings))


def look(
    worsening: np.ndarray, margin: float, blind: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the bets of `lrmtest.analysis.betting` stop every run; never as ok where it is blind.

    Returns:
        Per run: stopped as regressed; a drop was excluded, before that; how many pairs were looked
        at.
    """
    runs, pairs = worsening.shape
    limit = margin + MDE
    steps = []
    for mean, sign in ((margin, 1), (-limit, -1)):
        bets = (np.arange(BETS) + 0.5) / BETS / (1 + mean)
        # Rows: what a worsening of -1, 0 or 1 adds to the logarithm of every bet.
        steps.append(np.log1p(bets * (sign * np.array([[-1], [0], [1]]) - mean)))
    levels = (
        -log(ALPHA * LOOKING_SHARE) + log(BETS),
        -log((1 - POWER) * LOOKING_SHARE) + log(BETS),
    )
    at = np.full((2, runs), pairs + 1)
    logs = [np.zeros((runs, BETS)), np.zeros((runs, BETS))]
    active = np.arange(runs)
    for start in range(0, pairs, 50):
        if not len(active):
            break
        block = worsening[active, start : start + 50] + 1
        for bet in (0, 1):
            path = logs[bet][active][:, None, :] + steps[bet][block].cumsum(1)
            logs[bet][active] = path[:, -1]
            top = path.max(2)
            capital = top + np.log(np.exp(path - top[:, :, None]).sum(2))
            reached = capital >= levels[bet]
            hit = reached.any(1)
            new = hit & (at[bet, active] > pairs)
            at[bet, active[new]] = start + 1 + reached[new].argmax(1)
        active = active[(at[0, active] > pairs) & ((at[1, active] > pairs) | blind[active])]
    at_ok = np.where(blind, pairs + 1, at[1])
    first = np.minimum(at[0], at_ok)
    stopped_worse = (first <= pairs) & (at[0] <= at_ok)
    return stopped_worse, (at[1] <= pairs) & ~stopped_worse, np.minimum(first, pairs)


def look_predictably(worsening: np.ndarray, most: float = 0.75) -> np.ndarray:
    """How many pairs are looked at with aGRAPA bets (Waudby-Smith & Ramdas 2024, section B.3)."""
    runs, pairs = worsening.shape
    count = np.arange(2, pairs + 2)
    first = np.full(runs, pairs)
    for mean, sign, level in ((0.0, 1, ALPHA), (-MDE, -1, 1 - POWER)):
        x = sign * worsening.astype(float)
        average = (x.cumsum(1) + mean) / count
        variance = np.maximum(((x**2).cumsum(1) + 0.25) / count - average**2, 1e-3)
        # A bet may depend on what came before only.
        edge = np.hstack([np.zeros((runs, 1)), average[:, :-1] - mean])
        variance = np.hstack([np.full((runs, 1), 0.25), variance[:, :-1]])
        bet = np.clip(edge / (variance + edge**2), 0, most / (1 + mean))
        reached = np.log1p(bet * (x - mean)).cumsum(1) >= -log(level * LOOKING_SHARE)
        first = np.minimum(first, np.where(reached.any(1), reached.argmax(1) + 1, pairs))
    return first


def check_looks(random: Random) -> bool:
    """Whether `look` and `SequentialGate` stop the same runs at the same pairs."""
    n, k = 40, 3
    for drop in (0.0, 0.0, 0.1, 0.1, 0.3, 0.3):
        p = beta(random, (1, n))
        coins = random.random((2, k, n))
        passed = coins[0] < p, coins[1] < dropped(p, drop)
        before, after = (
            {
                ("s", f"{i:03}"): QuestionOutcome(
                    "s",
                    f"{i:03}",
                    {j: SampleOutcome(None if side[j, i] else "wrong") for j in range(k)},
                )
                for i in range(n)
            }
            for side in passed
        )
        order = draw_order(before, k, seed=0)
        pairs = [int(passed[0][j, int(q)]) - int(passed[1][j, int(q)]) for (_, q), j in order]
        last = replace(PASS_RATE_ONLY, look=Look(share=1 - LOOKING_SHARE))
        blind = is_blind(int(passed[0].sum()), n, k, last)
        worse, ok, looks = look(np.array([pairs]), 0.0, np.array([blind]))
        gate = SequentialGate(before, list(before), samples=k, budget=1, settings=PASS_RATE_ONLY)
        for key, sample in gate.order:
            gate.update(key, sample, after[key].samples[sample])
        stopped = gate.decision.result if gate.decision else "undecided"
        expected = "regressed" if worse[0] else "ok" if ok[0] and not blind else "undecided"
        if (stopped, gate.looked_at) != (expected, looks[0]):
            return False
    return True


# Tables


def false_alarms(
    console: Console, name: str, difficulty: Difficulty, random: Random, runs: int, stated: Stated
) -> None:
    """Identical models."""
    table = Table(
        title=f"False alarms on identical models, {name}: {runs:,} simulated pairs of runs a row, "
        f"simulation error at most {100 * sqrt(ALPHA * (1 - ALPHA) / runs):.1f} points at 5 %"
    )
    for column in ("questions", "samples", "fixed gate", "sequential gate"):
        table.add_column(column, justify="right")
    for column in ("recovery < 95 %", "unpaired z-test", "fixed ok", "sequential ok", "looked at"):
        table.add_column(column, justify="right")
    for n in QUESTIONS:
        for k in SAMPLES:
            rates = at_point(random, difficulty, n, k, 0.0, runs)
            what = f"identical models, {name}, {n} x {k}"
            table.add_row(
                str(n),
                str(k),
                percent(rates.fixed)
                + stated.at_most(rates.fixed, runs, ALPHA, f"{what}: fixed gate, false alarms"),
                percent(rates.sequential)
                + stated.at_most(rates.sequential, runs, ALPHA, f"{what}: sequential gate"),
                *map(percent, (rates.recovery, rates.z_test)),
                *map(percent, (rates.fixed_ok, rates.sequential_ok, rates.looked_at)),
            )
    console.print(table)


def powers(
    console: Console, name: str, difficulty: Difficulty, random: Random, runs: int, stated: Stated
) -> None:
    table = Table(
        title=f"Drops found, {name}: {runs:,} simulated pairs of runs a row, simulation error at "
        f"most {100 * sqrt(0.25 / runs):.1f} points; F fixed gate, S sequential gate, R recovery, "
        f"Z unpaired z-test; ok: called so at a drop of mde, stated is at most {1 - POWER:.0%}; "
        "looked at: mean share of the tokens that S uses"
    )
    drops = (0.05, 0.1, 0.2)
    table.add_column("questions", justify="right")
    table.add_column("samples", justify="right")
    for drop in drops:
        for rule in "FSRZ":
            table.add_column(f"{100 * drop:.0f} {rule}", justify="right")
    for column in ("10: ok F", "S", "looked at, 10", "30"):
        table.add_column(column, justify="right")
    for n in QUESTIONS:
        for k in SAMPLES:
            found = {drop: at_point(random, difficulty, n, k, drop, runs) for drop in (*drops, 0.3)}
            cells = []
            for drop in drops:
                rates = found[drop]
                shown = (rates.fixed, rates.sequential, rates.recovery, rates.z_test)
                cells += [f"{100 * rate:.0f}" for rate in shown]
            let_through = ("fixed", found[MDE].fixed_ok), ("sequential", found[MDE].sequential_ok)
            for gate, rate in let_through:
                what = f"drop of mde, {name}, {n} x {k}: {gate} gate says ok"
                cells.append(f"{100 * rate:.0f}{stated.at_most(rate, runs, 1 - POWER, what)}")
            cells += [percent(found[drop].looked_at) for drop in (0.1, 0.3)]
            table.add_row(str(n), str(k), *cells)
    console.print(table)


def stress(console: Console, random: Random, runs: int, stated: Stated) -> None:
    """No true worsening beyond the margin, in the ways that should be hardest."""

    def at_margin(p: np.ndarray) -> np.ndarray:
        return dropped(p, 0.05)

    def reshuffled(p: np.ndarray) -> np.ndarray:
        return np.roll(p, 1, axis=1)

    def swapped(p: np.ndarray) -> np.ndarray:
        return 1 - p

    def same(p: np.ndarray) -> np.ndarray:
        return p

    def constant(*values: float) -> Difficulty:
        return lambda random, shape: np.resize(np.array(values), shape[1]) * np.ones(shape)

    cases: list[tuple[str, Difficulty, Callable[[np.ndarray], np.ndarray], float]] = [
        ("every question a coin toss", constant(0.5), same, 0.0),
        ("every question passes 2 %", constant(0.02), same, 0.0),
        ("every question passes 98 %", constant(0.98), same, 0.0),
        ("one question in ten a coin toss", constant(0.5, *[0.0] * 9), same, 0.0),
        ("other questions solved, equally many", beta, reshuffled, 0.0),
        ("other questions solved, certain ones", constant(1.0, 0.0), swapped, 0.0),
        ("drop of 5 points, margin 5 points", beta, at_margin, 0.05),
        ("the same, every question at 50 %", constant(0.5), at_margin, 0.05),
    ]
    points = [(n, k) for n in (30, 250) for k in SAMPLES]
    table = Table(
        title=f"False alarms under stress: fixed / sequential gate in %, {runs:,} simulated pairs "
        f"of runs each, simulation error {100 * sqrt(ALPHA * (1 - ALPHA) / runs):.1f} points at 5 %"
    )
    table.add_column("case")
    for n, k in points:
        table.add_column(f"{n} x {k}", justify="right")
    for name, difficulty, change, margin in cases:
        cells = []
        for n, k in points:
            p = difficulty(random, (runs, n))
            rates = measure(simulate(random, p, change(p), k), margin)
            marks = [
                stated.at_most(rate, runs, ALPHA, f"{name}, {n} x {k}: {gate} gate, false alarms")
                for gate, rate in (("fixed", rates.fixed), ("sequential", rates.sequential))
            ]
            cells.append(
                f"{100 * rates.fixed:.1f}{marks[0]} / {100 * rates.sequential:.1f}{marks[1]}"
            )
        table.add_row(name, *cells)
    console.print(table)


def bets(console: Console, random: Random, runs: int) -> None:
    """Our bets against the predictable ones of the same paper."""
    table = Table(title=f"Mean share looked at: our mixture / aGRAPA, {runs:,} pairs of runs each")
    table.add_column("questions x samples")
    drops = (0.0, 0.1, 0.2, 0.3)
    for drop in drops:
        table.add_column(f"drop {100 * drop:.0f}", justify="right")
    for n, k in ((30, 4), (100, 4), (250, 1)):
        cells = []
        for drop in drops:
            p = beta(random, (runs, n))
            worsening = simulate(random, p, dropped(p, drop), k).worsening
            ours = look(worsening, 0.0, np.zeros(len(worsening), bool))[2]
            theirs = look_predictably(worsening)
            cells.append(f"{ours.mean() / (n * k):.0%} / {theirs.mean() / (n * k):.0%}")
        table.add_row(f"{n} x {k}", *cells)
    console.print(table)


def whole_gate(console: Console, random: Random, runs: int, stated: Stated) -> None:
    """Two suites, tokens, truncation and looping gated at once, on identical models."""
    table = Table(
        title=f"Any false alarm of the whole fixed gate (2 suites, tokens, truncation, looping), "
        f"{runs:,} simulated pairs of runs each; tokens log-normal, no margin for them"
    )
    for column in ("questions", "samples", "any", "pass rate", "tokens", "truncation or looping"):
        table.add_column(column, justify="right")
    settings = GateSettings(alpha=ALPHA, power=POWER, mde=MDE, token_margin=0.0)
    tested = claims(["one", "two"], settings, tokens=True)
    shares = {claim: claim.share for claim in tested}
    for n, k in ((30, 1), (30, 4), (100, 1)):
        alarms: list[set[str]] = []
        for _ in range(runs):
            adjusted = adjust(whole_p_values(random, tested, n, k), shares)
            alarms.append({claim.what for claim, p in adjusted.items() if p <= ALPHA})
        rate = sum(map(bool, alarms)) / runs
        mark = stated.at_most(rate, runs, ALPHA, f"whole gate, {n} x {k}: any false alarm")
        shown = [
            sum(bool(alarm & whats) for alarm in alarms) / runs
            for whats in ({"pass rate"}, {"tokens"}, {"truncation", "looping"})
        ]
        table.add_row(str(n), str(k), percent(rate) + mark, *map(percent, shown))
    console.print(table)


def whole_p_values(random: Random, tested: list[Claim], n: int, k: int) -> dict[Claim, float]:
    """P-values of every claim for one pair of runs of two suites with n questions each."""
    p = random.beta(*PRIOR, 2 * n)
    length = random.normal(8, 1, 2 * n)
    runs_out = 0.5 * random.beta(1, 3, 2 * n)

    def run() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        coins = random.random((k, 2 * n))
        out = random.random((k, 2 * n)) < runs_out
        looped = out & (random.random((k, 2 * n)) < 0.5)
        tokens = np.exp(length + random.normal(0, 0.6, (k, 2 * n)))
        tokens = np.where(out, 32768, np.minimum(tokens, 32768))
        return ((coins > p) | out).sum(0), (out & ~looped).sum(0), looped.sum(0), tokens

    before, after = run(), run()
    rows = {"pass rate": 0, "truncation": 1, "looping": 2}
    found = {}
    for claim in tested:
        part = {ALL_SUITES: slice(None), "one": slice(n), "two": slice(n, None)}[claim.suite]
        if claim.what == "tokens":
            spent = [tokens.T.tolist() for tokens in (before[3], after[3])]
            pairs = pair_tokens(list(zip(*spent, strict=True)), [32768] * len(spent[0]))
            found[claim] = pairs.p_above(1 + claim.margin)
        else:
            row = rows[claim.what]
            counts = zip(before[row][part], after[row][part], strict=True)
            asked = [PairedQuestion(int(b), k, int(a), k) for b, a in counts]
            found[claim] = pair(asked).p_above(claim.margin)
    return found


def at_point(
    random: Random, difficulty: Difficulty, n: int, k: int, drop: float, runs: int
) -> Rates:
    p = difficulty(random, (runs, n))
    return measure(simulate(random, p, dropped(p, drop), k))


def percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"


if __name__ == "__main__":
    sys.exit(main())
