from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_runs import sample_of
from rich.cells import cell_len

from lrmtest.analysis.summary import summarize
from lrmtest.grading.verdict import Verdict
from lrmtest.reports.terminal import render, summary_table
from lrmtest.runs.records import RunRecord, RunTiming

RIGHT = Verdict(True, 1.0, "33", None, True)
WRONG = Verdict(False, 0.0, "34", "wrong", False)
TRUNCATED = Verdict(False, 0.0, None, "truncated", True)
LOOPED = Verdict(False, 0.0, None, "looped", False)


def _run(model="r1-distill-llama-8b-awq-4bit", suites=("aime",), samples=1, questions=30, **fields):
    verdicts = [RIGHT, RIGHT, WRONG, TRUNCATED, LOOPED]
    records = [
        sample_of(model, suite, str(question), sample, verdicts[(question + sample) % 5],
                     prompt_tokens=120, reasoning_tokens=9_000 + 100 * question, answer_tokens=400,
                     **fields)
        for suite in suites
        for question in range(questions)
        for sample in range(samples)
    ]  # fmt: skip
    run = RunRecord(
        f"{model}-1", model, samples=tuple(records), timing=RunTiming(61.0, 12.0, 90_000)
    )
    return summarize(run)


def _show(*summaries, width=100, color=False):
    return render(summary_table(summaries), width, color)


def test_one_run():
    text = _show(_run())
    assert "40.0 % [24.6, 57.7]   60.0 %" in text
    assert "aime  30 " in text
    row = next(line for line in text.splitlines() if line.startswith("aime"))
    assert row.split()[-5:] == ["6", "0", "6", "6", "0"]
    assert "r1-distill-llama-8b-awq-4bit: 90.0k tokens generated, 1,475 tok/s, 1 min 01 s" in text
    assert "12 s to start the engine" in " ".join(text.split())
    assert "9,000" not in text
    assert "10.4k" in text, "the median of 9,000 to 11,900"
    assert "all suites" not in text


def test_the_total_is_there_with_several_suites():
    text = _show(_run(suites=("aime", "folio")))
    assert "all suites  60 " in text


def test_several_runs_stand_together_by_suite():
    text = _show(_run("a", ("aime", "folio")), _run("b", ("aime",)), width=120)
    labels = [line.split()[0] for line in text.split("\n\n─")[0].splitlines() if line.strip()]
    first = labels.index("aime")
    assert labels[first : first + 3] == ["aime", "a", "b"]


def test_runs_of_the_same_model_are_told_apart():
    first = _run("m")
    text = _show(first, replace(first, run_id="m-2"), width=120)
    assert "m (m-1)" in text
    assert "m (m-2)" in text


def test_several_samples_and_errors():
    summary = _run(samples=4)
    text = _show(summary)
    assert "30×4" in text
    assert "clustered by question" in text
    broken = sample_of("m", "aime", "x", 0, None, error="it hung up")
    text = _show(summarize(RunRecord("r", "m", samples=(broken,))))
    assert "1 question with nothing but errors" in text
    assert "–" in text


def test_estimates_are_marked_and_explained():
    text = _show(_run(tokens_estimated=True))
    assert "~10.4k" in text
    assert "~: tokens estimated from text length" in text
    assert "~" not in _show(_run())


def test_an_empty_run_says_so():
    text = _show(summarize(RunRecord("r", "m")))
    assert "all suites" in text
    assert "m: nothing generated" in text


def test_metrics_have_a_table():
    graded = replace(WRONG, metrics={"em": 0.0, "f1": 0.5})
    run = RunRecord("r", "m", samples=(sample_of("m", "musique", "a", 0, graded),))
    assert "50.0 % [" in _show(summarize(run))


def test_colour_only_when_asked():
    assert "\x1b[" in _show(_run(), color=True)
    assert "\x1b" not in _show(_run(), color=False)


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("models", [1, 3])
def test_no_figure_is_lost_at_any_width(width, models):
    """Every column is there and no line is too long: nothing was cropped, wrapped or elided."""
    names = ("r1-distill-llama-8b", "r1-distill-llama-8b-awq-4bit", "r1-distill-qwen-32b-gptq-3bit")
    suites = ("aime", "folio", "temporal", "musique")
    runs = [_run(name, suites, samples=4, questions=60) for name in names[:models]]
    text = _show(*runs, width=width)
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in text
    rows = 5 * models
    assert sum("40.0 % [" in line for line in lines) == rows
    outcomes = [line for line in lines if "40.0 % [" in line]
    assert all(len(line[line.index("]") + 1 :].split()) in (5, 7) for line in outcomes)
    assert sum(line.count(" 400 ") for line in lines) == 3 * rows, "mean, median, p95"


@settings(max_examples=30)
@given(
    st.text(min_size=1, max_size=80),
    st.text(min_size=1, max_size=40),
    st.sampled_from([80, 100, 140]),
)
def test_hostile_names_stay_in_their_cells(model, suite, width):
    summary = _run(model, (suite, suite + "2"))
    text = _show(summary, summary, width=width)
    text.encode("utf-8")
    assert all(cell_len(line) <= width for line in text.split("\n"))
    assert "\x1b" not in text
