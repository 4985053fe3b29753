"""The looks at a test never spend more than its error rates, whatever is done in whatever order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.questions.place import Place
from lrmtest.runs.looks import (
    FIRST_SHARE,
    Look,
    LookOptions,
    first_look,
    look_of,
    next_look,
    reserve_looking,
    reserve_reading,
    take_look,
)
from lrmtest.runs.manifest import LooksSection, Manifest
from lrmtest.runs.outcomes import SampleOutcome
from lrmtest.runs.records import RunRecord, SampleRecord
from lrmtest.runs.store import Store

ANY = LookOptions()


def steps():
    """Fixed looks at more and more samples, and reserves for looking early in some order."""
    fixed = st.tuples(
        st.just("fixed"),
        st.integers(1, 6),
        st.builds(LookOptions, number=st.just(1), only=st.booleans()),
        st.booleans(),
    )
    early = st.tuples(st.just("early"), st.sampled_from("ab"))
    read = st.tuples(st.just("read"), st.sampled_from("ab"))
    return st.lists(st.one_of(fixed, early, read), max_size=12)


@given(steps())
def test_all_shares_together_are_at_most_one(steps):
    looks, spent, of_power, reading = LooksSection(), {}, {}, {}
    for step in steps:
        if step[0] == "read":
            # Read again after others, it spends again.
            again = looks.read == step[1]
            looks = reserve_reading(looks, step[1])
            reading[len(reading) - again] = looks.reading
            continue
        if step[0] == "early":
            looks = reserve_looking(looks, step[1])
            spent["early", step[1]] = max(spent.get(("early", step[1]), 0.0), looks.looking)
            part = "early", step[1], looks.looking
        else:
            _, samples, options, complete = step
            looks = next_look(looks, (samples, 4), options, complete=complete)
            # The same data again is no further way in for chance.
            before = spent.get(("fixed", looks.count), 0.0)
            spent["fixed", looks.count] = max(before, looks.share)
            part = "fixed", looks.count, looks.share
        told = look_of(looks)
        of_power[part[:2]] = max(of_power.get(part[:2], 0.0), part[2] * told.unread)
        assert 0 <= look_of(looks).left <= 1
        assert LooksSection.from_json(looks.to_json()) == replace(looks, raw=looks.to_json())
    assert sum(spent.values()) <= 1 + 1e-9
    # Reading spends of 1 - power alone; what looks spend of alpha is what it would be without.
    assert sum(of_power.values()) + sum(reading.values()) <= 1 + 1e-9


def test_each_look_has_most_of_what_is_left():
    looks = LooksSection()
    shares = []
    for samples in (4, 8, 8, 16):
        looks = next_look(looks, (samples, 4), ANY)
        shares.append(look_of(looks).share)
    assert shares == pytest.approx([0.8, 0.16, 0.16, 0.032])
    assert looks.count == 3


def test_the_only_look_has_all_and_leaves_nothing():
    only = LookOptions(only=True)
    looks = next_look(LooksSection(), (4, 4), only)
    assert look_of(looks) == Look(1, 1.0, 0.0, 0.0)
    assert look_of(next_look(looks, (4, 4), ANY)) == Look(1, 1.0, 0.0, 0.0)
    assert look_of(next_look(looks, (8, 4), ANY)).share == 0
    assert first_look(only) == Look()
    # Of a look that was not to be the only one, the rest may be spent on the same data.
    looks = next_look(LooksSection(), (4, 4), ANY)
    assert look_of(next_look(looks, (4, 4), only)).share == pytest.approx(1)


def test_a_stated_number_stands_for_looks_that_nobody_remembers():
    looks = next_look(LooksSection(), (8, 4), LookOptions(number=2))
    assert look_of(looks).share == pytest.approx(FIRST_SHARE * (1 - FIRST_SHARE))
    again = next_look(looks, (8, 4), LookOptions(number=2))
    assert again == looks
    assert next_look(looks, (16, 4), LookOptions(number=2)).count == 3


def test_what_engine_errors_have_cut_short_leaves_the_rest_to_the_next_attempt():
    looks = next_look(LooksSection(), (3, 4), ANY, complete=False)
    assert look_of(looks).share == pytest.approx(0.05)
    assert look_of(next_look(looks, (4, 4), ANY)).share == pytest.approx(0.95 * FIRST_SHARE)


def a_run(run_id, passes, store=None, errors=0):
    samples = [
        SampleRecord("m", Place("", "s", f"q{i}", 0), summed_up=SampleOutcome(None))
        for i in range(passes)
    ]
    samples += [SampleRecord("m", Place("", "s", f"e{i}", 0), error="gone") for i in range(errors)]
    manifest = Manifest.from_json({"model": {"name": run_id}, "suites": {"s": {}}})
    return RunRecord(run_id, "m", manifest=manifest, samples=tuple(samples), store=store)


def test_a_run_remembers_its_looks_and_stays_finished(tmp_path):
    path = tmp_path / "store.sqlite"
    base, other = a_run("base", 4), a_run("other", 4)
    with Store(path) as store:
        store.add_run("new", "m", "identity", Manifest())
        store.finish_run("new")
    assert take_look(base, a_run("new", 4, path), ANY).number == 1
    assert take_look(base, a_run("new", 4, path), ANY).number == 1
    second = take_look(base, a_run("new", 9, path), ANY)
    assert (second.number, second.share) == (2, pytest.approx(0.16))
    # Another model to compare with is another test; other samples of the same one are not.
    assert take_look(other, a_run("new", 9, path), ANY).number == 1
    again = replace(a_run("base", 7), run_id="base-2")
    assert take_look(again, a_run("new", 9, path), ANY).number == 3
    with Store(path) as store:
        assert store.head("new").finished is not None


def test_a_run_in_no_store_has_a_first_look_each_time():
    base = a_run("base", 4)
    assert take_look(base, a_run("new", 4), ANY) == first_look()
    assert take_look(base, a_run("new", 5, errors=1), ANY).share == pytest.approx(0.05)
    allowed = take_look(base, a_run("new", 5, errors=1), ANY, allow_missing=True)
    assert allowed == first_look()
