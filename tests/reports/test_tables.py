from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from lrmtest.analysis.intervals import wilson
from lrmtest.analysis.summary import Rate
from lrmtest.grading.verdict import Verdict
from lrmtest.models.listing import ModelRow
from lrmtest.models.sizes import Fit
from lrmtest.reports.models_table import models_table
from lrmtest.reports.runs_table import (
    QuestionRow,
    RunRow,
    SampleView,
    question_view,
    run_table,
    runs_table,
)
from lrmtest.reports.terminal import render

RUN = RunRow(
    "r1-1.58bit-20250101-120000-3f2a", "r1-1.58bit", "2025-01-01T12:00:00+00:00",
    ("aime", "folio"), 233, 932, 2, Rate(0.6333, wilson(19, 30)), state="interrupted",
    done=940, wanted=1000, tokens=812_000,
)  # fmt: skip
MODEL = ModelRow(
    name="r1-1.58bit", engine="llamacpp", parent="r1", note="", parameters=671.0,
    method="dynamic-gguf", bits_per_weight=1.67, sparsity=0.0, disk_gb=140.2, memory_gb=168.7,
    origin="hub", recipe="", fit=Fit("no", "needs 169 GB; 32 GB of memory free"),
)  # fmt: skip
QUESTION = QuestionRow(
    "aime", "2024-I-4", 1, 4, 1, "33", ("33", "34", "34", None), {"wrong": 2, "truncated": 1}, 12345
)


@pytest.mark.parametrize("width", [80, 100, 160])
def test_the_list_of_runs(width):
    text = render(runs_table([RUN]), width, False)
    for part in ("63.3 %", "[45.5, 78.1]", "interrupted", "932", "aime, folio"):
        assert part in text
    assert max(map(len, text.split("\n"))) <= width
    complete = render(runs_table([replace(RUN, state="complete")]), width, False)
    assert "complete" in complete
    assert "interrupted" not in complete


@pytest.mark.parametrize("width", [80, 100, 160])
def test_the_list_of_models(width):
    sparse = replace(MODEL, name="r1-distill-llama-70b-sparsegpt-50", method="sparsegpt",
                     bits_per_weight=16.0, sparsity=0.5, parameters=70.6,
                     fit=Fit("yes", ""))  # fmt: skip
    unknown = replace(MODEL, name="mine", method="none", bits_per_weight=None, parameters=None,
                      disk_gb=None, memory_gb=None)  # fmt: skip
    text = render(models_table([MODEL, sparse, unknown]), width, False)
    for part in ("r1-1.58bit", "671B", "1.67", "169 GB", "70.6B"):
        assert part in text
    assert "50 %" in text
    assert ("needs 169 GB" in text) == (width == 160)
    assert max(map(len, text.split("\n"))) <= width


def test_the_questions_of_a_run():
    text = render(run_table([QUESTION, replace(QUESTION, suite="folio")]), 100, False)
    assert "1/4" in text
    assert "34 ×2, 33, –" in text
    assert "wrong ×2, truncated, 1 error" in text
    assert "12.3k" in text


def test_one_question():
    looping = "Wait, let me check that again, since it may well be wrong after all. " * 5000
    views = [
        SampleView(0, Verdict(True, 1, "33", None, True), None, "I think.", "It is 33.", "stop",
                   2, 4, seconds=61, seed=7),
        SampleView(1, Verdict(False, 0, None, "looped", False), None, looping, "", "loop", 9000, 0),
        SampleView(2, error="the server hung up"),
        SampleView(3, answer="33", finish_reason="unknown", finish_word="wobbled"),
        SampleView(4, answer="33", finish_reason="stop", finish_word="stop"),
    ]  # fmt: skip
    text = render(
        question_view(
            title="aime 2024-I-4", prompt=[("user", "Find [b]x[/b].")], expected="33", samples=views
        ),
        100,
        False,
    )
    assert "Find [b]x[/b]." in text
    assert "sample 0: correct, answered 33, 2 + 4 tokens, 1 min 01 s, finish reason stop" in text
    assert "sample 1: looped" in text
    assert "times in all]" in text
    assert "sample 2: engine error" in text
    assert "the server hung up" in text
    assert "sample 3: not graded, finish reason unknown (wobbled)" in text
    assert "sample 4: not graded, finish reason stop" in text
    assert "(stop)" not in text
    assert len(text) < 4000


@given(st.text(max_size=200), st.sampled_from([40, 80]))
def test_hostile_text_breaks_no_table(text, width):
    verdict = Verdict(False, 0, text, "wrong", False, provisional=text, metrics={text: 0.5})
    views = [
        SampleView(0, verdict, None, text, text, "stop", finish_word=text),
        SampleView(1, error=text),
    ]
    shown = [
        question_view(title=text, prompt=[(text, text)], expected=text, samples=views),
        run_table([replace(QUESTION, question_id=text, expected=text, extracted=(text,))]),
        runs_table([replace(RUN, run_id=text, model=text, suites=(text,), created=text)]),
        models_table([replace(MODEL, name=text, engine=text, method=text, fit=Fit("no", text))]),
    ]
    for renderable in shown:
        printed = render(renderable, width, False)
        printed.encode("utf-8")
        assert "\x1b" not in printed
        assert all(cell_len(line) <= width for line in printed.split("\n"))


def test_what_looks_like_markup_is_shown_as_it_is():
    """Rich reads markup in strings; a string that slips into a table loses its brackets."""
    odd = "[bold]x[/bold]"
    verdict = Verdict(False, 0, odd, "wrong", False)
    shown = {
        "runs": (runs_table([replace(RUN, run_id=odd, model=odd, suites=(odd,))]), 3),
        "run": (
            run_table(
                [QUESTION, replace(QUESTION, suite=odd, question_id=odd, expected=odd,
                                   extracted=(odd,))]
            ),
            4,
        ),
        "models": (models_table([replace(MODEL, name=odd, engine=odd, method=odd)]), 3),
        "question": (
            question_view(title=odd, prompt=[(odd, odd)], expected=odd,
                          samples=[SampleView(0, verdict, None, odd, odd)]),
            7,
        ),
    }  # fmt: skip
    for name, (renderable, times) in shown.items():
        assert render(renderable, 300, False).count(odd) == times, name
