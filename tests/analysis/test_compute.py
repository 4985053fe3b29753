from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_runs import sample_of
from scipy.stats import mannwhitneyu

from lrmtest.analysis.compute import (
    compare_compute,
    compute,
    compute_outcomes,
    usual_budgets,
)
from lrmtest.grading.verdict import Verdict
from lrmtest.runs.outcomes import QuestionOutcome, SampleOutcome
from lrmtest.runs.records import outcomes_of


def sample(question, index, correct, tokens, reasoning=0):
    failure = None if correct else "wrong"
    verdict = Verdict(correct, float(correct), "7", failure, lenient_correct=correct)
    return sample_of(
        "m",
        "aime",
        str(question),
        index,
        verdict,
        reasoning_tokens=reasoning,
        answer_tokens=tokens - reasoning,
    )


samples = st.lists(
    st.tuples(st.integers(0, 5), st.booleans(), st.integers(1, 12)), min_size=1, max_size=30
).map(lambda rows: [sample(q, i, correct, tokens) for i, (q, correct, tokens) in enumerate(rows)])


@given(samples)
def test_shares_are_those_over_all_pairs(records):
    """Against every pair counted one by one."""
    within: dict[str, list[float]] = {}
    between = []
    for right, wrong in product(records, records):
        if right.verdict.correct and not wrong.verdict.correct:
            shorter = (wrong.answer_tokens > right.answer_tokens) + 0.5 * (
                wrong.answer_tokens == right.answer_tokens
            )
            if right.place.question == wrong.place.question:
                within.setdefault(right.place.question_id, []).append(shorter)
            else:
                between.append(shorter)
    result = compute(records)
    assert result.between.pairs == len(between)
    assert result.within.questions == len(within)
    assert result.within.pairs == sum(map(len, within.values()))
    if between:
        assert result.between.rate.value == pytest.approx(np.mean(between))
    else:
        assert result.between.rate.value is None
    if within:
        each = [np.mean(part) for part in within.values()]
        assert result.within.rate.value == pytest.approx(np.mean(each))


@given(samples)
def test_intervals_hold_their_estimates(records):
    result = compute(records)
    for effect in (result.between, result.within):
        assert 0 <= effect.rate.interval.low <= effect.rate.interval.high <= 1
        if effect.rate.value is not None:
            assert effect.rate.interval.low <= effect.rate.value + 1e-5
            assert effect.rate.value <= effect.rate.interval.high + 1e-5


def test_with_one_sample_each_the_share_is_mann_and_whitneys():
    rng = np.random.default_rng(0)
    right, wrong = rng.integers(1, 100, 20), rng.integers(20, 150, 30)
    records = [sample(i, 0, True, int(t)) for i, t in enumerate(right)]
    records += [sample(100 + i, 0, False, int(t)) for i, t in enumerate(wrong)]
    expected = mannwhitneyu(wrong, right).statistic / (20 * 30)
    assert compute(records).between.rate.value == pytest.approx(expected)


def test_difficulty_alone_shows_between_questions_and_not_within():
    """Hard questions are long and failed; length itself has no effect."""
    rng = np.random.default_rng(1)
    records = []
    for question in range(60):
        easy = rng.random()
        for index in range(8):
            tokens = int(1000 * np.exp(2 * (1 - easy) + 0.3 * rng.normal()))
            records.append(sample(question, index, rng.random() < easy, tokens))
    result = compute(records)
    assert result.between.rate.interval.low > 0.6
    assert result.within.rate.interval.low < 0.5 < result.within.rate.interval.high


@pytest.mark.parametrize("effect", [0.0, 1.0])
def test_coverage_of_both_shares(effect):
    """20 questions with 4 samples each; binomial error of 200 runs is 1.5 points."""
    rng = np.random.default_rng(2)

    def records(questions):
        easy = rng.beta(2, 2, questions)
        out = []
        for question in range(questions):
            for index in range(4):
                correct = rng.random() < easy[question]
                log_tokens = rng.normal(-effect * correct, 1) - easy[question]
                out.append(sample(question, index, correct, 1 + int(1000 * np.exp(log_tokens))))
        return out

    truth = compute(records(3000))
    covered = np.zeros(2)
    for _ in range(200):
        result = compute(records(20), budgets=[100])
        for i, name in enumerate(("between", "within")):
            interval = getattr(result, name).rate.interval
            covered[i] += interval.low <= getattr(truth, name).rate.value <= interval.high
    print(
        f"effect {effect}: coverage between {covered[0] / 200:.1%}, within {covered[1] / 200:.1%}"
    )
    assert (covered / 200 >= 0.9).all()


@settings(max_examples=30)
@given(samples)
def test_a_larger_budget_never_passes_fewer(records):
    points = compute(records, budgets=[1, 3, 6, 12]).budgets
    rates = [point.accuracy.value for point in points]
    assert rates == sorted(rates)
    assert [point.mean_tokens for point in points] == sorted(point.mean_tokens for point in points)
    assert points[-1].cut == 0
    by_question: dict[str, list[bool]] = {}
    for record in records:
        by_question.setdefault(record.place.question_id, []).append(record.verdict.correct)
    assert rates[-1] == pytest.approx(np.mean([np.mean(part) for part in by_question.values()]))


def test_a_completion_longer_than_the_budget_is_failed_and_costs_the_budget():
    records = [sample(1, 0, True, 100), sample(2, 0, True, 300), sample(3, 0, False, 500)]
    (point,) = compute(records, budgets=[200]).budgets
    assert point.accuracy.value == pytest.approx(1 / 3)
    assert point.mean_tokens == pytest.approx((100 + 200 + 200) / 3)
    assert point.cut == pytest.approx(2 / 3)


def test_at_the_runs_own_budget_what_it_cut_off_is_cut():
    """A completion of just that length that ended by itself is not."""
    key = ("aime", "1")
    samples = {0: SampleOutcome(None, 100), 1: SampleOutcome("truncated", 100),
               2: SampleOutcome("looped", 60), 3: SampleOutcome("wrong", 50)}  # fmt: skip
    (point,) = compute_outcomes([QuestionOutcome(*key, samples)], [100]).budgets
    assert point.cut == pytest.approx(1 / 4)
    assert point.accuracy.value == pytest.approx(1 / 4)


def test_reasoning_share_and_cost_per_correct_answer():
    records = [sample(i, 0, i % 2 == 0, 100, reasoning=80) for i in range(20)]
    result = compute(records)
    assert result.reasoning_share.value == pytest.approx(0.8)
    assert result.reasoning_share.interval.low == pytest.approx(0.8)
    assert result.tokens_per_correct.value == 200
    assert result.tokens_per_correct.interval.low < 200 < result.tokens_per_correct.interval.high


def test_nothing_correct_has_no_cost_per_correct_answer():
    result = compute([sample(i, 0, False, 100) for i in range(5)])
    assert result.tokens_per_correct.value is None
    assert result.between.rate.value is None


def test_without_token_counts_there_is_nothing_to_say():
    assert compute([sample(1, 0, True, 0)]) is None
    assert compute([sample_of("m", "aime", "1", 0, None, error="down")]) is None


def test_the_usual_budgets_end_with_the_longest_completion():
    assert usual_budgets([1]) == [1]
    assert usual_budgets([64]) == [64]
    assert usual_budgets([0, 300, 40]) == [64, 128, 256, 300]


def test_what_is_not_known_of_reasoning_is_not_made_up():
    outcomes = outcomes_of([sample(1, 0, True, 100, reasoning=50)]).values()
    assert compute_outcomes(outcomes).reasoning_share is None


@settings(max_examples=15)
@given(samples, samples)
def test_two_runs_at_equal_budgets_are_each_at_that_budget(before, after):
    old, new = outcomes_of(before), outcomes_of(after)
    shared = old.keys() & new.keys()
    there = compare_compute(old, new, [2, 6, 12])
    if not shared:
        assert there is None
        return
    back = compare_compute(new, old, [2, 6, 12])
    assert there.questions == len(shared)
    alone = [
        compute([r for r in part if r.place.question in shared], [2, 6, 12]).budgets
        for part in (before, after)
    ]
    for point, mirrored, one, other in zip(there.budgets, back.budgets, *alone, strict=True):
        assert point.baseline == pytest.approx(one.accuracy.value)
        assert point.candidate == pytest.approx(other.accuracy.value)
        assert point.change == pytest.approx(-mirrored.change)
        assert point.interval.low == pytest.approx(-mirrored.interval.high, abs=1e-5)
        assert point.interval.low - 1e-5 <= point.change <= point.interval.high + 1e-5


def test_twice_the_tokens_for_the_same_answers_cost_twice_as_much():
    rng = np.random.default_rng(4)
    lengths = [int(length) for length in rng.integers(100, 400, 40)]
    before = outcomes_of(sample(i, 0, i % 3 > 0, length) for i, length in enumerate(lengths))
    after = outcomes_of(sample(i, 0, i % 3 > 0, 2 * length) for i, length in enumerate(lengths))
    cost = compare_compute(before, after).tokens_per_correct
    assert cost.value == pytest.approx(2)
    assert cost.interval.low == pytest.approx(2)
    at_400 = next(p for p in compare_compute(before, after, [400]).budgets)
    assert at_400.change < 0
    assert at_400.interval.high < 0


def test_a_run_with_nothing_correct_has_no_ratio_of_costs():
    before = outcomes_of(sample(i, 0, True, 100) for i in range(5))
    after = outcomes_of(sample(i, 0, False, 100) for i in range(5))
    assert compare_compute(before, after).tokens_per_correct.value is None
