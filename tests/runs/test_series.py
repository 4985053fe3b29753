"""The candidates of a series: counted, each once, and none too many."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrmtest.errors import UsageError
from lrmtest.questions.place import Place
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.outcomes import SampleOutcome
from lrmtest.runs.records import RunRecord, SampleRecord
from lrmtest.runs.series import join_series, place_in_series
from lrmtest.runs.store import Store


def a_run(run_id, store=None, suites=("s",), passes=3):
    samples = tuple(
        SampleRecord("m", Place("", suite, f"q{i}", 0), summed_up=SampleOutcome(None))
        for suite in suites
        for i in range(passes)
    )
    manifest = Manifest.from_json(
        {"model": {"name": run_id}, "suites": {suite: {} for suite in suites}}
    )
    return RunRecord(run_id, run_id, manifest=manifest, samples=samples, store=store)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "store.sqlite"
    with Store(path) as store:
        for name in ("a", "b", "c", "d"):
            store.add_run(name, name, name, a_run(name).manifest)
    return path


def test_candidates_are_counted_each_once(path):
    base = a_run("base")
    assert join_series(base, a_run("a", path), 3) == 1
    assert join_series(base, a_run("b", path), 3) == 2
    # A later look, at more samples of the run and of the baseline, is no new candidate.
    assert join_series(a_run("base", passes=9), a_run("a", path, passes=9), 3) == 1
    assert join_series(base, a_run("c", path), 3) == 3
    with pytest.raises(UsageError, match=r"3 other candidates .*\(c, b, a\)") as caught:
        join_series(base, a_run("d", path), 3)
    assert "make a new baseline" in caught.value.hint
    with Store(path) as store:
        assert not store.head("d").manifest.series
        with pytest.raises(UsageError):
            place_in_series(store, base, ["s"], None, 3)
        assert place_in_series(store, base, ["s"], "b", 3) == 2
    # Another baseline has a series of its own.
    assert join_series(a_run("base-2"), a_run("d", path), 3) == 1


def test_other_suites_are_another_test_of_the_same_run(path):
    base = a_run("base", suites=("s", "t"))
    assert join_series(base, a_run("a", path), 2) == 1
    assert join_series(base, a_run("a", path, suites=("s", "t")), 2) == 2
    with pytest.raises(UsageError):
        join_series(base, a_run("b", path), 2)


def test_nobody_counts_without_a_series_or_a_store(path):
    base = a_run("base")
    assert join_series(base, a_run("a", path), 1) == 0
    assert join_series(base, a_run("a"), 5) == 0
    assert join_series(base, a_run("a", path.with_name("none.sqlite")), 5) == 0
    with Store(path) as store:
        assert not store.head("a").manifest.series


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(2, 4)), max_size=12))
def test_all_that_got_a_place_have_alpha_at_most(tmp_path_factory, asked):
    path = tmp_path_factory.mktemp("series") / "store.sqlite"
    with Store(path) as store:
        for name in "abcd":
            store.add_run(name, name, name, a_run(name).manifest)
    base = a_run("base")
    spent = {}
    for name, size in asked:
        had = spent.get(name, 0)
        try:
            join_series(base, a_run(name, path), size)
        except UsageError:
            assert had < 1 / size
            assert sum(spent.values()) - had + 1 / size > 1
            continue
        spent[name] = max(1 / size, had)
        assert sum(spent.values()) <= 1 + 1e-9


def test_a_manifest_keeps_what_it_does_not_know():
    raw = {"suites": {}, "series": {"x": {"number": 2, "size": 5, "later": 1}, "y": 7}}
    manifest = Manifest.from_json(raw)
    assert manifest.series["x"].number == 2
    assert manifest.to_json() == raw
    assert replace(manifest, seed=3).to_json()["series"] == raw["series"]
