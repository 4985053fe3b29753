"""Looking again, one baseline used again and again, and greedy runs with an engine's noise.

The gate's own tests and its own bookkeeping of looks, on the pass rate alone; every sample is a
coin, with pass probabilities from Beta(0.6, 0.5).
"""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np
from gate_scenarios.compared import comparison_of
from gate_scenarios.stated import Stated
from rich.console import Console
from rich.table import Table

from lrmtest.analysis.baseline_chance import (
    given_baseline,
    series_rate,
    share_of_baselines,
    unlucky_rate,
)
from lrmtest.analysis.gate import Check, check
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.noise import noise_interval
from lrmtest.analysis.pairs import PairedQuestion, Pairs, pair
from lrmtest.analysis.sequential import SequentialGate
from lrmtest.runs.looks import LookOptions, look_of, next_look, reserve_looking
from lrmtest.runs.manifest import LooksSection
from lrmtest.runs.outcomes import QuestionOutcome, SampleOutcome

ALPHA = 0.05
PASS_RATE = GateSettings(alpha=ALPHA, rate_margin=None, token_margin=None)
MOST_LOOKS, MOST_SAMPLES = 5, 48
_ANY = LookOptions()

Random = np.random.Generator


def report(console: Console, runs: int, seed: int, stated: Stated) -> None:
    """Simulate, and print a table of each kind.

    Args:
        console: where to.
        runs: simulated pairs of runs a row; baselines are a tenth as many.
        seed: of everything.
        stated: checks what is stated.
    """
    _advice(console, runs, np.random.default_rng(seed), stated)
    _one_baseline(console, max(20, runs // 10), np.random.default_rng(seed), stated)
    _greedy(console, runs, np.random.default_rng(seed), stated)


def _outcomes(passed: np.ndarray, k: int) -> dict[tuple[str, str], QuestionOutcome]:
    """The first k samples of a (questions, samples) array."""
    return {
        ("s", str(i)): QuestionOutcome(
            "s", str(i), {j: SampleOutcome(None if row[j] else "wrong") for j in range(k)}
        )
        for i, row in enumerate(passed)
    }


def _questions(before: np.ndarray, after: np.ndarray) -> list[PairedQuestion]:
    """How often every question failed, of two (questions, samples) arrays of what passed."""
    counts = zip((~before).sum(1).tolist(), (~after).sum(1).tolist(), strict=True)
    return [PairedQuestion(b, before.shape[1], a, after.shape[1]) for b, a in counts]


def _pairs(before: np.ndarray, after: np.ndarray) -> Pairs:
    """The pass rate's pairs."""
    return pair(_questions(before, after))


def _checked(before: np.ndarray, after: np.ndarray, settings: GateSettings) -> Check:
    """The gate's check of the pass rate."""
    return check(comparison_of(_questions(before, after)), settings)[0]


def _advice(console: Console, runs: int, random: Random, stated: Stated) -> None:
    """Equal models, gated again and again with as many samples as the gate asked for."""
    table = Table(
        title=f"Looking again until it is decided (at most {MOST_LOOKS} looks), {runs:,} pairs of "
        f"equal models a row; false alarms and decisions in %, simulation error "
        f"{100 * sqrt(ALPHA * (1 - ALPHA) / runs):.1f} points at 5 %"
    )
    table.add_column("questions x samples at first")
    for name in ("one look", "looks uncorrected", "looks that spend", "ok", "looks", "then early"):
        table.add_column(name, justify="right")
    for n, k in ((30, 2), (30, 4), (100, 1)):
        first = careless = spending = early = ok = looks = 0
        for _ in range(runs):
            rates = random.beta(0.6, 0.5, n)
            before, after = random.random((2, n, MOST_SAMPLES)) < rates[:, None]
            results = _followed(before, after, k, spend=False)
            first += results[0] == "regressed"
            careless += "regressed" in results
            results = _followed(before, after, k, spend=True)
            spending += "regressed" in results
            ok += results[-1] == "ok"
            looks += len(results)
            early += _then_early(before, after, k)
        marks = [
            stated.at_most(count / runs, runs, ALPHA, f"{n} x {k}, {name}: false alarms")
            for name, count in (
                ("one look", first),
                ("looks that spend", spending),
                ("then early", early),
            )
        ]
        table.add_row(
            f"{n} x {k}",
            f"{100 * first / runs:.1f}{marks[0]}",
            f"{100 * careless / runs:.1f}",
            f"{100 * spending / runs:.1f}{marks[1]}",
            f"{100 * ok / runs:.1f}",
            f"{looks / runs:.1f}",
            f"{100 * early / runs:.1f}{marks[2]}",
        )
    console.print(table)


def _followed(before: np.ndarray, after: np.ndarray, k: int, *, spend: bool) -> list[str]:
    """What every look says, of whoever adds the samples that the gate asks for."""
    looks = LooksSection()
    results = []
    for _ in range(MOST_LOOKS):
        settings = PASS_RATE
        if spend:
            looks = next_look(looks, (k * len(before), k * len(before)), _ANY)
            settings = replace(PASS_RATE, look=look_of(looks))
        found = _checked(before[:, :k], after[:, :k], settings)
        results.append(found.result)
        if found.samples_needed is None or k == MOST_SAMPLES:
            break
        k = min(MOST_SAMPLES, max(k + 1, found.samples_needed))
    return results


def _then_early(before: np.ndarray, after: np.ndarray, k: int) -> bool:
    """Whether a fixed look and, where it is undecided, the sequential gate raise an alarm."""
    n = len(before)
    looks = next_look(LooksSection(), (k * n, k * n), _ANY)
    settings = replace(PASS_RATE, look=look_of(looks))
    found = _checked(before[:, :k], after[:, :k], settings)
    if found.result != "undecided":
        return found.result == "regressed"
    k = min(4 * k, MOST_SAMPLES)
    looks = reserve_looking(looks, "order")
    settings = replace(PASS_RATE, look=look_of(looks))
    gate = SequentialGate(
        _outcomes(before, k), [("s", str(i)) for i in range(n)], samples=k, budget=1,
        settings=settings,
    )  # fmt: skip
    outcomes = _outcomes(after, k)
    for key, sample in gate.order:
        gate.update(key, sample, outcomes[key].samples[sample])
        if gate.decision is not None:
            return gate.decision.result == "regressed"
    looks = next_look(looks, (k * n, k * n), _ANY)
    last = replace(settings, look=look_of(looks))
    return _checked(before[:, :k], after[:, :k], last).result == "regressed"


def _one_baseline(console: Console, baselines: int, random: Random, stated: Stated) -> None:
    """One baseline and 100 equal candidates."""
    table = Table(
        title=f"One baseline, 100 equal candidates, one look each; {baselines} baselines a row; "
        "in %, in brackets what the normal approximation says"
    )
    table.add_column("questions, samples of baseline / candidate")
    for name in (
        "false alarms", "baselines over 10 %", "one in twenty has", "1+ of 10", "same, --series 10",
        "given: mean", "given: upper end holds",
    ):  # fmt: skip
        table.add_column(name, justify="right")
    for n, kb, kc in ((30, 4, 4), (30, 64, 4), (100, 1, 1)):
        ratio = kc / kb
        rates_of, once, series, estimates, held = [], [], [], [], []
        for _ in range(baselines):
            rates = random.beta(0.6, 0.5, n)
            before = random.random((n, kb)) < rates[:, None]
            p = np.array(
                [
                    _pairs(before, random.random((n, kc)) < rates[:, None]).p_above(0.0)
                    for _ in range(100)
                ]
            )
            rates_of.append((p <= ALPHA).mean())
            once.append((p.reshape(10, 10) <= ALPHA).any(1).mean())
            series.append((p.reshape(10, 10) <= ALPHA / 10).any(1).mean())
            given = given_baseline(_outcomes(before, kb), PASS_RATE, kc)
            assert given is not None
            estimates.append(given.rate)
            # 100 candidates know a rate to 3 points at best.
            held.append(rates_of[-1] <= given.high + 0.02)
        what = f"one baseline, {n}, {kb} / {kc}"
        marks = [
            stated.mean_at_most(rates_of, ALPHA, f"{what}: false alarms"),
            stated.mean_at_most(series, ALPHA, f"{what}: one alarm or more in a series of 10"),
            stated.at_least(float(np.mean(held)), baselines, 0.95, f"{what}: upper end holds"),
        ]
        percents = [100 * float(np.mean(each)) for each in (rates_of, once, series)]
        over = 100 * float((np.array(rates_of) > 0.1).mean())
        table.add_row(
            f"{n}, {kb} / {kc}",
            f"{percents[0]:.1f}{marks[0]}",
            f"{over:.0f} ({100 * share_of_baselines(ALPHA, ratio, 0.1):.0f})",
            f"{100 * np.quantile(rates_of, 0.95):.0f} ({100 * unlucky_rate(ALPHA, ratio):.0f})",
            f"{percents[1]:.0f} ({100 * series_rate(ALPHA, ratio, 10):.0f})",
            f"{percents[2]:.1f}{marks[1]}",
            f"{100 * np.mean(estimates):.1f}",
            f"{100 * np.mean(held):.0f}{marks[2]}",
        )
    console.print(table)


def _greedy(console: Console, runs: int, random: Random, stated: Stated) -> None:
    """Temperature 0: equal models whose verdicts the engine's noise changes; other models."""
    table = Table(
        title=f"Temperature 0, one text a question, {runs:,} pairs of runs a row; in %. Equal: the "
        "same model, noise changes the verdict of so many questions between two runs. Other: two "
        "models that are as good on questions like these and differ on 20 % of them"
    )
    table.add_column("questions, verdicts changed")
    for name in ("false alarms, equal", "false alarms, other", "noise interval holds"):
        table.add_column(name, justify="right")
    for n, share in ((30, 0.02), (30, 0.2), (200, 0.02), (200, 0.1)):
        equal = other = inside = 0
        for _ in range(runs):
            rates = (random.random(n) < 0.55).astype(float)
            # Half of all questions that a coin decides change between two runs.
            coins = random.random(n) < 2 * share
            noisy = np.where(coins, 0.5, rates)
            before, after = random.random((2, n, 1)) < noisy[:, None]
            equal += _pairs(before, after).p_above(0.0) <= ALPHA
            swapped = random.random(n) < 0.4
            another = np.where(swapped & ~coins, random.random(n) < 0.55, noisy)
            third = random.random((n, 1)) < another[:, None]
            other += _pairs(before, third).p_above(0.0) <= ALPHA
            measured = 2 * (noisy * (1 - noisy)).mean()
            of_other = 2 * (another * (1 - another)).mean()
            change = float(before.mean() - third.mean())
            interval = noise_interval(change, n, float(measured), float(of_other), 0.95)
            true = float(noisy.mean() - another.mean())
            inside += interval.low <= true <= interval.high
        what = f"temperature 0, {n}, {100 * share:.0f} %"
        marks = (
            stated.at_most(equal / runs, runs, ALPHA, f"{what}: equal, false alarms"),
            stated.at_most(other / runs, runs, ALPHA, f"{what}: other, false alarms"),
            stated.at_least(inside / runs, runs, 0.95, f"{what}: noise interval holds"),
        )
        counts = zip((equal, other, inside), marks, strict=True)
        table.add_row(
            f"{n}, {100 * share:.0f} %",
            *(f"{100 * count / runs:.1f}{mark}" for count, mark in counts),
        )
    console.print(table)
