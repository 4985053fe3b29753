"""Collapse points of sweeps."""

from itertools import pairwise
from math import inf, isinf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.analysis.collapse import collapse, decreasing
from lrmtest.runs.outcomes import QuestionOutcome, SampleOutcome

rates = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def run(passed, samples=1):
    """A run of one suite whose question i passed in `passed[i]` of its samples."""
    return {
        ("sums", str(number)): QuestionOutcome(
            "sums",
            str(number),
            {i: SampleOutcome(None if i < count else "wrong") for i in range(samples)},
        )
        for number, count in enumerate(passed)
    }


def first(count, of=40):
    return run([number < count for number in range(of)])


@given(rates)
def test_the_fit_never_rises_and_keeps_the_mean(values):
    fit = decreasing(values)
    assert len(fit) == len(values)
    assert all(left >= right for left, right in pairwise(fit))
    assert sum(fit) == pytest.approx(sum(values))
    assert decreasing(fit) == pytest.approx(fit)


@given(rates, rates)
def test_no_other_decreasing_sequence_is_nearer(values, other):
    other = sorted((other * len(values))[: len(values)], reverse=True)

    def distance(sequence):
        return sum((a - b) ** 2 for a, b in zip(values, sequence, strict=True))

    assert distance(decreasing(values)) <= distance(other) + 1e-9


def test_a_sweep_that_falls_through_half():
    found = collapse([0, 0.4, 0.6], [first(40), first(30), first(10)])
    assert found.questions == 40
    assert found.rates == (1, 0.75, 0.25)
    # From 0.75 at 0.4 to 0.25 at 0.6: half of 1 is halfway.
    assert found.point == pytest.approx(0.5)
    assert 0.4 < found.interval.low < 0.5 < found.interval.high < 0.6


def test_more_questions_are_surer():
    few = collapse([0, 1], [first(8, 10), first(2, 10)]).interval
    many = collapse([0, 1], [first(160, 200), first(40, 200)]).interval
    assert many.high - many.low < 0.5 * (few.high - few.low)


def test_a_model_that_holds_out():
    found = collapse([0, 0.5], [first(40), first(39)])
    assert found.point == inf
    assert isinf(found.interval.high)


def test_an_end_of_the_interval_beyond_the_sweep():
    found = collapse([0, 0.5], [first(20, 20), first(9, 20)])
    assert found.point < 0.5
    assert found.interval.low < found.point
    assert isinf(found.interval.high)


def test_a_model_that_never_passed_has_nothing_to_lose():
    found = collapse([0, 0.5], [first(0), first(0)])
    assert found.point is None
    assert found.interval is None


def test_a_level_that_does_better_is_pooled():
    found = collapse([0, 1, 2], [first(20), first(30), first(0)])
    assert found.fitted == pytest.approx((0.625, 0.625, 0))
    assert found.point == pytest.approx(1.5)


def test_only_questions_with_a_verdict_everywhere_count():
    broken = first(10)
    broken["sums", "0"] = QuestionOutcome("sums", "0", {})
    del broken["sums", "1"]
    assert collapse([0, 1], [first(40), broken]).questions == 38


def test_samples_are_shares():
    found = collapse([0, 1], [run([4, 4], 4), run([1, 3], 4)])
    assert found.rates == (1, 0.5)
    assert found.point == pytest.approx(1)


@pytest.mark.parametrize(
    ("degrees", "lost"), [([0], 0.5), ([0, 0], 0.5), ([1, 0], 0.5), ([0, 1], 0), ([0, 1], 1.1)]
)
def test_what_is_no_sweep_is_refused(degrees, lost):
    with pytest.raises(ValueError, match=r"sweep|rise|range|\(0, 1\]"):
        collapse(degrees, [first(4)] * len(degrees), lost=lost)
