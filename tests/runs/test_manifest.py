"""Manifests: what is read is written again as it was, whatever it holds."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.questions import Source
from lrmtest.runs.keys import fingerprint
from lrmtest.runs.manifest import EngineSection, Manifest, ModelSection, SuiteSection

NAMES = [
    *("version", "model", "temperature", "top_p", "seed", "suites", "size", "engine"),
    *("name", "reasoning_tags", "compression", "sparsity", "source", "kind", "tests", "max_tokens"),
    "new",
]
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from(NAMES), json_values, max_size=8)
FULL = {
    "new": 1,
    "model": {"name": "m", "new": 2, "compression": {"method": "awq", "new": 3}},
    "temperature": 0,
    "suites": {"s": {"samples": 2, "source": {"kind": "local", "name": "f", "new": 4}, "new": 5}},
    "engine": {"engine": "vllm", "new": 6},
}


@given(objects)
def test_what_is_read_is_written_again_key_by_key(raw):
    assert json.dumps(Manifest.from_json(raw).to_json()) == json.dumps(raw)


@given(objects)
def test_every_question_about_it_has_an_answer(raw):
    manifest = Manifest.from_json(raw)
    assert manifest.greedy in (True, False)
    assert len(manifest.reasoning_tags) <= 2
    assert isinstance(manifest.suite("s"), SuiteSection)
    assert len(manifest.identity) == 64


def test_a_change_leaves_the_rest_as_it_was_at_every_level():
    manifest = Manifest.from_json(FULL)
    suite = replace(manifest.suites["s"], samples=3)
    changed = replace(
        manifest,
        model=replace(manifest.model, name="n"),
        suites={**manifest.suites, "s": suite, "t": SuiteSection(samples=1)},
    )
    expected = json.loads(json.dumps(FULL))
    expected["model"]["name"] = "n"
    expected["suites"]["s"]["samples"] = 3
    expected["suites"]["t"] = {"samples": 1}
    assert json.dumps(changed.to_json()) == json.dumps(expected)


def test_a_section_that_is_replaced_is_gone():
    changed = replace(Manifest.from_json(FULL), engine=EngineSection(engine="llamacpp"))
    assert changed.to_json()["engine"] == {"engine": "llamacpp"}


def test_what_it_says():
    manifest = Manifest.from_json(FULL)
    assert manifest.greedy
    assert manifest.reasoning_tags == ()  # the usual pair, which nobody had chosen
    assert manifest.model.compression.method == "awq"
    assert manifest.suite("s").source == Source("local", "f")
    assert manifest.suite("other") == SuiteSection()
    assert manifest.version == 1


def test_a_value_of_another_type_is_not_known():
    manifest = Manifest.from_json({"temperature": "hot", "model": 3, "suites": {"s": None}})
    assert manifest.temperature is None
    assert manifest.model == ModelSection()
    assert manifest.suite("s") == SuiteSection()


@pytest.mark.parametrize("raw", [[], 3, None, "x"])
def test_what_is_no_object_is_no_manifest(raw):
    with pytest.raises(TypeError, match="JSON object"):
        Manifest.from_json(raw)


def test_the_identity_is_that_of_the_settings_and_of_nothing_else():
    manifest = Manifest(model=ModelSection(name="m"), temperature=0.6, top_p=1.0, seed=0)
    assert manifest.identity == fingerprint(
        {"model": {"name": "m"}, "temperature": 0.6, "top_p": 1.0, "seed": 0}
    )
    assert replace(manifest, suites={"s": SuiteSection()}).identity == manifest.identity
