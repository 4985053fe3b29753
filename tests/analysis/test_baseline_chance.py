from __future__ import annotations

import numpy as np
import pytest

from lrmtest.analysis.baseline_chance import (
    baseline_samples,
    given_baseline,
    rate_given_luck,
    series_rate,
    share_of_baselines,
    unlucky_rate,
)
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.pairs import PairedQuestion, pair
from lrmtest.analysis.plan import plan
from lrmtest.runs.outcomes import QuestionOutcome, SampleOutcome

PASS_RATE = GateSettings(token_margin=None, rate_margin=None)


@pytest.mark.parametrize("ratio", [1.0, 0.25, 1 / 16, 4.0])
def test_the_closed_forms_agree_with_simulated_baselines(ratio):
    """200,000 baselines; simulation error 0.1 points."""
    random = np.random.default_rng(1)
    luck = random.normal(size=200_000)
    rates = np.array([rate_given_luck(0.05, ratio, each) for each in luck[:20_000]])
    assert rates.mean() == pytest.approx(0.05, abs=0.003)
    assert np.quantile(rates, 0.95) == pytest.approx(unlucky_rate(0.05, ratio), abs=0.015)
    above = (rates > 0.1).mean()
    assert above == pytest.approx(share_of_baselines(0.05, ratio, 0.1), abs=0.01)
    difference = luck[:, None] * np.sqrt(ratio / (1 + ratio)) - random.normal(
        size=(200_000, 10)
    ) / np.sqrt(1 + ratio)
    once = (difference.max(1) > 1.6449).mean()
    assert once == pytest.approx(series_rate(0.05, ratio, 10), abs=0.005)


def test_one_candidate_is_a_series_of_one():
    assert series_rate(0.05, 1.0, 1) == pytest.approx(0.05, abs=0.001)


@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_the_samples_of_a_baseline_are_the_fewest_that_do(alpha):
    def as_many(samples):
        return 4

    samples = baseline_samples(alpha, as_many)
    assert unlucky_rate(alpha, 4 / samples) <= 2 * alpha < unlucky_rate(alpha, 4 / (samples - 1))
    assert baseline_samples(alpha, lambda samples: None) is None


def drawn(random, rates, k):
    passes = random.binomial(k, rates)
    return {
        ("s", str(i)): QuestionOutcome(
            "s", str(i), {j: SampleOutcome(None if j < p else "wrong") for j in range(k)}
        )
        for i, p in enumerate(passes)
    }, passes


def truth(random, passes, rates, k, alpha=0.05, runs=150):
    """The share of candidates of the baseline's own model that its test rejects."""
    rejected = 0
    for _ in range(runs):
        after = random.binomial(k, rates)
        pairs = pair(
            PairedQuestion(k - int(b), k, k - int(a), k) for b, a in zip(passes, after, strict=True)
        )
        rejected += pairs.p_above(0.0) <= alpha
    return rejected / runs


@pytest.mark.parametrize(("n", "k", "shape"), [(30, 4, (0.6, 0.5)), (60, 2, (8, 2))])
def test_the_rate_given_a_baseline_is_right_on_average_and_its_upper_end_holds(n, k, shape):
    """24 baselines, 150 candidates each; the mean of the true rates has an error of a point."""
    random = np.random.default_rng(3)
    estimates, truths = [], []
    for _ in range(24):
        rates = random.beta(*shape, n)
        baseline, passes = drawn(random, rates, k)
        estimates.append(given_baseline(baseline, PASS_RATE, k))
        truths.append(truth(random, passes, rates, k))
    assert np.mean([each.rate for each in estimates]) == pytest.approx(np.mean(truths), abs=0.03)
    held = [true <= each.high for each, true in zip(estimates, truths, strict=True)]
    assert np.mean(held) >= 0.8


def test_a_baseline_that_passes_nearly_all_is_not_expected_to_fall():
    """A prior that is not fitted would take every single pass for half a failure."""
    baseline, _ = drawn(np.random.default_rng(1), np.full(100, 0.97), 1)
    assert given_baseline(baseline, PASS_RATE, 1).rate < 0.06


def test_the_rate_follows_the_level_and_the_samples_of_the_candidate():
    baseline, _ = drawn(np.random.default_rng(2), np.full(40, 0.5), 4)
    usual = given_baseline(baseline, PASS_RATE, 4)
    series = GateSettings(token_margin=None, rate_margin=None, series=10)
    assert given_baseline(baseline, series, 4).rate < usual.rate / 2
    some = dict.fromkeys(list(baseline)[:20], 4)
    assert given_baseline(baseline, PASS_RATE, some).samples == 4
    assert given_baseline(baseline, PASS_RATE, {}) is None


def test_a_plan_says_what_a_baseline_needs():
    baseline, _ = drawn(np.random.default_rng(2), np.full(40, 0.5), 4)
    own = plan(baseline, PASS_RATE).own_chance
    assert own.unlucky > 0.15
    assert own.series > 0.15
    assert own.baseline_samples > 4 * plan(baseline, PASS_RATE).samples
    assert own.candidate_samples < plan(baseline, PASS_RATE).samples
    assert plan(baseline, PASS_RATE, greedy=True).given is None
