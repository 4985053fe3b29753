"""Bounds for the mean of reweighted figures: their level, their order, unequal questions."""

from itertools import product
from math import comb, prod
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrmtest.analysis.reweighted_mean import highest_mean, p_mean_at_least

FIGURE = st.floats(-1, 1)
FIGURES = st.lists(st.lists(FIGURE, max_size=4), min_size=1, max_size=12)
LEVEL = 0.1


def certified(questions, mean):
    """P(the mean is rejected at LEVEL), by enumeration of all that samples can be.

    Args:
        questions: by question its samples' number and its two figures, each with a probability.
        mean: the mean over questions of their expectations.
    """
    total = 0.0
    states = [
        [
            (prod((comb(count, high), share**high, (1 - share) ** (count - high))), high)
            for high in range(count + 1)
        ]
        for count, _, _, share in questions
    ]
    for state in product(*states):
        figures = [
            [first] * (count - high) + [second] * high
            for (count, first, second, _), (_, high) in zip(questions, state, strict=True)
        ]
        if p_mean_at_least(figures, mean) <= LEVEL:
            total += prod(probability for probability, _ in state)
    return total


@given(
    st.lists(st.tuples(st.integers(1, 2), FIGURE, FIGURE, st.floats(0, 1)), min_size=1, max_size=4)
)
@settings(max_examples=60, deadline=None)
def test_a_mean_that_is_true_is_rejected_no_more_often_than_the_level(questions):
    true = sum(a + share * (b - a) for _, a, b, share in questions) / len(questions)
    if true < 1:
        assert certified(questions, true) <= LEVEL + 1e-9


def test_the_level_is_kept_where_it_can_be_reached():
    # Two-valued figures near the bound: so many zeros as just suffice.
    questions = [(10, 0.0, 1.0, share) for share in (0.02, 0.1, 0.18)]
    reached = certified(questions, 0.1)
    assert 0 < reached <= LEVEL


@given(FIGURES, st.floats(-0.9, 0.9), st.floats(0, 0.5))
@settings(deadline=None)
def test_a_higher_mean_is_rejected_the_sooner(figures, mean, more):
    if mean + more < 1:
        # Which questions are set aside is settled by one mean.
        level = p_mean_at_least(figures, mean)
        if 0 < level < 1:
            assert highest_mean(figures, level, mean) <= mean + 2e-4


@given(FIGURES, st.floats(0.01, 0.9), st.data())
@settings(deadline=None)
def test_a_higher_figure_is_never_more_evidence(figures, mean, data):
    raised = [[data.draw(st.floats(one, 1)) for one in part] for part in figures]
    assert p_mean_at_least(raised, mean) >= p_mean_at_least(figures, mean) - 1e-12


@given(FIGURES, st.floats(0.01, 0.9))
@settings(deadline=None)
def test_the_order_of_questions_and_samples_does_not_matter(figures, mean):
    turned = [part[::-1] for part in figures[::-1]]
    assert p_mean_at_least(turned, mean) == pytest.approx(p_mean_at_least(figures, mean))


def test_questions_without_samples_count_as_the_worst():
    known = [[0.0] * 4] * 40
    assert p_mean_at_least(known, 0.1) < 1e-6
    assert p_mean_at_least([*known, []], 0.1) > p_mean_at_least(known, 0.1)
    # Five of 45 without a sample are all of a mean of 0.1.
    assert p_mean_at_least([*known, *[[]] * 5], 0.1) == 1.0
    assert p_mean_at_least([[]] * 3, 0.1) == 1.0


def test_a_question_with_one_sample_does_not_cost_the_others_theirs():
    many = [[0.0] * 8] * 99
    assert p_mean_at_least([[0.0], *many], 0.1) < p_mean_at_least([[0.0]] * 100, 0.1) ** 2


def test_figures_far_below_are_evidence_and_those_above_one_are_refused():
    assert p_mean_at_least([[-50.0], [0.5]], 0.1) < p_mean_at_least([[0.0], [0.5]], 0.1)
    with pytest.raises(ValueError, match="at most 1"):
        p_mean_at_least([[1.5]], 0.1)


def test_thirty_figures_of_nothing_suffice_for_ten_points():
    assert p_mean_at_least([[0.0]] * 30, 0.1) <= LEVEL < p_mean_at_least([[0.0]] * 20, 0.1)


def test_many_figures_with_a_little_loss_come_near_to_their_mean():
    random = Random(1)
    figures = [[min(1.0, random.gauss(0.01, 0.1))] for _ in range(2000)]
    mean = sum(map(sum, figures)) / 2000
    assert mean < highest_mean(figures, LEVEL, 0.1) < mean + 0.03
