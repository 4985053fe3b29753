from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammaln
from scipy.stats import binomtest, hypergeom

from lrmtest.analysis.pairs import PairedQuestion, Pairs, general_interval, pair
from lrmtest.errors import UsageError

levels = st.sampled_from([0.8, 0.95, 0.99])


@st.composite
def questions(draw, most=8):
    def side():
        n = draw(st.integers(1, most))
        return draw(st.integers(0, n)), n

    return [PairedQuestion(*side(), *side()) for _ in range(draw(st.integers(1, 20)))]


def mirrored(asked):
    return [
        PairedQuestion(q.candidate, q.candidate_samples, q.baseline, q.baseline_samples)
        for q in asked
    ]


@given(st.integers(0, 80), st.integers(0, 80), st.integers(0, 200))
def test_with_one_sample_it_is_mcnemars_exact_test(worse, better, same):
    asked = [PairedQuestion(0, 1, 1, 1)] * worse + [PairedQuestion(1, 1, 0, 1)] * better
    asked += [PairedQuestion(1, 1, 1, 1)] * same
    theirs = binomtest(worse, worse + better).pvalue if worse + better else 1.0
    assert pair(asked).p_different() == pytest.approx(theirs, rel=1e-6)


@given(questions())
def test_the_worsening_is_the_mean_over_questions_when_samples_are_equal_in_number(asked):
    one_each = [PairedQuestion(q.baseline, 8, q.candidate, 8) for q in asked]
    mean = sum(question.worsening for question in one_each) / len(one_each)
    assert pair(one_each).worsening == pytest.approx(mean)
    assert pair(asked).worsening == pytest.approx(sum(q.worsening for q in asked) / len(asked))


@settings(max_examples=30)
@given(questions(), levels)
def test_intervals_hold_the_estimate_and_mirror(asked, level):
    for interval_of in (
        lambda part: pair(part).interval(level),
        lambda p: general_interval(p, level),
    ):
        interval = interval_of(asked)
        mean = pair(asked).worsening
        assert -1 <= interval.low <= mean + 1e-5
        assert mean - 1e-5 <= interval.high <= 1
        other = interval_of(mirrored(asked))
        assert other.low == pytest.approx(-interval.high, abs=1e-5)
        assert other.high == pytest.approx(-interval.low, abs=1e-5)


@settings(max_examples=30)
@given(questions(most=1), levels)
def test_with_one_sample_both_claims_have_the_same_interval(asked, level):
    here, general = pair(asked).interval(level), general_interval(asked, level)
    assert (here.low, here.high) == pytest.approx((general.low, general.high), abs=1e-6)


@given(questions(), st.floats(-0.9, 0.9))
def test_the_two_hypotheses_are_never_both_rejected(asked, worsening):
    pairs = pair(asked)
    assert pairs.p_above(worsening) + pairs.p_below(worsening) >= 1 - 1e-6
    assert pairs.p_above(worsening) <= pairs.p_above(min(0.95, worsening + 0.1)) + 1e-7


@settings(max_examples=30)
@given(questions(), st.floats(-0.9, 0.9), levels)
def test_the_interval_is_what_the_tests_do_not_reject(asked, worsening, level):
    pairs = pair(asked)
    interval = pairs.interval(level)
    smaller = min(pairs.p_above(worsening), pairs.p_below(worsening))
    if abs(worsening - interval.low) > 1e-5 and abs(worsening - interval.high) > 1e-5:
        assert (interval.low < worsening < interval.high) == (smaller > (1 - level) / 2)


def test_one_question_says_little_and_none_nothing():
    worse = pair([PairedQuestion(0, 1, 1, 1)])
    assert worse.p_above(0.0) == pytest.approx(0.5)
    assert worse.interval().low < -0.9
    assert (pair([]).interval().low, pair([]).interval().high) == (-1, 1)
    assert (general_interval([]).low, general_interval([]).high) == (-1, 1)
    assert pair([]).p_different() == 1


@pytest.mark.parametrize("bad", [0, 30])
def test_no_change_at_all_is_not_certainty(bad):
    """0 of n and n of n: nothing changed, which excludes large changes only."""
    pairs = pair([PairedQuestion(bad > 0, 1, bad > 0, 1)] * 30)
    assert pairs.p_above(0.0) == pytest.approx(1)
    assert pairs.interval().high == pytest.approx(1 - 0.025 ** (1 / 30), abs=1e-5)


def test_a_level_that_is_no_probability_is_refused():
    with pytest.raises(UsageError, match="between 0 and 1"):
        Pairs(1, 0, 2, 2).interval(95)


def test_samples_of_unequal_number_count_as_their_harmonic_mean():
    assert pair([PairedQuestion(2, 16, 1, 4)] * 3).total == pytest.approx(3 * 6.4)


def _highest_error(n, worsening, alpha, *, above):
    """The highest error rate over all pairs of models, by enumeration of all outcomes."""
    outcomes = [(b, c) for b, c in product(range(n + 1), repeat=2) if b + c <= n]
    rejected = []
    for b, c in outcomes:
        pairs = Pairs(b, c, n, n)
        p = pairs.p_above(worsening) if above else pairs.p_below(worsening)
        if p <= alpha:
            rejected.append((b, c, n - b - c))
    counts = np.array(rejected).reshape(-1, 3)
    ways = gammaln(n + 1) - gammaln(counts + 1).sum(1)
    highest = 0.0
    for differ in np.linspace(abs(worsening) + 1e-9, 1 - 1e-9, 60):
        chances = [(differ + worsening) / 2, (differ - worsening) / 2, 1 - differ]
        with np.errstate(divide="ignore"):
            logs = np.log(np.maximum(chances, 1e-300))
        highest = max(highest, np.exp(ways + counts @ logs).sum())
    return highest


@pytest.mark.parametrize("n", [1, 5, 12, 30])
@pytest.mark.parametrize(
    ("worsening", "alpha", "above"),
    [
        (0.0, 0.05, True),
        (0.0, 0.01, True),
        (0.02, 0.05, True),
        (0.05, 0.05, True),
        (0.2, 0.05, True),
        (0.05, 0.2, False),
        (0.1, 0.2, False),
        (0.1, 0.05, False),
    ],
)
def test_the_error_rate_with_one_sample_is_never_above_its_level(n, worsening, alpha, above):
    """Exact, for every probability that a pair differs; not a simulation."""
    highest = _highest_error(n, worsening, alpha, above=above)
    print(f"n = {n}, worsening {worsening}: at most {highest:.4f} for {alpha}")
    assert highest <= alpha


def _permutation_p(asked):
    """The exact test that deals each question's bad samples out anew between the runs."""
    spread = np.array([1.0])
    seen = 0
    for q in asked:
        bad = q.baseline + q.candidate
        samples = q.baseline_samples + q.candidate_samples
        dealt = hypergeom.pmf(np.arange(q.candidate_samples + 1), samples, bad, q.candidate_samples)
        spread = np.convolve(spread, dealt)
        seen += q.candidate
    return spread[seen:].sum()


@pytest.mark.parametrize("samples", [2, 4, 16])
def test_with_more_samples_it_agrees_with_the_permutation_test(samples):
    """Exact for identical models, and hence a yardstick: we must hardly ever be bolder."""
    rng = np.random.default_rng(3)
    ours, theirs = [], []
    for _ in range(150):
        rates = rng.beta(0.6, 0.5, 30)
        bad = rng.binomial(samples, rates, (2, 30))
        asked = [PairedQuestion(int(b), samples, int(c), samples) for b, c in bad.T]
        ours.append(pair(asked).p_above(0.0))
        theirs.append(_permutation_p(asked))
    assert np.abs(np.array(ours) - theirs).max() < 0.03
    assert np.mean(np.array(ours) <= 0.05) <= np.mean(np.array(theirs) <= 0.05) + 0.02


@pytest.mark.parametrize(("before", "after"), [(4, 4), (16, 16), (16, 4), (2, 8)])
@pytest.mark.parametrize("drop", [0.0, 0.1])
def test_coverage_on_thirty_questions(before, after, drop):
    """The pass rates of these very questions; binomial error of 600 runs is 0.9 points."""
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(600):
        fails = rng.beta(0.5, 0.6, 30)
        worse = fails + drop * (1 - fails) / (1 - fails).mean()
        truth = (np.minimum(worse, 1) - fails).mean()
        bad = rng.binomial(before, fails), rng.binomial(after, np.minimum(worse, 1))
        asked = [PairedQuestion(int(b), before, int(c), after) for b, c in zip(*bad, strict=True)]
        pairs = pair(asked)
        covered += min(pairs.p_above(truth), pairs.p_below(truth)) > 0.025
    print(f"{before} and {after} samples, drop {drop}: coverage {covered / 600:.1%}")
    assert covered / 600 >= 0.93
