"""How often the certificate is wrong, and how far it reaches: `python benchmarks/certificate.py`.

**Wrong**: a candidate whose expected rate is worse by just margin + mde is certified. Cases are
built with that drop to the last digit: the drop in a few questions, in all, or rising from one to
the next; traces lost, thinned, or with weights that are heavy-tailed; one sample, several, or
unequal numbers that agree with the damage. Of each many draws of the baseline's traces are made,
and the p-value that the certificate uses is compared with its level. Then the worst case is
searched for, among questions of two sorts with two figures each, and measured on draws of its own.

**Reach**: how often a candidate that differs from its parent by S is certified, by questions and
samples, for differences that are spread over all tokens of a trace, or sit in few of them.

It ends with status 1 where a stated rate is exceeded: where the lower end of Wilson's 99 % interval
lies above it, or, of a case among many, where Bonferroni's does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import exp, log
from random import Random

from lrmtest.analysis.certificate import MOST_WEIGHT, certify
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.intervals import wilson
from lrmtest.analysis.reweighted_mean import p_mean_at_least
from lrmtest.analysis.trace_weights import TraceWeight
from lrmtest.runs.looks import READING_SHARE
from lrmtest.runs.outcomes import QuestionOutcome, SampleOutcome

POWER = 0.8
LEVEL = (1 - POWER) * READING_SHARE
RATE = 0.9
"""The highest pass rate of a question, which is as much as it can lose."""


@dataclass(frozen=True)
class Traces:
    """One question: so many samples are drawn of these traces.

    Attributes:
        samples: of the question in the baseline.
        kinds: by kind of trace: its probability for the baseline, its weight, and its figure.
    """

    samples: int
    kinds: Sequence[tuple[float, float, float]]

    @property
    def drop(self) -> float:
        """By so much the candidate's expectation is lower: what it writes besides has a figure
        of 0."""
        return sum(part * figure * (1 - weight) for part, weight, figure in self.kinds)

    def __post_init__(self) -> None:
        assert abs(sum(part for part, _, _ in self.kinds) - 1) < 1e-9, self.kinds
        assert sum(part * weight for part, weight, _ in self.kinds) <= 1 + 1e-9, self.kinds


def p_value(questions: Sequence[Traces], limit: float, random: Random) -> float:
    """One draw of all traces, and what the certificate makes of it."""
    figures = []
    for question in questions:
        drawn = random.choices(
            [figure * (1 - min(weight, MOST_WEIGHT)) for _, weight, figure in question.kinds],
            [part for part, _, _ in question.kinds],
            k=question.samples,
        )
        figures.append(drawn)
    return p_mean_at_least(figures, limit)


# Cases


def weighted(kind: str, rate: float, drop: float) -> list[tuple[float, float, float]]:
    """The traces of a question that passes at a rate and loses so much of it."""
    kept = 1 - drop / rate
    if kind == "lost":
        passing = [(drop, 0.0), (rate - drop, 1.0)]
    elif kind == "thinned":
        passing = [(rate, kept)]
    elif kind == "tilted":
        # Half of what passes is as likely as it can be, the rest makes up for it.
        high = min(1.9, 2 * kept)
        passing = [(rate / 2, high), (rate / 2, 2 * kept - high)]
    elif kind == "heavy":
        # One trace in fifty is much likelier, so that those that are seen say too little.
        high = min(20.0, 25 * kept)
        passing = [(rate / 50, high), (rate * 49 / 50, (kept - high / 50) * 50 / 49)]
    else:
        # A quarter lost, the rest spread out.
        lost = min(drop / 2, rate / 4)
        rest = rate - lost
        mean = rate * kept / rest
        passing = [(lost, 0.0), (rest / 2, mean * 1.3), (rest / 2, mean * 0.7)]
    failing = 1 - rate
    held = sum(part * weight for part, weight in passing)
    return [
        *((part, weight, 1.0) for part, weight in passing),
        (failing, min(1.0, (1 - held) / failing), 0.0),
    ]


WEIGHTS = ("lost", "thinned", "tilted", "heavy", "mixed")
SPREADS = ("few", "all", "rising")
SAMPLES = ("1", "4", "16", "fewer where hit", "more where hit", "random")


def drops(spread: str, questions: int, mean: float) -> list[float]:
    """What each question loses, hit ones first."""
    total = questions * mean
    if spread == "all":
        return [mean] * questions
    if spread == "few":
        found = []
        while total > 1e-12:
            found.append(min(RATE, total))
            total -= found[-1]
        return found + [0.0] * (questions - len(found))
    return [2 * mean * (questions - number) / (questions + 1) for number in range(questions)]


def case(
    spread: str, kind: str, samples: str, questions: int, limit: float, random: Random
) -> list[Traces]:
    """One case, whose drop is the limit."""
    lost = drops(spread, questions, limit)
    middle = sorted(lost)[questions // 2]
    made = []
    for drop in lost:
        hit = drop > middle or (drop == middle and random.random() < 0.3)
        if samples == "random":
            count = random.choice((1, 2, 3, 5, 8))
        elif samples == "fewer where hit":
            count = 1 if hit else 8
        elif samples == "more where hit":
            count = 8 if hit else 1
        else:
            count = int(samples)
        made.append(Traces(count, weighted(kind, RATE, drop)))
    assert abs(sum(one.drop for one in made) / questions - limit) < 1e-9
    return made


def cases(random: Random) -> Iterator[tuple[str, float, list[Traces]]]:
    """All cases, with a name and their limit."""
    for questions, limit, spread, kind, samples in product(
        (25, 30, 100, 250), (0.1, 0.15), SPREADS, WEIGHTS, SAMPLES
    ):
        name = f"{questions} questions, {limit:g}, {spread}, {kind}, samples {samples}"
        yield name, limit, case(spread, kind, samples, questions, limit, random)


def wrong(runs: int, random: Random) -> bool:
    """Print how often the cases are certified; whether none is too often."""
    found = []
    for name, limit, questions in cases(random):
        certified = sum(p_value(questions, limit, random) <= LEVEL for _ in range(runs))
        found.append((certified, name))
    found.sort(reverse=True)
    level = 1 - 0.01 / len(found)
    exceeded = [
        (certified, name) for certified, name in found if wilson(certified, runs, level).low > LEVEL
    ]
    mean = sum(certified for certified, _ in found) / len(found) / runs
    print(
        f"{len(found)} cases with a drop of just margin + mde, {runs} draws each: certified in "
        f"{100 * mean:.2f} % on average, where {100 * LEVEL:g} % are stated. The highest:"
    )
    for certified, name in found[:5]:
        print(f"  {100 * certified / runs:5.1f} %  {name}")
    over = sum(wilson(certified, runs, 0.95).low > LEVEL for certified, _ in found)
    print(f"  above the level beyond chance: {len(exceeded)}; at 95 % each by itself: {over}")
    return not exceeded


# The worst case


@dataclass(frozen=True)
class Adversary:
    """Questions of two sorts; each sort's figure is one of two.

    Attributes:
        questions: how many of each sort.
        samples: of each question of a sort.
        low, high: the two figures of each sort, in [-1, 1].
        share: how often the high one comes.
    """

    questions: tuple[int, int]
    samples: tuple[int, int]
    low: tuple[float, float]
    high: tuple[float, float]
    share: tuple[float, float]

    def scaled(self, limit: float) -> Adversary | None:
        """The same with the mean `limit`, by the share of the second sort; None if impossible."""
        first, second = self.questions
        mean = self.low[0] + self.share[0] * (self.high[0] - self.low[0])
        wanted = ((first + second) * limit - first * mean) / second
        width = self.high[1] - self.low[1]
        share = (wanted - self.low[1]) / width if width > 1e-9 else -1.0
        return replace(self, share=(self.share[0], share)) if 0 <= share <= 1 else None

    def rate(self, limit: float, runs: int, random: Random) -> float:
        """How often it is certified."""
        certified = 0
        for _ in range(runs):
            figures = [
                [
                    self.high[sort] if random.random() < self.share[sort] else self.low[sort]
                    for _ in range(self.samples[sort])
                ]
                for sort in (0, 1)
                for _ in range(self.questions[sort])
            ]
            certified += p_mean_at_least(figures, limit) <= LEVEL
        return certified / runs

    def moved(self, random: Random) -> Adversary:
        """Another one near by."""

        def near(values: tuple[float, float], low: float, high: float) -> tuple[float, float]:
            first, second = (
                min(high, max(low, value + random.gauss(0, 0.15) * (random.random() < 0.5)))
                for value in values
            )
            return first, second

        lows = near(self.low, -1, 1)
        highs = near(self.high, -1, 1)
        return replace(
            self,
            low=(min(lows[0], highs[0]), min(lows[1], highs[1])),
            high=(max(lows[0], highs[0]), max(lows[1], highs[1])),
            share=near(self.share, 0, 1),
        )


def searched(steps: int, runs: int, random: Random) -> bool:
    """Search for the worst case, print it, and whether it keeps the level on new draws."""
    limit, holds = 0.1, True
    print(f"\nThe worst case that was found, {steps} steps from each start, {runs} new draws:")
    for first, second, samples in (
        (10, 20, (1, 1)), (50, 50, (1, 1)), (5, 25, (1, 8)), (20, 10, (8, 1)), (15, 15, (4, 4)),
    ):  # fmt: skip
        best, highest = None, -1.0
        starts = [
            Adversary((first, second), samples, (0.02, 0.02), (1.0, 1.0), (0.05, 0.1)),
            Adversary((first, second), samples, (-0.5, 0.0), (0.2, 1.0), (0.5, 0.2)),
            Adversary((first, second), samples, (0.0, 0.05), (0.0, 0.2), (0.0, 0.5)),
        ]
        for start in starts:
            now = start.scaled(limit)
            rate = now.rate(limit, 200, random) if now else -1.0
            now = now or start
            for _ in range(steps):
                tried = now.moved(random).scaled(limit)
                if tried is None:
                    continue
                other = tried.rate(limit, 200, random)
                if other >= rate:
                    now, rate = tried, other
            if rate > highest:
                best, highest = now, rate
        assert best is not None
        measured = best.rate(limit, runs, random)
        exceeded = wilson(round(measured * runs), runs, 0.99).low > LEVEL
        holds = holds and not exceeded
        print(
            f"  {first} + {second} questions, {samples[0]} and {samples[1]} samples: "
            f"{100 * measured:.1f} % of {100 * LEVEL:g} %{' <- exceeds' * exceeded}"
        )
    return holds


# Reach

DIFFERENCES = ("spread", "one in 20", "cut off")


def trace_weight(difference: str, variation: float, random: Random) -> float:
    """The weight of a trace of 1,000 tokens whose total variations sum to `variation`.

    A token is one of two that are equally likely, of which the candidate prefers one or the other,
    by the same everywhere or in one token of 20; or it is outside of the candidate's nucleus.
    """
    if difference == "cut off":
        return float(random.random() >= variation)
    places = 1000 if difference == "spread" else 50
    each = variation / places
    up = sum(random.getrandbits(1) for _ in range(places))
    return exp(up * log(1 + 2 * each) + (places - up) * log(1 - 2 * each))


def reach(runs: int, random: Random) -> None:
    """Print how often candidates are certified, by S and by how much was asked."""
    settings = GateSettings(power=POWER)
    print(
        f"\nCertified, in %, of {runs} draws: the whole certificate (pass rate, tokens, truncation,"
        f" looping) / its pass rate alone; mde {100 * settings.mde:g} points, level "
        f"{100 * LEVEL:g} %, pass rates uniform, mean tokens 400 of at most 1,200"
    )
    print("S, difference | " + " | ".join(f"{n} x {k}" for n, k in SIZES))
    for variation, difference in product((0.005, 0.02, 0.05, 0.2, 1.0), DIFFERENCES):
        cells = []
        for questions, samples in SIZES:
            certified = alone = 0
            for _ in range(runs):
                whole, rate = one_certificate(
                    questions, samples, variation, difference, settings, random
                )
                certified += whole
                alone += rate
            cells.append(f"{100 * certified / runs:.0f} / {100 * alone / runs:.0f}")
        print(f"{variation:g}, {difference} | " + " | ".join(cells), flush=True)


SIZES = ((30, 1), (30, 4), (100, 1), (100, 4), (250, 1))


def one_certificate(
    questions: int,
    samples: int,
    variation: float,
    difference: str,
    settings: GateSettings,
    random: Random,
) -> tuple[bool, bool]:
    """Whether all of one certificate is ok, and whether its pass rate is."""
    outcomes, weights = {}, {}
    for number in range(questions):
        key, rate = ("s", str(number)), random.random()
        drawn = {}
        for index in range(samples):
            tokens = round(400 * random.gammavariate(3.0, 1 / 3.0))
            ran_out = tokens >= 1200
            failure = "truncated" if ran_out else None if random.random() < rate else "wrong"
            drawn[index] = SampleOutcome(failure, min(1200, max(1, tokens)))
            weights[key, index] = TraceWeight(
                trace_weight(difference, variation, random), variation
            )
        outcomes[key] = QuestionOutcome(*key, drawn)
    found = certify(outcomes, list(outcomes), weights, settings, level=LEVEL, highest=False)
    return found.certified, found.bounds[0].result == "ok"


def main() -> int:
    """Print everything; 1 where a stated rate is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="draws of each case")
    parser.add_argument("--steps", type=int, default=60, help="of the search for the worst case")
    parser.add_argument("--reach", type=int, default=100, help="draws of each cell of the reach")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=("wrong", "search", "reach"))
    given = parser.parse_args()
    random = Random(given.seed)
    holds = True
    if given.only in (None, "wrong"):
        holds = wrong(given.runs, random) and holds
    if given.only in (None, "search"):
        holds = searched(given.steps, 10 * given.runs, random) and holds
    if given.only in (None, "reach"):
        reach(given.reach, random)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
