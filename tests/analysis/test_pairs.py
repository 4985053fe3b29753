from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammaln
from scipy.stats import binom, binomtest, hypergeom

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
def test_with_one_sample_it_is_between_mcnemars_mid_p_and_exact_test(worse, better, same):
    asked = [PairedQuestion(0, 1, 1, 1)] * worse + [PairedQuestion(1, 1, 0, 1)] * better
    asked += [PairedQuestion(1, 1, 1, 1)] * same
    exact = binomtest(worse, worse + better, alternative="greater").pvalue if worse else 1.0
    mid = exact - binom.pmf(worse, worse + better, 0.5) / 2
    assert mid - 1e-6 <= pair(asked).p_above(0.0) <= exact * (1 + 1e-6)
    if not same:
        assert pair(asked).p_above(0.0) == pytest.approx(exact, rel=1e-6)


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


@given(questions(), st.integers(1, 16))
def test_as_many_samples_everywhere_are_so_many_pairs(asked, k):
    equal = [PairedQuestion(q.baseline % (k + 1), k, q.candidate % (k + 1), k) for q in asked]
    pairs = pair(equal)
    assert pairs.total == pytest.approx(k * len(equal))
    assert pairs.unseen == pytest.approx(1)


def test_a_question_varies_by_its_own_samples():
    """Pairs of a hundred certain questions do not make fifty coin tosses more certain."""
    coins = [PairedQuestion(0, 1, 1, 1)] * 15 + [PairedQuestion(1, 1, 0, 1)] * 5
    certain = [PairedQuestion(0, 16, 0, 16)] * 100
    assert pair(coins + certain).p_above(0.0) == pytest.approx(pair(coins).p_above(0.0), rel=0.4)
    # One run with few samples, of which none came out as they do rarely, is no certainty.
    rare = [PairedQuestion(0, 1, 1, 16)] * 30 + [PairedQuestion(0, 1, 0, 16)] * 70
    assert pair(rare).p_above(0.0) > 0.1


def _values(draw, samples):
    return draw(st.lists(st.sampled_from([0, 0.25, 1 / 3, 0.5, 1]), min_size=1, max_size=samples))


@st.composite
def scored(draw, most=5):
    count = draw(st.integers(1, 15))
    return [
        PairedQuestion.of_values(_values(draw, most), _values(draw, most)) for _ in range(count)
    ]


@given(st.lists(st.integers(0, 1), min_size=1, max_size=9), st.data())
def test_scores_of_0_and_1_are_yes_and_no(before, data):
    after = data.draw(st.lists(st.integers(0, 1), min_size=1, max_size=9))
    counted = PairedQuestion(sum(before), len(before), sum(after), len(after))
    scores = PairedQuestion.of_values(before, after)
    for figure in ("worsening", "square", "own_variance", "mean_share", "single"):
        assert getattr(scores, figure) == pytest.approx(getattr(counted, figure))


@settings(max_examples=30)
@given(scored(), levels)
def test_of_scores_the_interval_holds_the_estimate_and_what_is_not_rejected(asked, level):
    pairs = pair(asked)
    mean = sum(question.worsening for question in asked) / len(asked)
    assert pairs.worsening == pytest.approx(mean)
    assert 0 < pairs.step <= 1
    interval = pairs.interval(level)
    assert interval.low - 1e-5 <= mean <= interval.high + 1e-5
    general = general_interval(asked, level)
    assert general.low - 1e-5 <= mean <= general.high + 1e-5
    outside = not interval.low <= 0 <= interval.high
    if min(abs(interval.low), abs(interval.high)) > 1e-5:
        assert outside == (pairs.p_different() <= 1 - level)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=9), st.data())
def test_the_variance_of_a_question_is_that_of_its_two_means(before, data):
    after = data.draw(st.lists(st.floats(0, 1), min_size=2, max_size=9))
    question = PairedQuestion.of_values(before, after)
    a, b = len(before), len(after)
    means = np.var(before, ddof=1) / a + np.var(after, ddof=1) / b
    # What is above it is the square of the difference, without bias.
    square = question.worsening**2 - means
    expected = means + square * (1 / a + 1 / b) / 2
    assert question.own_variance == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("values", [([], [1]), ([0.5], []), ([1.5], [0]), ([0], [float("nan")])])
def test_figures_outside_0_and_1_are_refused(values):
    with pytest.raises(ValueError, match="not figures"):
        PairedQuestion.of_values(*values)


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


@pytest.mark.parametrize("n", [1, 5, 12, 20, 30, 50])
@pytest.mark.parametrize(
    ("worsening", "alpha", "above"),
    [
        (0.0, 0.05, True),
        (0.0, 0.04, True),
        (0.0, 0.025, True),
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


@pytest.mark.parametrize(("n", "least"), [(30, 0.85), (50, 0.85), (100, 0.85)])
def test_little_of_the_level_is_left_unspent(n, least):
    """Equal models: the highest rate over what the level allows; McNemar's exact test has 0.5."""
    assert _highest_error(n, 0.0, 0.05, above=True) >= least * 0.05


def _permutation_p(asked):
    """The exact test that deals each question's bad samples out anew between the runs.

    Returns:
        Its p-value, and its mid-p version: half the probability of what was seen.
    """
    spread = np.array([1.0])
    seen = 0
    for q in asked:
        bad = q.baseline + q.candidate
        samples = q.baseline_samples + q.candidate_samples
        dealt = hypergeom.pmf(np.arange(q.candidate_samples + 1), samples, bad, q.candidate_samples)
        spread = np.convolve(spread, dealt)
        seen += q.candidate
    return spread[seen:].sum(), spread[seen:].sum() - spread[seen] / 2


@pytest.mark.parametrize("samples", [2, 4, 16])
def test_with_more_samples_it_agrees_with_the_permutation_test(samples):
    """Exact for identical models, and hence a yardstick."""
    rng = np.random.default_rng(3)
    ours, exact, mid = [], [], []
    for _ in range(150):
        rates = rng.beta(0.6, 0.5, 30)
        bad = rng.binomial(samples, rates, (2, 30))
        asked = [PairedQuestion(int(b), samples, int(c), samples) for b, c in bad.T]
        ours.append(pair(asked).p_above(0.0))
        for values, p in zip((exact, mid), _permutation_p(asked), strict=True):
            values.append(p)
    assert (np.array(ours) <= np.array(exact) + 0.03).all()
    assert (np.array(ours) >= np.array(mid) - 0.03).all()
    assert np.mean(np.array(ours) <= 0.05) <= np.mean(np.array(mid) <= 0.05) + 0.01


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


def _false_alarms(rng, rates, before, after, runs, margin=0.0):
    """Share of runs in which a true worsening of `margin` is called more than that."""
    alarms = 0
    for _ in range(runs):
        p, q = rates(rng)
        bad = rng.binomial(before, p), rng.binomial(after, q)
        asked = [
            PairedQuestion(int(x), int(a), int(y), int(b))
            for x, a, y, b in zip(bad[0], before, bad[1], after, strict=True)
        ]
        alarms += pair(asked).p_above(margin) <= 0.05
    return alarms / runs


def _same(rates):
    return lambda rng: (rates(rng),) * 2


ONE_AND_FOUR = np.array([1] * 10 + [4] * 30)
UNEQUAL = {
    "uncertain questions have few samples": (
        _same(lambda rng: np.array([0.5] * 50 + [0.0] * 150)),
        np.array([1] * 50 + [4] * 150),
        np.array([1] * 50 + [4] * 150),
    ),
    "two suites": (_same(lambda rng: rng.beta(0.6, 0.5, 40)), ONE_AND_FOUR, ONE_AND_FOUR),
    "one sample against sixteen, rare failures": (
        _same(lambda rng: np.full(100, 0.02)),
        np.full(100, 1),
        np.full(100, 16),
    ),
    "two against sixteen, rare failures": (
        _same(lambda rng: np.full(100, 0.02)),
        np.full(100, 2),
        np.full(100, 16),
    ),
    "other questions, one sample of what varies": (
        lambda rng: (np.array([0.75, 0.25] * 20), np.array([1.0, 0.0] * 20)),
        np.full(40, 1),
        np.full(40, 16),
    ),
    "a single question with one sample": (
        _same(lambda rng: rng.beta(0.6, 0.5, 30)),
        np.array([1] + [16] * 29),
        np.array([1] + [16] * 29),
    ),
}


@pytest.mark.parametrize("case", UNEQUAL)
def test_unequal_samples_raise_no_more_alarms_than_stated(case):
    """1,000 runs: 5 % has a binomial error of 0.7 points."""
    rates, before, after = UNEQUAL[case]
    share = _false_alarms(np.random.default_rng(0), rates, before, after, 1000)
    print(f"{case}: {share:.1%}")
    assert share <= 0.05 + 2 * 0.007


@pytest.mark.parametrize("margin", [0.05, 0.1])
def test_unequal_samples_keep_the_level_at_a_margin(margin):
    def rates(rng):
        p = 0.1 + 0.5 * rng.beta(0.6, 0.5, 40)
        return p, p + margin

    share = _false_alarms(np.random.default_rng(1), rates, ONE_AND_FOUR, ONE_AND_FOUR, 1000, margin)
    print(f"margin {margin}: {share:.1%}")
    assert share <= 0.05 + 2 * 0.007


@pytest.mark.parametrize("samples", [1, 3])
def test_scores_keep_the_level(samples):
    """F1-like scores: mostly 0 or 1, the rest between; two runs of one model."""
    rng = np.random.default_rng(2)
    alarms = 0
    for _ in range(1000):
        rates = rng.beta(0.6, 0.5, 30)
        sides = []
        for _ in range(2):
            right = rng.random((samples, 30)) < rates
            partial = rng.choice([0.0, 0.25, 0.5, 2 / 3], (samples, 30))
            sides.append(np.where(right, partial * (rng.random((samples, 30)) < 0.3), 1 - partial))
        asked = [
            PairedQuestion.of_values(list(map(float, before)), list(map(float, after)))
            for before, after in zip(sides[0].T, sides[1].T, strict=True)
        ]
        alarms += pair(asked).p_above(0.0) <= 0.05
    print(f"{samples} samples: {alarms / 1000:.1%}")
    assert 0.01 <= alarms / 1000 <= 0.05 + 2 * 0.007


def test_a_drop_of_20_points_is_seen_on_thirty_questions_more_often_than_not():
    """McNemar's exact test sees it in 46 % of cases; the error of 800 runs is 1.8 points."""
    rng = np.random.default_rng(7)
    found = exactly = 0
    for _ in range(800):
        passes = rng.beta(0.6, 0.5, 30)
        kept = passes * (1 - 0.2 / passes.mean())
        bad = rng.random((2, 30)) >= [passes, kept]
        worse, better = int((bad[1] & ~bad[0]).sum()), int((bad[0] & ~bad[1]).sum())
        found += Pairs(worse, better, 30, 30).p_above(0.0) <= 0.05
        exactly += binomtest(worse, worse + better, alternative="greater").pvalue <= 0.05
    print(f"found {found / 800:.0%}, exact test {exactly / 800:.0%}")
    assert found >= exactly + 0.05 * 800
