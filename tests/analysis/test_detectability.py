from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import question

from lrmtest.analysis.claims import Claim, claims
from lrmtest.analysis.detectability import obstacles_to_come
from lrmtest.analysis.gate import decide
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.paired_comparison import compare_outcomes
from lrmtest.analysis.plan import plan
from lrmtest.analysis.summary import ALL_SUITES
from lrmtest.errors import UsageError

PASS_RATE = GateSettings(token_margin=None, rate_margin=None)


def passed(*counts, suite="s", samples=1, failure="wrong"):
    """A run in which each question passed so many of its samples."""
    return {
        (suite, str(i)): question(suite, str(i), [None] * n + [failure] * (samples - n), 0)
        for i, n in enumerate(counts)
    }


def of(passes, questions, **more):
    return passed(*[1] * passes, *[0] * (questions - passes), **more)


def gate(baseline, candidate, asked=PASS_RATE):
    return decide(compare_outcomes(baseline, candidate), asked)


def obstacle(baseline, asked=PASS_RATE, samples=1):
    tested = claims(list(dict.fromkeys(suite for suite, _ in baseline)), asked, tokens=False)
    return obstacles_to_come(tested, baseline, samples, asked).get(tested[0])


def test_of_a_baseline_that_passes_nothing_nothing_can_be_lost():
    decision = gate(of(0, 50, suite="musique"), of(0, 50, suite="musique"))
    assert decision.result == "cannot-tell"
    assert decision.reasons == (
        "pass rate: cannot tell: the baseline passes 0 of 50 of musique, so a drop of 10 points "
        "cannot happen there",
    )
    assert decision.samples_needed is None


@settings(max_examples=8)
@given(st.integers(2, 60), st.integers(1, 3), st.data())
def test_no_candidate_that_passes_nothing_is_ok(questions, samples, data):
    counts = data.draw(st.lists(st.integers(0, samples), min_size=questions, max_size=questions))
    baseline = passed(*counts, samples=samples)
    for asked in (PASS_RATE, GateSettings(mde=0.3), GateSettings(margin=0.05, mde=0.02)):
        assert gate(baseline, passed(*[0] * questions), asked).result != "ok"


@settings(max_examples=10)
@given(st.integers(0, 40), st.integers(0, 40), st.floats(0.05, 0.6))
def test_ok_needs_room_whatever_the_candidate(before, after, mde):
    """The bound is Clopper and Pearson's, as scipy has it."""
    beta = pytest.importorskip("scipy.stats").beta
    lowest = beta.ppf(0.2, before, 41 - before) if before else 0.0
    decision = gate(of(before, 40), of(after, 40), GateSettings(mde=mde, rate_margin=None))
    if decision.result == "ok" and after <= before:
        assert lowest >= mde - 1e-9
    if lowest < mde - 1e-9 and after <= before:
        assert decision.result in ("cannot-tell", "regressed")


def test_what_is_better_for_certain_is_ok_even_from_the_floor():
    assert gate(of(0, 50), of(20, 50)).result == "ok"
    assert gate(of(0, 50), of(0, 50)).result == "cannot-tell"


def test_what_is_worse_for_certain_is_regressed_even_near_the_floor():
    baseline, nothing = of(10, 200), of(0, 200)
    assert gate(baseline, nothing).result == "regressed"
    assert gate(baseline, baseline).result == "cannot-tell"


def test_too_few_to_be_sure_says_how_many_would_do():
    found = obstacle(of(5, 40))
    assert not found.has_room
    assert (
        "5 of 40 of s, not enough to be sure that a drop of 10 points can happen" in found.words()
    )
    needed = found.samples_needed
    more = passed(*[needed] * 5, *[0] * 35, samples=needed)
    assert obstacle(more, samples=needed) is None
    assert obstacle(passed(*[needed - 1] * 5, *[0] * 35, samples=needed - 1)) is not None


def test_every_question_weighs_the_same_whatever_its_samples():
    """One question sampled often cannot stand for fifty that fail."""
    baseline = {
        **passed(*[64] * 2, samples=64),
        **{("s", f"x{i}"): question("s", f"x{i}", ["wrong"], 0) for i in range(48)},
    }
    found = obstacle(baseline)
    assert found.figure == pytest.approx(2 / 50)
    assert gate(baseline, baseline).result == "cannot-tell"


@pytest.mark.parametrize(("failure", "what"), [("truncated", "truncation"), ("looped", "looping")])
def test_what_is_at_the_ceiling_cannot_rise(failure, what):
    baseline = of(10, 100, failure=failure)
    decision = gate(baseline, baseline, GateSettings(mde=0.2))
    assert {check.claim.what for check in decision.checks if check.result == "cannot-tell"} == {
        "pass rate",
        what,
    }
    assert any(
        f"90 of 100 of s are {failure} in the baseline, so a rise of 20 points cannot" in reason
        for reason in decision.reasons
    )


def test_one_suite_at_the_floor_is_named_and_can_be_allowed():
    def run(good, bad):
        return {**of(good, 60, suite="aime"), **of(bad, 40, suite="musique")}

    decision = gate(run(40, 0), run(40, 0))
    assert decision.result == "cannot-tell"
    assert [check.claim.suite for check in decision.checks if check.result == "cannot-tell"] == [
        "musique"
    ]
    allowed = GateSettings(token_margin=None, rate_margin=None, allow_cannot_tell=("musique",))
    decision = gate(run(40, 0), run(40, 0), allowed)
    assert decision.result == "ok"
    assert any("cannot tell: the baseline passes 0 of 40 of musique" in r for r in decision.reasons)
    assert gate(run(40, 0), run(5, 0), allowed).result == "regressed"
    assert gate(run(0, 0), run(0, 0), allowed).result == "cannot-tell"


def test_a_lone_suite_cannot_be_allowed():
    allowed = GateSettings(token_margin=None, rate_margin=None, allow_cannot_tell=("s",))
    assert gate(of(0, 50), of(0, 50), allowed).result == "cannot-tell"


@pytest.mark.parametrize("samples", [1, 4])
@pytest.mark.parametrize("mde", [0.1, 0.3])
@pytest.mark.parametrize("passes", [0, 7, 9, 20, 60])
def test_plan_and_gate_agree(monkeypatch, passes, samples, mde):
    """What a plan refuses no gate decides, and with what it proposes every gate can tell."""
    monkeypatch.setattr("lrmtest.analysis.plan._SIMULATED_RUNS", 1)
    asked = GateSettings(mde=mde, token_margin=None, rate_margin=None)
    baseline = passed(*[samples] * passes, *[0] * (60 - passes), samples=samples)
    decision = gate(baseline, baseline, asked)
    if decision.result == "cannot-tell" and decision.checks[0].samples_needed is None:
        with pytest.raises(UsageError) as refused:
            plan(baseline, asked)
        assert refused.value.message in decision.reasons[0]
        return
    planned = plan(baseline, asked)
    assert (decision.result == "cannot-tell") == bool(planned.obstacles)
    k = planned.samples
    enough = passed(*[k] * passes, *[0] * (60 - passes), samples=k)
    assert gate(enough, enough, asked).result == "ok"


def test_claims_on_tokens_have_no_room_to_ask_for():
    claim = Claim("tokens", ALL_SUITES, 0.1, 0.25, 1.0)
    assert not obstacles_to_come([claim], of(0, 10), 1, PASS_RATE)
