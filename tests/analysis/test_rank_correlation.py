"""Rank correlation with ties, against scipy and by going through all orders."""

from __future__ import annotations

from itertools import permutations
from math import isnan

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lrmtest.analysis.rank_correlation import rank_correlation, ranks, spearman

stats = pytest.importorskip("scipy.stats")

FEW = st.sampled_from([-1.0, -0.25, 0.0, 0.25, 1.0, 3.0])
FIGURES = st.one_of(FEW, st.floats(-1e6, 1e6))
PAIRS = st.lists(st.tuples(FIGURES, FEW), min_size=2, max_size=40)


@given(st.lists(FIGURES, max_size=30))
def test_ties_share_the_mean_of_their_ranks(values):
    assert ranks(values) == list(stats.rankdata(values))


@pytest.mark.filterwarnings("ignore:An input array is constant")
@given(PAIRS)
def test_the_coefficient_is_scipys(pairs):
    first, second = zip(*pairs, strict=True)
    expected = stats.spearmanr(first, second).statistic
    found = spearman(first, second)
    if found is None:
        assert isnan(expected)
    else:
        assert found == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.tuples(FEW, FEW), min_size=2, max_size=5))
def test_the_p_value_of_few_questions_is_that_of_all_orders(pairs):
    first, second = (list(each) for each in zip(*pairs, strict=True))
    found = rank_correlation(first, second)
    assume(found is not None)
    all_of_them = [spearman(first, order) for order in permutations(second)]
    as_far = [abs(value) >= abs(found.value) - 1e-9 for value in all_of_them]
    assert found.p == pytest.approx(sum(as_far) / len(as_far))


def test_the_p_value_of_many_questions_is_near_scipys():
    first = [(7 * n) % 31 + n / 4 for n in range(60)]
    second = [n % 3 for n in range(60)]
    for factor in (0.0, 0.3, 1.0):
        mixed = [a * factor + 10 * b for a, b in zip(first, second, strict=True)]
        found = rank_correlation(first, mixed)
        assert found.p == pytest.approx(stats.spearmanr(first, mixed).pvalue, abs=0.03)
        assert found.interval.low <= found.value <= found.interval.high


@given(PAIRS)
def test_it_is_symmetric_and_turns_round(pairs):
    first, second = (list(each) for each in zip(*pairs, strict=True))
    value = spearman(first, second)
    assert spearman(second, first) == value
    turned = spearman([-x for x in first], second)
    assert turned is None if value is None else turned == pytest.approx(-value)


def test_what_one_question_says_alone_has_no_short_interval():
    found = rank_correlation([*range(40)], [0] * 39 + [1])
    assert found.value > 0
    assert (found.interval.low, found.interval.high) == (-1.0, 1.0)
    assert found.p > 0.02


def test_what_does_not_vary_has_no_correlation():
    assert rank_correlation([1, 2, 3], [0, 0, 0]) is None
    assert rank_correlation([1.0], [1.0]) is None
    assert rank_correlation([], []) is None
    with pytest.raises(ValueError, match="3 figures beside 2"):
        rank_correlation([1, 2, 3], [1, 2])
