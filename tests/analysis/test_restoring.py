"""What passes with modules restored, and the restoring curve."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrmtest.analysis.intervals import Interval
from lrmtest.analysis.restoring import CurveSet, CurveSets, curve, pass_rate, passes
from lrmtest.runs.outcomes import QuestionOutcome, SampleOutcome

RUNS = st.lists(st.lists(st.booleans(), min_size=2, max_size=2), min_size=5, max_size=5)


def run(marks):
    """Outcomes of a run, by what passed of each question's samples."""
    return {
        ("sums", f"q{number}"): QuestionOutcome(
            "sums",
            f"q{number}",
            {at: SampleOutcome(None if passed else "wrong") for at, passed in enumerate(samples)},
        )
        for number, samples in enumerate(marks)
    }


def rate(marks):
    return sum(map(sum, marks)) / sum(map(len, marks))


@settings(max_examples=10, deadline=None)
@given(RUNS, RUNS, st.lists(RUNS, max_size=4))
def test_rates_and_their_difference_are_of_these_samples(before, after, random):
    found = passes(
        run([[True, True]] * 5),
        run(before),
        run(after),
        [run(each) for each in random],
        by_index=True,
    )
    assert (found.questions, found.samples) == (5, 10)
    assert found.parent.value == 1
    assert found.variant.value == pytest.approx(rate(before))
    assert found.restored.value == pytest.approx(rate(after))
    assert found.gain == pytest.approx(rate(after) - rate(before))
    assert found.gain_interval.low <= found.gain + 1e-9
    assert found.gain_interval.high >= found.gain - 1e-9
    assert found.beaten == sum(rate(each) < rate(after) for each in random)
    if not random or found.gain <= 0:
        assert not found.confirmed


def test_it_is_confirmed_where_more_passes_for_certain_and_than_at_random():
    parent, nothing, all_pass = run([[True]] * 20), run([[False]] * 20), run([[True]] * 20)
    sure = passes(parent, nothing, all_pass, [nothing] * 20, by_index=True)
    assert sure.p_different < 1e-3
    assert sure.confirmed
    # As good as at random is no confirmation, and neither is one question of twenty.
    assert not passes(parent, nothing, all_pass, [all_pass] * 20, by_index=True).confirmed
    one = run([[True]] + [[False]] * 19)
    assert not passes(parent, nothing, one, [nothing] * 20, by_index=True).confirmed


def test_a_curve_has_its_points_in_order_and_its_band_the_spread_of_the_draws():
    sets = CurveSets(
        suggested=(CurveSet(0.1, 1, "first"),),
        random=((CurveSet(0.1, 1, "one"), CurveSet(0.08, 1, "other")),),
        last_mlp=CurveSet(0.3, 3, "last"),
        none=CurveSet(0.0, 0, "none"),
        whole=CurveSet(1.0, 9, "whole"),
    )
    values = {"none": 2.0, "first": 0.5, "one": 1.9, "other": 1.0, "last": 1.8, "whole": 0.0}
    losses = {name: (value, Interval(value, value, 0.95, "")) for name, value in values.items()}
    assert {one.name for one in sets.every} == set(values)
    found = curve(sets, losses, {})
    assert [(one.share, one.loss, one.passes) for one in found.suggested] == [
        (0.0, 2.0, None),
        (0.1, 0.5, None),
        (1.0, 0.0, None),
    ]
    (band,) = found.random
    assert band.share == pytest.approx(0.09)
    assert band.loss == pytest.approx((1.45, 1.0, 1.9))
    assert (band.draws, band.passes) == (2, None)
    assert found.last_mlp.loss == 1.8
    rates = {name: pass_rate(run([[name in ("whole", "other")]])) for name in values}
    with_rates = curve(sets, losses, rates)
    assert with_rates.random[0].passes == (0.5, 0.0, 1.0)
    assert with_rates.suggested[-1].passes.value == 1
