from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product
from math import exp, log, prod

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from simulated import question, run

from lrmtest.analysis import table_bets
from lrmtest.analysis.claims import claims
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.known_table import (
    LEAST_SHARE,
    draw_turns,
    samples_that_pay,
    shares_of_turns,
    table_pays,
    table_size,
)
from lrmtest.analysis.sequential import SequentialGate, order_identity
from lrmtest.analysis.table_bets import CutOffs, Table, TableBets, deviations, on_baseline, table_of
from lrmtest.runs.outcomes import SampleOutcome

PASS_RATE = GateSettings(token_margin=None, rate_margin=None)
rates = st.floats(0, 1)


def figure(sample):
    return float(not sample.passed)


def tables(chances, samples):
    """Every table of so many samples of each question, with its probability."""
    for failed in product((0, 1), repeat=len(chances) * samples):
        parts = [failed[i * samples : (i + 1) * samples] for i in range(len(chances))]
        chance = prod(
            p if bad else 1 - p for p, part in zip(chances, parts, strict=True) for bad in part
        )
        yield (
            chance,
            {
                ("s", str(i)): question("s", str(i), ["wrong" if bad else None for bad in part])
                for i, part in enumerate(parts)
            },
        )


@settings(max_examples=25, deadline=None)
@given(
    st.lists(rates, min_size=2, max_size=3),
    st.floats(0, 1),
    st.floats(0, 0.49),
    st.booleans(),
    st.booleans(),
)
def test_what_is_bet_on_the_baseline_never_grows_in_expectation(chances, away, stake, above, pilot):
    """By enumeration: for every true mean on the wrong side of a cut-off, the capital's mean."""
    mean = sum(chances) / len(chances)
    cut = mean + away * (1 - mean) if above else mean * (1 - away)
    expected = sum(
        chance
        * exp(
            on_baseline(
                deviations(table_of(baseline, figure, dict.fromkeys(baseline, 1.0), pilot=pilot)),
                [cut],
                stake,
                above=above,
            )[0]
        )
        for chance, baseline in tables(chances, 3)
    )
    assert expected <= 1 + 1e-7


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-1, 2), st.integers(1, 300)), max_size=200, unique_by=lambda x: x[0]
    ),
    st.lists(st.floats(0, 1), min_size=1, max_size=3),
    st.floats(0, 0.45),
    st.booleans(),
)
def test_what_is_won_on_the_baseline_is_a_sum_of_logarithms(figures, cuts, stake, above):
    figures = [
        (figure, count) for figure, count in figures if all(abs(figure - c) < 2 for c in cuts)
    ]
    bet = stake if above else -stake
    assert on_baseline(figures, cuts, stake, above=above) == pytest.approx(
        [sum(count * log(1 + bet * (figure - cut)) for figure, count in figures) for cut in cuts],
        rel=1e-9,
        abs=1e-9,
    )


@pytest.mark.parametrize("above", [True, False])
@pytest.mark.parametrize(
    ("before", "after", "ratio", "shares"),
    [
        ((0.5, 0.5), (0.5, 0.5), 1.0, (1.0, 1.0)),
        ((0.1, 0.9), (0.9, 0.1), 1.0, (1.0, 0.6)),
        ((0.2, 0.4), (0.6, 0.0), 1.0, (0.7, 0.7)),
        ((0.3, 0.5), (0.2, 0.92), 1.4, (1.0, 0.6)),
    ],
)
def test_the_capital_is_never_1_over_alpha_more_often_than_alpha(
    above, before, after, ratio, shares, monkeypatch
):
    """By enumeration of every table, order, coin and outcome: looks at every turn of two rounds.

    The candidate's true mean is exactly at the limit, and the cut-off at the baseline's own. Bets
    come from the table.
    """
    monkeypatch.setattr(table_bets, "_STEPS", (0.0, 0.0))
    mean = sum(before) / 2
    offset = sum(after) / 2 - ratio * mean
    ends = 0.0
    reached: dict[float, float] = {}
    for chance, baseline in tables(before, 2):
        table = table_of(baseline, figure, dict(zip(baseline, shares, strict=True)), pilot=False)
        away = 0.3 if above else -0.3
        for first, second in product(permutations(range(2)), repeat=2):
            turns = [*first, *second]
            # For every turn: not asked, passed, failed.
            for went in product((None, 0, 1), repeat=4):
                p = chance / 4
                for number, outcome in zip(turns, went, strict=True):
                    asked = shares[number] * (after[number] if outcome else 1 - after[number])
                    p *= 1 - shares[number] if outcome is None else asked
                if not p:
                    continue
                capital = CutOffs(
                    replace(table, mean=mean),
                    above=above,
                    ratio=ratio,
                    offset=offset,
                    expects=[table.mean * ratio + offset + each * away for each in (1, 2)],
                    stakes=[0.3, 0.1],
                    unit=0.3,
                )
                most = 0.0
                for number, outcome in zip(turns, went, strict=True):
                    less = 0.0 if outcome is None else outcome - table.expected[number]
                    capital.observe(less / shares[number])
                    most = max(most, capital._capital(0))
                assert capital.most <= most + 1e-9
                reached[most] = reached.get(most, 0.0) + p
                ends += p * exp(capital._capital(0))
    assert sum(reached.values()) == pytest.approx(1)
    assert ends <= 1 + 1e-9
    if len(set(before)) == len(set(after)) == 1:
        assert ends > 0.95
    tail = 0.0
    for most in sorted(reached, reverse=True):
        tail += reached[most]
        assert tail * exp(most) <= 1 + 1e-9
    assert max(reached) > log(2)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 3), min_size=2, max_size=5))
def test_looks_within_a_round_lose_nothing(factors):
    """A product of factors with a mean of 1 at most, in random order: all orders are tried."""
    total = sum(factors)
    assume(total > 0)
    factors = [factor * len(factors) / max(total, len(factors)) for factor in factors]
    highest = []
    for order in permutations(factors):
        capital = most = 1.0
        for factor in order:
            capital *= factor
            most = max(most, capital)
        highest.append(most)
    highest.sort(reverse=True)
    for number, most in enumerate(highest, start=1):
        if most > 1:
            assert number / len(highest) <= 1 / most + 1e-9


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(0, 4))
def test_turns_are_rounds_in_which_questions_are_asked_by_their_share(seed, samples, more):
    shares = {("s", str(i)): 0.6 + 0.05 * i for i in range(9)}
    turns, left = draw_turns(shares, samples, seed)
    for number in range(samples):
        part = turns[9 * number : 9 * (number + 1)]
        assert {key for key, _ in part} == set(shares)
    asked = [turn for turn in turns + left if turn[1] is not None]
    assert sorted(asked) == sorted((key, j) for key in shares for j in range(samples))
    assert draw_turns(shares, samples + more, seed)[0][: len(turns)] == turns
    for key in shares:
        own = [sample for other, sample in turns if other == key and sample is not None]
        assert own == list(range(len(own)))


def test_how_often_a_question_is_asked():
    baseline = {
        ("s", str(i)): question("s", str(i), [None] * good + ["wrong"] * (16 - good), tokens)
        for i, (good, tokens) in enumerate(
            [(16, 1000), (8, 1000), (8, 2000), (8, 3000), (0, 20000), (0, 1000)]
        )
    }
    shares = shares_of_turns(baseline)
    assert shares["s", "0"] == 1  # its failures would ruin bold bets
    assert shares["s", "1"] == 1
    assert shares["s", "4"] == LEAST_SHARE
    assert all(LEAST_SHARE <= share <= 1 for share in shares.values())


def test_a_table_pays_when_there_are_samples_enough():
    assert not table_pays(run(1, questions=300, samples=1), PASS_RATE)
    assert not table_pays(run(1, questions=30, samples=4), PASS_RATE)
    assert table_pays(run(1, questions=30, samples=8), PASS_RATE)
    assert table_pays(run(1, questions=100, samples=2), PASS_RATE)
    # The smallest suite must be known, too.
    two = run(1, suites=("aime",), questions=10, samples=8) | run(
        1, suites=("folio",), questions=200, samples=8
    )
    assert table_size(two).samples == 80
    assert not table_pays(two, PASS_RATE)
    assert samples_that_pay(GateSettings(mde=0.05)) == 4 * samples_that_pay(GateSettings())


def test_another_table_is_another_test():
    few, many = run(1, samples=8), run(1, samples=16)
    keys = list(few)
    assert order_identity(few, keys, 0, PASS_RATE) == order_identity(dict(few), keys, 0, PASS_RATE)
    assert order_identity(few, keys, 0, PASS_RATE) != order_identity(many, keys, 0, PASS_RATE)
    alone, more = run(1, samples=1), run(1, samples=4)
    assert order_identity(alone, keys, 0, PASS_RATE) == order_identity(more, keys, 0, PASS_RATE)


def test_bets_are_about_their_own_suite_and_errors_go_against_both():
    baseline = run(1, suites=("aime", "folio"), questions=20, samples=8)
    shares = dict.fromkeys(baseline, 1.0)
    settings = PASS_RATE_LOOKING
    aime = next(claim for claim in claims(["aime", "folio"], settings, tokens=False)[1:])
    bets = TableBets(aime, settings, 1, baseline, shares)
    before = bets.check()
    bets.observe_turn(("folio", "3"), SampleOutcome("wrong"), asked=True)
    assert bets.check() == before
    for number in range(20):
        for _ in range(4):
            bets.observe_turn(("aime", str(number)), None, asked=True)
    assert bets.result == "undecided"
    assert bets.check().p_regressed == before.p_regressed
    assert bets.check().p_ok == before.p_ok
    for _ in range(4):
        for number in range(20):
            bets.observe_turn(("aime", str(number)), SampleOutcome("wrong"), asked=True)
    assert bets.result == "undecided"
    bets = TableBets(aime, settings, 1, baseline, shares)
    for _ in range(4):
        for number in range(20):
            bets.observe_turn(("aime", str(number)), SampleOutcome("wrong"), asked=True)
    assert bets.result == "regressed"


PASS_RATE_LOOKING = GateSettings(
    token_margin=None, rate_margin=None, look=GateSettings().look.with_looking()
)


def decided(baseline, candidate, samples, settings=PASS_RATE, **more):
    gate = SequentialGate(
        baseline, list(baseline), samples=samples, budget=32768, settings=settings, **more
    )
    assert gate.baseline_known
    for key, sample in gate.order:
        gate.update(key, sample, candidate[key].samples.get(sample))
        if gate.decision is not None:
            break
    return gate


def test_against_a_table_equal_models_take_fewer_samples_than_by_pairs(monkeypatch):
    def asked():
        return sum(
            decided_or_pairs(run(2 * s, samples=32), run(2 * s + 1, samples=16)) for s in range(12)
        )

    def decided_or_pairs(baseline, candidate):
        gate = SequentialGate(
            baseline, list(baseline), samples=16, budget=32768, settings=PASS_RATE
        )
        for key, sample in gate.order:
            gate.update(key, sample, candidate[key].samples[sample])
            if gate.decision is not None:
                break
        return gate.looked_at

    by_table = asked()
    monkeypatch.setattr("lrmtest.analysis.sequential.table_pays", lambda *_: False)
    assert by_table < 0.9 * asked()


def test_every_claim_is_decided_against_a_table():
    costs = GateSettings()
    baseline = run(1, questions=60, samples=16)
    same = decided(baseline, run(2, questions=60, samples=16), 16, costs)
    assert same.decision.result == "ok"
    longer = decided(baseline, run(3, questions=60, samples=16, longer=4.0), 16, costs)
    assert longer.decision.reasons[0].startswith("tokens: rose by ")
    looped = decided(baseline, run(4, questions=60, samples=16, failure="looped"), 16, costs)
    assert looped.decision.reasons[0].startswith("looping: rose by ")
    worse = decided(baseline, run(5, questions=60, samples=16, drop=0.6), 16, costs)
    assert worse.decision.result == "regressed"


def test_unequal_numbers_of_samples_make_one_table():
    baseline = {
        key: question("aime", key[1], [None, "wrong"] * (8 if number % 2 else 2))
        for number, key in enumerate(run(1, questions=60))
    }
    table = table_of(baseline, figure, dict.fromkeys(baseline, 1.0), pilot=False)
    assert isinstance(table, Table)
    assert len(table.rounds) == 4
    assert {len(each) for each in table.rounds} == {60}
    assert table.mean == 0.5
    worse = {key: question("aime", key[1], ["wrong"] * 4) for key in baseline}
    assert decided(baseline, worse, 4).decision.result == "regressed"
