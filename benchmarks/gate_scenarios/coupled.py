"""Runs that drew with the same random numbers: samples of one index depend on each other.

A share of the candidate's samples toss the very coin of the baseline's sample of that index, so
that the two differ only where the candidate is worse; the others are independent. "By index" is the
gate that pairs them, "all pairs" the one that takes them for independent. Against that stands the
worst case for the latter: coins that are opposed.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from gate_scenarios import known, many
from gate_scenarios.known import ALPHA, BETA, MDE, dropped
from gate_scenarios.stated import Stated
from rich.console import Console
from rich.table import Table

from lrmtest.analysis.pairs import PairedQuestion, pair
from lrmtest.runs.looks import LOOKING_SHARE

SIZES = ((30, 1), (30, 4), (30, 16), (100, 1), (100, 4), (100, 16), (250, 1), (250, 4), (250, 16))
ALIKE = (0.0, 0.5, 0.9)
DROPS = (0.0, 0.05, 0.1)
UNEQUAL = ((30, 8, 4), (30, 16, 4), (100, 4, 8))
_AT_ONCE = 500

Random = np.random.Generator


def report(console: Console, runs: int, seed: int, stated: Stated) -> None:
    """Simulate, and print a table of each kind.

    Args:
        console: where to.
        runs: simulated pairs of runs a row.
        seed: of everything.
        stated: checks what is stated.
    """
    equal(console, np.random.default_rng(seed), runs, stated)
    hard(console, np.random.default_rng(seed), runs, stated)
    unequal(console, np.random.default_rng(seed), runs // 4, stated)
    early(console, np.random.default_rng(seed), runs // 2, stated)


def tossed(
    random: Random, p: np.ndarray, q: np.ndarray, k: int, alike: float, *, opposed: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Which samples failed in both runs, shape (runs, k, questions)."""
    shape = (len(p), k, p.shape[1])
    coin, own = random.random(shape), random.random(shape)
    shared = random.random(shape) < alike
    other = np.where(shared, 1 - coin if opposed else coin, own)
    return coin >= p[:, None], other >= q[:, None]


def rates(before: np.ndarray, after: np.ndarray) -> list[tuple[float, float]]:
    """How often the fixed gate says regressed and ok: taking all pairs, and by index."""
    k, n = before.shape[1:]
    a, b = before.sum(1), after.sum(1)
    counted = [
        ((b * (k - a)).sum(1) / k, (a * (k - b)).sum(1) / k),
        ((after & ~before).sum((1, 2)).astype(float), (before & ~after).sum((1, 2)).astype(float)),
    ]
    found = []
    for worse, better in counted:
        regressed = many.p_above(worse, better, n * k, 0.0) <= ALPHA
        ok = ~regressed & (many.p_below(worse, better, n * k, MDE) <= BETA)
        found.append((float(regressed.mean()), float(ok.mean())))
    return found


def equal(console: Console, random: Random, runs: int, stated: Stated) -> None:
    """Equal numbers of samples."""
    table = Table(
        title=f"Fixed gate, all pairs / by index: regressed, in %, at drops of 0, 5 and 10 points, "
        f"and ok at 10; {runs:,} pairs of runs a row, Beta(0.6, 0.5)"
    )
    for column in ("questions", "samples", "alike", "drop 0", "drop 5", "drop 10", "10: ok"):
        table.add_column(column, justify="right")
    for n, k in SIZES:
        for alike in ALIKE:
            cells = []
            for drop in DROPS:
                parts = []
                for start in range(0, runs, _AT_ONCE):
                    p = random.beta(0.6, 0.5, (min(_AT_ONCE, runs - start), n))
                    parts.append(rates(*tossed(random, p, dropped(p, drop), k, alike)))
                found = np.array(parts).mean(0)
                cells.append(shown(found[:, 0]))
                what = f"alike {alike}, {n} x {k}, drop {100 * drop:.0f}, by index"
                if not drop:
                    cells[-1] += stated.at_most(found[1, 0], runs, ALPHA, f"{what}: regressed")
                if drop == MDE:
                    mark = stated.at_most(found[1, 1], runs, BETA, f"{what}: ok")
                    cells.append(shown(found[:, 1]) + mark)
            table.add_row(str(n), str(k), f"{alike:.0%}", *cells)
    console.print(table)


def hard(console: Console, random: Random, runs: int, stated: Stated) -> None:
    """Equal models whose samples of one index are opposed."""
    table = Table(
        title=f"Equal models, coins of one index opposed: false alarms in %, all pairs / by index; "
        f"{runs:,} pairs of runs each"
    )
    table.add_column("every question passes")
    sizes = ((30, 4), (30, 16), (100, 4), (250, 4))
    for n, k in sizes:
        table.add_column(f"{n} x {k}", justify="right")
    for rate in (0.5, 0.8, 0.02, 0.98):
        cells = []
        for n, k in sizes:
            p = np.full((runs, n), rate)
            found = np.array(rates(*tossed(random, p, p, k, 1.0, opposed=True)))[:, 0]
            what = f"opposed, every question {rate:.0%}, {n} x {k}, by index: false alarms"
            cells.append(shown(found) + stated.at_most(found[1], runs, ALPHA, what))
        table.add_row(f"{rate:.0%}", *cells)
    console.print(table)


def unequal(console: Console, random: Random, runs: int, stated: Stated) -> None:
    """Unequal numbers: the first of the one run have partners in the other."""
    table = Table(
        title=f"Unequal numbers, by index, `Pairs` itself: false alarms at equal models / drops of "
        f"10 points found / ok at 10, in %; {runs:,} pairs of runs each"
    )
    table.add_column("alike")
    for n, before, after in UNEQUAL:
        table.add_column(f"{n} x {before} / {after}", justify="right")
    for alike, opposed in ((0.0, False), (0.5, False), (1.0, False), (1.0, True)):
        cells = []
        for n, before, after in UNEQUAL:
            most, shared = max(before, after), min(before, after)
            found = []
            for drop in (0.0, MDE):
                p = np.full((runs, n), 0.5) if opposed else random.beta(0.6, 0.5, (runs, n))
                bad = tossed(random, p, dropped(p, drop), most, alike, opposed=opposed)
                regressed = ok = 0
                for one, other in zip(bad[0][:, :before], bad[1][:, :after], strict=True):
                    differ = (one[:shared] != other[:shared]).sum(0)
                    pairs = pair(
                        PairedQuestion(int(x), before, int(y), after, None, None, shared, int(d))
                        for x, y, d in zip(one.sum(0), other.sum(0), differ, strict=True)
                    )
                    is_worse = pairs.p_above(0.0) <= ALPHA
                    regressed += is_worse
                    ok += not is_worse and pairs.p_below(MDE) <= BETA
                found.append((regressed / runs, ok / runs))
            what = f"alike {alike}{' opposed' * opposed}, {n} x {before} / {after}, by index"
            marks = stated.at_most(found[0][0], runs, ALPHA, f"{what}: false alarms")
            marks += stated.at_most(found[1][1], runs, BETA, f"{what}: ok at a drop of mde")
            cells.append(shown([found[0][0], found[1][0], found[1][1]]) + marks)
        table.add_row("opposed, every question 50 %" if opposed else f"{alike:.0%}", *cells)
    console.print(table)


def early(console: Console, random: Random, runs: int, stated: Stated) -> None:
    """The sequential gate: pairs by index against the table that supposes independence."""
    table = Table(
        title=f"Sequential gate, thousands of tokens to a verdict, by index / against the table; "
        f"{runs:,} pairs of runs a row; R: looks that end regressed by index, O: ok"
    )
    for column in ("questions", "baseline", "candidate", "alike", "drop 0", "drop 10", "drop 20"):
        table.add_column(column, justify="right")
    for n, before, after in ((30, 8, 16), (30, 16, 16), (100, 4, 8)):
        for alike in (0.0, 0.5, 0.8, 0.95):
            cells = []
            for drop in (0.0, MDE, 0.2):
                found = []
                for part in known.parts_of(runs):
                    p = random.beta(0.6, 0.5, (part, n))
                    one = known.simulate(random, p, dropped(p, drop), before, after, alike)
                    found.append((known.by_pairs(one), known.against_table(one)))
                pairs, against = (known.join([each[side] for each in found]) for side in (0, 1))
                what = f"alike {alike}, {n} x {before} / {after}, drop {100 * drop:.0f}: looks"
                mark = ""
                if not drop:
                    rate, allowed = pairs.regressed.mean(), LOOKING_SHARE * ALPHA
                    mark = stated.at_most(rate, runs, allowed, f"{what} that end regressed")
                if drop == MDE:
                    rate, allowed = pairs.ok.mean(), LOOKING_SHARE * BETA
                    mark = stated.at_most(rate, runs, allowed, f"{what} that end ok")
                cells.append(
                    f"{pairs.tokens.mean() / 1e3:.0f} / {against.tokens.mean() / 1e3:.0f}, "
                    f"R {100 * pairs.regressed.mean():.0f} O {100 * pairs.ok.mean():.0f}{mark}"
                )
            table.add_row(str(n), str(before), str(after), f"{alike:.0%}", *cells)
    console.print(table)


def shown(found: Iterable[float]) -> str:
    return " / ".join(f"{100 * each:.1f}" for each in found)
