"""What a report says is what the store holds and what analysis makes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import chunks_of, index_of
from report_store import BROKEN, LOOP, SUMS, WORDS, add_run, make_store, question, right, said

from lrmtest.analysis.compare import compare
from lrmtest.analysis.paired_comparison import compare_outcomes
from lrmtest.analysis.summary import ALL_SUITES, summarize
from lrmtest.natural_order import natural
from lrmtest.reports.html import report_text
from lrmtest.runs.formats.baseline import write_baseline
from lrmtest.runs.reference import load_run
from lrmtest.runs.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("store") / "lrmtest.sqlite")


@pytest.fixture(scope="module")
def runs(store):
    return load_run("full-1", store), load_run("small-1", store)


@pytest.fixture(scope="module")
def html(runs):
    baseline, candidate = runs
    compared = compare(baseline, candidate)
    return report_text(runs, {candidate.run_id: compared}, 0.5)


def test_figures_are_those_of_analysis(html, runs):
    report = index_of(html)
    for run, shown in zip(runs, report["runs"], strict=True):
        summary = summarize(run)
        for part in (*summary.suites, summary.total):
            figures = shown["suites"][part.suite]
            assert figures["rate"]["value"] == part.strict.value
            assert figures["rate"]["low"] == part.strict.interval.low
            assert figures["counts"]["looped"] == part.failures["looped"]
            assert sum(figures["counts"].values()) == part.samples == figures["samples"]
            assert figures["errors"] == part.errors
    total = compare_outcomes(runs[0].outcomes, runs[1].outcomes).total
    [comparison] = report["comparisons"]
    assert comparison["figures"]["total"]["failed"]["worsening"] == total.failed.worsening
    assert comparison["change_counts"][ALL_SUITES]["broken"] == BROKEN["small"] - BROKEN["full"]
    assert comparison["figures"]["gate"] is None


def test_tokens_are_not_pooled_over_suites(html):
    for run in index_of(html)["runs"]:
        assert run["suites"][ALL_SUITES]["lengths"] is None
        assert run["suites"][ALL_SUITES]["compute"] is None
        assert run["suites"]["sums"]["lengths"]["correct"]["count"] > 0
        budgets = run["suites"]["sums"]["compute"]["budgets"]
        assert budgets[-1]["rate"]["value"] == run["suites"]["sums"]["rate"]["value"]


def test_the_table_leads_to_every_question_with_its_texts(html, store):
    report, chunks = index_of(html), chunks_of(html)
    table = report["questions"]
    assert len(chunks) > 1
    assert len(table["id"]) == SUMS + WORDS
    with Store(store) as opened:
        for row, question_id in enumerate(table["id"]):
            suite = table["suites"][table["suite"][row]]
            content = chunks[table["chunk"][row]][table["slot"][row]]
            asked = opened.question("full-1", suite, question_id)
            assert content["prompt"] == [list(message) for message in asked.prompt]
            assert content["references"] == list(asked.question.references)
            assert content["references"][0] == table["expected"][row]
            said_by = [
                list(opened.completions(run, question_id=question_id))
                for run in ("full-1", "small-1")
            ]
            for column, run, completions in zip(
                table["runs"], content["runs"], said_by, strict=True
            ):
                graded = [sample for sample in run["samples"] if "result" in sample]
                assert len(graded) == len(completions) == column["samples"][row]
                passes = sum(sample["result"] == "correct" for sample in graded)
                assert passes == column["passes"][row]
                for sample, stored in zip(graded, completions, strict=True):
                    assert sample["extracted"] == stored.verdict.extracted
                    assert sample["answer"]["text"] in stored.completion.text


def test_engine_errors_are_shown_as_such(html):
    report, chunks = index_of(html), chunks_of(html)
    row = report["questions"]["id"].index("w/3 ü")
    content = chunks[report["questions"]["chunk"][row]][report["questions"]["slot"][row]]
    assert content["runs"][1]["samples"][-1] == {
        "sample": 2,
        "error": "connection lost after 3 attempts",
    }
    assert report["runs"][1]["lacking"] == ["1 sample ended in an engine error"]


def test_a_loop_is_given_once(html):
    report, chunks = index_of(html), chunks_of(html)
    row = report["questions"]["id"].index("q1")
    content = chunks[report["questions"]["chunk"][row]][report["questions"]["slot"][row]]
    reasoning = content["runs"][0]["samples"][0]["reasoning"]
    assert reasoning["times"] == 212
    assert sorted(reasoning["loop"]) == sorted(LOOP)
    assert reasoning["length"] == pytest.approx(212 * len(LOOP), abs=1)


def test_where_the_graded_answer_stands_is_counted_as_javascript_counts(tmp_path):
    one = question("sums", "q0")
    with Store(tmp_path / "lrmtest.sqlite") as store:
        texts = [said("Hm.", "𝒜𝒷 is 2, so \\boxed{2}. 2?"), said("It is 2", None)]
        add_run(store, "a", [(one, texts)])
    runs = [load_run("a", tmp_path / "lrmtest.sqlite")]
    [[content]] = chunks_of(report_text(runs, {}, 0.5))
    ended, cut = content["runs"][0]["samples"]
    graded = ended["graded"]
    text = ended["answer"]["text"].encode("utf-16-le")
    assert graded["part"] == "answer"
    assert text[2 * graded["from"] : 2 * graded["to"]].decode("utf-16-le") == "\\boxed{2}"
    assert ended["closed"] == "</think>"
    assert cut["closed"] is None


def test_a_question_in_one_run_only_and_a_prompt_of_its_own(tmp_path):
    first, second = question("sums", "q0"), question("sums", "q1")
    other = question("sums", "q0", "What do you get of $1 + 1$?")
    with Store(tmp_path / "lrmtest.sqlite") as store:
        add_run(store, "a", [(first, [right()]), (second, [right()])])
        add_run(store, "b", [(other, [right()])])
    runs = [load_run(name, tmp_path / "lrmtest.sqlite") for name in ("a", "b")]
    html = report_text(runs, {}, 0.5)
    [[one, two]] = chunks_of(html)
    assert one["runs"][1]["prompt"] == [["user", "What do you get of $1 + 1$?"]]
    assert two["runs"][1] is None
    assert index_of(html)["questions"]["runs"][1]["result"] == [0, None]


def test_an_enormous_text_is_bounded(tmp_path):
    one = question("sums", "q0")
    huge = " ".join(str(n) for n in range(600_000))
    with Store(tmp_path / "lrmtest.sqlite") as store:
        add_run(store, "a", [(one, [said(huge, "\\boxed{2}")])])
    [[content]] = chunks_of(report_text([load_run("a", tmp_path / "lrmtest.sqlite")], {}, 0.5))
    text = content["runs"][0]["samples"][0]["reasoning"]["text"]
    assert len(text) < 410_000
    assert "MB left out of this report]" in text
    assert text.endswith("599999")


def test_a_baseline_file_has_figures_and_no_texts(store, runs, tmp_path):
    with Store(store) as opened:
        write_baseline(tmp_path / "full.json", opened.record(opened.run("full-1")))
    from_file = load_run(str(tmp_path / "full.json"), store)
    html = report_text([from_file], {}, 0.5)
    [shown] = index_of(html)["runs"]
    assert shown["texts"] is False
    assert chunks_of(html) == []
    expected = summarize(runs[0])
    for part in (*expected.suites, expected.total):
        assert shown["suites"][part.suite]["rate"]["value"] == part.strict.value
        assert shown["suites"][part.suite]["counts"]["wrong"] == part.failures["wrong"]
        assert shown["suites"][part.suite]["lenient"] is None
    assert set(index_of(html)["questions"]["chunk"]) == {-1}


@given(st.sets(st.text(st.characters(codec="utf-8") | st.sampled_from("0123"), max_size=8)))
def test_any_ids_have_one_natural_order(ids):
    assert sorted(ids, key=natural) == sorted(sorted(ids, reverse=True), key=natural)


def test_numbers_in_ids_are_numbers():
    ids = ["2024-II-3", "q10", "2024-I-10", "q9", "2024-I-4", "q" + "9" * 30]
    assert sorted(ids, key=natural) == [
        "2024-I-4", "2024-I-10", "2024-II-3", "q9", "q10", "q" + "9" * 30,
    ]  # fmt: skip
