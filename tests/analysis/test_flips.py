from __future__ import annotations

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import boschloo_exact, fisher_exact
from simulated import question

from lrmtest.analysis.flips import (
    FLIP_KINDS,
    flips,
    is_flaky,
    p_by_chance,
    usual_failure,
)
from lrmtest.analysis.two_rates import chance_of_less, p_higher


def results(passes, samples):
    return question("s", "1", [None] * passes + ["wrong"] * (samples - passes))


def flip_of(before, after, threshold=0.5):
    key = ("s", "1")
    (flip,) = flips({key: results(*before)}, {key: results(*after)}, threshold)
    return flip


def kind(before, after, threshold=0.5):
    return flip_of(before, after, threshold).kind


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((1, 1), (0, 1), "broken"),
        ((0, 1), (1, 1), "fixed"),
        ((1, 1), (1, 1), "both pass"),
        ((0, 1), (0, 1), "both fail"),
        ((4, 4), (0, 4), "broken"),
        ((2, 2), (0, 2), "broken"),
        ((4, 4), (1, 4), "broken"),
        ((2, 4), (1, 4), "flaky"),
        ((15, 16), (3, 16), "broken"),
        ((3, 16), (15, 16), "fixed"),
    ],
)
def test_kinds(before, after, expected):
    assert kind(before, after) == expected


counts = st.integers(1, 16).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts, counts, st.sampled_from([0.25, 0.5, 1.0]))
def test_the_other_way_round_broken_is_fixed(before, after, threshold):
    mirror = {"broken": "fixed", "fixed": "broken"}
    there, back = kind(before, after, threshold), kind(after, before, threshold)
    assert there in FLIP_KINDS
    assert back == mirror.get(there, there)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((1, 1), (0, 1), "broken"),
        ((4, 4), (1, 4), "broken"),
        ((4, 4), (2, 4), "unstable"),
        ((4, 4), (3, 4), "unstable"),
        ((3, 4), (3, 4), "unchanged"),
        ((2, 4), (8, 16), "unchanged"),
        ((16, 16), (9, 16), "worse"),
        ((7, 16), (0, 16), "worse"),
        ((0, 16), (7, 16), "better"),
        ((9, 16), (16, 16), "better"),
        ((0, 4), (4, 4), "fixed"),
        ((1, 4), (4, 4), "fixed"),
    ],
)
def test_changes(before, after, expected):
    flip = flip_of(before, after)
    assert flip.change == expected
    assert flip.difference == pytest.approx(after[0] / after[1] - before[0] / before[1])


MIRROR = {"broken": "fixed", "worse": "better", "better": "worse", "fixed": "broken"}


@given(counts, counts, st.sampled_from([0.25, 0.5, 1.0]))
def test_a_change_is_what_its_figures_say(before, after, threshold):
    there, back = flip_of(before, after, threshold), flip_of(after, before, threshold)
    assert there.difference == -back.difference
    assert back.change == MIRROR.get(there.change, there.change)
    assert there.p == back.p
    signs = {"broken": -1, "worse": -1, "unchanged": 0, "better": 1, "fixed": 1}
    sign = (there.difference > 0) - (there.difference < 0)
    assert there.change == "unstable" or signs[there.change] == sign
    if there.change == "unstable":
        assert sign
        assert there.p > 0.05
    if there.change in ("broken", "fixed"):
        assert there.kind == there.change


@given(counts, counts)
def test_chance_is_boschloos_exact_test(better, worse):
    table = [[better[0], worse[0]], [better[1] - better[0], worse[1] - worse[0]]]
    p = p_by_chance(results(*better), results(*worse))
    fisher = fisher_exact(table, alternative="greater").pvalue
    assert p <= fisher * (1 + 1e-9)
    if better[1] + worse[1] > 12:
        return  # scipy takes its time
    expected = boschloo_exact(table, alternative="greater", n=64).pvalue
    # Where every table is as likely, or none less so, there is nothing to compare by.
    if 0 < better[0] + worse[0] < better[1] + worse[1]:
        assert p == pytest.approx(min(expected, fisher), rel=0.01)


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.5, 0.8])
@pytest.mark.parametrize(("first", "second"), [(4, 4), (8, 4), (3, 16)])
def test_a_p_value_is_one(rate, first, second):
    """At any common rate it is at most alpha in at most alpha of all cases."""
    chances = [
        (p_higher(a, first, b, second), comb(first, a) * comb(second, b)
         * rate ** (a + b) * (1 - rate) ** (first + second - a - b))
        for a in range(first + 1)
        for b in range(second + 1)
    ]  # fmt: skip
    for alpha in (0.01, 0.05, 0.2):
        assert sum(chance for p, chance in chances if p <= alpha) <= alpha * 1.01


def test_many_samples_take_fishers_test():
    expected = fisher_exact([[300, 100], [270, 130]], alternative="greater").pvalue
    assert p_higher(300, 400, 270, 400) == pytest.approx(expected)


@given(counts, counts)
def test_how_often_a_question_falls_by_chance(before, after):
    passes, (a, b) = before[0] + after[0], (before[1], after[1])
    ways = sum(
        comb(a, k) * comb(b, passes - k)
        for k in range(max(0, passes - b), min(a, passes) + 1)
        if (passes - k) / b < k / a - 1e-12
    )
    assert chance_of_less(passes, a, b) == pytest.approx(ways / comb(a + b, passes))


def test_questions_without_a_verdict_are_no_flips():
    key = ("s", "1")
    assert flips({key: results(0, 0)}, {key: results(1, 1)}) == []
    assert flips({key: results(1, 1)}, {}) == []


def test_the_usual_failure_of_a_question():
    looping = question("s", "1", ["looped", "wrong", "looped"])
    wrong = question("s", "2", ["wrong", "looped"])
    passed = question("s", "3", [None, "wrong"])
    unanswered = question("s", "4", [])
    assert usual_failure(looping) == "looped"
    assert usual_failure(wrong) == "wrong"
    assert usual_failure(results(2, 2)) is None
    assert [is_flaky(part) for part in (looping, wrong, passed, unanswered)] == [0, 0, 1, 0]
