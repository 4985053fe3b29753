"""Whose a reading is: of the model of a run, or of another one of its name."""

from __future__ import annotations

from dataclasses import replace

import pytest
from read_runs import PIECES, add_traced, reading_of

from lrmtest.questions.place import Place
from lrmtest.runs.manifest import ModelSection
from lrmtest.runs.read_traces import readers_of, reading_by
from lrmtest.runs.reading_manifest import ReadingManifest
from lrmtest.runs.store import STORE_NAME, Store

FIRST = {"id": "m", "root": "/models/first", "probe": "mark-1"}


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / STORE_NAME) as opened:
        add_traced(opened, "parent-1", {"q": PIECES}, model="parent")
        yield opened


def read(store, number, manifest):
    """A finished reading by a model that is called ``m``."""
    known = ReadingManifest.from_json(manifest)
    head = store.readings.begin(f"read-{number}", "parent-1", "m", f"identity-{number}", known)
    place = Place("parent-1-q-0", "sums", "q", 0)
    store.readings.add(head.reading_id, [reading_of(place, [1.0] * len(PIECES))])
    store.readings.finish(head.reading_id)


def reader(store, **known):
    """The head of a run of ``m`` of which so much is known."""
    head = store.head("parent-1")
    model = replace(head.manifest.model or ModelSection(), name="m", **known)
    return replace(head, run_id="m-1", model="m", manifest=replace(head.manifest, model=model))


@pytest.mark.parametrize(
    ("served", "of_the_run"),
    [
        (FIRST, True),
        ({**FIRST, "probe": "mark-2"}, True),  # the same model, probed at another time
        ({**FIRST, "root": "/models/second"}, False),
        (None, True),  # nothing is known but the name
    ],
)
def test_an_endpoints_reading_is_of_the_model_that_it_served_then(store, served, of_the_run):
    read(store, 1, {"served": FIRST})
    found = reading_by(store, store.head("parent-1"), reader(store, served=served))
    assert (found is not None) == of_the_run


def test_two_models_behind_one_name_are_two_readers(store):
    read(store, 1, {"served": FIRST})
    read(store, 2, {"served": {**FIRST, "root": "/models/second"}})
    read(store, 3, {"served": {**FIRST, "probe": "mark-2"}})
    heads = readers_of(store, store.head("parent-1"))
    assert {head.reading_id for head in heads} == {"read-2", "read-3"}


def test_files_say_more_than_names(store):
    read(store, 1, {"reader": {"files": {"model.safetensors": "a"}}})
    parent = store.head("parent-1")
    assert reading_by(store, parent, reader(store, files={"model.safetensors": "a"}))
    assert not reading_by(store, parent, reader(store, files={"model.safetensors": "b"}))


@pytest.mark.parametrize("served", [3, [], "x", {"probe": []}, {"a": {"b": [None]}}])
def test_what_is_no_manifest_is_read_all_the_same(store, served):
    read(store, 1, {"served": served, "reader": {"files": 3}})
    assert len(readers_of(store, store.head("parent-1"))) == 1
