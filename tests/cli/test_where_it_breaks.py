"""Where it breaks, from the command line: shaded traces, divergence, what it foretells."""

from __future__ import annotations

import json

import pytest
from read_runs import PIECES, add_reading, add_traced, read_store

from lrmtest.cli import main
from lrmtest.runs.reading_manifest import ReadingManifest
from lrmtest.runs.store import STORE_NAME, Store


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Store(tmp_path / "reports" / STORE_NAME) as opened:
        yield opened


def said(capfd, *words, status=0):
    assert main(list(words)) == status
    captured = capfd.readouterr()
    return " ".join((captured.out if status == 0 else captured.err).split())


def test_triage_shows_the_trace_with_figures_where_there_are_no_colours(store, capfd):
    read_store(store)
    for words in (
        ("small-1", "q5", "--baseline", "parent-1"),
        ("parent-1", "q5"),
        ("small-1", "q5"),
    ):
        printed = said(capfd, "triage", *words)
        assert "sample 0, 1 of parent, read by small: S 0.85, 13 tokens" in printed
        assert "would turn at 1 token, first at 10" in printed
        assert "Wait, so 6*7 = [42|0.80!]" in printed
        assert "10 0.8 would <think> Wait, so 6*7 = ▸42◂ </think> 42" in printed
        assert "\x1b" not in printed
    printed = said(capfd, "triage", "parent-1", "q0")
    assert "no place at which it would turn" in printed


def test_questions_are_sorted_by_divergence_and_it_is_said_what_that_foretells(store, capfd):
    read_store(store)
    printed = said(
        capfd, "triage", "small-1", "--baseline", "parent-1", "--sort", "divergence",
        "--change", "unchanged", "--change", "fell",
    )  # fmt: skip
    assert "S: small reads parent (parent-1)" in printed
    # Two of six break, and are those that diverge most.
    assert "Rank correlation with the loss in pass rate: S 0.8" in printed
    assert "(2 fell, 0 rose of 6 questions read)" in printed
    order = [printed.index(f" q{n} ") for n in (3, 2, 1, 0)]
    assert order == sorted(order)
    found = json.loads(
        said(capfd, "triage", "small-1", "--baseline", "parent-1", "--sort", "divergence", "--json")
    )
    assert [one["question"] for one in found["questions"]] == ["q5", "q4", "q3", "q2", "q1", "q0"]
    assert found["questions"][0]["divergence"]["s_high"] == pytest.approx(0.85)
    assert found["questions"][0]["divergence"]["own_share_low"] == pytest.approx(0.19)
    assert found["foretold"]["fell"] == 2
    # Ranks 1 to 6 against 2.5 four times, 5 and 6.
    assert found["foretold"]["variation"]["spearman"] == pytest.approx(0.8452, abs=1e-4)
    assert "Rank correlation" in said(capfd, "compare", "small-1", "parent-1")


def test_where_nothing_changed_there_is_nothing_to_correlate(store, capfd):
    traces = dict.fromkeys(("a", "b", "c"), PIECES)
    ids = add_traced(store, "parent-1", traces, model="parent")
    add_traced(store, "small-1", traces, model="small")
    keeps = {name: [0.9 - n / 10] * len(PIECES) for n, name in enumerate(traces)}
    add_reading(store, "parent-1", "small", keeps, ids)
    printed = said(capfd, "compare", "small-1", "parent-1")
    assert "Nothing to correlate: no pass rate of 3 questions that were read has changed" in printed


def test_without_a_reading_nothing_is_added(store, capfd):
    traces = {"a": PIECES}
    add_traced(store, "parent-1", traces, model="parent")
    add_traced(store, "small-1", traces, model="small")
    assert "foretell" not in said(capfd, "compare", "small-1", "parent-1")
    assert " S " not in said(capfd, "triage", "small-1", "--baseline", "parent-1")
    assert "read by" not in said(capfd, "triage", "small-1", "a", "--baseline", "parent-1")
    missing = said(
        capfd, "triage", "small-1", "--baseline", "parent-1", "--sort", "divergence", status=2
    )
    assert "small has not read the traces of parent-1" in missing
    assert "lrmtest read small --traces parent-1" in missing
    assert "no model has read the traces of small-1" in said(
        capfd, "triage", "small-1", "--sort", "divergence", status=2
    )


def test_tokens_whose_texts_are_not_known_are_not_shown(store, capfd):
    add_traced(store, "parent-1", {"a": PIECES}, model="parent")
    add_reading(store, "parent-1", "small", {"a": [0.5] * len(PIECES)})
    printed = said(capfd, "triage", "parent-1", "a")
    assert "cannot be shown as small reads them" in printed
    # Figures need no texts.
    assert "S: small reads parent" in said(capfd, "triage", "parent-1")


def test_bounds_are_shown_as_bounds_and_a_long_trace_as_far_as_it_is_looked_at(store, capfd):
    pieces = [f" word{n}" for n in range(3000)]
    ids = add_traced(store, "parent-1", {"a": pieces}, model="parent")
    keeps = [1.0] * len(pieces)
    keeps[1500] = 0.3
    widths = [0.0] * len(pieces)
    widths[1500] = 0.4
    add_reading(store, "parent-1", "small", {"a": keeps}, ids, exact=False, widths=widths)
    printed = said(capfd, "triage", "parent-1", "a")
    assert "S ~0.3..0.7" in printed
    assert "may turn at 1 token, first at 1,501" in printed
    assert "[word1500|0.70?]" in printed
    assert "word1400" not in printed.split("read by")[1]
    assert "tokens before)" in printed
    assert "more: --full)" in printed
    assert (
        "word1400 word1401" in said(capfd, "triage", "parent-1", "a", "--full").split("read by")[1]
    )


def test_what_tokens_say_is_made_safe(store, capfd):
    pieces = ["\x1b[2J", "\x1b]0;x\x07", "[red]a[/red]", "\u202egnp.exe", "##vso[x]", "\r", "b"]
    ids = add_traced(store, "parent-1", {"a": pieces}, model="parent")
    add_reading(store, "parent-1", "small", {"a": [0.4] * len(pieces)}, ids)
    printed = said(capfd, "triage", "parent-1", "a")
    assert "\x1b" not in printed
    assert "\u202e" not in printed
    assert "##vso[" not in printed
    assert "[[red]a[/red]|0.60!]" in printed


def test_a_reading_that_is_damaged_shows_figures_and_no_text(store, capfd):
    ids = add_traced(store, "parent-1", {"a": PIECES}, model="parent")
    add_reading(store, "parent-1", "small", {"a": [0.5] * len(PIECES)}, ids)
    for kept in ("!!!", "eJw=", 7, None, ["x"]):
        store.readings.note("read-small", ReadingManifest.from_json({"token_texts": kept}))
        assert "cannot be shown as small reads them" in said(capfd, "triage", "parent-1", "a")
