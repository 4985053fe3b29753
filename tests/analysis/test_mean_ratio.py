from __future__ import annotations

from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrmtest.analysis.bounded_mean import weighted_mean_at_most
from lrmtest.analysis.mean_ratio import pair_tokens

BUDGET = 32768


def paired(questions, most=BUDGET):
    return pair_tokens(questions, [most] * len(questions))


lengths = st.lists(st.integers(1, BUDGET), min_size=1, max_size=4)
runs = st.lists(st.tuples(lengths, lengths), min_size=1, max_size=8)


def ratio_of(questions):
    before, after = (sum(np.mean(question[side]) for question in questions) for side in (0, 1))
    return after / before


@settings(max_examples=30)
@given(runs)
def test_the_ratio_lies_in_its_interval_and_inverts(questions):
    interval = paired(questions).interval()
    ratio = ratio_of(questions)
    assert interval.low <= ratio * 1.001
    assert interval.high >= ratio * 0.999
    inverse = paired([(after, before) for before, after in questions]).interval()
    if inverse.low > 1e-3:
        assert interval.high == pytest.approx(1 / inverse.low, rel=1e-3)


@settings(max_examples=30)
@given(runs, st.floats(0.05, 20))
def test_the_two_hypotheses_are_never_both_rejected(questions, ratio):
    pairs = paired(questions)
    assert pairs.p_above(ratio) + pairs.p_below(ratio) >= 1 - 1e-6
    assert pairs.p_above(ratio) <= pairs.p_above(1.1 * ratio) + 1e-6


@given(runs)
def test_every_sample_counts_and_every_question_counts_the_same(questions):
    pairs = paired(questions)
    for side, name in enumerate(("baseline", "candidate")):
        blocks = getattr(pairs, name)
        assert len(blocks) == sum(min(len(b), len(a)) for b, a in questions)
        sums = [min(map(len, question)) for question in questions]
        assert sum(pairs.weights) == pytest.approx(len(sums))
        equal = [q for q in questions if len(q[0]) == len(q[1])]
        if len(equal) == len(questions):
            mean = np.dot(pairs.weights, blocks) / len(questions)
            assert mean == pytest.approx(np.mean([np.mean(q[side]) for q in questions]))


def test_a_budget_far_above_what_is_seen_keeps_the_claim_modest():
    questions = [([1000], [1100])] * 30
    near, far = paired(questions, 1200), paired(questions, BUDGET)
    assert near.interval().low > 0.9
    assert far.interval().low < 0.6
    assert far.p_above(1.0) > near.p_above(1.0)
    assert paired([([1000] * 16, [1100] * 16)] * 30).interval().low > far.interval().low


def test_nothing_spent_bounds_nothing():
    interval = paired([([100], [0])] * 9).interval()
    assert (interval.low, interval.high) == (0, inf)
    few = paired([([100], [200])] * 2).interval()
    assert few.low < 0.01
    assert few.high > 100


def test_many_differences_give_what_each_by_itself_gives():
    rng = np.random.default_rng(4)
    tokens = np.minimum(BUDGET, np.exp(rng.normal(8, 1, (2, 400)))).astype(int)
    questions = [([int(before)], [int(after)]) for before, after in tokens.T]
    pairs = paired(questions)
    for ratio in (0.7, 0.9, 1.0, 1.2):
        each = [(float(after - ratio * before), 1.0) for before, after in tokens.T]
        whole = weighted_mean_at_most([*each, (-ratio * BUDGET, 1.0)], 0.0)
        assert pairs.p_above(ratio) == pytest.approx(whole, rel=0.02, abs=1e-6)


def _drawn(rng, typical, loops, samples):
    """Tokens of every question: log-normal, and some completions that loop to the budget."""
    shape = (len(typical), samples)
    tokens = np.minimum(BUDGET, typical[:, None] * np.exp(rng.normal(0, 0.4, shape)))
    return np.where(rng.random(shape) < loops, BUDGET, tokens).astype(int)


def _scale(typical, loops, wanted):
    """By what all lengths must be multiplied for the mean tokens to be `wanted`."""
    noise = np.exp(np.random.default_rng(9).normal(0, 0.4, 500))
    low, high = 0.01, 20.0
    for _ in range(30):
        middle = (low + high) / 2
        ended = np.minimum(BUDGET, middle * typical[:, None] * noise).mean()
        if (1 - loops) * ended + loops * BUDGET < wanted:
            low = middle
        else:
            high = middle
    return low


def _mean(typical, loops):
    noise = np.exp(np.random.default_rng(9).normal(0, 0.4, 500))
    return (1 - loops) * np.minimum(BUDGET, typical[:, None] * noise).mean() + loops * BUDGET


@pytest.mark.parametrize(
    ("before", "after", "loops", "candidate_loops"),
    [(1, 1, 0.05, 0.05), (4, 4, 0.05, 0.05), (4, 4, 0.05, 0.0), (4, 4, 0.0, 0.02), (1, 4, 0.05, 0)],
)
def test_a_tolerated_rise_is_hardly_ever_rejected_whatever_loops(
    before, after, loops, candidate_loops
):
    """The true ratio is 1.1; 300 runs; 94 % coverage has a binomial error of 1.4 points."""
    rng = np.random.default_rng(11)
    covered = rejected = 0
    for _ in range(300):
        typical = np.exp(rng.normal(8, 0.8, 30))
        scale = _scale(typical, candidate_loops, 1.1 * _mean(typical, loops))
        sides = (
            _drawn(rng, typical, loops, before),
            _drawn(rng, scale * typical, candidate_loops, after),
        )
        pairs = paired(
            [(list(map(int, b)), list(map(int, a))) for b, a in zip(*sides, strict=True)]
        )
        p_above, p_below = pairs.p_above(1.1), pairs.p_below(1.1)
        covered += min(p_above, p_below) > 0.025
        rejected += p_above <= 0.0033
    print(f"coverage {covered / 300:.1%}, called more than tolerated {rejected / 300:.1%}")
    assert covered / 300 >= 0.94
    assert rejected / 300 <= 0.0033 + 3 * 0.0033


def test_what_was_seen_bounds_a_rise_more_closely_than_what_there_can_be():
    pairs = paired([([100], [100])] * 12)
    assert pairs.p_below_as_seen(1.35) < 0.2 < pairs.p_below(1.35)
    at_the_budget = paired([([100], [BUDGET])] * 12)
    assert at_the_budget.p_below_as_seen(2.0) == pytest.approx(at_the_budget.p_below(2.0))
