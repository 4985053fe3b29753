"""What `lrmtest knowledge` says, whatever the names."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from lrmtest.analysis.knowledge import BOOK_CONTEXTS, compare_knowledge, knowledge, suite_in
from lrmtest.reports.knowledge import knowledge_change_report, knowledge_report
from lrmtest.reports.terminal import render
from lrmtest.runs.outcomes import QuestionOutcome, SampleOutcome
from lrmtest.suites.musique_contexts import hop_ids


def run(failing, *, count=40, name="musique"):
    """Two-hop questions that fail, all of them, in the contexts `failing`."""
    outcomes = {}
    for number in range(count):
        for context in BOOK_CONTEXTS:
            question_id = f"2hop__{number}"
            for part in hop_ids(question_id) if "hops" in context else [question_id]:
                key = (suite_in(name, context), part)
                failure = "wrong" if context in failing else None
                outcomes[key] = QuestionOutcome(*key, {0: SampleOutcome(failure)})
    return outcomes


@pytest.mark.parametrize(
    ("failing", "reading"),
    [
        (("closed", "hops"), "more knowledge was lost than reasoning"),
        (("closed", "open", "gold"), "more reasoning was lost than knowledge"),
        ((), "which of the two was lost more is not established"),
    ],
)
def test_the_last_line_says_what_was_lost(failing, reading):
    change = compare_knowledge(run(()), run(failing), "musique")
    text = render(knowledge_change_report(change, "parent", "small"), 120, False)
    assert reading in " ".join(text.split())
    assert "small against parent, 40 questions" in text


def test_kinds_contexts_and_what_is_left_out():
    outcomes = run(("closed", "hops"))
    del outcomes["musique-gold", "2hop__7"]
    text = render(knowledge_report(knowledge(outcomes, "musique"), "m", ids=True), 120, False)
    assert "39 questions, 1 left out" in text
    assert "not known     failed; a hop fails; given the facts it passes" in text
    assert "from memory, not known: 2hop__0 2hop__1" in text
    assert "2hop__7 " not in text
    assert "The facts bring +100.0" in text


@settings(max_examples=10)
@given(st.text(max_size=100), st.sampled_from([60, 80]))
def test_hostile_names_break_nothing(text, width):
    result = knowledge(run((), count=2), "musique")
    change = compare_knowledge(run((), count=2), run(("gold",), count=2), "musique")
    for shown in (knowledge_report(result, text), knowledge_change_report(change, text, text)):
        printed = render(shown, width, False)
        printed.encode("utf-8")
        assert "\x1b" not in printed
        assert all(cell_len(line) <= width for line in printed.split("\n"))
