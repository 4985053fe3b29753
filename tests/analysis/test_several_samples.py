"""pass@k and maj@k against every choice of k samples counted one by one."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrmtest.analysis.intervals import wilson
from lrmtest.analysis.several_samples import MOST, Votes, several_samples
from lrmtest.runs.outcomes import SampleOutcome

RIGHT = SampleOutcome(None, 5, "seven")
CUT = SampleOutcome("truncated", 5, "seven")
NONE = SampleOutcome("no-answer", 5)


def wrong(answer):
    return SampleOutcome("wrong", 5, answer)


SAMPLES = st.sampled_from([RIGHT, CUT, NONE, wrong("a"), wrong("b"), wrong("c"), wrong("d")])


def won(chosen):
    """The share that the right answer has in the vote of these samples."""
    votes = Counter()
    for sample in chosen:
        if sample.passed:
            votes["right"] += 1
        elif sample.answer and not sample.end:
            votes[sample.answer] += 1
    best = max(votes.values(), default=0)
    first = [answer for answer, number in votes.items() if number == best]
    return 1 / len(first) if "right" in first else 0.0


@settings(max_examples=200)
@given(st.lists(SAMPLES, min_size=1, max_size=9), st.integers(1, 9))
def test_both_are_the_mean_over_all_choices(samples, k):
    k = min(k, len(samples))
    choices = list(combinations(samples, k))
    votes = Votes.of(samples)
    assert votes.count == len(samples)
    passed = sum(any(one.passed for one in choice) for choice in choices) / len(choices)
    assert votes.any_of(k) == pytest.approx(passed)
    assert votes.majority(k) == pytest.approx(sum(map(won, choices)) / len(choices))


@given(st.lists(st.lists(SAMPLES, max_size=12), max_size=6))
def test_what_is_told_of_a_suite(questions):
    told = several_samples(questions)
    fewest = min((len(one) for one in questions if one), default=0)
    assert bool(told) == (fewest > 1)
    for one in told:
        assert one.k <= fewest
        assert one.any_of_interval.low <= one.any_of <= one.any_of_interval.high + 1e-9
        assert one.majority_interval.low <= one.majority <= one.majority_interval.high + 1e-9
        assert one.majority <= one.any_of + 1e-9
    assert [one.k for one in told] == sorted({one.k for one in told})
    rates = [sum(s.passed for s in one) / len(one) for one in questions if one]
    if told:
        assert told[-1].k == fewest
        assert told[0].any_of == pytest.approx(sum(rates) / len(rates))
        assert told[0].majority == pytest.approx(told[0].any_of)


def test_all_samples_at_once_are_as_many_questions():
    questions = [[RIGHT, wrong("a"), wrong("b"), RIGHT], [wrong("a"), wrong("a"), RIGHT, NONE]]
    *_, last = several_samples(questions)
    assert (last.k, last.any_of, last.majority) == (4, 1.0, 0.5)
    expected = wilson(2, 2)
    assert (last.any_of_interval.low, last.any_of_interval.high) == (expected.low, expected.high)


def test_many_samples_take_no_time():
    samples = [RIGHT] * 300 + [wrong(f"{number}") for number in range(600)]
    samples += [wrong(f"{number % 50}") for number in range(300)]
    told = several_samples([samples] * 3)
    assert told[-1].k == MOST
    assert told[-1].any_of == pytest.approx(1 - comb(900, MOST) / comb(1200, MOST))
    assert told[-1].majority > 0.99
