"""The certificate: what reading excludes claim by claim, and how often it is wrong."""

from dataclasses import replace
from random import Random

import pytest

from lrmtest.analysis.certificate import certified_decision, certify, with_excluded
from lrmtest.analysis.certificate_said import (
    assumptions,
    bounds_said,
    reading_said,
    result_said,
    stage_said,
)
from lrmtest.analysis.gate import decide
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.paired_comparison import compare_outcomes
from lrmtest.analysis.trace_weights import TraceWeight
from lrmtest.runs.outcomes import QuestionOutcome, SampleOutcome

GATE = GateSettings(rate_margin=None, token_margin=None)
LEVEL = 0.1
SAME, LOST = TraceWeight(1.0, 0.0), TraceWeight(0.0, 1.0)


def outcomes(passes, samples=1, suite="s", **more):
    """A question for each entry: how many of its samples passed."""
    return {
        (suite, str(number)): QuestionOutcome(
            suite,
            str(number),
            {
                index: SampleOutcome(None if index < passed else "wrong", 100, **more)
                for index in range(samples)
            },
        )
        for number, passed in enumerate(passes)
    }


def all_of(questions, weight):
    return {(key, index): weight for key, one in questions.items() for index in one.samples}


def certificate(questions, weights, settings=GATE, **more):
    return certify(questions, list(questions), weights, settings, level=LEVEL, **more)


def test_a_model_that_is_the_same_is_certified():
    questions = outcomes([1] * 30 + [0] * 10)
    found = certificate(questions, all_of(questions, SAME))
    assert found.certified
    assert not found.gaps
    assert found.bounds[0].worsening == 0
    assert 0 < found.bounds[0].highest < 0.1
    decision = certified_decision(found, bounds_said(found))
    assert decision.result == "ok"
    assert "10 points is excluded" in decision.reasons[0]
    assert decision.checks[0].p_ok <= 1 - GATE.power
    assert result_said(found).startswith("certified: a drop of 10 points")


def test_one_that_has_left_the_traces_is_not_and_is_not_called_worse():
    questions = outcomes([1] * 100)
    found = certificate(questions, all_of(questions, LOST))
    assert not found.certified
    assert not found.excluded
    assert found.bounds[0].result == "undecided"
    assert result_said(found).startswith("reading cannot settle it: pass rate is not settled")
    assert "by any amount" in bounds_said(found)[0]


def test_traces_that_were_not_read_count_as_lost():
    questions = outcomes([1] * 100)
    found = certificate(questions, {})
    assert not found.certified
    assert found.unknown == 100
    assert found.variation is None
    assert "100 of them with nothing known" in reading_said(found)


def test_samples_that_failed_need_no_weight():
    questions = outcomes([1] * 80 + [0] * 20)
    weights = {
        place: weight for place, weight in all_of(questions, SAME).items() if int(place[0][1]) < 80
    }
    assert certificate(questions, weights).certified


def test_a_baseline_with_nothing_to_lose_cannot_tell():
    questions = outcomes([0] * 100)
    found = certificate(questions, all_of(questions, SAME))
    assert found.bounds[0].result == "cannot-tell"
    assert not found.certified
    assert "cannot happen" in result_said(found)


def test_a_suite_without_room_is_accepted_by_name_alone():
    questions = outcomes([1] * 100) | outcomes([0] * 30, suite="floor")
    weights = all_of(questions, SAME)
    assert not certificate(questions, weights).certified
    allowed = replace(GATE, allow_cannot_tell=("floor",))
    assert certificate(questions, weights, allowed).certified


def test_every_claim_of_the_gate_needs_its_bound():
    questions = outcomes([1] * 60)
    weights = all_of(questions, SAME)
    found = certificate(questions, weights, GateSettings())
    assert [bound.claim.what for bound in found.bounds] == [
        "pass rate", "tokens", "truncation", "looping",
    ]  # fmt: skip
    assert found.certified
    # Failed samples that the candidate would not write might run out instead.
    half = outcomes([1] * 40 + [0] * 40)
    lost = all_of(half, SAME) | {((("s", str(i)), 0)): LOST for i in range(40, 80)}
    assert certificate(half, lost).certified
    found = certificate(half, lost, GateSettings())
    assert not found.certified
    assert {bound.claim.what for bound in found.bounds if bound.result == "undecided"} == {
        "truncation", "looping",
    }  # fmt: skip


def test_what_ran_out_in_the_baseline_cannot_be_lost():
    samples = [SampleOutcome("truncated", 100)] * 30 + [SampleOutcome(None, 20)] * 70
    questions = {
        ("s", str(i)): QuestionOutcome("s", str(i), {0: one}) for i, one in enumerate(samples)
    }
    weights = {(key, 0): LOST if one.samples[0].failure else SAME for key, one in questions.items()}
    found = certificate(questions, weights, GateSettings(token_margin=None))
    assert {bound.claim.what: bound.result for bound in found.bounds} == {
        "pass rate": "ok", "truncation": "ok", "looping": "undecided",
    }  # fmt: skip


def test_scores_are_bounded_as_scores():
    questions = outcomes([1] * 60, score=0.3)
    weights = all_of(questions, TraceWeight(0.8, 0.1))
    found = certificate(questions, weights, metrics={"s": "f1"})
    assert found.bounds[0].claim.what == "score"
    assert found.bounds[0].worsening == pytest.approx(0.3 * 0.2)
    by_passes = certificate(questions, weights)
    assert by_passes.bounds[0].worsening == pytest.approx(0.2)


def test_questions_that_one_side_lacks_are_no_part_of_it():
    questions = outcomes([1] * 60)
    weights = all_of(questions, SAME)
    asked = [*questions, ("s", "new")]
    found = certify(questions, asked, weights, GATE, level=LEVEL)
    assert not found.certified
    assert "without a verdict in the baseline: s new" in found.gaps[0]
    found = certify(questions, list(questions)[1:], weights, GATE, level=LEVEL)
    assert not found.certified
    assert "that the candidate is not asked: s 0" in found.gaps[0]
    found = certify(questions, asked, weights, replace(GATE, allow_missing=True), level=LEVEL)
    assert found.certified
    assert not certify({}, asked, {}, GATE, level=LEVEL).certified


def test_what_differs_around_the_models_certifies_nothing():
    questions = outcomes([1] * 60)
    found = certificate(questions, all_of(questions, SAME), unlike=["chat-template differs"])
    assert not found.certified
    assert not found.excluded
    assert "chat-template differs" in result_said(found)


def test_unknown_ends_certify_nothing():
    questions = outcomes([1] * 60, unknown_end=True)
    found = certificate(questions, all_of(questions, SAME))
    assert not found.certified
    assert "--max-unknown-ends" in found.gaps[0]


def test_weights_that_no_model_can_have_certify_nothing():
    questions = outcomes([1] * 60)
    found = certificate(questions, all_of(questions, TraceWeight(1.5, 0.1)))
    assert not found.certified
    assert "likelier than any model could" in found.gaps[0]


def test_a_bound_that_is_lower_never_certifies_more():
    random = Random(5)
    questions = outcomes([random.randint(0, 2) for _ in range(60)], samples=2)
    for _ in range(20):
        weights = {
            place: TraceWeight(random.lognormvariate(-0.02, 0.2), 0.1)
            for place in all_of(questions, SAME)
        }
        lower = {
            place: replace(one, weight=one.weight * random.random())
            for place, one in weights.items()
        }
        before, after = certificate(questions, weights), certificate(questions, lower)
        assert after.bounds[0].p >= before.bounds[0].p


def test_what_reading_has_excluded_stays_so_for_the_gates_that_go_on():
    baseline = outcomes([1] * 20 + [0] * 10)
    candidate = outcomes([1] * 18 + [0] * 12)
    comparison = compare_outcomes(baseline, candidate)
    decision = decide(comparison, GATE)
    assert decision.result == "undecided"
    found = certificate(baseline, all_of(baseline, SAME))
    assert with_excluded(decision, (), found).result == "ok"
    lost = certificate(baseline, all_of(baseline, LOST))
    assert with_excluded(decision, (), lost) is decision
    # A drop that is established stays one.
    worse = compare_outcomes(outcomes([1] * 30), outcomes([0] * 30))
    regressed = decide(worse, GATE)
    assert with_excluded(regressed, (), found) is regressed


def test_the_words_say_what_is_assumed_and_what_is_spent():
    questions = outcomes([1] * 60)
    found = certificate(questions, all_of(questions, SAME))
    text = " ".join(assumptions(found))
    assert "neither made nor chosen with these traces" in text
    assert "independent of each other" in text
    assert "at most 10 % of cases, of the 20 %" in stage_said(found)
    assert "untouched" in stage_said(found)
    greedy = certificate(questions, all_of(questions, SAME), greedy=True)
    assert "temperature 0" in " ".join(assumptions(greedy))


@pytest.mark.parametrize("shape", ["lost", "thinned", "one question in ten"])
def test_a_drop_of_just_the_mde_is_certified_no_more_often_than_the_level(shape):
    """Of every question 90 % pass, and the candidate loses 10 points; 150 draws of the traces.

    A true rate of 10 % exceeds 22 % with a probability of 6e-6.
    """
    random = Random(7)
    certified = 0
    for _ in range(150):
        drawn, weights = [], {}
        for number in range(30):
            passed = random.random() < 0.9
            drawn.append(int(passed))
            if shape == "lost":
                weight = float(random.random() >= 1 / 9)
            elif shape == "thinned":
                weight = 8 / 9
            else:
                weight = 0.0 if number % 9 == 0 and number < 27 else 1 - 0.01 * 30 / 27 / 0.9
            weights[("s", str(number)), 0] = TraceWeight(weight if passed else 1.0, 0.1)
        certified += certificate(outcomes(drawn), weights).certified
    assert certified <= 0.22 * 150
