"""Pairs that share their random numbers, with stakes from reading, beside today's sequential gate.

A share of the candidate's samples ("alike") toss the very coin of the baseline's sample of the same
number, and are as long if they then end alike; the others are drawn anew. Reading tells, of traces
on whose samples nothing is bet, S = -log(alike), or something that is wrong. Tokens to a verdict
are those of completions, and what is generated of them with the baseline's traces as drafts: of a
pair that parts, what follows a place that is drawn evenly from its length. Lengths are as in
`gate_scenarios.known`. Today's gate pairs samples that are independent: it is simulated on the same
models and coins with nothing shared. Where nothing is shared anyway it is the same gate, run for
run. What is checked are the looks, at the part of alpha and of 1 - power that is theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import log

import numpy as np
from gate_scenarios import known
from gate_scenarios.stated import Stated
from rich.console import Console
from rich.table import Table

from lrmtest.analysis.betting import BETS
from lrmtest.analysis.claim_bets import PairBets
from lrmtest.analysis.claims import claims
from lrmtest.analysis.foresight import foresee
from lrmtest.analysis.sequential import SequentialGate
from lrmtest.analysis.trace_weights import TraceWeight
from lrmtest.runs.looks import LOOKING_SHARE
from lrmtest.runs.outcomes import Outcomes, QuestionKey, QuestionOutcome, SampleOutcome

SIZES = ((30, 8, 8), (30, 16, 16), (100, 8, 4), (100, 16, 16), (250, 4, 2), (250, 16, 16))
ALIKE = (0.95, 0.8, 0.5, 0.0)
DROPS = (0.0, 0.1, 0.2, 0.3)
MOST_PAIRS = 1000
_MOST_S = 9.0
_SETTINGS = known.PASS_RATE
_ENDED = {False: SampleOutcome(None), True: SampleOutcome("wrong")}

Random = np.random.Generator
Said = Callable[[np.ndarray], np.ndarray]
"""From the share of each question's samples that are alike to what reading says of it: S."""

WRONG: dict[str, Said] = {
    "all the same": lambda alike: np.zeros_like(alike),
    "all part": lambda alike: np.full_like(alike, _MOST_S),
    "the opposite": lambda alike: honest(1 - alike),
    "some part": lambda alike: np.full_like(alike, 0.2),
}


@dataclass(frozen=True)
class Pairs:
    """Simulated pairs. Arrays are (runs, rounds, questions), in the order of the questions.

    `before`, `after`: whether the sample failed; `tokens`: of the candidate's; `generated`: of
    these, with drafts; `order`: of the questions in each round.
    """

    before: np.ndarray
    after: np.ndarray
    tokens: np.ndarray
    generated: np.ndarray
    order: np.ndarray


def honest(alike: np.ndarray) -> np.ndarray:
    """S, if so many samples keep to their trace."""
    return np.minimum(_MOST_S, -np.log(np.maximum(alike, 1e-9)))


def report(console: Console, runs: int, seed: int, stated: Stated) -> None:
    """Simulate, and print a table of tokens, and one of wrong readings.

    Args:
        console: where to.
        runs: simulated pairs of runs a row.
        seed: of everything.
        stated: checks what is stated.
    """
    known.repeated(console, agrees(np.random.default_rng(seed)), "stakes", stated)
    costs(console, seed, runs, stated)
    wrong(console, seed, runs, stated)


def costs(console: Console, seed: int, runs: int, stated: Stated) -> None:
    """Tokens to a verdict, and rates."""
    table = Table(
        title="Thousands of tokens to a verdict: independent pairs / by index / with stakes from "
        f"reading / of these generated, with drafts; {runs:,} pairs of runs each. R, O: looks with "
        "stakes that end regressed, ok, in %"
    )
    for column in ("questions x samples", "alike", *(f"drop {100 * drop:.0f}" for drop in DROPS)):
        table.add_column(column, justify="right")
    for size in SIZES:
        for alike in ALIKE:
            cells = [
                _cell(np.random.default_rng(seed), size, alike, drop, runs, stated)
                for drop in DROPS
            ]
            table.add_row("{} x {} / {}".format(*size), f"{100 * alike:.0f} %", *cells)
    console.print(table)


def _cell(
    random: Random,
    size: tuple[int, int, int],
    alike: float,
    drop: float,
    runs: int,
    stated: Stated,
) -> str:
    found: dict[str, list[known.Stops]] = {"apart": [], "index": [], "stakes": [], "drafts": []}
    for some in known.parts_of(runs):
        every = np.full((some, size[0]), alike)
        # The same models and coins for both, so that only what the pairing does is between them.
        state = random.bit_generator.state
        alone = simulate(random, size, np.zeros_like(every), drop)
        found["apart"].append(stops(alone, None))
        random.bit_generator.state = state
        pairs = simulate(random, size, every, drop)
        found["index"].append(stops(pairs, None))
        started = begun(pairs, size, honest(every))
        found["stakes"].append(stops(pairs, started))
        found["drafts"].append(stops(pairs, started, drafts=True))
    joined = {name: known.join(part) for name, part in found.items()}
    mark = _checked(stated, joined["stakes"], drop, f"{size}, alike {alike}, drop {drop}")
    tokens = " / ".join(f"{each.tokens.mean() / 1e3:.0f}" for each in joined.values())
    regressed, ok = joined["stakes"].regressed.mean(), joined["stakes"].ok.mean()
    return f"{tokens}, R {100 * regressed:.0f} O {100 * ok:.0f}{mark}"


def wrong(console: Console, seed: int, runs: int, stated: Stated) -> None:
    """What a reading that is wrong costs, and that no rate is exceeded with it."""
    table = Table(
        title="Readings that are wrong, by index: thousands of tokens to a verdict without a drop, "
        f"regressed then, ok at a drop of 10 points, in %; {runs:,} pairs of runs each"
    )
    table.add_column("reading says")
    sizes = ((30, 8, 8), (100, 8, 4), (250, 4, 2))
    for size in sizes:
        for share in ("95 %", "half 98, half 40 %", "0 %"):
            table.add_column("{} x {} / {}".format(*size) + f", alike {share}", justify="right")
    for name, said in {"what is so": honest, **WRONG}.items():
        cells = []
        for size in sizes:
            for alike in _shares(size[0]):
                cells.append(_wrong_cell(seed, size, alike, said, runs, stated, name))
        table.add_row(name, *cells)
    console.print(table)


def _shares(n: int) -> Iterator[np.ndarray]:
    yield np.full(n, 0.95)
    yield np.where(np.arange(n) % 2, 0.98, 0.4)
    yield np.zeros(n)


def _wrong_cell(
    seed: int,
    size: tuple[int, int, int],
    alike: np.ndarray,
    said: Said,
    runs: int,
    stated: Stated,
    name: str,
) -> str:
    shown, mark = [], ""
    for drop in (0.0, known.MDE):
        random, found = np.random.default_rng(seed), []
        for some in known.parts_of(runs):
            every = np.broadcast_to(alike, (some, len(alike)))
            pairs = simulate(random, size, every, drop)
            found.append(stops(pairs, begun(pairs, size, said(every))))
        each = known.join(found)
        mark += _checked(stated, each, drop, f"reading says {name}, {size}, drop {drop}")
        if not drop:
            shown += [f"{each.tokens.mean() / 1e3:.0f}", f"{100 * each.regressed.mean():.1f}"]
        else:
            shown.append(f"{100 * each.ok.mean():.1f}")
    return " / ".join(shown) + mark


def _checked(stated: Stated, found: known.Stops, drop: float, what: str) -> str:
    runs = len(found.ok)
    if not drop:
        allowed = known.ALPHA * LOOKING_SHARE
        return stated.at_most(found.regressed.mean(), runs, allowed, f"{what}: regressed")
    if drop == known.MDE:
        return stated.at_most(found.ok.mean(), runs, known.BETA * LOOKING_SHARE, f"{what}: ok")
    return ""


def simulate(random: Random, size: tuple[int, int, int], alike: np.ndarray, drop: float) -> Pairs:
    """Pairs of as many samples as both runs have; of the baseline all, where it has more.

    Args:
        random: draws everything.
        size: questions, samples of the baseline and of the candidate.
        alike: of each run's questions, the share of samples that toss the baseline's coin.
        drop: of the candidate's mean pass probability.
    """
    runs, n = alike.shape
    _, before, after = size
    p = random.beta(0.6, 0.5, (runs, 1, n))
    q = known.dropped(p[:, 0], drop)[:, None]
    typical = random.normal(0, known.BETWEEN, (runs, 1, n))
    coins = random.random((runs, before, n))
    both = min(before, after)
    shared = random.random((runs, both, n)) < alike[:, None]
    own = np.where(shared, coins[:, :both], random.random((runs, both, n)))
    failed, fails = coins >= p, own >= q
    keeps = shared & (failed[:, :both] == fails)
    length = np.where(fails, known.FAILED, known.PASSED) + typical
    length += random.normal(0, known.WITHIN, fails.shape)
    tokens = np.minimum(known.BUDGET, np.exp(length))
    place = random.random(fails.shape)
    order = np.argsort(random.random((runs, both, n)), axis=2)
    return Pairs(failed, fails, tokens, np.where(keeps, 0.0, tokens * (1 - place)), order)


def begun(pairs: Pairs, size: tuple[int, int, int], said: np.ndarray) -> np.ndarray:
    """With which capital the bets on "ok" begin, (runs, bets), from lrmtest's own; logarithms."""
    found = []
    for run in range(len(said)):
        baseline = _baseline(pairs.before[run])
        foresight = foresee(baseline, size[2], _read(baseline, said[run]))
        assert foresight is not None
        [claim] = claims(["s"], _SETTINGS, tokens=False)
        bets = PairBets(claim, _SETTINGS, 1, foreseen=foresight.pairs(baseline))
        found.append(bets._better._logs)
    return np.array(found)


def _baseline(failed: np.ndarray) -> Outcomes:
    return {
        ("s", f"{i:03}"): QuestionOutcome(
            "s", f"{i:03}", {j: _ENDED[bad] for j, bad in enumerate(column)}
        )
        for i, column in enumerate(failed.T.tolist())
    }


def _read(baseline: Outcomes, said: np.ndarray) -> dict[tuple[QuestionKey, int], TraceWeight]:
    """A reading in which every trace of a question has the S that is said of it."""
    told = [TraceWeight(1.0, one) for one in said.tolist()]
    return {
        (key, index): told[int(key[1])]
        for key, question in baseline.items()
        for index in question.samples
    }


def stops(pairs: Pairs, started: np.ndarray | None, *, drafts: bool = False) -> known.Stops:
    """Where the bets on pairs stop every run.

    Args:
        pairs: simulated.
        started: what `begun` gives, whose last round is set apart where the baseline has no
            samples besides; None without a reading.
        drafts: count what is generated with drafts.
    """
    runs, both, n = pairs.after.shape
    rounds = both - (started is not None and pairs.before.shape[1] == both)

    def flat(values: np.ndarray) -> np.ndarray:
        return np.take_along_axis(values, pairs.order, 2).reshape(runs, -1)

    worsening = flat(pairs.after.astype(int) - pairs.before[:, :both])
    worsening = worsening[:, : min(rounds * n, MOST_PAIRS)]
    spent = flat(pairs.generated if drafts else pairs.tokens)[:, :MOST_PAIRS].cumsum(1)
    even = np.full((runs, BETS), -log(BETS))
    first = []
    for mean, sign, level, start in (
        (0.0, 1, known.ALPHA * LOOKING_SHARE, even),
        (-known.MDE, -1, known.BETA * LOOKING_SHARE, even if started is None else started),
    ):
        bets = (np.arange(BETS) + 0.5) / BETS / (1 + mean)
        steps = np.log1p(bets * (sign * np.array([[-1], [0], [1]]) - mean))
        capital = np.full(worsening.shape, -np.inf)
        for bet in range(BETS):
            path = steps[:, bet][worsening + 1].cumsum(1) + start[:, bet, None]
            capital = np.logaddexp(capital, path)
        won = capital >= log(1 / level)
        first.append(np.where(won.any(1), won.argmax(1) + 1, spent.shape[1] + 1))
    return known.stopped(first, spent)


def agrees(random: Random, cases: int = 6) -> bool:
    """Whether `stops` and `SequentialGate` stop the same runs at the same pairs."""
    for number in range(cases):
        size = ((20, 8, 8), (40, 6, 3))[number % 2]
        alike = np.full((1, size[0]), (0.95, 0.6, 0.0)[number % 3])
        pairs = simulate(random, size, alike, 0.3 * (number % 3) / 2)
        baseline = _baseline(pairs.before[0])
        gate = SequentialGate(
            baseline,
            list(baseline),
            samples=size[2],
            budget=1,
            settings=_SETTINGS,
            seed=number,
            by_index=True,
            foresight=foresee(baseline, size[2], _read(baseline, honest(alike)[0])),
        )
        asked = [(int(key[1]), index) for key, index in gate.order]
        for key, index in gate.order:
            bad = bool(pairs.after[0, index, int(key[1])])
            gate.update(key, index, _ENDED[bad])
        rows = np.array(asked).reshape(size[2], size[0], 2)
        again = Pairs(
            pairs.before,
            pairs.after,
            np.ones_like(pairs.tokens),
            pairs.generated,
            rows[None, :, :, 0],
        )
        found = stops(again, begun(pairs, size, honest(alike)))
        expected = "regressed" if found.regressed[0] else "ok" if found.ok[0] else "undecided"
        result = gate.decision.result if gate.decision else "undecided"
        if result != expected or (result != "undecided" and gate.looked_at != found.tokens[0]):
            return False
    return True
