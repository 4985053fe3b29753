"""A certificate that a run keeps is the same one when it is read again, or none."""

from __future__ import annotations

import json
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from lrmtest.analysis.certificate import certify
from lrmtest.analysis.certificate_record import (
    certificate_from_json,
    certificate_to_json,
    kept_certificate,
    of_these_settings,
)
from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.trace_weights import TraceWeight
from lrmtest.questions.place import Place
from lrmtest.runs.looks import Look
from lrmtest.runs.manifest import LooksSection, Manifest
from lrmtest.runs.outcomes import SampleOutcome
from lrmtest.runs.records import RunRecord, SampleRecord

SETTINGS = GateSettings(allow_cannot_tell=("facts",))


def baseline(questions=40, run_id="parent"):
    samples = tuple(
        SampleRecord("p", Place(f"k{n}", "sums", f"q{n}", 0), summed_up=SampleOutcome(None, 50 + n))
        for n in range(questions)
    )
    return RunRecord(run_id, "p", "2026-11-29", None, Manifest(), samples=samples)


def certificate(weight, questions=40, *, highest=True):
    outcomes = baseline(questions).outcomes
    weights = {(key, 0): TraceWeight(weight, 0.01) for key in outcomes}
    return certify(
        outcomes,
        list(outcomes),
        weights,
        SETTINGS,
        level=0.1,
        unlike=["x"] * (weight == 0),
        highest=highest,
    )


def candidate(kept):
    looks = {"other": LooksSection(), "t": LooksSection(certificate=kept)}
    manifest = Manifest.from_json(json.loads(json.dumps(Manifest(looks=looks).to_json())))
    return RunRecord("child", "c", "2026-11-29", None, manifest)


@given(st.sampled_from([0.0, 0.4, 0.97, 1.0, 1.5]), st.integers(1, 60))
def test_it_is_the_same_after_a_store(weight, questions):
    before = certificate(weight, questions)
    assert (
        kept_certificate(
            baseline(questions), candidate(certificate_to_json(before, baseline(questions)))
        )
        == before
    )


def test_infinite_bounds_are_kept():
    before = certificate(0.9, highest=False)
    assert {one.highest for one in before.bounds} == {inf}
    raw = json.loads(json.dumps(certificate_to_json(before, baseline()), allow_nan=False))
    assert certificate_from_json(raw) == before


def test_of_another_baseline_or_part_it_says_nothing():
    kept = candidate(certificate_to_json(certificate(1.0), baseline()))
    assert kept_certificate(baseline(), kept) is not None
    assert kept_certificate(baseline(run_id="another"), kept) is None
    assert kept_certificate(baseline(39), kept) is None
    assert kept_certificate(baseline(), candidate(None)) is None


def test_it_counts_for_a_gate_with_its_settings_whichever_look_that_is():
    found = certificate(1.0)
    assert of_these_settings(found, SETTINGS)
    assert of_these_settings(
        found, GateSettings(allow_cannot_tell=("facts",), look=Look(2, 0.1), candidate=3)
    )
    assert not of_these_settings(found, GateSettings(allow_cannot_tell=("facts",), mde=0.05))
    assert not of_these_settings(found, GateSettings())


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(JSON, st.sampled_from([*certificate_to_json(certificate(0.9), baseline())]))
def test_what_is_none_is_none_and_raises_nothing(value, name):
    raw = certificate_to_json(certificate(0.9), baseline())
    found = certificate_from_json({**raw, name: value})
    assert found is None or found.certified in (True, False)
    assert certificate_from_json({name: value}) is None
    assert certificate_from_json({**raw, "settings": {**raw["settings"], "mde": 7}}) is None
