"""Which run a command continues, and when a key changes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.grading.completion import Completion
from lrmtest.models.engines.base import Delivery, Request, Sampling
from lrmtest.questions import Source
from lrmtest.questions.place import Place
from lrmtest.runs.keys import CompletionKeys, completion_key, fingerprint, sample_seed
from lrmtest.runs.manifest import Manifest, ModelSection, SuiteSection
from lrmtest.runs.run import open_run
from lrmtest.runs.store import Store

SETTINGS = Manifest(
    model=ModelSection(name="m", files={"w": "1"}), temperature=0.6, top_p=0.95, seed=0
)
AIME = SuiteSection("p", 100, samples=1, source=Source("local", "aime", "", "h"), questions=3)


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "lrmtest.sqlite") as opened:
        yield opened


def begin(store, settings=SETTINGS, fresh=False, **suites):
    suites = suites or {"aime": AIME}
    return open_run(store, "m", replace(settings, suites=suites), fresh=fresh)


def test_the_same_command_continues_the_run(store):
    assert begin(store).run_id == begin(store).run_id


def test_a_larger_selection_continues_the_run(store):
    first = begin(store)
    again = begin(store, aime=replace(AIME, questions=30, samples=4))
    assert again.run_id == first.run_id
    assert again.manifest.suites["aime"].questions == 30
    smaller = begin(store)
    assert smaller.manifest.suites["aime"].questions == 30


def test_a_further_suite_joins_the_run(store):
    first = begin(store)
    again = begin(store, folio=AIME)
    assert again.run_id == first.run_id
    assert set(again.manifest.suites) == {"aime", "folio"}


@pytest.mark.parametrize(
    "settings",
    [
        replace(SETTINGS, temperature=0.0),
        replace(SETTINGS, top_p=1.0),
        replace(SETTINGS, seed=1),
        replace(SETTINGS, model=ModelSection(name="m", files={"w": "2"})),
    ],
)
def test_changed_settings_begin_another_run(store, settings):
    assert begin(store).run_id != begin(store, settings).run_id


@pytest.mark.parametrize(
    "suite",
    [
        replace(AIME, prompt_sha256="other"),
        replace(AIME, max_tokens=200),
        replace(AIME, source=Source("local", "aime", "", "other")),
    ],
)
def test_a_changed_suite_begins_another_run(store, suite):
    assert begin(store).run_id != begin(store, aime=suite).run_id


def test_fresh_begins_another_run_and_is_continued_later(store):
    first = begin(store)
    fresh = begin(store, fresh=True)
    assert fresh.run_id != first.run_id
    assert begin(store).run_id == fresh.run_id


def test_only_missing_completions_are_wanted(store):
    run = begin(store)
    request = Request(Place("k1", "aime", "q1", 0), (), Sampling(9, 0.0, 1.0), 1)
    assert run.arrived([Delivery(request, Completion("t", "stop"))])
    assert run.missing(["k1", "k2"], adopt=True) == {"k2"}
    fresh = begin(store, fresh=True)
    assert fresh.missing(["k1", "k2"], adopt=False) == {"k1", "k2"}
    assert fresh.missing(["k1", "k2"], adopt=True) == {"k2"}


def test_a_finished_run_that_is_extended_is_not_finished(store):
    run = begin(store)
    run.finish()
    assert store.run(run.run_id).finished
    begin(store, folio=AIME)
    assert store.run(run.run_id).finished is None


KEY = {
    "model_identity": "m",
    "question_digest": "d",
    "messages": [("user", "hello")],
    "max_tokens": 10,
    "temperature": 0.5,
    "top_p": 0.9,
    "seed": 1,
    "sample": 0,
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model_identity", "n"),
        ("question_digest", "e"),
        ("messages", [("user", "hello "), ("user", "")]),
        ("messages", [("system", "hello")]),
        ("max_tokens", 11),
        ("temperature", 0.6),
        ("top_p", 0.95),
        ("seed", 2),
        ("sample", 1),
    ],
)
def test_everything_that_changes_an_outcome_changes_the_key(name, value):
    assert completion_key(**KEY) != completion_key(**{**KEY, name: value})


@given(
    texts=st.tuples(st.text(), st.text()),
    messages=st.lists(st.tuples(st.text(), st.text()), max_size=3),
    numbers=st.tuples(st.integers(1), st.integers(0, 2**31), st.integers(0)),
    temperature=st.floats(0, 10) | st.integers(0, 2),
    top_p=st.floats(0, 1),
)
def test_a_key_is_the_fingerprint_of_all_that_makes_a_completion(
    texts, messages, numbers, temperature, top_p
):
    (identity, digest), (budget, seed, sample) = texts, numbers
    content = {
        "model": identity,
        "question": digest,
        "messages": [list(message) for message in messages],
        "max_tokens": budget,
        "temperature": temperature,
        "top_p": top_p,
        "seed": seed,
        "sample": sample,
    }
    keys = CompletionKeys(identity, temperature, top_p)
    assert keys.of_question(digest, messages, budget)(seed, sample) == fingerprint(content)


@given(st.integers(), st.text(), st.text(), st.integers(0, 1000))
def test_seeds_are_31_bits_and_repeatable(base, suite, question, sample):
    seed = sample_seed(base, suite, question, sample)
    assert 0 <= seed < 2**31
    assert seed == sample_seed(base, suite, question, sample)


def test_seeds_differ_between_samples_questions_and_bases():
    seeds = {
        sample_seed(base, "s", question, sample)
        for base in range(10)
        for question in "abcdefghij"
        for sample in range(10)
    }
    assert len(seeds) == 1000
