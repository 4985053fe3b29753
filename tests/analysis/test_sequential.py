from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import question, run

from lrmtest.analysis.claims import claims
from lrmtest.analysis.gate import Check, decide
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.paired_comparison import compare_outcomes
from lrmtest.analysis.sequential import SequentialGate, draw_order, order_identity, rounds_of
from lrmtest.errors import UsageError
from lrmtest.runs.looks import LOOKING_SHARE

PASS_RATE = GateSettings(token_margin=None, rate_margin=None)


def opened(baseline, samples, settings=PASS_RATE, **more):
    return SequentialGate(
        baseline, list(baseline), samples=samples, budget=32768, settings=settings, **more
    )


def told(gate, candidate, order=None):
    for key, sample in order or gate.order:
        if gate.decision is not None:
            break
        gate.update(key, sample, candidate[key].samples.get(sample))
    return gate


def test_a_broken_model_is_found_out_early():
    baseline = run(1, questions=100, samples=4)
    gate = told(opened(baseline, 4), run(2, questions=100, samples=4, drop=0.6))
    assert gate.decision.result == "regressed"
    assert gate.looked_at < 100
    assert gate.finish() is gate.decision


def test_the_same_model_is_let_through_early():
    baseline = run(1, questions=100, samples=8)
    gate = told(opened(baseline, 8), run(2, questions=100, samples=8))
    assert gate.decision.result == "ok"
    assert gate.looked_at < 600


def test_costs_are_looked_at_too():
    baseline = run(1, questions=100, samples=8)
    gate = told(opened(baseline, 8, GateSettings()), run(2, questions=100, samples=8, longer=4.0))
    assert gate.decision.result == "regressed"
    assert gate.decision.reasons[0].startswith("tokens: rose by ")
    gate = told(
        opened(baseline, 8, GateSettings()), run(2, questions=100, samples=8, failure="looped")
    )
    assert gate.decision.result == "regressed"
    assert gate.decision.reasons[0].startswith("looping: rose by ")


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.3, 0.6]))
def test_the_order_of_arrival_changes_nothing(seed, drop):
    baseline, candidate = run(1, samples=3), run(2, samples=3, drop=drop)
    in_order = told(opened(baseline, 3), candidate)
    shuffled = list(in_order.order)
    Random(seed).shuffle(shuffled)
    any_order = opened(baseline, 3)
    for key, sample in shuffled:
        any_order.update(key, sample, candidate[key].samples[sample])
    assert any_order.looked_at == in_order.looked_at
    assert any_order.decision == in_order.decision
    assert any_order.finish() == in_order.finish()


def test_what_has_arrived_ahead_of_its_turn_does_not_count():
    baseline = run(1, samples=2)
    gate = opened(baseline, 2)
    for key, sample in gate.order[1:]:
        gate.update(key, sample, baseline[key].samples[sample])
    assert gate.looked_at == 0
    first, sample = gate.order[0]
    gate.update(first, sample, None)
    assert gate.looked_at > 1


@pytest.mark.parametrize("known", [1, 8])
def test_a_copy_goes_its_own_way(known):
    """By pairs and against a table: what one gate is told, another that began with it is not."""
    baseline = run(1, questions=60, samples=known)
    same = run(2, questions=60, samples=8)
    worse = run(3, questions=60, samples=8, drop=0.6)
    first = opened(baseline, 8)
    for key, sample in first.order[:20]:
        first.update(key, sample, same[key].samples[sample])
    second = first.copied()
    told(second, worse, second.order[20:])
    assert first.looked_at == 20
    told(first, same, first.order[20:])
    mixed = told(opened(baseline, 8), same, first.order[:20])
    told(mixed, worse, mixed.order[20:])
    alone = told(opened(baseline, 8), same)
    assert first.baseline_known == (known > 1)
    for one, other in ((first, alone), (second, mixed)):
        assert one.looked_at == other.looked_at
        assert one.finish() == other.finish()
    assert first.finish() != second.finish()


def test_the_order_is_in_rounds_and_depends_on_nothing_but_the_seed():
    baseline = run(1, suites=("aime", "folio"), samples=3)
    order = draw_order(baseline, 4, seed=7)
    assert len(set(order)) == len(order) == 240
    for sample in range(4):
        part = order[60 * sample : 60 * (sample + 1)]
        assert {index for _, index in part} == {sample}
        assert {key for key, _ in part} == set(baseline)
    other = run(2, suites=("aime", "folio"), samples=3, drop=0.5)
    assert draw_order(dict(reversed(other.items())), 4, seed=7) == order
    assert draw_order(baseline, 4, seed=8) != order
    assert [key for key, sample in order if sample == 0] != [k for k, s in order if s == 1]


def test_a_baseline_sample_is_never_used_twice():
    """One baseline sample per question: later rounds say nothing until the end."""
    baseline = run(1, questions=20, samples=1)
    candidate = run(2, questions=20, samples=4, drop=1.0)
    gate = opened(baseline, 4)
    for key, sample in gate.order[20:]:
        gate.update(key, sample, candidate[key].samples[sample])
    assert gate.decision is None
    assert gate.finish().result in ("regressed", "undecided")


def test_without_an_early_decision_the_fixed_gate_decides_with_what_is_left_of_alpha():
    baseline, candidate = run(1, samples=4), run(8, samples=4, drop=0.15)
    gate = told(opened(baseline, 4), candidate)
    assert gate.decision is None
    final = gate.finish()
    fixed = decide(compare_outcomes(baseline, candidate), PASS_RATE)
    assert final.checks[0].p_regressed == pytest.approx(2 * fixed.checks[0].p_regressed)
    assert (final.result == "regressed") == (fixed.checks[0].p_regressed <= 0.025)


def test_engine_errors_count_for_nothing_and_are_named_at_the_end():
    baseline = run(1, samples=1)
    candidate = dict(run(1, samples=1))
    gate = opened(baseline, 1)
    for key, sample in gate.order:
        outcome = None if key == ("aime", "3") else candidate[key].samples[sample]
        gate.update(key, sample, outcome)
    decision = gate.finish()
    assert decision.result == "undecided"
    assert "aime 3" in decision.reasons[0]


def test_of_a_candidate_without_samples_nothing_can_be_told():
    gate = opened(run(1), 1)
    assert gate.finish().result == "cannot-tell"


@pytest.mark.parametrize("costs", [PASS_RATE, GateSettings(token_margin=None)])
def test_it_never_stops_with_ok_where_a_drop_could_not_be_seen(costs):
    baseline = run(1, questions=100, samples=8, drop=0.97)
    same = run(2, questions=100, samples=8, drop=0.97)
    gate = told(opened(baseline, 8, costs), same)
    assert gate.decision is None
    assert gate.looked_at == len(gate.order)
    assert gate.finish().result == decide(compare_outcomes(baseline, same), costs).result
    assert gate.finish().result == "cannot-tell"
    # What can be seen all the same is seen: early by pairs; a table looks for larger changes early.
    broken = told(opened(baseline, 8, costs), run(2, questions=100, samples=8, drop=1.0))
    assert broken.finish().result == "regressed"
    few = run(1, questions=15, samples=8, drop=0.9)
    assert not opened(few, 8, costs).baseline_known
    broken = told(opened(few, 8, costs), run(2, questions=15, samples=8, drop=1.0))
    assert broken.decision.result == "regressed"


def test_a_suite_at_the_floor_does_not_stop_it_if_that_is_allowed():
    def both(seed, drop):
        good = run(seed, questions=100, samples=8, longer=0)
        floor = run(seed, suites=("hard",), questions=40, samples=8, drop=1.0, longer=0)
        return {**good, **floor}

    baseline, candidate = both(1, 0.0), both(2, 0.0)
    assert told(opened(baseline, 8), candidate).finish().result == "cannot-tell"
    allowed = GateSettings(token_margin=None, rate_margin=None, allow_cannot_tell=("hard",))
    gate = told(opened(baseline, 8, allowed), candidate)
    assert gate.decision.result == "ok"
    assert gate.looked_at < 900
    assert any("0 of 320 samples of 40 of hard" in reason for reason in gate.decision.reasons)


def test_questions_that_the_baseline_lacks_are_refused_unless_allowed():
    baseline = run(1)
    asked = [*baseline, ("aime", "new")]
    with pytest.raises(UsageError, match="1 of the questions"):
        SequentialGate(baseline, asked, samples=1, budget=10)
    allowed = GateSettings(allow_missing=True)
    gate = SequentialGate(baseline, asked, samples=1, budget=10, settings=allowed)
    assert ("aime", "new") not in {key for key, _ in gate.order}
    with pytest.raises(UsageError, match="any of the questions"):
        SequentialGate(baseline, [("aime", "new")], samples=1, budget=10, settings=allowed)


@pytest.mark.parametrize("samples", [1, 4])
def test_identical_models_are_rarely_called_regressed(samples):
    """The whole gate, looks and end; binomial error of 150 runs is 1.8 points."""
    alarms = 0
    for seed in range(150):
        baseline = run(2 * seed, samples=samples, longer=0)
        gate = told(opened(baseline, samples), run(2 * seed + 1, samples=samples, longer=0))
        alarms += gate.finish().result == "regressed"
    assert alarms / 150 <= 0.05 + 0.036


def of_counts(seed, counts, rate=0.5):
    """Two suites' worth of questions, each with so many samples, that pass at the same rate."""
    coins = Random(seed)
    return {
        ("s", f"{number:03}"): question(
            "s", f"{number:03}", [None if coins.random() < rate else "wrong" for _ in range(count)]
        )
        for number, count in enumerate(counts)
    }


@settings(max_examples=30)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 9))
def test_every_round_has_every_question_and_no_sample_twice(counts, samples):
    baseline = of_counts(1, counts)
    rounds, blocks = rounds_of(baseline, samples)
    order = draw_order(baseline, samples, seed=3)
    assert sorted(order) == [(key, sample) for key in sorted(baseline) for sample in range(samples)]
    length = sum(blocks.values())
    for number in range(rounds):
        part = order[number * length : (number + 1) * length]
        for key, block in blocks.items():
            wanted = list(range(number * block, (number + 1) * block))
            assert [sample for one, sample in part if one == key] == wanted
            assert all(sample < counts[int(key[1])] for sample in wanted)
    more = draw_order(baseline, samples + 3, seed=3)
    assert more[: rounds * length] == order[: rounds * length]


def test_with_equal_numbers_a_round_is_a_sample_of_each():
    assert rounds_of(of_counts(1, [4] * 5), 3) == (3, dict.fromkeys(of_counts(1, [4] * 5), 1))
    assert rounds_of(of_counts(1, [4, 1]), 4)[0] == 1


def test_a_question_with_few_samples_counts_as_much_as_one_with_many():
    """Better where there is one sample and worse where there are four is neither on average."""
    counts = [1] * 20 + [4] * 20
    right, wrong = of_counts(1, counts, 1.0), of_counts(1, counts, 0.0)
    keys = list(right)
    baseline = {key: (wrong if number < 20 else right)[key] for number, key in enumerate(keys)}
    candidate = {
        key: (of_counts(1, [4] * 40, 1.0) if number < 20 else of_counts(1, [4] * 40, 0.0))[key]
        for number, key in enumerate(keys)
    }
    for seed in range(20):
        gate = told(opened(baseline, 4, seed=seed), candidate)
        assert gate.finish().result != "regressed"


def test_errors_of_the_candidate_are_bet_on_as_if_they_had_gone_against_the_bet():
    baseline = run(1, questions=100, samples=8)
    candidate = run(2, questions=100, samples=8)
    complete = told(opened(baseline, 8), candidate)
    gate = opened(baseline, 8)
    for place, (key, sample) in enumerate(gate.order):
        gate.update(key, sample, None if place % 20 == 0 else candidate[key].samples[sample])
        if gate.decision is not None:
            break
    assert complete.decision.result == "ok"
    assert gate.looked_at > complete.looked_at
    broken = run(2, questions=100, samples=8, drop=0.6)
    gate = opened(baseline, 8)
    for place, (key, sample) in enumerate(gate.order):
        gate.update(key, sample, None if place % 20 == 0 else broken[key].samples[sample])
    assert gate.decision.result == "regressed"


def test_unequal_samples_raise_no_more_alarms_than_stated():
    """Uncertain questions with one sample among certain ones; error of 150 runs: 1.8 points."""
    counts = [1] * 30 + [4] * 60
    alarms = 0
    for seed in range(150):
        coins = Random(seed)
        sides = []
        for _ in range(2):
            side = of_counts(0, counts, 1.0)
            for key in list(side)[:30]:
                side[key] = question(*key, [None if coins.random() < 0.5 else "wrong"])
            sides.append(side)
        gate = told(opened(sides[0], 4, seed=seed), sides[1])
        alarms += gate.finish().result == "regressed"
    assert alarms / 150 <= 0.05 + 0.036


def test_samples_are_paired_by_index_where_the_baseline_has_gaps():
    full = run(1, questions=100, samples=6)
    gaps = {
        key: replace(one, samples={i: s for i, s in one.samples.items() if i != int(key[1]) % 3})
        for key, one in full.items()
    }
    gate = opened(gaps, 6, by_index=True)
    # Whose index the baseline lacks is asked last.
    assert all(index == int(key[1]) % 3 for key, index in gate.order[-100:])
    told(gate, full)
    # Every pair is a sample and its copy; paired otherwise they would differ.
    assert gate.decision.result == "ok"
    assert gate.decision.checks[0].worsening == 0
    assert gate.looked_at < 70
    assert told(opened(gaps, 6), full).looked_at > gate.looked_at


def test_samples_that_share_draws_are_never_bet_against_a_table():
    baseline = run(1, questions=100, samples=8)
    assert opened(baseline, 8).baseline_known
    gate = opened(baseline, 8, by_index=True)
    assert not gate.baseline_known
    assert gate.settings.look.looking == LOOKING_SHARE
    keys, asked = list(baseline), (0, PASS_RATE)
    identities = {order_identity(baseline, keys, *asked, by_index=each) for each in (True, False)}
    assert len(identities) == 2


def test_what_an_earlier_stage_has_excluded_is_not_waited_for():
    baseline, candidate = run(1, questions=100, samples=4), run(2, questions=100, samples=4)
    settings = GateSettings()
    waits = told(opened(baseline, 4, settings, by_index=True), candidate)
    costs = [
        Check(claim, "ok", 0.0, 1.0, 0.01, None)
        for claim in claims(["aime"], settings, tokens=True)
        if claim.what in ("tokens", "pass rate")
    ]
    known = {check.claim: check for check in costs}
    stops = told(opened(baseline, 4, settings, by_index=True, excluded=known), candidate)
    assert stops.decision.result == "ok"
    assert stops.looked_at < waits.looked_at
    found = {check.claim: check for check in stops.decision.checks}
    assert all(found[claim] == check for claim, check in known.items())
    # What was excluded does not keep it from being found after all.
    broken = run(2, questions=100, samples=4, drop=0.9)
    stops = told(opened(baseline, 4, settings, by_index=True, excluded=known), broken)
    assert stops.decision.result in ("ok", "regressed")
    worse = told(
        opened(baseline, 4, settings, by_index=True, excluded={costs[1].claim: costs[1]}), broken
    )
    assert worse.decision.result == "regressed"


@pytest.mark.parametrize("together", [0.0, 0.5, 1.0])
def test_paired_by_index_identical_models_are_rarely_called_regressed(together):
    """150 runs, of which 5 % are 7.5; drawn once, by fixed seeds."""
    wrong = 0
    for seed in range(150):
        coins = Random(seed)
        baseline = run(seed, questions=20, samples=3)
        other = run(seed + 1000, questions=20, samples=3)
        candidate = {
            key: replace(
                one,
                samples={
                    i: (one if coins.random() < together else other[key]).samples[i]
                    for i in one.samples
                },
            )
            for key, one in baseline.items()
        }
        gate = told(opened(baseline, 3, by_index=True), candidate)
        wrong += gate.finish().result == "regressed"
    assert wrong <= 15


def test_that_samples_share_their_draws_may_turn_out_once_the_engine_has_started():
    baseline = run(1, samples=2)
    other = run(2, samples=2)
    candidate = {
        key: replace(one, samples={0: one.samples[0], 1: other[key].samples[1]})
        for key, one in baseline.items()
    }
    small = GateSettings(mde=0.03, token_margin=None, rate_margin=None)
    gate = told(opened(baseline, 2, small), candidate)
    assert gate.decision is None
    apart, by_index = (gate.finish(by_index=each).checks[0] for each in (False, True))
    assert by_index.worsening == apart.worsening
    assert by_index.p_ok < apart.p_ok
    told_before = told(opened(baseline, 2, small, by_index=True), candidate)
    assert told_before.decision is None
    assert told_before.finish().checks[0].p_ok == by_index.p_ok
