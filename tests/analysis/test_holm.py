from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.analysis.holm import adjust

p_values = st.dictionaries(st.integers(0, 20), st.floats(0, 1), min_size=1, max_size=8)


def test_the_example_of_the_paper():
    adjusted = adjust({"a": 0.01, "b": 0.02, "c": 0.03, "d": 0.04})
    assert adjusted == pytest.approx({"a": 0.04, "b": 0.06, "c": 0.06, "d": 0.06})


def test_weights_say_who_is_tested_first():
    adjusted = adjust({"heavy": 0.04, "light": 0.04}, {"heavy": 0.8, "light": 0.2})
    assert adjusted == pytest.approx({"heavy": 0.05, "light": 0.05})
    adjusted = adjust({"heavy": 0.06, "light": 0.02}, {"heavy": 0.8, "light": 0.2})
    assert adjusted == pytest.approx({"heavy": 0.075, "light": 0.1 * 0.75 + 0.0}, abs=0.03)


@given(p_values)
def test_between_raw_and_bonferroni_in_the_same_order(raw):
    adjusted = adjust(raw)
    for key, p in raw.items():
        assert p <= adjusted[key] <= min(1, len(raw) * p) + 1e-12
    order = sorted(raw, key=raw.__getitem__)
    assert [adjusted[key] for key in order] == sorted(adjusted.values())


@given(p_values, st.floats(0.1, 10))
def test_equal_weights_are_no_weights(raw, weight):
    assert adjust(raw, dict.fromkeys(raw, weight)) == pytest.approx(adjust(raw))


def test_the_chance_of_any_false_rejection():
    """Weighted, independent, all true; binomial error of 20,000 draws is 0.15 points."""
    rng = np.random.default_rng(0)
    weights = {0: 0.4, 1: 0.2, 2: 0.2, 3: 0.1, 4: 0.1}
    draws = rng.random((20000, 5))
    any_ = np.mean([min(adjust(dict(enumerate(row)), weights).values()) <= 0.05 for row in draws])
    assert 0.04 <= any_ <= 0.0535
