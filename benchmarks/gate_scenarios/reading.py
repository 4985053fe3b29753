"""Gates that read first, beside those that only generate: tokens to a verdict at the same rates.

The baseline's samples have traces. Of a candidate that passes as often, a trace's weight is the
product over its 1,000 tokens of one of two ratios that are equally likely, so that both models
differ by a given S ("everywhere"), or it is outside of the candidate's nucleus with probability S,
and the candidate writes something else that passes as often ("outside"). Of one that is worse,
weights are also lower by the share of each question's passes that is lost. Half of 1 - power goes
to reading, and the looks have the other half; where reading does not certify, the gate against the
known table goes on. What is checked are the rates of both together: ok at a drop of 10 points,
regressed at none.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log
from unittest.mock import patch

import numpy as np
from gate_scenarios import known
from gate_scenarios.stated import Stated
from rich.console import Console
from rich.table import Table

from lrmtest.analysis.certificate import MOST_WEIGHT
from lrmtest.analysis.reweighted_mean import p_mean_at_least
from lrmtest.runs.looks import READING_SHARE

SIZES = ((30, 8, 16), (100, 4, 16), (250, 2, 4))
VARIATIONS = (
    *((variation, "everywhere") for variation in (0.001, 0.05, 1.0)),
    *((variation, "outside") for variation in (0.001, 0.02, 0.05, 0.1, 0.2, 1.0)),
)
_PLACES = 1000

Random = np.random.Generator


def report(console: Console, runs: int, seed: int, stated: Stated) -> None:
    """Simulate, and print a table.

    Args:
        console: where to.
        runs: simulated pairs of runs a row.
        seed: of everything.
        stated: checks what is stated.
    """
    table = Table(
        title=f"Thousands of tokens to a verdict, without reading / after it, and the share that "
        f"reading certifies; {runs:,} pairs of runs each. Stated of both stages together: "
        f"regressed without a drop in at most {known.ALPHA:.0%}, ok at a drop of 10 points in at "
        f"most {1 - known.PASS_RATE.power:.0%}, times the part of each that is for looking"
    )
    table.add_column("candidate")
    for n, before, after in SIZES:
        table.add_column(f"{n} x {before} / {after}", justify="right")
    for name, variation, where, drop in _cases():
        random = np.random.default_rng(seed)
        cells = [
            _cell(random, size, (variation, where, drop), runs, stated, f"{name}, {size}")
            for size in SIZES
        ]
        table.add_row(name, *cells)
    console.print(table)


def _cases() -> Iterator[tuple[str, float, str, float]]:
    """A name, S where the candidate differs by nothing else, where, and its pass rate's drop."""
    for variation, where in VARIATIONS:
        yield f"S = {variation:g}, {where}", variation, where, 0.0
    for drop in (0.1, 0.2, 0.3):
        yield f"{100 * drop:.0f} points worse", 0.05, "everywhere", drop


def _cell(
    random: Random,
    size: tuple[int, int, int],
    case: tuple[float, str, float],
    runs: int,
    stated: Stated,
    what: str,
) -> str:
    variation, where, drop = case
    n, before, after = size
    certified, plain, later = [], [], []
    for part in known.parts_of(runs):
        p = random.beta(0.6, 0.5, (part, n))
        q = known.dropped(p, drop)
        simulated = known.simulate(random, p, q, before, after)
        kept = q / np.maximum(p, 1e-9)
        certified += [
            _certified(random, ~simulated.table[run], kept[run], variation, where)
            for run in range(part)
        ]
        plain.append(known.against_table(simulated))
        with patch.object(known, "BETA", known.BETA * (1 - READING_SHARE)):
            later.append(known.against_table(simulated))
    alone, gate = known.join(plain), known.join(later)
    read = np.array(certified)
    ok, regressed = read | gate.ok, ~read & gate.regressed
    looks = known.part_for(n, before, after)
    mark = ""
    if drop == known.MDE:
        allowed = known.BETA * (READING_SHARE + (1 - READING_SHARE) * looks)
        mark = stated.at_most(ok.mean(), runs, allowed, f"{what}: ok")
    elif not drop:
        mark = stated.at_most(regressed.mean(), runs, known.ALPHA * looks, f"{what}: regressed")
    tokens = np.where(read, 0, gate.tokens).mean()
    return f"{alone.tokens.mean() / 1e3:.0f} / {tokens / 1e3:.0f}, {100 * read.mean():.0f} %{mark}"


def _certified(
    random: Random, passed: np.ndarray, kept: np.ndarray, variation: float, where: str
) -> bool:
    """Whether a baseline's traces certify the pass rate.

    Args:
        random: draws the weights.
        passed: whether each sample of the baseline passed, (samples, questions).
        kept: the share of each question's passes that the candidate has.
        variation: S of what is no damage.
        where: it is.
    """
    if where == "outside":
        weights = (random.random(passed.shape) >= variation) * kept
    else:
        each = variation / _PLACES
        up = random.binomial(_PLACES, 0.5, passed.shape)
        weights = np.exp(up * log(1 + 2 * each) + (_PLACES - up) * log(1 - 2 * each)) * kept
    lost = 1 - np.minimum(weights, MOST_WEIGHT)
    figures = [[float(x) for x in column] for column in np.where(passed, lost, 0.0).T]
    return p_mean_at_least(figures, known.MDE) <= known.BETA * READING_SHARE
