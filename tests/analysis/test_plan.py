from __future__ import annotations

import numpy as np
import pytest
from simulated import question, run

from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.pairs import PairedQuestion, pair
from lrmtest.analysis.plan import plan
from lrmtest.analysis.reading_plan import plan_reading
from lrmtest.errors import UsageError

PASS_RATE = GateSettings(token_margin=None, rate_margin=None)


def test_smaller_changes_and_fewer_errors_need_more_samples():
    baseline = run(1, samples=4)
    samples = plan(baseline, PASS_RATE).samples
    assert plan(baseline, GateSettings(mde=0.05)).samples > 3 * samples
    assert plan(baseline, GateSettings(alpha=0.01)).samples > samples
    assert plan(baseline, GateSettings(power=0.95)).samples > samples
    assert plan(run(1, questions=120, samples=4), PASS_RATE).samples < samples


def test_every_suite_must_be_decided():
    alone = plan(run(1, samples=4), PASS_RATE)
    both = plan(run(1, samples=4, suites=("aime", "folio")), PASS_RATE)
    assert both.questions == 60
    assert both.samples >= alone.samples


def test_tokens_and_time_follow_from_the_baseline():
    baseline = {("s", str(i)): question("s", str(i), [None, "wrong"], 1000) for i in range(50)}
    planned = plan(baseline, tokens_per_second=100)
    assert planned.fixed.completions == 50 * planned.samples
    assert planned.fixed.tokens == 1000 * planned.fixed.completions
    assert planned.fixed.seconds == planned.fixed.tokens / 100
    assert planned.sequential_same.completions < 50 * planned.sequential_samples
    assert plan(baseline).fixed.seconds is None


def test_without_token_counts_there_is_no_cost_in_tokens():
    baseline = {("s", str(i)): question("s", str(i), [None], 0) for i in range(50)}
    assert plan(baseline, PASS_RATE).fixed.tokens is None


def test_samples_of_the_candidate_for_a_baseline_as_it_is():
    planned = plan(run(1, samples=1), PASS_RATE)
    assert planned.candidate_samples is None
    planned = plan(run(1, samples=64), PASS_RATE)
    assert 1 <= planned.candidate_samples < planned.samples


@pytest.mark.parametrize("samples", [1, 4, 16])
def test_the_planned_number_has_the_power_asked_for(samples):
    """Baselines of 50 questions; candidates worse by the mde; 300 runs, binomial error 2 points."""
    rng = np.random.default_rng(6)
    rates = rng.beta(0.6, 0.5, 50)
    passes = rng.binomial(samples, rates)
    baseline = {
        ("s", str(i)): question("s", str(i), [None] * p + ["wrong"] * (samples - p))
        for i, p in enumerate(passes)
    }
    k = plan(baseline, PASS_RATE).samples
    worse = rates * (1 - 0.1 / rates.mean())
    found = 0
    for _ in range(300):
        bad = rng.binomial(k, 1 - rates), rng.binomial(k, 1 - worse)
        asked = [PairedQuestion(int(b), k, int(c), k) for b, c in zip(*bad, strict=True)]
        found += pair(asked).p_above(0.0) <= 0.05
    print(f"planned from {samples} samples: {k} samples, power {found / 300:.0%}")
    assert 0.7 <= found / 300 <= 0.97


def test_a_baseline_that_cannot_lose_so_much_is_refused():
    failing = {("s", str(i)): question("s", str(i), ["wrong"] * 16) for i in range(30)}
    with pytest.raises(
        UsageError, match="passes 0 of 480 samples of 30 of s, so a drop of 10 points cannot"
    ):
        plan(failing)
    with pytest.raises(UsageError, match="no verdict"):
        plan({})


def test_whether_reading_is_enough_follows_from_the_total_variation():
    baseline = run(1, questions=40, samples=2)
    none = plan_reading(baseline, PASS_RATE, 0.0)
    assert none.at_worst == none.spread
    assert none.spread <= 2
    some = plan_reading(baseline, PASS_RATE, 0.3)
    # Spread over many tokens it cancels; in traces that would never be written it is what is lost.
    assert some.spread == none.spread
    assert some.at_worst is None
    much = plan_reading(baseline, PASS_RATE, 50.0)
    assert much.spread is None
