from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import question, run

from lrmtest.analysis.paired_comparison import MissingQuestion, compare_outcomes
from lrmtest.analysis.summary import ALL_SUITES
from lrmtest.errors import UsageError
from lrmtest.runs.outcomes import QuestionOutcome, SampleOutcome


def by_key(*questions):
    return {part.key: part for part in questions}


def test_questions_in_one_run_only_are_named_and_enter_no_figure():
    baseline = by_key(
        question("aime", "1", [None]), question("aime", "2", [None]), question("aime", "3", [])
    )
    candidate = by_key(
        question("aime", "1", [None]), question("aime", "3", ["wrong"]), question("aime", "4", [])
    )
    comparison = compare_outcomes(baseline, candidate)
    assert comparison.missing == (
        MissingQuestion(("aime", "2"), "candidate", asked=False),
        MissingQuestion(("aime", "3"), "baseline", asked=True),
        MissingQuestion(("aime", "4"), "baseline", asked=False),
        MissingQuestion(("aime", "4"), "candidate", asked=True),
    )
    assert comparison.total.questions == 1
    assert comparison.total.failed.candidate == 0


def test_rates_are_means_over_questions_and_worse_is_positive():
    baseline = by_key(question("aime", "1", [None] * 4), question("aime", "2", [None, "wrong"]))
    candidate = by_key(
        question("aime", "1", ["looped", "truncated"]), question("aime", "2", ["looped", None])
    )
    total = compare_outcomes(baseline, candidate).total
    assert (total.failed.baseline, total.failed.candidate) == (0.25, 0.75)
    assert total.failed.worsening == 0.5
    assert total.failed.pairs.worsening == pytest.approx(0.5)
    assert (total.looped.candidate, total.truncated.candidate) == (0.5, 0.25)
    assert (total.baseline_samples, total.candidate_samples) == (6, 4)


def test_suites_are_compared_alone_and_pooled_with_holms_correction():
    baseline = run(1, suites=("aime", "folio", "temporal"), samples=2)
    candidate = run(2, suites=("aime", "folio", "temporal"), samples=2, drop=0.4)
    comparison = compare_outcomes(baseline, candidate)
    assert [part.suite for part in comparison.suites] == ["aime", "folio", "temporal"]
    assert comparison.total.suite == ALL_SUITES
    assert comparison.total.questions == 90
    assert comparison.total.p_adjusted == comparison.total.p_different
    smallest = min(comparison.suites, key=lambda part: part.p_different)
    assert smallest.p_adjusted == pytest.approx(3 * smallest.p_different)


def test_tokens_are_compared_by_question():
    baseline = run(1, samples=4)
    tokens = compare_outcomes(baseline, run(2, samples=4, longer=2.0)).total.tokens
    assert tokens.interval.low < 1.9 < 2.1 < tokens.interval.high
    assert tokens.interval.low > 1.3
    assert tokens.median_interval.low < tokens.median_ratio < tokens.median_interval.high
    assert tokens.p_above(1.2) < 0.01
    assert tokens.p_below(3.0) < 0.01
    assert tokens.p_below_as_seen(3.0) < 0.001


def test_without_token_counts_there_is_no_token_change():
    silent = by_key(question("aime", "1", [None], tokens=0))
    assert compare_outcomes(silent, by_key(question("aime", "1", [None]))).total.tokens is None


def test_nothing_in_common_is_no_comparison_but_no_error():
    comparison = compare_outcomes(by_key(question("aime", "1", [None])), {})
    assert comparison.suites == ()
    assert comparison.total.questions == 0
    assert comparison.total.p_different == 1


@settings(max_examples=15)
@given(st.integers(0, 1000), st.integers(1, 3))
def test_the_other_way_round_everything_mirrors(seed, samples):
    one = run(seed, questions=8, samples=samples)
    other = run(seed + 1, questions=8, samples=samples, failure="looped")
    there, back = compare_outcomes(one, other).total, compare_outcomes(other, one).total
    for change, mirrored in ((there.failed, back.failed), (there.looped, back.looped)):
        assert change.worsening == pytest.approx(-mirrored.worsening)
        assert change.interval.low == pytest.approx(-mirrored.interval.high, abs=1e-5)
        assert change.general_interval.high == pytest.approx(
            -mirrored.general_interval.low, abs=1e-5
        )
    assert there.p_different == pytest.approx(back.p_different)
    assert there.tokens.ratio == pytest.approx(1 / back.tokens.ratio)


def test_a_run_and_itself():
    baseline = run(1, samples=2)
    total = compare_outcomes(baseline, baseline).total
    assert total.failed.worsening == 0
    assert total.failed.interval.low < 0 < total.failed.interval.high
    assert (total.tokens.ratio, total.tokens.median_ratio) == (1, 1)


def test_a_level_that_is_no_probability_is_refused():
    with pytest.raises(UsageError, match="between 0 and 1"):
        compare_outcomes(run(1), run(2), level=1.5)


def test_samples_of_one_index_are_paired_also_where_others_are_missing():
    before = QuestionOutcome(
        "aime", "1", {i: SampleOutcome(None if i % 2 else "wrong", 100 * i) for i in range(1, 7)}
    )
    after = QuestionOutcome(
        "aime",
        "1",
        {i: replace(one, tokens=one.tokens + 10) for i, one in before.samples.items() if i != 2},
    )
    total = compare_outcomes(by_key(before), by_key(after), by_index=True).total
    [failed] = total.failed.questions
    assert (failed.indexed, failed.indexed_squares) == (5, 0)
    pairs = total.tokens.pairs
    rises = [after - before for before, after in zip(pairs.baseline, pairs.candidate, strict=True)]
    # One part of the baseline has two samples: its own index, and the one that has no partner.
    assert rises[:4] == [10] * 4
    assert pairs.baseline[4] == (600 + 200) / 2

    apart = compare_outcomes(by_key(before), by_key(after)).total
    [failed] = apart.failed.questions
    assert (failed.indexed, failed.indexed_squares) == (0, 0)
    assert total.failed.pairs.spread < apart.failed.pairs.spread


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_with_one_sample_each_pairing_by_index_changes_nothing(seed):
    baseline, candidate = run(seed), run(seed + 1, drop=0.2)
    by_index = compare_outcomes(baseline, candidate, by_index=True)
    apart = compare_outcomes(baseline, candidate)
    assert by_index.total.failed.pairs == apart.total.failed.pairs
    assert by_index.total.tokens == apart.total.tokens


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_scores_are_paired_by_index_as_passes_are(seed):
    def scored(outcomes):
        return {
            key: replace(
                one,
                samples={
                    index: replace(sample, score=float(sample.passed))
                    for index, sample in one.samples.items()
                },
            )
            for key, one in outcomes.items()
        }

    runs = [scored(run(seed + side, samples=3)) for side in (0, 1)]
    total = compare_outcomes(*runs, metrics={"aime": "f1"}, by_index=True).total
    assert total.score.pairs.total == pytest.approx(total.failed.pairs.total)
    assert total.score.pairs.worse == pytest.approx(total.failed.pairs.worse)
