"""The extent of a run: what its last session selected, and what is left out and named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import sample_of

from lrmtest.questions.place import Place
from lrmtest.runs.extent import (
    EVERYTHING,
    beside,
    extent_of,
    left_out,
    narrowed_manifest,
    reaches,
    selected,
    selection_of,
)
from lrmtest.runs.manifest import Manifest, SelectionSection, SuiteSection
from lrmtest.runs.records import RunHead
from lrmtest.runs.reference import baseline_for

NAMES = st.sampled_from(["a", "b", "a-b", "ü", "x y"])
EXTENTS = st.dictionaries(st.tuples(NAMES, st.text(max_size=4)), st.integers(1, 9), max_size=12)


@given(EXTENTS)
def test_a_manifest_says_an_extent_and_gives_it_back(extent):
    manifest = Manifest(selection=selection_of(extent))
    assert selected(manifest) == extent
    assert selected(Manifest.from_json(manifest.to_json())) == extent


@given(st.dictionaries(NAMES, st.recursive(st.none() | st.text() | st.integers(), st.lists)))
def test_a_damaged_selection_is_no_error(raw):
    for content in (raw, {"s": raw}, {"s": {"questions": ["q"], "samples": 2, "fewer": raw}}):
        manifest = Manifest.from_json({"selection": content})
        assert all(isinstance(count, int) for count in selected(manifest).values())
        assert manifest.to_json() == {"selection": content}


@given(EXTENTS, EXTENTS)
def test_a_baseline_reaches_what_either_selected_of_the_candidates_suites(own, asked):
    found = beside(own, asked)
    suites = {suite for suite, _ in asked}
    if not suites & {suite for suite, _ in own}:
        assert found == own
        return
    assert {suite for suite, _ in found} <= suites
    for key in {*own, *asked}:
        if key[0] in suites:
            assert found[key] == max(own.get(key, 0), asked.get(key, 0))


@given(st.lists(st.tuples(NAMES, st.text(max_size=3), st.integers(0, 4))))
def test_the_extent_of_places_has_all_of_them(parts):
    places = [Place("", suite, question, sample) for suite, question, sample in parts]
    extent = extent_of(places)
    assert all(reaches(extent, place) for place in places)
    assert left_out(places, extent) == ""


def test_what_is_left_out_is_named():
    places = [
        *(Place("", suite, f"q{n}", 0) for suite in ("hops", "logic", "temporal") for n in (1, 2)),
        *(Place("", "hops", "q1", sample) for sample in (1, 2)),
        Place("", "", "test_own", 0),
    ]
    assert left_out(places, {("hops", "q1"): 1}) == (
        "logic, temporal (4 questions); 1 other question of hops; 2 further samples"
    )
    assert left_out(places, {("hops", "q1"): 1, ("hops", "q2"): 3}) == (
        "logic, temporal (4 questions); 2 further samples"
    )
    assert left_out(places, EVERYTHING) == ""
    many = [Place("", f"s{n}", "q", 0) for n in range(9)]
    assert left_out(many, {("x", "q"): 1}) == "s0, s1, s2, s3, s4, ... (9 questions)"


def test_a_narrowed_manifest_speaks_of_nothing_else():
    manifest = Manifest(
        suites={
            "hops": SuiteSection(samples=4, questions=250, max_tokens=7),
            "logic": SuiteSection(samples=1, questions=20),
        },
        selection={"logic": SelectionSection(samples=1, questions=("q",))},
        seed=3,
    )
    narrow = narrowed_manifest(manifest, {("hops", "q1"): 2, ("hops", "q2"): 1})
    assert narrow.suites == {"hops": SuiteSection(samples=2, questions=2, max_tokens=7)}
    assert selected(narrow) == {("hops", "q1"): 2, ("hops", "q2"): 1}
    assert narrow.identity == manifest.identity
    assert narrowed_manifest(manifest, EVERYTHING) == manifest


@pytest.fixture
def whole():
    samples = [
        *(sample_of("m", suite, f"q{n}", s) for suite in "ab" for n in (1, 2) for s in (0, 1)),
    ]
    manifest = Manifest(selection=selection_of({("a", "q1"): 1}))
    return RunHead("r", "m", manifest=manifest).with_samples(samples)


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ({("a", "q1"): 1}, {("a", "q1"): 1}),
        ({("a", "q1"): 2, ("a", "q2"): 1}, {("a", "q1"): 2, ("a", "q2"): 1}),
        # What the baseline's session selected and the candidate did not ask is missing there.
        ({("a", "q2"): 1}, {("a", "q1"): 1, ("a", "q2"): 1}),
        ({("b", "q1"): 1}, {("a", "q1"): 1}),
        ({("a", "q1"): 1, ("b", "q2"): 2}, {("a", "q1"): 1, ("b", "q2"): 2}),
    ],
)
def test_a_baseline_is_narrowed_for_its_candidate(whole, asked, left):
    found = baseline_for(whole, asked)
    assert extent_of(sample.place for sample in found.samples) == left
    assert found.left_out
    assert set(found.suites) == {suite for suite, _ in left}
