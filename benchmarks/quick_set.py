"""The quick set: which questions decide most per token, chosen and judged on different recordings.

    python benchmarks/quick_set.py --data-dir DIR [--quick] [--seed N]

DIR has the benchmarks' files and ``recorded/``, one model's outputs for half of the paper's
questions, one sample of each. Three tables:

1. What each suite's recorded outputs took and gave. Tokens are estimated from length, as far as
   they are generated: a text that has provably fallen into a loop is cut where lrmtest stops it.
2. Choices, held out. The recordings of every suite are split into halves again and again. A rule
   chooses by one half, and the other half says what the choice takes and what a gate would see:
   by suites (which mix of them at one number of tokens decides rightly most often: sees a drop of
   10 points in all, the falls of three models of the paper, and a drop of 20 in one suite alone,
   and says ok of an equal model), by length (within a
   suite, the questions whose prompts are short), against all of the paper's questions and random
   ones of them. Single questions are not chosen by how they went: there is one sample of each, so
   nothing is left to judge such a choice by, and who passed once is likelier to have been lucky.
3. The gate on the chosen set, the paper's whole, and random parts of equal tokens, simulated with
   lrmtest's own claims, checks and sequential gate: false alarms, power, tokens to a verdict.

The simulation. A question's pass probability is drawn from Beta(1.1 r, 1.1 (1 - r)), where r is
its suite's rate; the candidate's is lower by one shift of the log-odds for the suite, such that its
mean falls by the stated points. Failure classes and tokens are those of a recorded output of the
suite that went the same way. Every run draws anew, the baseline too, one sample each. MuSiQue
counts by what passed. Claims about tokens are left out: a drop is to be seen in the answers.

Exits with 1 if a stated rate of false alarms is exceeded beyond chance, or if the shortened check
differs from `decide` on whole comparisons.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from pathlib import Path
from random import Random
from statistics import NormalDist, fmean, median

from rich.console import Console
from rich.table import Table

from lrmtest.analysis.claims import claims
from lrmtest.analysis.compare import without_tokens
from lrmtest.analysis.expected_power import ExpectedSuite, expected_power
from lrmtest.analysis.gate import check, conclude, decide
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.paired_comparison import (
    Comparison,
    RateChange,
    SuiteComparison,
    compare_outcomes,
    paired,
)
from lrmtest.analysis.pairs import Pairs, pair
from lrmtest.analysis.sequential import SequentialGate
from lrmtest.analysis.summary import ALL_SUITES
from lrmtest.grading import Completion, grade
from lrmtest.grading.loops import LoopDetector
from lrmtest.models.engines.token_counts import estimate_tokens
from lrmtest.questions import DataOptions, render_prompt
from lrmtest.runs.outcomes import Outcomes, QuestionOutcome, SampleOutcome
from lrmtest.suites import suite_named
from lrmtest.suites.sets import load_sets

SUITES = ("aime", "folio", "temporal", "musique")
BUDGET = 32768
CONCENTRATION = 1.1
STOPS = 60
"""Pairs of runs that the sequential gate looks at, too."""
DROPS = (0.1, 0.2, 0.3)


@dataclass(frozen=True)
class Scenario:
    """A model and how far it fell: pass rates before, and drops, by suite, in [0, 1]."""

    name: str
    rates: Mapping[str, float]
    drops: Mapping[str, float]


def of_paper(name: str, before: Sequence[float], after: Sequence[float]) -> Scenario:
    """Of the paper's percents, in the order of `SUITES`; of MuSiQue the exact match."""
    falls = [max(0.0, one - other) / 100 for one, other in zip(before, after, strict=True)]
    rates = [one / 100 for one in before]
    return Scenario(
        name, dict(zip(SUITES, rates, strict=True)), dict(zip(SUITES, falls, strict=True))
    )


PAPER = (
    # MuSiQue of the 3-bit model is not reported; its parent had nothing to lose.
    of_paper("Llama-8B, AWQ 3-bit", (42.2, 71.9, 81.5, 0.0), (10.0, 59.6, 68.4, 0.0)),
    of_paper("Llama-70B, SparseGPT 50 %", (65.6, 79.8, 99.9, 13.3), (23.3, 71.6, 97.6, 6.7)),
    of_paper("R1, 1.58 bits", (73.3, 76.4, 99.6, 17.0), (66.7, 75.4, 94.0, 14.0)),
)
"""Models of arXiv 2504.02010 that fell, tables 1 to 4."""


def one_falls(suite: str, rates: Mapping[str, float]) -> Scenario:
    """Only one suite falls, by 20 points."""
    drops = {other: 0.2 if other == suite else 0.0 for other in SUITES}
    return Scenario(f"{suite} alone -20", rates, drops)


def even(rates: Mapping[str, float], drop: float) -> Scenario:
    return Scenario(f"-{100 * drop:.0f}", rates, dict.fromkeys(SUITES, drop))


R1 = PAPER[-1].rates
ALLOWED = GateSettings(allow_cannot_tell=("musique",))


@dataclass(frozen=True)
class Seen:
    """One recorded output: its question's id, prompt's length, tokens, and how it went."""

    question: str
    prompt: int
    tokens: int
    outcome: SampleOutcome


@dataclass(frozen=True)
class Part:
    """So many questions of a suite."""

    suite: str
    questions: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="a fifth of the simulated runs")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    console, began = Console(width=130), time.process_time()
    seen = {suite: read(options.data_dir, suite) for suite in SUITES}
    sizes = {suite: size(options.data_dir, suite) for suite in SUITES}
    tell_seen(console, seen, sizes)
    choices(console, seen, sizes, Random(options.seed), 25 if options.quick else 100)
    runs = 80 if options.quick else 400
    good = simulate(console, seen, sizes, options.data_dir, Random(options.seed), runs)
    console.print(f"{time.process_time() - began:.0f} s of one core")
    return 0 if good else 1


# What was recorded


def read(data_dir: Path, suite_name: str) -> list[Seen]:
    suite = suite_named(suite_name)
    questions = {q.id: q for q in suite.load(DataOptions(data_dir=data_dir)).questions}
    (file,) = data_dir.glob(f"recorded/*.{suite_name}.jsonl")
    found = []
    for line in file.read_text("utf-8").splitlines():
        row = json.loads(line)
        question, text = questions[str(row["question"])], row["output"]
        loop = LoopDetector().feed(text)
        generated = text if loop is None else text[: loop.end]
        tokens = min(BUDGET, estimate_tokens(generated))
        ended = loop is None and tokens < 0.9 * BUDGET
        reason = "stop" if ended else "loop" if loop is not None else "length"
        verdict = grade(
            question, Completion(generated, reason), grader=suite.grader_for(question.kind)
        )
        outcome = SampleOutcome(
            None if verdict.correct else verdict.failure or "wrong", tokens, end=verdict.end
        )
        prompt = len(render_prompt(suite.prompt, question))
        found.append(Seen(question.id, prompt, tokens, outcome))
    return found


@lru_cache
def ids_of(data_dir: Path, suite: str) -> tuple[str, ...]:
    loaded = suite_named(suite).load(DataOptions(data_dir=data_dir))
    return tuple(question.id for question in loaded.questions)


def size(data_dir: Path, suite: str) -> int:
    return len(ids_of(data_dir, suite))


def rate(outputs: Sequence[Seen]) -> float:
    """Of passing; drawn a little to a half, so that a half without failures is not a certainty."""
    return (sum(each.outcome.passed for each in outputs) + 0.6) / (len(outputs) + 1.1)


def tokens(outputs: Sequence[Seen]) -> float:
    return fmean(each.tokens for each in outputs)


def tell_seen(
    console: Console, seen: Mapping[str, Sequence[Seen]], sizes: Mapping[str, int]
) -> None:
    table = Table(title="1. What one sample of each recorded question took and gave", box=None)
    for header in ("suite", "questions", "recorded", "passed", "tokens, mean", "median", "90th"):
        table.add_column(header, justify="left" if header == "suite" else "right")
    table.add_column("expected power at -10 points, 100k tokens", justify="right")
    for suite, outputs in seen.items():
        counts = sorted(each.tokens for each in outputs)
        passed = fmean(each.outcome.passed for each in outputs)
        number = max(1, round(100_000 / tokens(outputs)))
        alone = {suite: ExpectedSuite(number, 1, rate(outputs), 0.1)}
        table.add_row(
            *(suite, f"{sizes[suite]}", f"{len(outputs)}", f"{100 * passed:.1f} %"),
            *(f"{fmean(counts):,.0f}", f"{median(counts):,.0f}"),
            f"{counts[int(0.9 * len(counts))]:,}",
            f"{100 * expected_power(alone):.0f} % ({number} questions)",
        )
    console.print(table, "")


# Choices, held out

Mix = Mapping[str, float]
"""By suite, its share of the tokens."""


def choices(
    console: Console,
    seen: Mapping[str, Sequence[Seen]],
    sizes: Mapping[str, int],
    random: Random,
    splits: int,
) -> None:
    table = Table(
        title=f"2. Chosen by one half, judged by the other: expected decisions, {splits} splits",
        box=None,
    )
    table.add_column("tokens", justify="right")
    table.add_column("choice")
    one_suite = (one_falls(suite, {}).name for suite in SUITES[:3])
    headers = ("even -10", *(each.name for each in PAPER), *one_suite, "ok, if equal", "right")
    for name in headers:
        table.add_column(name, justify="right")
    table.add_column("better than random", justify="right")
    told = []
    for budget in (200_000, 300_000):
        rows: dict[str, list[list[float]]] = {}
        mixes: list[Mix] = []
        for _ in range(splits):
            first, second = halves(seen, random)
            mixes.append(best_mix(first, sizes, budget))
            for name, mix in (
                ("random of all four", equally(second, sizes)),
                ("by suites", mixes[-1]),
                ("FOLIO and temporal", equally(second, {"folio": 1, "temporal": 1})),
                ("FOLIO alone", {"folio": 1.0}),
                ("temporal alone", {"temporal": 1.0}),
                ("AIME alone", {"aime": 1.0}),
            ):
                rows.setdefault(name, []).append(decisions(mix, second, sizes, budget))
        for name, found in rows.items():
            better = fmean(
                x[-1] > y[-1] for x, y in zip(found, rows["random of all four"], strict=True)
            )
            table.add_row(
                *(f"{budget:,}", name),
                *(f"{100 * fmean(column):.0f} %" for column in zip(*found, strict=True)),
                "" if name == "random of all four" else f"in {100 * better:.0f} %",
            )
        chosen = ", ".join(f"{s} {100 * fmean(m[s] for m in mixes):.0f} %" for s in SUITES)
        told.append(f"{budget:,} tokens, chosen by suites, mean share of the tokens: {chosen}")
    console.print(table, *told, "", sep="\n")
    by_length(console, seen, random, splits)


def halves(
    seen: Mapping[str, Sequence[Seen]], random: Random
) -> tuple[dict[str, list[Seen]], dict[str, list[Seen]]]:
    first, second = {}, {}
    for suite, outputs in seen.items():
        shuffled = random.sample(list(outputs), len(outputs))
        middle = len(shuffled) // 2
        first[suite], second[suite] = shuffled[:middle], shuffled[middle:]
    return first, second


def equally(seen: Mapping[str, Sequence[Seen]], counts: Mapping[str, float]) -> Mix:
    """The mix of tokens that has questions in these proportions."""
    whole = sum(count * tokens(seen[suite]) for suite, count in counts.items())
    return {suite: count * tokens(seen[suite]) / whole for suite, count in counts.items()}


def best_mix(seen: Mapping[str, Sequence[Seen]], sizes: Mapping[str, int], budget: int) -> Mix:
    """The mix that decides rightly most often."""
    steps = 10
    mixes = [
        dict(zip(SUITES, (part / steps for part in parts), strict=True))
        for parts in product(range(steps + 1), repeat=len(SUITES))
        if sum(parts) == steps
    ]
    return max(mixes, key=lambda mix: decisions(mix, seen, sizes, budget)[-1])


def decisions(
    mix: Mix, seen: Mapping[str, Sequence[Seen]], sizes: Mapping[str, int], budget: int
) -> list[float]:
    """How often a gate is expected to see each scenario, to say ok of an equal model, and, the
    mean of both, to decide rightly."""
    rates = {suite: rate(outputs) for suite, outputs in seen.items()}
    counts = {
        suite: min(sizes[suite], round(share * budget / tokens(seen[suite])))
        for suite, share in mix.items()
    }
    scenarios = (
        *(even(rates, 0.1), *PAPER),
        *(one_falls(suite, rates) for suite in SUITES if rates[suite] > 0.2),
    )
    found = [expected_power(asked(counts, each)) for each in scenarios]
    equal = fmean(
        expected_ok(asked(counts, Scenario("", each.rates, dict.fromkeys(SUITES, 0.0))))
        for each in scenarios
    )
    return [*found, equal, (fmean(found) + equal) / 2]


def asked(counts: Mapping[str, int], scenario: Scenario) -> dict[str, ExpectedSuite]:
    return {
        suite: ExpectedSuite(count, 1, scenario.rates[suite], scenario.drops[suite])
        for suite, count in counts.items()
        if count
    }


def expected_ok(suites: Mapping[str, ExpectedSuite]) -> float:
    """How often a gate says ok of an equal model: as often as its worst claim lets it, at most."""
    if not suites:
        return 0.0
    z, worst = NormalDist(), 1.0
    for claim in claims(list(suites), ALLOWED, tokens=False):
        if not claim.primary or ALLOWED.allows(claim):
            continue
        of = [suite for name, suite in suites.items() if claim.suite in (name, ALL_SUITES)]
        questions = sum(suite.questions for suite in of)
        if sum(suite.questions * suite.rate for suite in of) < claim.limit * questions:
            return 0.0  # such a drop could not be seen
        error = sum(suite.variance for suite in of) ** 0.5 / questions
        if error:
            found = z.cdf(claim.limit / error - z.inv_cdf(1 - ALLOWED.look_beta))
            worst = min(worst, found)
    return worst


def by_length(
    console: Console, seen: Mapping[str, Sequence[Seen]], random: Random, splits: int
) -> None:
    """Whether questions with short prompts decide more per token than random ones of the suite."""
    table = Table(title="Within a suite: the half with the shorter prompts", box=None)
    table.add_column("suite")
    headers = ("tokens, short", "all", "passed, short", "all", "power at 50k tokens, short", "all")
    for header in headers:
        table.add_column(header, justify="right")
    table.add_column("better in", justify="right")
    for suite in ("folio", "temporal"):
        figures = []
        for _ in range(splits):
            first, second = halves({suite: seen[suite]}, random)
            limit = median(each.prompt for each in first[suite])
            short = [each for each in second[suite] if each.prompt <= limit]
            row = []
            for measure in (tokens, rate, power_of):
                row += [measure(short), measure(second[suite])]
            figures.append(row)
        means = [fmean(column) for column in zip(*figures, strict=True)]
        better = fmean(row[4] > row[5] for row in figures)
        table.add_row(
            *(suite, f"{means[0]:,.0f}", f"{means[1]:,.0f}"),
            *(f"{100 * mean:.0f} %" for mean in means[2:]),
            f"{100 * better:.0f} %",
        )
    console.print(table, "")


def power_of(outputs: Sequence[Seen]) -> float:
    number = round(50_000 / tokens(outputs))
    return expected_power({"": ExpectedSuite(number, 1, rate(outputs), 0.1)})


# The gate, simulated


class RememberedPairs(Pairs):
    """Pairs whose p-values are worked out once: with one sample each they are few."""

    p_above = lru_cache(maxsize=None)(Pairs.p_above)
    p_below = lru_cache(maxsize=None)(Pairs.p_below)
    p_different = lru_cache(maxsize=None)(Pairs.p_different)


def simulate(
    console: Console,
    seen: Mapping[str, Sequence[Seen]],
    sizes: Mapping[str, int],
    data_dir: Path,
    random: Random,
    runs: int,
) -> bool:
    sets = load_sets()
    quick = [
        Part(part.suite, len(part.chosen(ids_of(data_dir, part.suite))))
        for part in sets["quick"].parts
    ]
    paper = [Part(suite, sizes[suite]) for suite in SUITES]
    cost = sum(part.questions * tokens(seen[part.suite]) for part in quick)
    every = sum(part.questions * tokens(seen[part.suite]) for part in paper)
    rows: dict[str, Callable[[], Sequence[Part]]] = {
        "paper": lambda: paper,
        "quick": lambda: quick,
        "random, as many tokens": lambda: random_part(paper, cost / every, random),
        "FOLIO alone, as many tokens": lambda: [limited("folio", cost, seen, sizes)],
        "temporal alone, as many tokens": lambda: [limited("temporal", cost, seen, sizes)],
        "AIME alone, as many tokens": lambda: [limited("aime", cost, seen, sizes)],
    }
    seen_rates = {suite: rate(outputs) for suite, outputs in seen.items()}
    good = agrees(seen, seen_rates, quick, random)
    console.print(f"shortened checks are those of `decide`: {'yes' if good else 'NO'}", "")
    equal = even(seen_rates, 0.0)
    good = (
        tell_gates(
            *(console, "rates as recorded, every suite falls alike", rows, seen, random, runs),
            equal=equal,
            fallen=[even(seen_rates, drop) for drop in DROPS],
        )
        and good
    )
    return (
        tell_gates(
            *(console, "models of the paper, as they fell", rows, seen, random, runs),
            equal=Scenario("", R1, dict.fromkeys(SUITES, 0.0)),
            fallen=PAPER,
        )
        and good
    )


def tell_gates(
    console: Console,
    title: str,
    rows: Mapping[str, Callable[[], Sequence[Part]]],
    seen: Mapping[str, Sequence[Seen]],
    random: Random,
    runs: int,
    *,
    equal: Scenario,
    fallen: Sequence[Scenario],
) -> bool:
    """One table of simulated gates; whether none raises false alarms beyond what is stated."""
    table = Table(title=f"3. The gate, {title}; {runs} pairs of runs each", box=None)
    table.add_column("set")
    headers = ("questions", "tokens", "equal: regressed", "ok", "tokens to a verdict")
    for header in headers:
        table.add_column(header, justify="right")
    for scenario in fallen:
        table.add_column(f"{scenario.name}: regressed", justify="right")
        table.add_column("tokens to a verdict", justify="right")
    good = True
    for label, parts in rows.items():
        same, *worse = (
            [
                one(parts(), seen, scenario, random, stops=run < min(runs, STOPS))
                for run in range(runs)
            ]
            for scenario in (equal, *fallen)
        )
        alarms = fmean(result.regressed for result in same)
        good = good and alarms <= 0.05 + 3 * (0.05 * 0.95 / runs) ** 0.5
        cells = [label, f"{fmean(r.questions for r in same):.0f}", kilo(r.tokens for r in same)]
        cells += [f"{100 * alarms:.1f} %", f"{100 * fmean(r.ok for r in same):.0f} %"]
        cells.append(kilo(r.stopped for r in same if r.stopped))
        for each in worse:
            cells.append(f"{100 * fmean(r.regressed for r in each):.0f} %")
            cells.append(kilo(r.stopped for r in each if r.stopped))
        table.add_row(*cells)
    console.print(table, "")
    return good


def kilo(counts: Iterable[int]) -> str:
    return f"{fmean(counts) / 1000:,.0f}k"


def limited(
    suite: str, budget: float, seen: Mapping[str, Sequence[Seen]], sizes: Mapping[str, int]
) -> Part:
    return Part(suite, min(sizes[suite], max(1, round(budget / tokens(seen[suite])))))


def random_part(whole: Sequence[Part], share: float, random: Random) -> Sequence[Part]:
    """Questions drawn from all of a set, each with the same chance."""
    counts = {
        part.suite: sum(random.random() < share for _ in range(part.questions)) for part in whole
    }
    return [Part(suite, count) for suite, count in counts.items() if count]


@dataclass(frozen=True)
class Result:
    """What a gate said of one pair of runs, and what the candidate took.

    Attributes:
        regressed, ok: of the fixed gate.
        tokens: of the whole run.
        stopped: until the sequential gate had decided; 0 where that was not looked at.
    """

    questions: int
    regressed: bool
    ok: bool
    tokens: int
    stopped: int


def one(
    parts: Sequence[Part],
    seen: Mapping[str, Sequence[Seen]],
    scenario: Scenario,
    random: Random,
    *,
    stops: bool,
) -> Result:
    before, after = drawn(parts, seen, scenario, random)
    decision = conclude(
        check(shortened(without_tokens(before), without_tokens(after)), ALLOWED), (), ALLOWED
    )
    whole = sum(question.tokens for question in after.values())
    return Result(
        questions=len(after),
        regressed=decision.result == "regressed",
        ok=decision.result == "ok",
        tokens=whole,
        stopped=spent(before, after, whole) if stops else 0,
    )


def spent(before: Outcomes, after: Outcomes, whole: int) -> int:
    """The candidate's tokens until the sequential gate has decided."""
    known = without_tokens(before)
    gate = SequentialGate(known, list(known), samples=1, budget=BUDGET, settings=ALLOWED)
    total = 0
    for key, sample in gate.order:
        total += after[key].tokens
        gate.update(key, sample, replace(after[key].samples[sample], tokens=0))
        if gate.decision is not None:
            return total
    return whole


def drawn(
    parts: Sequence[Part],
    seen: Mapping[str, Sequence[Seen]],
    scenario: Scenario,
    random: Random,
) -> tuple[Outcomes, Outcomes]:
    """A baseline and a candidate."""
    before: dict[tuple[str, str], QuestionOutcome] = {}
    after: dict[tuple[str, str], QuestionOutcome] = {}
    for part in parts:
        mean = min(max(scenario.rates[part.suite], 0.001), 0.999)
        chances = [
            random.betavariate(CONCENTRATION * mean, CONCENTRATION * (1 - mean))
            for _ in range(part.questions)
        ]
        lower = fallen(chances, min(scenario.drops[part.suite], fmean(chances)))
        for number, (p, q) in enumerate(zip(chances, lower, strict=True)):
            key = part.suite, str(number)
            before[key] = QuestionOutcome(*key, {0: draw(seen[part.suite], p, random)})
            after[key] = QuestionOutcome(*key, {0: draw(seen[part.suite], q, random)})
    return before, after


def fallen(chances: Sequence[float], drop: float) -> list[float]:
    """The chances after one shift of all log-odds by which their mean falls so much."""
    if not drop:
        return list(chances)
    low, high = 0.0, 1.0  # factor of the odds
    for _ in range(50):
        factor = (low + high) / 2
        moved = [factor * p / (1 - p + factor * p) for p in chances]
        low, high = (factor, high) if fmean(chances) - fmean(moved) > drop else (low, factor)
    return moved


def draw(outputs: Sequence[Seen], chance: float, random: Random) -> SampleOutcome:
    return random.choice(_alike(id(outputs), outputs)[random.random() < chance])


_POOLS: dict[int, tuple[list[SampleOutcome], list[SampleOutcome]]] = {}


def _alike(key: int, outputs: Sequence[Seen]) -> tuple[list[SampleOutcome], list[SampleOutcome]]:
    """The outcomes that failed, and those that passed."""
    if key not in _POOLS:
        found = [each.outcome for each in outputs]
        failed = [each for each in found if not each.passed]
        _POOLS[key] = failed, [each for each in found if each.passed]
    return _POOLS[key]


def shortened(before: Outcomes, after: Outcomes) -> Comparison:
    """What `compare_outcomes` gives a gate, without the intervals, which take most of its time."""
    suites = list(dict.fromkeys(suite for suite, _ in before))
    compared = [part_of(suite, before, after) for suite in suites]
    total = (
        replace(compared[0], suite=ALL_SUITES)
        if len(suites) == 1
        else part_of(ALL_SUITES, before, after)
    )
    return Comparison(0.95, tuple(compared), total, ())


def part_of(suite: str, before: Outcomes, after: Outcomes) -> SuiteComparison:
    both = [(before[key], after[key]) for key in before if suite in (key[0], ALL_SUITES)]
    changes = {}
    for bad in ("failed", "truncated", "looped"):
        counts = paired(both, bad)
        found = pair(counts)
        known = RememberedPairs(found.worse, found.better, found.total, found.questions)
        changes[bad] = RateChange(
            bad=bad,
            baseline=fmean(each.baseline for each in counts),
            candidate=fmean(each.candidate for each in counts),
            questions=counts,
            pairs=known,
            level=0.95,
        )
    return SuiteComparison(
        suite, len(both), len(both), len(both), **changes, tokens=None, p_different=1, p_adjusted=1
    )


def agrees(
    seen: Mapping[str, Sequence[Seen]],
    rates: Mapping[str, float],
    parts: Sequence[Part],
    random: Random,
) -> bool:
    """Whether the shortened check decides as the whole one."""
    for drop in (0.0, 0.08, 0.2):
        before, after = drawn(parts, seen, even(rates, drop), random)
        before, after = without_tokens(before), without_tokens(after)
        short = conclude(check(shortened(before, after), ALLOWED), (), ALLOWED)
        full = decide(compare_outcomes(before, after), ALLOWED)
        if short.result != full.result or [c.p_ok for c in short.checks] != [
            c.p_ok for c in full.checks
        ]:
            return False
    return True


if __name__ == "__main__":
    sys.exit(main())
