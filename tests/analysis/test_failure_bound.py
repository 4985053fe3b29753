"""The bound that follows from questions of which none failed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.analysis.failure_bound import highest_rate
from lrmtest.errors import UsageError


def test_it_is_clopper_and_pearsons_bound_and_near_the_rule_of_three():
    binomtest = pytest.importorskip("scipy.stats").binomtest
    for passed in (1, 5, 30, 400):
        test = binomtest(0, passed, alternative="less")
        assert highest_rate(passed) == pytest.approx(test.proportion_ci(0.95).high)
    assert highest_rate(400) == pytest.approx(3 / 400, rel=0.01)


@given(st.integers(1, 10**6), st.floats(0.5, 0.999))
def test_at_the_bound_as_many_passes_are_just_as_improbable_as_was_said(passed, level):
    rate = highest_rate(passed, level)
    assert 0 < rate < 1
    assert (1 - rate) ** passed == pytest.approx(1 - level, rel=1e-6)
    assert highest_rate(passed + 1, level) < rate


def test_nothing_asked_says_nothing():
    assert highest_rate(0) == 1


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(UsageError):
        highest_rate(3, 1.0)
    with pytest.raises(ValueError, match="-1"):
        highest_rate(-1)
