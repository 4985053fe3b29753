"""Runs that were made in several places become one."""

from contextlib import ExitStack
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrmtest.errors import DataError
from lrmtest.grading.completion import Completion
from lrmtest.grading.verdict import Verdict
from lrmtest.models.engines.http.model_probe import ProbeAnswer, ProbeReference
from lrmtest.questions.place import Place
from lrmtest.runs.extent import selected
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.merging import merge_run
from lrmtest.runs.store import Store


def manifest(questions=3, samples=2, served=None, probe=None, budget=100):
    ids = [f"q{number}" for number in range(questions)]
    return Manifest.from_json(
        {
            "model": {"name": "m", **({"served": served} if served else {})},
            "temperature": 0.6,
            "suites": {"s": {"max_tokens": budget, "samples": samples, "questions": questions}},
            "selection": {"s": {"samples": samples, "questions": ids}},
            **({"probe": probe} if probe else {}),
        }
    )


def place(question, sample):
    return Place(f"s/{question}/{sample}", "s", f"q{question}", sample)


def add(store, run_id, texts, of=None):
    """A run with texts by question and sample."""
    of = of or manifest()
    store.add_run(run_id, "m", of.identity, of)
    for (question, sample), text in texts.items():
        store.add_questions(run_id, [("s", f"q{question}", None, [("user", "?")])])
        store.add_completion(run_id, place(question, sample), Completion(text, "stop"))
        correct = text == "right"
        verdict = Verdict(correct, float(correct), text, None if correct else "wrong", correct)
        store.set_verdicts(run_id, [(place(question, sample).key, verdict)])
    return store.head(run_id)


def texts_of(store, run_id):
    return {
        (int(one.place.question_id[1:]), one.place.sample): (
            one.completion.text,
            one.verdict.correct,
        )
        for one in store.completions(run_id)
    }


@pytest.fixture
def stores(tmp_path):
    with ExitStack() as stack:
        yield [stack.enter_context(Store(tmp_path / f"{n}.sqlite")) for n in range(3)]


PARTS = st.dictionaries(st.tuples(st.integers(0, 2), st.integers(0, 1)), st.just("right"))


@settings(max_examples=40, deadline=None)
@given(st.lists(PARTS, min_size=3, max_size=3), st.permutations(range(3)))
def test_in_any_order_all_is_there_once(tmp_path_factory, parts, order):
    folder = tmp_path_factory.mktemp("merge")
    with ExitStack() as stack:
        made = [stack.enter_context(Store(folder / f"{n}.sqlite")) for n in range(3)]
        into = stack.enter_context(Store(folder / "into.sqlite"))
        heads = [add(made[n], f"m-{n}", part) for n, part in enumerate(parts)]
        found = [merge_run(into, made[n], heads[n]) for n in order]
        again = [merge_run(into, made[n], heads[n]) for n in order]
        (run,) = into.runs()
        union = {key for part in parts for key in part}
        assert texts_of(into, run.run_id) == dict.fromkeys(union, ("right", True))
        assert sum(one.added for one in found) == len(union)
        assert sum(one.known for one in found) == sum(map(len, parts)) - len(union)
        assert not any(one.added or one.conflicts for one in again)
        assert (run.finished is not None) == (len(union) == 6)


def test_a_sample_with_two_texts_is_named_and_stays(stores):
    into, source, _ = stores
    add(into, "m-1", {(0, 0): "right", (1, 0): "right"})
    run = add(source, "m-2", {(0, 0): "other", (1, 0): "right", (2, 1): "other"})
    merged = merge_run(into, source, run)
    assert merged.into == "m-1"
    assert (merged.added, merged.known) == (1, 1)
    assert [(one.question_id, one.sample) for one in merged.conflicts] == [("q0", 0)]
    assert texts_of(into, "m-1")[0, 0] == ("right", True)
    assert texts_of(into, "m-1")[2, 1] == ("other", False)


def test_what_either_has_selected_is_selected(stores):
    into, source, _ = stores
    add(into, "m-1", {}, manifest(questions=2, samples=2))
    merge_run(into, source, add(source, "m-2", {}, manifest(questions=3, samples=1)))
    (run,) = into.runs()
    assert selected(run.manifest) == {("s", "q0"): 2, ("s", "q1"): 2, ("s", "q2"): 1}
    assert run.manifest.suites["s"].questions == 3


def test_other_settings_are_another_run_and_it_says_why(stores):
    into, source, _ = stores
    add(into, "m-1", {(0, 0): "right"})
    merged = merge_run(into, source, add(source, "m-2", {(0, 0): "right"}, manifest(budget=200)))
    assert (merged.into, merged.added) == ("m-2", 1)
    assert merged.apart == "s is asked with another prompt, budget or dataset"
    assert {run.run_id for run in into.runs()} == {"m-1", "m-2"}


def test_two_runs_of_one_id_are_refused(stores):
    into, source, _ = stores
    add(into, "m-1", {})
    run = add(source, "m-1", {}, manifest(budget=200))
    with pytest.raises(DataError, match="another run called m-1"):
        merge_run(into, source, run)
    assert len(into.runs()) == 1


def test_an_error_is_taken_over_where_there_is_no_completion(stores):
    into, source, _ = stores
    add(into, "m-1", {(0, 0): "right"})
    run = add(source, "m-2", {})
    source.add_error("m-2", place(0, 0), "gone", 2)
    source.add_error("m-2", place(1, 0), "gone", 2)
    merge_run(into, source, run)
    assert [one.place.question_id for one in into.errors("m-1")] == ["q1"]


def answers(shift=0.0, word="a"):
    places = [(word, {word: -0.1 - shift, "b": -2.5 + shift})] * 3
    one = ProbeAnswer(word * 3, (word,) * 3, tuple(likeliest for _, likeliest in places))
    return (one,) * 4


def probe(shift=0.0, noise=0.01):
    return ProbeReference.of([answers(shift), answers(shift + noise)]).to_json()


@pytest.mark.parametrize(
    ("facts", "shift", "joins"),
    [({}, 0.01, True), ({}, 1.0, False), ({"quantization": "other"}, 0.0, False)],
)
def test_endpoints_of_one_model_are_known_by_their_probes(stores, facts, shift, joins):
    into, source, _ = stores
    one = manifest(served={"version": "1", "probe": "mark 1"}, probe=probe())
    other = manifest(served={"version": "1", **facts, "probe": "mark 2"}, probe=probe(shift))
    assert one.identity != other.identity
    add(into, "m-1", {(0, 0): "right"}, one)
    merged = merge_run(into, source, add(source, "m-2", {(1, 0): "right"}, other))
    assert merged.joined == joins
    assert bool(merged.apart) != joins


WORDS = [("a", "b", "c"), ("d", "e"), ("f",), ("g", "h")]


def test_probes_without_probabilities_are_alike_by_their_words():
    one = ProbeReference(words=tuple(WORDS))
    fewer = ProbeReference(words=(("a", "c"), ("d", "e"), ("f", "x"), ("g", "h")))
    other = ProbeReference(words=(("x",), ("y",), ("z",), ("g", "h")))
    for a, b in permutations((one, fewer)):
        assert a.alike(b)
    assert not one.alike(other)
    assert not one.alike(ProbeReference.of([answers(), answers()]))
