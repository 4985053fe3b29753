"""A run's certificate: verdicts joined with readings, and what certifies nothing."""

from array import array
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import run_of

from lrmtest.analysis.certificate import kept_evidence
from lrmtest.analysis.certificate_said import reading_said, result_said
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.run_certificate import certify_run, out_of_reach
from lrmtest.questions.place import Place
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.outcomes import QuestionOutcome, SampleOutcome
from lrmtest.runs.readings import Reading

GATE = GateSettings(token_margin=None)
MANIFEST = {"temperature": 1.0, "top_p": 1.0, "suites": {"s": {"max_tokens": 500}}}
KEYS = [("s", str(number)) for number in range(60)]


def run(failure=None, manifest=None, **more):
    outcomes = {
        key: QuestionOutcome(*key, {0: SampleOutcome(failure, 100, "", **more)}) for key in KEYS
    }
    return run_of("run-1", outcomes, manifest=manifest or MANIFEST)


def readings(lower=0.0, keys=KEYS, sample=0):
    written = array("f", [-0.5] * 3)
    lowest = array("f", [-0.5 - lower / 3] * 3)
    none = array("f")
    return [Reading(Place("", *key, sample), written, lowest, lowest, none, none) for key in keys]


def certificate(baseline, read, candidate=None, ended=True, recipe=""):
    return certify_run(
        baseline,
        candidate or Manifest.from_json(MANIFEST),
        KEYS,
        read,
        {(key, 0): ended for key in KEYS},
        GATE,
        level=0.1,
        recipe=recipe,
    )


def test_readings_find_their_samples():
    found = certificate(run(), readings())
    assert found.certified
    assert (found.questions, found.traces, found.unknown) == (60, 60, 0)
    assert not certificate(run(), readings(lower=3.0)).certified


def test_readings_of_other_samples_or_questions_say_nothing():
    for other in (readings(sample=1), readings(keys=[("t", "0")]), []):
        assert certificate(run(), other).unknown == 60


def test_of_two_readings_of_a_trace_the_first_counts():
    found = certificate(run(), [*readings(lower=3.0), *readings()])
    assert not found.certified


def test_what_ran_out_has_no_end_token_to_miss():
    hidden = certificate(run(), readings(), ended=False)
    assert hidden.unknown == 60
    cut = certificate(run("truncated"), readings(), ended=False)
    assert cut.unknown == 0
    # Unless nothing says that it ran out.
    untold = certificate(run("truncated", unknown_end=True), readings(), ended=False)
    assert untold.unknown == 60


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"temperature": 0.7}, "temperature"),
        ({"suites": {"s": {"max_tokens": 900}}}, "budget"),
        ({"chat": {"template_sha256": "b" * 64}}, "chat-template"),
    ],
)
def test_another_setting_certifies_nothing(change, named):
    baseline = run(manifest=MANIFEST | {"chat": {"template_sha256": "a" * 64}})
    same = Manifest.from_json(MANIFEST | {"chat": {"template_sha256": "a" * 64}})
    assert certificate(baseline, readings(), same).certified
    other = Manifest.from_json(same.to_json() | change)
    found = certificate(baseline, readings(), other)
    assert not found.certified
    assert named in found.gaps[0]


def test_a_tokenizer_of_another_kind_certifies_nothing():
    baseline = run(manifest=MANIFEST | {"chat": {"tokenizer": "tokenizer.json abc"}})
    same = Manifest.from_json(MANIFEST | {"chat": {"tokenizer": "tokenizer.json abc"}})
    assert certificate(baseline, readings(), same).certified
    other = Manifest.from_json(MANIFEST | {"chat": {"tokenizer": "gguf gpt2 bloom"}})
    found = certificate(baseline, readings(), other)
    assert not found.certified
    assert "prompts become the same tokens" in found.gaps[0]


def test_a_candidate_that_has_seen_the_traces_is_certified_of_nothing():
    recipe = "lrmtest compress m -o v --method wanda --calibration traces:run-1"
    found = certificate(run(), readings(), recipe=recipe)
    assert not found.certified
    assert "calibrated on these very traces" in found.gaps[0]
    assert certificate(run(), readings(), recipe=recipe.replace("run-1", "other")).certified


def test_estimated_tokens_are_not_compared():
    baseline = run_of("run-1", run().outcomes, manifest=MANIFEST, tokens_estimated=True)
    found = certify_run(
        baseline, Manifest.from_json(MANIFEST), KEYS, readings(),
        {(key, 0): True for key in KEYS}, replace(GATE, token_margin=0.1), level=0.1,
    )  # fmt: skip
    assert "tokens" not in [bound.claim.what for bound in found.bounds]


def reach(baseline, ended, level=0.1):
    return out_of_reach(baseline, KEYS, ended, GATE, level=level)


def test_traces_of_an_engine_that_tells_no_ends_are_not_worth_reading():
    untold = dict.fromkeys([(key, 0) for key in KEYS], False)
    assert reach(run(), untold) == (
        "none of 60 traces that ended by themselves tells its end token, so that nothing could be "
        "certified of any model: not read"
    )
    # An end that nobody knows is none that was told.
    assert reach(run("truncated", unknown_end=True), untold)
    # What ran out had no end token to tell.
    assert reach(run("truncated"), untold) == ""
    # That one is told shows that its engine tells them: what is lost is a matter of luck then.
    assert reach(run(), {**untold, (KEYS[0], 0): True}) == ""
    assert reach(run(), {(KEYS[0], 0): True}) == ""


@pytest.mark.parametrize("level", [0.1, 0.02, 0.003, 0.001, 1e-6])
def test_so_few_traces_that_an_equal_model_would_fail_are_not_worth_reading(level):
    ended = {(key, 0): True for key in KEYS}
    equal = certify_run(
        run(), Manifest.from_json(MANIFEST), KEYS, readings(), ended, GATE, level=level
    )
    said = reach(run(), ended, level)
    assert bool(said) == (equal.bounds[0].result != "ok")
    if said:
        assert not out_of_reach(run(), KEYS, ended, GATE, level=level, for_stakes=True)
        assert said.startswith("by 60 traces a drop of 10 points could not be excluded of an equal")


@given(st.lists(st.booleans(), min_size=60, max_size=60), st.sampled_from([0.1, 0.003, 0.001]))
def test_no_verdict_plays_a_part_in_whether_to_read(passed, level):
    ended = {(key, 0): True for key in KEYS}
    outcomes = {
        key: QuestionOutcome(*key, {0: SampleOutcome(None if one else "wrong", 100, "")})
        for key, one in zip(KEYS, passed, strict=True)
    }
    baseline = run_of("run-1", outcomes, manifest=MANIFEST)
    assert reach(baseline, ended, level) == reach(run(), ended, level)


def test_what_was_not_read_spends_nothing_and_says_so():
    found = certify_run(
        run(), Manifest.from_json(MANIFEST), KEYS, (), {}, GATE, level=0.1, hopeless="too few"
    )
    assert not found.certified
    assert found.excluded == {}
    assert kept_evidence(found) == {}
    assert reading_said(found) == "not read: 60 traces of 60 questions"
    assert result_said(found) == "reading cannot settle it: too few"
