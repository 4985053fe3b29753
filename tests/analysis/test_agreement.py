"""Cohen's kappa and its interval."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrmtest.analysis.agreement import agreement, one_against_rest

PAIRS = st.dictionaries(
    st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), st.integers(1, 9), min_size=1
)


def test_kappa_is_that_of_a_textbook_table():
    """Of 50 things both say yes to 20 and no to 15; chance alone makes half of them agree."""
    pairs = {("yes", "yes"): 20, ("yes", "no"): 5, ("no", "yes"): 10, ("no", "no"): 15}
    found = agreement([pairs])
    assert (found.kappa, found.same) == (pytest.approx(0.4), pytest.approx(0.7))
    assert (found.things, found.questions) == (50, 1)


def test_whoever_agrees_always_has_kappa_1_and_chance_has_0():
    assert agreement([{("a", "a"): 3}, {("b", "b"): 2}]).kappa == 1
    assert agreement([{("a", "a"): 3}]).kappa == 1
    independent = {("a", "a"): 4, ("a", "b"): 4, ("b", "a"): 4, ("b", "b"): 4}
    assert agreement([independent]).kappa == pytest.approx(0)
    assert agreement([{("a", "b"): 3, ("b", "a"): 3}]).kappa == -1
    assert agreement([]) is None
    assert agreement([{}]) is None


@settings(max_examples=15)
@given(st.lists(PAIRS, min_size=1, max_size=8))
def test_questions_add_up_and_the_interval_has_the_value_of_equal_ones(questions):
    whole = Counter()
    for pairs in questions:
        whole.update(pairs)
    together, apart = agreement([whole]), agreement(questions)
    assert apart.kappa == pytest.approx(together.kappa)
    assert apart.kappa <= 1
    assert apart.interval.low <= apart.interval.high
    same = agreement([questions[0]] * 5)
    assert same.interval.low == pytest.approx(same.kappa)
    assert same.interval.high == pytest.approx(same.kappa)


@given(PAIRS)
def test_one_against_the_rest_keeps_what_is_there(pairs):
    found = one_against_rest(pairs, "a")
    assert sum(found.values()) == sum(pairs.values())
    assert found["True", "True"] == pairs.get(("a", "a"), 0)
