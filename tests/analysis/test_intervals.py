from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from lrmtest.analysis.intervals import CLUSTERED_WILSON, WILSON, clustered, wilson
from lrmtest.errors import UsageError

levels = st.sampled_from([0.8, 0.9, 0.95, 0.99])


@st.composite
def passes_of(draw):
    n = draw(st.integers(1, 5000))
    return draw(st.integers(0, n)), n


@st.composite
def pass_counts(draw, min_samples=1):
    samples = st.integers(min_samples, 16)
    pairs = samples.flatmap(lambda k: st.tuples(st.integers(0, k), st.just(k)))
    return draw(st.lists(pairs, min_size=1, max_size=40))


@given(passes_of(), levels)
def test_wilson_agrees_with_scipy(counts, level):
    passes, n = counts
    theirs = binomtest(passes, n).proportion_ci(confidence_level=level, method="wilson")
    ours = wilson(passes, n, level)
    assert ours.low == pytest.approx(theirs.low, abs=1e-9)
    assert ours.high == pytest.approx(theirs.high, abs=1e-9)
    assert (ours.level, ours.method) == (level, WILSON)


@given(passes_of(), levels)
def test_wilson_contains_the_rate_and_mirrors(counts, level):
    passes, n = counts
    interval = wilson(passes, n, level)
    assert 0 <= interval.low <= passes / n <= interval.high <= 1
    mirrored = wilson(n - passes, n, level)
    assert interval.low == pytest.approx(1 - mirrored.high, abs=1e-12)
    assert interval.high == pytest.approx(1 - mirrored.low, abs=1e-12)


@given(st.integers(1, 300), levels)
def test_wilson_rises_with_the_passes(n, level):
    ends = [wilson(passes, n, level) for passes in range(n + 1)]
    assert all(a.low <= b.low and a.high <= b.high for a, b in pairwise(ends))


@given(passes_of())
def test_a_higher_level_is_wider(counts):
    narrow, wide = wilson(*counts, 0.8), wilson(*counts, 0.99)
    assert wide.low <= narrow.low
    assert narrow.high <= wide.high


def test_nothing_asked_is_nothing_known():
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0, 1)
    assert (clustered([]).low, clustered([(0, 0)]).high) == (0, 1)


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, float("nan")])
def test_a_level_that_is_no_probability_is_refused(level):
    with pytest.raises(UsageError, match="between 0 and 1"):
        wilson(1, 2, level)


def test_more_passes_than_samples_are_refused():
    with pytest.raises(ValueError, match="3 passes out of 2"):
        wilson(3, 2)
    with pytest.raises(ValueError, match="more than samples"):
        clustered([(1, 4), (5, 4)])


@given(st.lists(st.sampled_from([0, 1]), min_size=1, max_size=60), levels)
def test_one_sample_per_question_is_wilson(passes, level):
    assert clustered([(passed, 1) for passed in passes], level) == wilson(
        sum(passes), len(passes), level
    )


@given(st.lists(st.sampled_from([0, 1]), min_size=1, max_size=60), st.integers(2, 64))
def test_samples_that_always_agree_count_once(passes, samples):
    """Greedy decoding: k identical samples say no more than one."""
    repeated = clustered([(passed * samples, samples) for passed in passes])
    once = wilson(sum(passes), len(passes))
    assert (repeated.low, repeated.high) == pytest.approx((once.low, once.high))
    assert repeated.method == CLUSTERED_WILSON


@given(pass_counts(), levels)
def test_clustered_lies_between_questions_and_samples(counts, level):
    """Never wider than one sample per question, never narrower than independent samples."""
    n = len(counts)
    mean = sum(passes / samples for passes, samples in counts) / n
    independent = n * n / sum(1 / samples for _, samples in counts)
    interval = clustered(counts, level)
    widest = wilson(mean * n, n, level)
    narrowest = wilson(min(mean * independent, independent), independent, level)
    tiny = 1e-9
    assert widest.low - tiny <= interval.low <= narrowest.low + tiny
    assert narrowest.high - tiny <= interval.high <= widest.high + tiny
    assert interval.low - tiny <= mean <= interval.high + tiny


@given(pass_counts(), levels)
def test_clustered_mirrors_and_ignores_order(counts, level):
    interval = clustered(counts, level)
    mirrored = clustered([(samples - passes, samples) for passes, samples in counts], level)
    assert interval.low == pytest.approx(1 - mirrored.high, abs=1e-9)
    backwards = clustered(counts[::-1], level)
    assert (interval.low, interval.high) == pytest.approx((backwards.low, backwards.high))


@pytest.mark.parametrize("samples", [2, 4, 16])
def test_all_failed_and_one_pass_more_hardly_differ(samples):
    """No jump at the edge: one pass among 30 x k samples must not vouch for all of them."""
    none = clustered([(0, samples)] * 30)
    one = clustered([(1, samples)] + [(0, samples)] * 29)
    assert none.high == pytest.approx(wilson(0, 30).high)
    assert none.low == 0
    assert one.high > 0.9 * none.high


def _coverage(difficulty, truth, samples, questions=30, runs=2000, seed=7):
    rng = np.random.default_rng(seed)
    covered = 0
    for _ in range(runs):
        passes = rng.binomial(samples, difficulty(rng, questions))
        interval = clustered([(int(count), samples) for count in passes])
        covered += interval.low <= truth <= interval.high
    return covered / runs


@pytest.mark.parametrize("samples", [1, 4, 16])
@pytest.mark.parametrize(
    ("name", "a", "b"), [("mixed", 0.6, 0.5), ("hard", 0.2, 3.0), ("easy", 3.0, 0.3)]
)
def test_coverage_on_thirty_questions(name, a, b, samples):
    """Per-question pass probabilities Beta(a, b); binomial error of 2,000 runs is 0.5 points."""
    coverage = _coverage(lambda rng, n: rng.beta(a, b, n), a / (a + b), samples)
    print(f"{name} Beta({a}, {b}), 30 questions x {samples}: coverage {coverage:.1%}")
    assert coverage >= 0.92


@pytest.mark.parametrize("rate", [0.02, 0.5, 0.9])
def test_coverage_when_all_questions_are_equally_hard(rate):
    coverage = _coverage(lambda _, n: np.full(n, rate), rate, samples=4)
    assert coverage >= 0.93


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_scores_are_no_less_certain_than_their_pass_rate_would_be(scores):
    interval = clustered([(score, 1) for score in scores])
    mean = sum(scores) / len(scores)
    assert interval.low - 1e-9 <= mean <= interval.high + 1e-9
