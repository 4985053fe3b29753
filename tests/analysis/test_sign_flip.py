from __future__ import annotations

from itertools import product
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import permutation_test

from lrmtest.analysis import sign_flip
from lrmtest.analysis.sign_flip import (
    p_ratio_above,
    p_ratio_below,
    p_sum_this_high,
    ratio_interval,
)


@given(st.lists(st.integers(-300, 300), min_size=1, max_size=9))
def test_it_agrees_with_scipy(differences):
    # A last one that makes the sizes sum to 4,000, so that nothing is rounded.
    differences = [*differences, 4000 - sum(map(abs, differences))]
    theirs = permutation_test(
        (np.array(differences, dtype=float), np.zeros(len(differences))),
        lambda a, b, axis: (a - b).sum(axis),
        vectorized=True,
        permutation_type="samples",
        n_resamples=inf,
        alternative="greater",
    ).pvalue
    assert p_sum_this_high(differences) == pytest.approx(theirs)


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=9))
def test_rounding_moves_no_sum_by_more_than_half_a_unit_each(differences):
    signs = np.array(list(product((-1, 1), repeat=len(differences))))
    sums, seen = signs @ np.abs(differences), sum(differences)
    slack = (len(differences) + 1) * np.abs(differences).sum() / 4000
    low, high = np.mean(sums >= seen + slack), np.mean(sums >= seen - slack)
    assert low <= p_sum_this_high(differences) <= high


@given(st.lists(st.floats(-1e6, 1e6), max_size=60))
def test_it_is_a_probability_and_scale_does_not_matter(differences):
    p = p_sum_this_high(differences)
    assert 0 < p <= 1
    assert p_sum_this_high([4 * difference for difference in differences]) == p


def test_all_one_way_is_one_in_two_to_the_n():
    assert p_sum_this_high([3.0] * 8) == 2**-8
    assert p_sum_this_high([-3.0] * 8) == 1
    assert p_sum_this_high([]) == 1


def test_heavy_tails_do_not_break_the_level():
    """Exact whatever the distribution; binomial error of 4,000 runs is 0.35 points."""
    rng = np.random.default_rng(1)
    draws = rng.standard_cauchy((4000, 20))
    rate = np.mean([p_sum_this_high(list(row)) <= 0.05 for row in draws])
    assert 0.035 <= rate <= 0.06


@pytest.mark.parametrize("draw", ["normal", "lognormal", "cauchy"])
def test_many_differences_give_what_counting_all_gives(draw, monkeypatch):
    rng = np.random.default_rng(3)
    for shift in (0.0, 0.05, 0.2):
        for _ in range(3):
            drawn = {
                "normal": rng.standard_normal(500),
                "lognormal": np.exp(rng.normal(0, 1, 500)) * rng.choice([-1, 1], 500),
                "cauchy": rng.standard_cauchy(500),
            }[draw]
            differences = list(map(float, drawn + shift))
            near = p_sum_this_high(differences)
            with monkeypatch.context() as counting:
                counting.setattr(sign_flip, "_MOST_COUNTED", 500)
                counting.setattr(sign_flip, "_UNITS", 20_000)
                assert near == pytest.approx(p_sum_this_high(differences), rel=0.05, abs=0.005)


@settings(max_examples=20)
@given(st.lists(st.floats(-1e6, 1e6), min_size=301, max_size=330))
def test_many_differences_give_a_probability_that_falls_as_they_rise(differences):
    p = p_sum_this_high(differences)
    assert 0 <= p <= 1
    assert p_sum_this_high([abs(difference) for difference in differences]) <= p + 1e-9


def test_many_all_one_way_are_certain():
    assert p_sum_this_high([3.0] * 400) < 1e-60
    assert p_sum_this_high([-3.0] * 400) == pytest.approx(1)
    assert p_sum_this_high([0.0] * 400) == 1
    assert p_sum_this_high([1.0, -1.0] * 200) == pytest.approx(0.5, abs=0.03)


tokens = st.lists(st.integers(1, 30000), min_size=1, max_size=12)


@given(st.data(), tokens)
def test_the_ratio_lies_in_its_interval_and_inverts(data, baseline):
    n = len(baseline)
    candidate = data.draw(st.lists(st.integers(1, 30000), min_size=n, max_size=n))
    ratio = sum(candidate) / sum(baseline)
    interval = ratio_interval(baseline, candidate)
    assert interval.low <= ratio * 1.001
    assert interval.high >= ratio * 0.999
    inverse = ratio_interval(candidate, baseline)
    if inverse.low > 0:
        assert interval.high == pytest.approx(1 / inverse.low, rel=1e-3)


def test_too_few_questions_bound_nothing():
    interval = ratio_interval([100.0] * 3, [200.0] * 3)
    assert (interval.low, interval.high) == (0, inf)


def test_a_model_that_says_nothing_at_all():
    assert ratio_interval([100.0] * 9, [0.0] * 9).low == 0


@pytest.mark.parametrize("ratio", [0.5, 1.0, 1.5])
def test_coverage_with_log_normal_tokens(ratio):
    """Binomial error of 600 runs is 0.9 points."""
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(600):
        length = rng.normal(8, 1, 30)
        before, after = np.exp(length + rng.normal(0, 0.6, (2, 30)))
        low = p_ratio_above(list(before), list(ratio * after), ratio)
        high = p_ratio_below(list(before), list(ratio * after), ratio)
        covered += min(low, high) > 0.025
    print(f"ratio {ratio}: coverage {covered / 600:.1%}")
    assert 0.93 <= covered / 600 <= 0.975
