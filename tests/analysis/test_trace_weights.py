"""The weights of traces: what is known of them, and 0 for what is not."""

from array import array
from math import exp, inf, log, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.analysis.trace_weights import UNKNOWN_WEIGHT, weigh
from lrmtest.questions.place import Place
from lrmtest.runs.readings import Reading

PLACE = Place("key", "s", "1", 0)
LOGS = st.lists(st.tuples(st.floats(-5, 0), st.floats(-5, 0)), min_size=1, max_size=30)


def reading(written, lowest, variation=()):
    lowest = array("f", lowest)
    return Reading(PLACE, array("f", written), lowest, lowest, array("f", variation), array("f"))


@given(LOGS)
def test_a_weight_is_the_ratio_of_both_probabilities(logs):
    written, lowest = zip(*logs, strict=True)
    expected = exp(sum(lowest) - sum(written))
    assert weigh(reading(written, lowest), whole=True).weight == pytest.approx(expected, rel=1e-4)


@given(st.lists(st.floats(), max_size=5), st.lists(st.floats(), max_size=5), st.booleans())
def test_no_figures_make_a_weight_that_is_none(written, lowest, greedy):
    found = weigh(reading(written, lowest), whole=True, greedy=greedy)
    assert 0 <= found.weight < inf
    assert 0 <= found.variation < inf
    broken = not lowest or any(not value <= 1e-3 for value in lowest)
    if broken:
        assert found == UNKNOWN_WEIGHT


@pytest.mark.parametrize(
    ("written", "lowest"),
    [([], []), ([-1.0], [-1.0, -1.0]), ([nan], [-1.0]), ([-inf], [-1.0]), ([1.0], [-1.0]),
     ([-1.0], [nan]), ([-1.0], [0.5]), ([-1.0], [inf])],
)  # fmt: skip
def test_what_is_no_log_probability_is_known_of_nothing(written, lowest):
    assert weigh(reading(written, lowest), whole=True) == UNKNOWN_WEIGHT


def test_a_token_outside_of_the_nucleus_makes_it_zero_and_is_known():
    found = weigh(reading([-0.5, -0.5], [-0.5, -inf]), whole=True)
    assert found.weight == 0
    assert found.known
    assert found.variation == pytest.approx(1)


def test_a_hidden_end_token_leaves_nothing_known():
    assert weigh(reading([-0.5], [-0.5]), whole=False) == UNKNOWN_WEIGHT


def test_total_variation_is_told_or_estimated():
    assert weigh(reading([-1, -1], [-1, -1], [0.25, 0.5]), whole=True).variation == 0.75
    assert weigh(reading([log(0.5)], [log(0.4)]), whole=True).variation == pytest.approx(0.2)
    # What is no total variation is estimated, too.
    assert weigh(reading([log(0.5)], [log(0.4)], [7.0]), whole=True).variation < 0.3


def test_a_greedy_reader_writes_the_trace_or_does_not():
    agrees = reading([-0.1, -0.2], [0.0, 0.0])
    assert weigh(agrees, whole=True, greedy=True).weight == 1
    likeliest = reading([-0.1, -0.2], [log(0.6), log(0.9)])
    assert weigh(likeliest, whole=True, greedy=True).weight == 1
    # Less than half may be the likeliest token, or not.
    unknown = reading([-0.1, -0.2], [log(0.6), log(0.45)])
    assert weigh(unknown, whole=True, greedy=True).weight == 0
