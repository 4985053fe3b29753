from __future__ import annotations

from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binomtest

from lrmtest.analysis.bounded_mean import lowest_mean, p_mean_at_most, weighted_mean_at_most

counts = st.integers(0, 300)
means = st.floats(0.001, 0.999)


@given(st.floats(1, 500), st.floats(1, 500), means)
def test_of_two_values_it_is_the_beta_distribution(ones, zeros, mean):
    ours = weighted_mean_at_most([(1.0, ones), (0.0, zeros)], mean)
    assert ours == pytest.approx(beta.cdf(mean, ones, zeros), rel=1e-7, abs=1e-12)


@given(st.floats(0.05, 1), st.floats(1, 500), means)
def test_less_than_one_figure_costs_some_digits(ones, zeros, mean):
    ours = weighted_mean_at_most([(1.0, ones), (0.0, zeros)], mean)
    assert ours == pytest.approx(beta.cdf(mean, ones, zeros), abs=1e-6)


@given(st.integers(1, 200), st.data(), st.sampled_from([0.005, 0.025, 0.05, 0.2]))
def test_of_zeros_and_ones_it_is_clopper_and_pearson(n, data, alpha):
    ones = data.draw(st.integers(0, n))
    theirs = binomtest(ones, n).proportion_ci(1 - 2 * alpha, method="exact").low
    ours = lowest_mean([(1.0, float(ones)), (0.0, float(n - ones))], 0.0, alpha)
    assert ours == pytest.approx(theirs, abs=2e-6)


@given(st.integers(0, 200), st.integers(0, 200))
def test_far_tails_keep_their_digits(ones, zeros):
    """Relative to the p-value, not to 1: 1e-40 is not rounded to 0."""
    tail = sum(comb(ones + zeros, n) for n in range(ones, ones + zeros + 1)) / 2 ** (ones + zeros)
    ours = p_mean_at_most([(1.0, ones), (-1.0, zeros)], -1.0, 0.0)
    assert ours == pytest.approx(tail, rel=1e-6)


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(0.1, 50)), min_size=1, max_size=8), means)
def test_it_is_a_probability_that_mirrors_and_rises(groups, mean):
    below = weighted_mean_at_most(groups, mean)
    assert 0 <= below <= 1
    above = weighted_mean_at_most([(-figure, shape) for figure, shape in groups], -mean)
    if any(figure != mean for figure, _ in groups):
        assert below + above == pytest.approx(1, abs=1e-6)
    assert weighted_mean_at_most(groups, mean + 0.1) >= below - 1e-7


@settings(max_examples=30)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.sampled_from([0.01, 0.05, 0.2]))
def test_the_bound_is_below_the_mean_and_above_the_least(figures, alpha):
    groups = [(figure, 1.0) for figure in figures]
    low = lowest_mean(groups, 0.0, alpha)
    assert 0 <= low <= sum(figures) / len(figures) + 1e-5
    assert low <= lowest_mean(groups, 0.0, 2 * alpha) + 1e-6


def test_nothing_seen_is_nothing_known():
    assert p_mean_at_most([], -1.0, 0.0) == 1
    assert lowest_mean([], -1.0, 0.05) == -1


def test_figures_that_are_all_the_mean_say_nothing_against_it():
    assert weighted_mean_at_most([(0.5, 3.0)], 0.5) == 1
