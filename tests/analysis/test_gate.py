from __future__ import annotations

import pytest
from simulated import question, run

from lrmtest.analysis.claims import claims
from lrmtest.analysis.gate import decide
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.paired_comparison import compare_outcomes
from lrmtest.analysis.summary import ALL_SUITES
from lrmtest.errors import UsageError


def gate(baseline, candidate, **settings):
    return decide(compare_outcomes(baseline, candidate), GateSettings(**settings))


def outcomes(decision):
    return {(part.claim.what, part.claim.suite): part.result for part in decision.checks}


def passing(count, failures=(), tokens=100):
    return {("s", str(i)): question("s", str(i), [None, *failures], tokens) for i in range(count)}


def test_a_large_drop_is_regressed():
    decision = gate(run(1, samples=8), run(2, samples=8, drop=0.5))
    assert decision.result == "regressed"
    assert decision.samples_needed is None
    assert decision.reasons[0].startswith("pass rate: fell by ")
    assert "a change for the worse is established" in decision.reasons[0]


def test_the_same_model_is_ok_when_there_are_samples_enough():
    decision = gate(run(1, samples=16), run(2, samples=16))
    assert decision.result == "ok"
    assert set(outcomes(decision).values()) == {"ok"}


def test_few_questions_are_undecided_and_more_samples_decide():
    decision = gate(run(1, samples=1), run(5, samples=1))
    assert decision.result == "undecided"
    needed = decision.samples_needed
    assert needed > 1
    assert gate(run(1, samples=needed), run(5, samples=needed)).result != "undecided"


def test_a_small_certain_drop_is_regressed_although_a_larger_one_is_excluded():
    decision = gate(run(1, samples=128), run(2, samples=128, drop=0.1))
    first = decision.checks[0]
    assert first.p_ok < 0.01
    assert first.result == decision.result == "regressed"


def test_what_is_tolerated_is_not_a_regression():
    baseline, candidate = run(1, samples=32), run(2, samples=32, drop=0.1)
    assert gate(baseline, candidate).result == "regressed"
    assert gate(baseline, candidate, margin=0.1).result == "ok"


def test_as_accurate_at_twice_the_tokens_is_not_as_good():
    baseline, candidate = run(1, samples=16), run(2, samples=16, longer=2.0)
    decision = gate(baseline, candidate)
    assert decision.result == "regressed"
    assert outcomes(decision)["pass rate", ALL_SUITES] == "ok"
    assert outcomes(decision)["tokens", ALL_SUITES] == "regressed"
    assert "%" in decision.reasons[0]
    assert gate(baseline, candidate, token_margin=1.2).result == "ok"
    assert gate(baseline, candidate, token_margin=None).result == "ok"


@pytest.mark.parametrize(("failure", "what"), [("truncated", "truncation"), ("looped", "looping")])
def test_more_truncations_or_loops_are_gated(failure, what):
    decision = gate(run(1, samples=16), run(2, samples=16, failure=failure))
    assert outcomes(decision)[what, ALL_SUITES] == "regressed"
    assert outcomes(decision)["pass rate", ALL_SUITES] == "ok"


def test_one_suite_that_breaks_is_seen_among_others():
    baseline = run(1, suites=("aime", "folio", "temporal"), samples=8)
    candidate = dict(run(2, suites=("aime", "folio", "temporal"), samples=8))
    broken = run(3, suites=("aime", "folio", "temporal"), samples=8, drop=0.6)
    candidate |= {key: value for key, value in broken.items() if key[0] == "folio"}
    decision = gate(baseline, candidate)
    assert decision.result == "regressed"
    assert outcomes(decision)["pass rate", "folio"] == "regressed"
    assert outcomes(decision)["pass rate", "aime"] == "ok"
    assert any("pass rate of folio" in reason for reason in decision.reasons)


def test_a_missing_question_never_passes_silently():
    baseline, candidate = run(1, samples=16), dict(run(2, samples=16))
    del candidate["aime", "7"]
    decision = gate(baseline, candidate)
    assert decision.result == "undecided"
    assert decision.reasons[0] == "1 question without a verdict in the candidate: aime 7"
    assert gate(baseline, candidate, allow_missing=True).result == "ok"


def test_missing_questions_do_not_hide_a_regression():
    candidate = dict(run(2, samples=16, drop=0.5))
    del candidate["aime", "7"]
    assert gate(run(1, samples=16), candidate).result == "regressed"


def test_of_nothing_in_common_nothing_can_be_told():
    decision = gate(run(1), {}, allow_missing=True)
    assert decision.result == "cannot-tell"
    assert decision.reasons == ("cannot tell: no question has a verdict in both runs",)


def test_one_question_can_never_fail_and_so_tells_nothing():
    decision = gate(passing(1), passing(1))
    assert decision.result == "cannot-tell"
    assert "not even a model that passes nothing is called regressed" in decision.reasons[0]
    assert decision.checks[0].samples_needed == 5


def test_everything_passed_in_both_is_ok_from_some_number_of_questions_on():
    assert gate(passing(20), passing(20)).result == "ok"
    assert gate(passing(10), passing(10)).result == "undecided"


def test_all_failed_against_all_passed_is_regressed():
    failed = {key: question(*key, ["wrong"]) for key in passing(20)}
    assert gate(passing(20), failed).result == "regressed"
    assert gate(failed, passing(20)).result == "ok"


@pytest.mark.parametrize("suites", [("one",), ("one", "two"), tuple("abcdef")])
@pytest.mark.parametrize("costs", [{}, {"token_margin": None}, {"rate_margin": None}])
@pytest.mark.parametrize("tokens", [True, False])
def test_the_shares_of_alpha_sum_to_one(suites, costs, tokens):
    tested = claims(suites, GateSettings(**costs), tokens=tokens)
    assert sum(claim.share for claim in tested) == pytest.approx(1)
    assert len(set(tested)) == len(tested)


@pytest.mark.parametrize(
    "settings",
    [
        {"margin": -0.1},
        {"margin": 1.0},
        {"mde": 0.0},
        {"mde": 1.0},
        {"margin": 0.5, "mde": 0.6},
        {"alpha": 0.0},
        {"alpha": 5},
        {"power": 80},
        {"power": 0.2},
        {"rate_margin": -1.0},
        {"token_margin": -0.1},
        {"token_mde": 0.0},
        {"mde": float("nan")},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings):
    with pytest.raises(UsageError):
        GateSettings(**settings)
