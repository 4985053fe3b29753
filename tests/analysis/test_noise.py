from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.analysis.noise import (
    ENGINE_NOISE,
    NOT_MEASURED,
    Repeated,
    first_difference,
    measure,
    noise_interval,
)
from lrmtest.runs.manifest import NoiseSection


@given(st.text(max_size=50), st.text(max_size=50), st.text(max_size=50))
def test_the_first_difference_is_the_length_of_what_is_common(start, one, other):
    place = first_difference(start + one, start + other)
    assert (start + one)[:place] == (start + other)[:place]
    assert place >= len(start)
    assert (start + one)[place : place + 1] != (start + other)[place : place + 1] or (
        start + one == start + other
    )


def test_the_first_difference_behind_many_chunks():
    assert first_difference("a" * 10_000 + "b", "a" * 10_000 + "c") == 10_000
    assert first_difference("a" * 8192, "a" * 8192) == 8192


def test_shares_are_over_pairs_of_repeats():
    same = [Repeated("x", None)] * 3
    text = [Repeated("xy", None), Repeated("xy", None), Repeated("xz", None)]
    verdict = [Repeated("1234", None), Repeated("123", "wrong"), Repeated("123", "truncated")]
    noise = measure([same, text, verdict, same])
    assert noise.questions == 4
    assert noise.repeats == 3
    assert noise.texts == pytest.approx((2 / 3 + 2 / 3) / 4)
    assert noise.verdicts == pytest.approx(2 / 3 / 4)
    assert noise.texts_low < noise.texts < noise.texts_high < 1
    assert noise.outcomes_high > noise.verdicts_high
    assert noise.first_difference == 2
    assert NoiseSection.from_json(noise.to_json()).to_json() == noise.to_json()


@pytest.mark.parametrize("questions", [[], [[Repeated("x", None)]]])
def test_what_was_not_repeated_has_no_noise(questions):
    with pytest.raises(ValueError, match="repeated"):
        measure(questions)


def test_without_a_measurement_nothing_is_known():
    interval = noise_interval(0.1, 30, None, 0.1, 0.95)
    assert (interval.low, interval.high, interval.method) == (-1, 1, NOT_MEASURED)


@given(
    st.floats(-1, 1), st.integers(1, 400), st.floats(0, 1), st.floats(0, 1),
    st.sampled_from([0.5, 0.9, 0.95]),
)  # fmt: skip
def test_intervals_hold_the_change_and_grow_with_noise(change, questions, one, other, level):
    interval = noise_interval(change, questions, one, other, level)
    assert interval.method == ENGINE_NOISE
    assert -1 <= interval.low <= change <= interval.high <= 1
    more = noise_interval(change, questions, min(1, one + 0.1), other, level)
    assert more.low <= interval.low + 1 / questions
    assert noise_interval(change, questions, 0.0, 0.0, level).low == change


@pytest.mark.parametrize(("questions", "share"), [(30, 0.05), (30, 0.3), (400, 0.02), (400, 0.5)])
def test_the_interval_covers_what_the_runs_would_show_on_average(questions, share):
    """300 pairs of runs with a known noise; the binomial error at 97.5 % is 0.9 points."""
    random = Random(1)
    inside = 0
    for _ in range(300):
        # A share of the questions is decided by a coin; half of these flip between two runs.
        coins = round(2 * share * questions)
        rates = [0.5] * min(coins, questions) + [1.0] * max(0, questions - coins)
        noise = sum(2 * p * (1 - p) for p in rates) / questions
        before, after = (sum(random.random() < p for p in rates) for _ in range(2))
        interval = noise_interval((before - after) / questions, questions, noise, noise, 0.95)
        inside += interval.low <= 0 <= interval.high
    assert inside >= 0.95 * 300
