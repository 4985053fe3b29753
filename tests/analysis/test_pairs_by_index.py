"""Samples that drew with the same random numbers, paired by their index: level, variance, power."""

from __future__ import annotations

from itertools import product
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import run

from lrmtest.analysis.gate import decide
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.paired_comparison import compare_outcomes
from lrmtest.analysis.pairs import PairedQuestion, pair

np = pytest.importorskip("numpy")

BAD = st.sampled_from([0.0, 1.0])


@settings(max_examples=60)
@given(
    st.integers(1, 6).flatmap(
        lambda k: st.lists(
            st.lists(st.tuples(BAD, BAD), min_size=k, max_size=k), min_size=1, max_size=20
        )
    )
)
def test_with_the_same_indices_everywhere_every_pair_is_a_question_with_one_sample(asked):
    by_index = pair(of_pairs(pairs) for pairs in asked)
    single = pair(of_pairs([one]) for pairs in asked for one in pairs)
    assert by_index.total == pytest.approx(single.total)
    assert by_index.worse == pytest.approx(single.worse)
    assert by_index.better == pytest.approx(single.better)
    for worsening in (0.0, 0.1):
        assert by_index.p_above(worsening) == pytest.approx(single.p_above(worsening), rel=1e-6)
        assert by_index.p_below(worsening) == pytest.approx(single.p_below(worsening), rel=1e-6)


def of_pairs(pairs):
    return PairedQuestion.of_values([one for one, _ in pairs], [other for _, other in pairs], pairs)


JOINT = {
    "independent": {(0, 0): 0.42, (0, 1): 0.18, (1, 0): 0.28, (1, 1): 0.12},
    "alike": {(0, 0): 0.55, (0, 1): 0.05, (1, 0): 0.05, (1, 1): 0.35},
    "opposed": {(0, 0): 0.1, (0, 1): 0.4, (1, 0): 0.4, (1, 1): 0.1},
    "nearly the same, and worse": {(0, 0): 0.5, (0, 1): 0.2, (1, 0): 0.0, (1, 1): 0.3},
}


@pytest.mark.parametrize("how", JOINT)
@pytest.mark.parametrize(
    ("before", "after", "shared"), [(2, 2, 2), (3, 2, 2), (2, 3, 1), (2, 2, 1)]
)
def test_a_questions_variance_is_that_of_its_samples_however_they_depend(
    how, before, after, shared
):
    """Exact, over all outcomes: never too low, and too high by the true difference alone."""
    joint = JOINT[how]
    rates = [sum(p for pair_, p in joint.items() if pair_[side]) for side in (0, 1)]
    coins = [{0: 1 - rate, 1: rate} for rate in rates]
    spaces = [list(joint)] * shared + [[0, 1]] * (before + after - 2 * shared)
    mean = square = estimated = 0.0
    for drawn in product(*spaces):
        pairs, rest = list(drawn[:shared]), drawn[shared:]
        alone = rest[: before - shared], rest[before - shared :]
        chance = prod(joint[one] for one in pairs) * prod(
            coin[one] for coin, ones in zip(coins, alone, strict=True) for one in ones
        )
        question = PairedQuestion.of_values(
            [one for one, _ in pairs] + list(alone[0]),
            [other for _, other in pairs] + list(alone[1]),
            pairs,
        )
        mean += chance * question.worsening
        square += chance * question.worsening**2
        estimated += chance * question.own_variance
    variance = square - mean**2
    drift = (rates[1] - rates[0]) ** 2 * (1 / before + 1 / after) / 2
    assert estimated >= variance - 1e-12
    # Where a mean square would come out below 0 it counts as 0.
    assert estimated <= variance + drift + (1e-12 if before == after == shared else 0.02)


def test_scores_that_are_all_alike_are_no_change():
    before = [0.1, 0.2, 0.3, 0.7]
    question = PairedQuestion.of_values(before, before[::-1], [(one, one) for one in before])
    assert question.indexed_squares == 0
    pairs = pair([question] * 3)
    assert pairs.worsening == pytest.approx(0.0)
    assert pairs.p_above(0.0) > 0.4


@pytest.mark.parametrize("samples", [1, 4])
def test_the_fixed_gate_decides_on_runs_that_are_the_same_sample_by_sample(samples):
    baseline = run(1, questions=100, samples=samples)
    decision = decide(compare_outcomes(baseline, baseline, by_index=True), GateSettings())
    assert decision.result == "ok"
    broken = run(1, questions=100, samples=samples, drop=0.9)
    decision = decide(compare_outcomes(baseline, broken, by_index=True), GateSettings())
    assert decision.result == "regressed"


def drawn(rng, before, after, shared, p, q, together):
    """Bad samples of both runs, (questions, samples) each; `together` as 1, 0 or -1."""
    coins = rng.random((len(p), before)), rng.random((len(q), after))
    if together:
        coins[1][:, :shared] = coins[0][:, :shared] if together > 0 else 1 - coins[0][:, :shared]
    return coins[0] < p[:, None], coins[1] < q[:, None]


def questions_of(bad, shared):
    return [
        PairedQuestion.of_values(
            list(map(float, one)),
            list(map(float, other)),
            [(float(x), float(y)) for x, y in zip(one[:shared], other[:shared], strict=True)],
        )
        for one, other in zip(*bad, strict=True)
    ]


@pytest.mark.parametrize(
    ("before", "after", "shared"), [(4, 4, 4), (8, 4, 4), (4, 8, 4), (16, 2, 2), (4, 4, 3)]
)
@pytest.mark.parametrize("together", [1, 0, -1])
def test_it_keeps_its_level_however_the_samples_of_a_pair_depend(before, after, shared, together):
    """400 runs at 5 %: simulation error 1.1 points; drawn once, by a fixed seed."""
    rng = np.random.default_rng(11)
    alarms = 0
    for _ in range(400):
        p = np.full(30, 0.5) if together < 0 else rng.beta(0.5, 0.6, 30)
        bad = drawn(rng, before, after, shared, p, p, together)
        alarms += pair(questions_of(bad, shared)).p_above(0.0) <= 0.05
    print(f"{before} and {after} samples, {shared} shared, {together}: {alarms / 400:.1%}")
    assert alarms / 400 <= 0.075


def test_samples_taken_for_independent_that_are_opposed_would_break_the_level():
    rng = np.random.default_rng(12)
    alarms = {0: 0, 16: 0}
    p = np.full(30, 0.5)
    for _ in range(400):
        bad = drawn(rng, 16, 16, 16, p, p, -1)
        for shared in alarms:
            alarms[shared] += pair(questions_of(bad, shared)).p_above(0.0) <= 0.05
    assert alarms[0] / 400 > 0.085 > 0.075 >= alarms[16] / 400


def test_what_both_runs_have_in_common_makes_a_drop_easier_to_see():
    rng = np.random.default_rng(13)
    found = {0: 0, 4: 0}
    for _ in range(100):
        p = rng.beta(0.5, 0.6, 30)
        bad = drawn(rng, 4, 4, 4, p, np.minimum(1, p + 0.05), 1)
        for shared in found:
            found[shared] += pair(questions_of(bad, shared)).p_above(0.0) <= 0.05
    assert found[4] >= found[0] + 30
