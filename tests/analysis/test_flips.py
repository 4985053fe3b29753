from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import fisher_exact
from simulated import question

from lrmtest.analysis.flips import (
    FLIP_KINDS,
    flips,
    is_flaky,
    p_by_chance,
    usual_failure,
)


def results(passes, samples):
    return question("s", "1", [None] * passes + ["wrong"] * (samples - passes))


def kind(before, after, threshold=0.5):
    key = ("s", "1")
    (flip,) = flips({key: results(*before)}, {key: results(*after)}, threshold)
    return flip.kind


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((1, 1), (0, 1), "broken"),
        ((0, 1), (1, 1), "fixed"),
        ((1, 1), (1, 1), "both pass"),
        ((0, 1), (0, 1), "both fail"),
        ((4, 4), (0, 4), "broken"),
        ((2, 2), (0, 2), "broken"),
        ((4, 4), (1, 4), "flaky"),
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


@given(counts, counts)
def test_chance_is_fishers_exact_test(better, worse):
    table = [[better[0], better[1] - better[0]], [worse[0], worse[1] - worse[0]]]
    expected = fisher_exact(table, alternative="greater").pvalue
    assert p_by_chance(results(*better), results(*worse)) == pytest.approx(expected)


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
