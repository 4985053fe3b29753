"""The views of triage and of test-time compute: what they say, and that nothing breaks them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_runs import run_of
from rich.cells import cell_len

from lrmtest.analysis.compute import compare_compute, compute_outcomes
from lrmtest.analysis.triage import triage
from lrmtest.grading.verdict import Verdict
from lrmtest.reports.compute import compute_change_report, compute_report
from lrmtest.reports.runs_table import SampleView
from lrmtest.reports.side_by_side import side_by_side
from lrmtest.reports.terminal import render
from lrmtest.reports.triage import triage_view
from lrmtest.runs.outcomes import QuestionOutcome, SampleOutcome

LOOPING = "Wait, let me check that again, since it may well be wrong after all. " * 5000


def outcome(question_id, *failures, suite="aime", tokens=100):
    samples = {index: SampleOutcome(failure, tokens) for index, failure in enumerate(failures)}
    return QuestionOutcome(suite, question_id, samples)


def outcomes(*questions):
    return {question.key: question for question in questions}


def view(text="I think.", answer="It is 33.", failure=None, sample=0, finish="stop"):
    verdict = Verdict(failure is None, 0, "33", failure, failure is None)
    return SampleView(sample, verdict, None, text, answer, finish, 20, 4)


BEFORE = outcomes(outcome("1", None), outcome("2", None), outcome("3", "wrong"), outcome("4", None))
AFTER = outcomes(outcome("1", "looped", tokens=32768), outcome("2", None), outcome("3", None),
                 outcome("4"), outcome("5", "wrong"))  # fmt: skip


@pytest.mark.parametrize("width", [80, 120])
def test_the_overview_of_two_runs(width):
    questions = triage(run_of("a-1", AFTER), run_of("b-1", BEFORE))
    text = render(triage_view(questions, title="m against n", compared=True), width, False)
    for part in (
        "5 questions, 2 failed: 1 wrong, 1 looped; 1 with nothing but engine errors",
        "since the baseline: 1 broken, 0 worse, 0 unstable, 1 unchanged, 0 better, 1 fixed; "
        "2 questions not compared",
        "1 fell, which may all be chance; 1 rose, which may all be chance",
        "1/1 → 0/1 -100 0.250",
        "broken (1 question): passed in the baseline, fails now",
        "100 → 32.8k",
    ):
        assert part in " ".join(text.split()), part
    assert max(map(len, text.split("\n"))) <= width


def test_long_lists_are_cut_and_kinds_are_not():
    many = outcomes(*(outcome(str(n), "wrong") for n in range(50)))
    short = render(triage_view(triage(run_of("a-1", many)), title="m", compared=False), 100, False)
    assert "... and 30 more: --kind wrong" in short
    whole = render(
        triage_view(triage(run_of("a-1", many)), title="m", compared=False, kinds=["wrong"]),
        100,
        False,
    )
    assert "more" not in whole
    assert whole.count("0/1") == 50


def test_both_answers_part_where_they_part():
    left = view("First add the two numbers. Then halve the sum.")
    right = view("First add the two numbers. Then double it.", "It is 34.", "wrong")
    text = render(
        side_by_side(
            title="aime 1", prompt=[("user", "Find [b]x[/b].")], expected="33",
            sides={"baseline": [left], "candidate": [right]},
        ),
        100,
        False,
    )  # fmt: skip
    for part in ("Find [b]x[/b].", "after 6 words", "First add the two numbers. Then",
                 "halve the sum.", "double it.", "baseline, sample 0: correct"):  # fmt: skip
        assert part in text, part


def test_loops_truncation_and_errors_are_marked():
    samples = [view(LOOPING, "", "looped", finish="length"), view(sample=1),
               SampleView(2, error="the server hung up")]  # fmt: skip
    alone = render(
        side_by_side(title="t", prompt=[], expected="", sides={"b": samples}), 200, False
    )
    assert "looped: 33, 24 tokens; cut off at its budget; a loop from 0.0 % of the text" in alone
    assert "(69 characters, 4,999 times)" in alone
    assert "the server hung up" in alone
    other = [view(), view(sample=1)]
    sides = {"a": other, "b": samples}
    both = render(side_by_side(title="t", prompt=[], expected="", sides=sides), 100, False)
    assert "nowhere: the same words" in both
    assert len(both) < 10_000


@settings(max_examples=50)
@given(st.text(max_size=200), st.sampled_from([40, 80]))
def test_hostile_text_breaks_no_view(text, width):
    questions = triage(
        run_of("a-1", outcomes(outcome(text, "wrong", None, suite=text), outcome("2")))
    )
    result = compute_outcomes([outcome(text, "wrong", None), outcome("2", None)])
    change = compare_compute(BEFORE, AFTER)
    shown = [
        triage_view(questions, title=text, compared=False),
        side_by_side(
            title=text,
            prompt=[(text, text)],
            expected=text,
            notes=[text],
            sides={"a": [view(text, text)], "b": [view(text + "x", text, "wrong")]},
        ),
        compute_report({text: result}, text),
        compute_change_report({text: change}, text),
    ]
    for renderable in shown:
        printed = render(renderable, width, False)
        printed.encode("utf-8")
        assert "\x1b" not in printed
        assert all(cell_len(line) <= width for line in printed.split("\n"))
