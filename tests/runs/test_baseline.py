"""Baselines: what is written is read back; what is damaged is refused with its place."""

from __future__ import annotations

import json
import string
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import run_of

from lrmtest.analysis.summary import summarize
from lrmtest.errors import DataError, StoreError, UsageError
from lrmtest.grading.completion import Completion
from lrmtest.grading.verdict import ENDS, FAILURE_CLASSES, Verdict
from lrmtest.questions.place import Place
from lrmtest.reports.html.table import results_of
from lrmtest.reports.markdown import markdown_report
from lrmtest.reports.terminal import render, summary_table
from lrmtest.runs.formats.baseline import (
    baseline_text,
    parse_baseline,
    read_baseline,
    refuse_incomplete,
    write_baseline,
)
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.outcomes import QuestionOutcome, SampleOutcome
from lrmtest.runs.reference import load_run
from lrmtest.runs.store import Store

any_text = st.text(st.characters(exclude_categories=()), max_size=20)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=8,
)
samples = st.builds(
    SampleOutcome,
    failure=st.sampled_from([None, *FAILURE_CLASSES, "not-yet-known"]),
    tokens=st.integers(0, 10**7),
    answer=st.text(string.hexdigits, max_size=12),
    end=st.sampled_from(ENDS),
    score=st.none() | st.floats(0, 1),
)
questions = st.builds(
    QuestionOutcome,
    suite=any_text,
    question_id=any_text,
    samples=st.dictionaries(st.integers(0, 8), samples, max_size=4),
)


@st.composite
def baselines(draw):
    asked = draw(st.lists(questions, max_size=6, unique_by=lambda question: question.key))
    manifest = draw(st.dictionaries(any_text, json_values, max_size=3))
    manifest["suites"] = {question.suite: {"max_tokens": 16} for question in asked}
    return run_of(
        draw(any_text),
        {question.key: question for question in asked},
        model=draw(any_text),
        created=draw(any_text),
        manifest=manifest,
        tokens_estimated=draw(st.booleans()),
    )


SMALL = run_of(
    "m-20250101-120000-aaaa",
    created="2025-01-01T12:00:00+00:00",
    manifest={"seed": 0, "suites": {"sums": {"max_tokens": 64}}},
    outcomes={
        ("sums", f"q{n}"): QuestionOutcome(
            "sums", f"q{n}", {0: SampleOutcome(None if n % 2 else "wrong", 10 + n, "ab12")}
        )
        for n in range(3)
    },
)


def same(left, right):
    """Whether comparisons see no difference."""
    seen = ("run_id", "model", "created", "outcomes", "tokens_estimated")
    return left.manifest.to_json() == right.manifest.to_json() and all(
        getattr(left, name) == getattr(right, name) for name in seen
    )


@given(baselines())
def test_what_is_written_is_read_back(baseline):
    text = baseline_text(baseline)
    assert same(parse_baseline(text, "b.json"), baseline)
    assert baseline_text(parse_baseline(text, "b.json")) == text


@given(baselines())
def test_a_question_is_a_line(baseline):
    lines = baseline_text(baseline).splitlines()
    begun = lines.index('"questions": [')
    parsed = [json.loads(line.rstrip(",")) for line in lines[begun + 1 : -2] if line]
    assert [(line["suite"], line["id"]) for line in parsed] == sorted(baseline.outcomes)


SCORED = SMALL.__class__(
    **{
        **vars(SMALL),
        "samples": tuple(
            replace(sample, summed_up=replace(sample.summed_up, score=0.25))
            for sample in SMALL.samples
        ),
    }
)


def test_a_suite_without_scores_has_none_in_its_file():
    assert "scores" not in baseline_text(SMALL)
    assert '"scores": [0.25]' in baseline_text(SCORED)


@pytest.mark.parametrize("scores", ["0.25", "[]", "[2]", "[true]", '["high"]', "[0.1, 0.2]"])
def test_scores_that_are_none_are_refused(scores):
    text = baseline_text(SCORED).replace('"scores": [0.25]', f'"scores": {scores}', 1)
    with pytest.raises(DataError, match=r"b\.json: question 1 \(sums q0\): .*score"):
        parse_baseline(text, "b.json")


def test_the_order_of_the_questions_does_not_change_the_file():
    backwards = replace(SMALL, samples=SMALL.samples[::-1])
    assert baseline_text(backwards) == baseline_text(SMALL)


@given(st.data())
def test_a_file_cut_off_anywhere_is_refused(data):
    text = baseline_text(SMALL)
    cut = data.draw(st.integers(0, len(text.rstrip()) - 1))
    with pytest.raises(DataError, match=r"^b\.json"):
        parse_baseline(text[:cut], "b.json")


@given(st.data())
def test_a_changed_character_never_ends_in_a_traceback(data):
    text = baseline_text(SMALL)
    place = data.draw(st.integers(0, len(text) - 1))
    changed = text[:place] + data.draw(st.characters()) + text[place + 1 :]
    with suppress(DataError):
        parse_baseline(changed, "b.json")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"version": 1', '"version": 2', "version 2; this lrmtest reads 1"),
        ('"version": 1', '"version": true', "'version' is of the wrong type"),
        ('"format": "lrmtest-baseline"', '"format": "other"', "not a baseline's file"),
        ('"id": "q1"', '"id": "q0"', "question 2: sums q0 is there twice"),
        ('"id": "q1"', '"id": 1', "question 2: field 'id' is of the wrong type, int"),
        ('"id": "q1", ', "", "question 2: field 'id' is missing"),
        ('"passes": 1', '"passes": 0', "question 2 (sums q1): field 'passes' says 0"),
        ('["pass", 11', '["Passed", 11', "question 2 (sums q1): sample 0: the result 'Passed'"),
        ('["pass", 11', '["passed", 11', "question 2 (sums q1): field 'passes' says 1"),
        ('["pass", 11', '["pass", -1', "sample 0: the tokens are -1"),
        ('["pass", 11', '["pass", true', "sample 0: the tokens are True"),
        ('["pass", 11, "ab12"]', '["pass"]', "sample 0: not [result, tokens, answer hash]"),
        ('"model": "m",\n', "", "field 'model' is missing"),
        ('"seed": 0', '"seed": NaN', "NaN is no number"),
        ('"seed": 0', '"seed": 0, "seed": 1', "'seed' is there twice"),
        ('"sums": {', '"sum": {', "'suites' lacks suite 'sums'"),
    ],
)
def test_damage_is_named_with_its_place(old, new, said):
    text = baseline_text(SMALL)
    assert text.count(old) >= 1
    with pytest.raises(DataError) as caught:
        parse_baseline(text.replace(old, new, 1), "b.json")
    assert said in caught.value.message
    assert caught.value.message.startswith("b.json")


def test_a_missing_file_is_an_error_with_a_next_step(tmp_path):
    with pytest.raises(DataError, match="cannot read the baseline") as caught:
        read_baseline(tmp_path / "none.json")
    assert caught.value.hint


RIGHT = Verdict(correct=True, score=1, extracted="7", failure=None, lenient_correct=True)
WRONG = Verdict(correct=False, score=0, extracted="8", failure="wrong", lenient_correct=False)


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "lrmtest.sqlite") as store:
        yield store


def add_run(store, run_id="m-1", *, temperature=0.6, verdicts=(RIGHT, WRONG), model="m"):
    manifest = {"temperature": temperature, "suites": {"sums": {"max_tokens": 64}}}
    run = store.add_run(run_id, model, "identity", Manifest.from_json(manifest))
    for sample, verdict in enumerate(verdicts):
        completion = Completion("\\boxed{7}", "stop", completion_tokens=9, reasoning_tokens=4)
        store.add_completion(run_id, Place(f"key-{sample}", "sums", "q0", sample), completion)
        if verdict is not None:
            store.set_verdicts(run_id, [(f"key-{sample}", verdict)])
    store.finish_run(run_id)
    return store.run(run.run_id)


def test_a_run_and_its_file_are_the_same_baseline(store, tmp_path):
    run = add_run(store)
    baseline = store.record(run)
    assert baseline.outcomes[("sums", "q0")].passes == 1
    assert baseline.outcomes[("sums", "q0")].tokens == 18
    write_baseline(tmp_path / "deep" / "b.json", baseline)
    assert same(load_run(str(tmp_path / "deep" / "b.json"), store.path), baseline)
    assert load_run("m-1", store.path) == baseline


def test_a_greedy_run_counts_one_sample(store):
    baseline = store.record(add_run(store, temperature=0))
    assert baseline.outcomes[("sums", "q0")].count == 1


def test_runs_are_found_by_last_and_by_model(store):
    add_run(store, "a-1", model="a")
    add_run(store, "b-1", model="b")
    assert load_run("last", store.path).run_id == "b-1"
    assert load_run("last:a", store.path).run_id == "a-1"
    assert store.run("last", other_than=["b-1"]).run_id == "a-1"
    with pytest.raises(UsageError, match="last:c"):
        load_run("last:c", store.path)
    with pytest.raises(UsageError, match="no other run"):
        store.run("last:b", other_than=["b-1"])


def test_a_reference_without_a_store_is_a_clear_error(tmp_path):
    with pytest.raises(StoreError, match="there is no store"):
        load_run("last", tmp_path / "none.sqlite")


def test_a_complete_run_lacks_nothing(store):
    run = store.record(add_run(store))
    assert run.lacking == ()
    refuse_incomplete(run)


def test_incomplete_runs_are_refused_and_say_what_is_missing(store):
    add_run(store, verdicts=(RIGHT, None))
    store.add_error("m-1", Place("key-9", "sums", "q1", 0), "no answer", 1)
    store.update_manifest("m-1", store.run("m-1").manifest)
    with pytest.raises(UsageError) as caught:
        refuse_incomplete(store.record(store.run("m-1")))
    for said in ("has been generated", "1 sample ended in an engine error", "without a verdict"):
        assert said in caught.value.message
    assert "--allow-incomplete" in (caught.value.hint or "")
    assert store.record(store.run("m-1")).outcomes[("sums", "q1")].count == 0


def test_a_folder_is_no_place_for_a_baseline(tmp_path):
    with pytest.raises(StoreError, match="cannot be written"):
        write_baseline(tmp_path, SMALL)


def test_how_a_sample_ended_stands_behind_its_class_only_where_the_class_does_not_say_it():
    told = {
        SampleOutcome("truncated", 9): "truncated",
        SampleOutcome("looped", 9): "looped",
        SampleOutcome("looped", 9, end="ran-out"): "looped:ran-out",  # nearly
        SampleOutcome("unclosed", 9, end="ran-out"): "unclosed:ran-out",
        SampleOutcome("unclosed", 9): "unclosed",
        SampleOutcome("lost-answer", 9): "lost-answer",
    }
    asked = {
        ("sums", f"q{n}"): QuestionOutcome("sums", f"q{n}", {0: one}) for n, one in enumerate(told)
    }
    run = run_of("r", asked, manifest={"suites": {"sums": {}}})
    text = baseline_text(run)
    for name in told.values():
        assert f'["{name}", 9, ""]' in text
    read = parse_baseline(text, "b.json").outcomes
    assert [question.samples[0] for question in read.values()] == list(told)


def test_what_a_newer_version_calls_a_failure_is_one_and_is_given_back():
    text = baseline_text(SMALL).replace('["pass", 11', '["not-yet-known:later", 11', 1)
    text = text.replace('"passes": 1', '"passes": 0', 1)
    run = parse_baseline(text, "b.json")
    failures = [one.failure for q in run.outcomes.values() for one in q.samples.values()]
    assert "not-yet-known" in failures
    assert '["not-yet-known", 11' in baseline_text(run)
    assert summarize(run).total.failures["not-yet-known"] == 1
    assert "not yet known" in markdown_report([summarize(run)])
    assert "not-yet-known" in render(summary_table([summarize(run)]), 80, color=False)
    assert "not-yet-known" in results_of([run])
