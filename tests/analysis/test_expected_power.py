"""The expected power of a gate on questions of which only a rate is known."""

from __future__ import annotations

from math import sqrt
from random import Random
from statistics import NormalDist, fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.analysis.expected_power import ExpectedSuite, expected_power
from lrmtest.analysis.gate import decide
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.paired_comparison import compare_outcomes
from lrmtest.runs.outcomes import QuestionOutcome, SampleOutcome

RATES = st.floats(0, 1)


@given(st.integers(1, 2000), st.integers(1, 16), RATES, RATES, RATES)
def test_it_is_a_probability_that_grows_with_the_drop(questions, samples, rate, one, other):
    small, large = sorted((one, other))
    found = [
        expected_power({"s": ExpectedSuite(questions, samples, rate, drop)})
        for drop in (small, large)
    ]
    assert 0 <= found[0] <= 1
    assert found[0] <= found[1] + 1e-9


@given(st.integers(1, 500), st.integers(1, 4), st.floats(0.2, 1), st.floats(0.01, 0.2))
def test_more_samples_see_more(questions, samples, rate, drop):
    few = expected_power({"s": ExpectedSuite(questions, samples, rate, drop)})
    many = expected_power({"s": ExpectedSuite(questions, 2 * samples, rate, drop)})
    assert few <= many + 1e-9


def test_what_cannot_fall_is_not_seen():
    assert expected_power({"s": ExpectedSuite(100, 1, 0.0, 0.3)}) < 0.05
    assert expected_power({"s": ExpectedSuite(100, 1, 1.0, 1.0)}) > 0.999
    tolerant = GateSettings(margin=0.2)
    assert expected_power({"s": ExpectedSuite(100, 1, 0.7, 0.1)}, tolerant) < 0.05


def test_of_one_suite_it_is_the_normal_test():
    settings = GateSettings(rate_margin=None, token_margin=None)
    z = NormalDist()
    spread = 0.7 * 0.3 + 0.5 * 0.5
    error = sqrt(spread * 1.1 / 2.1 / 100)
    # Tokens are taken for known, but are not gated: all of alpha is the pass rate's.
    expected = z.cdf(0.2 / error - z.inv_cdf(1 - settings.look_alpha))
    found = expected_power({"s": ExpectedSuite(100, 1, 0.7, 0.2)}, settings)
    assert found == pytest.approx(expected)


def test_it_is_about_what_the_gate_does():
    """Of pass probabilities as they are assumed, at a drop that is seen in about half of runs."""
    random, rate, drop, questions = Random(5), 0.7, 0.12, 60
    settings = GateSettings(rate_margin=None, token_margin=None)
    expected = expected_power({"s": ExpectedSuite(questions, 1, rate, drop)}, settings)
    regressed = []
    for _ in range(40):
        chances = [random.betavariate(1.1 * rate, 1.1 * (1 - rate)) for _ in range(questions)]
        kept = 1 - drop / fmean(chances)
        before, after = (
            {
                ("s", str(n)): QuestionOutcome(
                    "s", str(n), {0: SampleOutcome(None if random.random() < p else "wrong")}
                )
                for n, p in enumerate(part)
            }
            for part in (chances, [chance * kept for chance in chances])
        )
        regressed.append(decide(compare_outcomes(before, after), settings).result == "regressed")
    assert 0.3 < expected < 0.7
    assert abs(fmean(regressed) - expected) < 0.3
