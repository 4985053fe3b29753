"""Sweeps: levels beside the model itself."""

import pytest
from made_runs import run_of
from rich.console import Console

from lrmtest.analysis.gate_settings import GateSettings
from lrmtest.analysis.summary import ALL_SUITES
from lrmtest.analysis.sweep import SweepRun, sweep
from lrmtest.reports.sweep import collapse_words, sweep_markdown, sweep_view
from lrmtest.runs.outcomes import QuestionOutcome, SampleOutcome

COUNT = 40


def run(model, passed, *, failure="wrong", tokens=100, suites=("hops", "logic")):
    outcomes = {
        (suite, str(n)): QuestionOutcome(
            suite, str(n), {0: SampleOutcome(None if n < passed else failure, tokens)}
        )
        for suite in suites
        for n in range(COUNT)
    }
    return run_of(f"{model}-1", outcomes, model=model)


def levels(*passed, **more):
    return [
        SweepRun(f"{0.1 * n:.1f}", 0.1 * n, run(f"m{n}", count, **more))
        for n, count in enumerate(passed)
    ]


def test_every_level_is_compared_with_the_first():
    found = sweep(levels(40, 38, 4), gate=GateSettings())
    first, second, third = found.levels
    assert first.compared is None
    assert first.suites["hops"].change is None
    assert second.suites["hops"].change.failed.worsening == pytest.approx(0.05)
    assert third.compared.decision.result == "regressed"
    assert third.suites["logic"].rate.value == 0.1
    assert list(found.collapses) == ["hops", "logic", ALL_SUITES]
    assert found.collapses[ALL_SUITES].questions == 80
    assert 0.1 < found.collapses[ALL_SUITES].point < 0.2


def test_one_suite_needs_no_total():
    found = sweep(levels(40, 4, suites=("hops",)))
    assert list(found.collapses) == ["hops"] == list(found.levels[0].suites)


def test_shares_of_what_was_cut_off():
    found = sweep(levels(40, 30, failure="looped", tokens=0))
    figures = found.levels[1].suites[ALL_SUITES]
    assert (figures.looped, figures.truncated, figures.tokens) == (0.25, 0, None)


def test_questions_that_a_level_lacks_leave_it_in_place():
    runs = levels(40, 20)
    del runs[1].run.outcomes["hops", "3"]
    figures = sweep(runs).levels[1].suites["hops"]
    assert figures.questions == 39
    assert figures.change.questions == 39


def text(found, width):
    console = Console(width=width, file=None, record=True, force_terminal=False)
    with console.capture() as capture:
        console.print(sweep_view(found, "sparsity"))
    return capture.get()


def test_the_table_fits_narrow_terminals():
    found = sweep(levels(40, 20), gate=GateSettings())
    wide, narrow = text(found, 160), text(found, 110)
    assert "m1" in wide
    assert "m1" not in narrow
    for view in (wide, narrow):
        assert "50.0 %" in view
        assert "regressed" in view
        assert "Collapse point: sparsity 10.0 %" in view


def test_the_markdown_has_a_line_for_each_level():
    hostile = levels(40, 20)
    hostile[1] = SweepRun("0.1", 0.1, run("<b>|x", 20))
    text = sweep_markdown(sweep(hostile), "sparsity", "m0 | <i>")
    assert text.count("\n| 0.") == 6
    assert "<b>" not in text
    assert "<i>" not in text


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        ((40, 39), "No collapse: no variant has lost 50 %"),
        ((0, 0), "the model itself passes nothing"),
        ((40, 0), "Collapse point: bits per weight 0.05"),
    ],
)
def test_the_collapse_point_in_words(passed, words):
    assert words in collapse_words(sweep(levels(*passed)).collapses["hops"], "bits per weight")
