"""Ways of protecting, compared with the model and with each other."""

from __future__ import annotations

import pytest
from made_runs import run_of

from lrmtest.analysis.protection import ProtectedRun, compare_protections, together
from lrmtest.analysis.summary import ALL_SUITES
from lrmtest.reports.protection import (
    LEVEL_COLUMNS,
    protection_cells,
    protection_document,
    protection_markdown,
)
from lrmtest.runs.outcomes import QuestionOutcome, SampleOutcome


def made(name, passes):
    """A run: by suite, a letter for each question; `.` passes, `x` does not, `-` is missing."""
    outcomes = {
        (suite, f"q{n}"): QuestionOutcome(
            suite, f"q{n}", {0: SampleOutcome(None if letter == "." else "wrong", 10)}
        )
        for suite, letters in passes.items()
        for n, letter in enumerate(letters)
        if letter != "-"
    }
    return run_of(f"{name}-1", outcomes, model=name)


def protected(label, group, way, passes):
    return ProtectedRun(label, group, way, 0.15, 0.5, made(label, passes))


@pytest.fixture
def found():
    return compare_protections(
        [
            protected("the model itself", "the model itself", "model", {"a": "....", "b": ".."}),
            protected("nothing", "nothing", "nothing", {"a": "xxxx", "b": "xx"}),
            protected("random, seed 1", "random", "random", {"a": "..xx", "b": "xx"}),
            protected("random, seed 2", "random", "random", {"a": ".xxx", "b": ".-"}),
            protected("last:mlp", "last:mlp", "named", {"a": "x..x", "b": "xx"}),
            protected("suggested", "suggested", "suggested", {"a": "...x", "b": ".."}),
        ]
    )


def test_each_way_is_compared_with_each_other_question_by_question(found):
    assert found.names == ("a", "b", ALL_SUITES)
    drops = {
        (one.first, one.second): round(-one.suites["a"].failed.worsening, 6)
        for one in found.contrasts
    }
    assert drops == {
        ("suggested", "last:mlp"): 0.25,
        ("suggested", "random"): 0.375,  # less the mean of both draws
        ("suggested", "nothing"): 0.75,
        ("last:mlp", "random"): 0.125,
        ("last:mlp", "nothing"): 0.5,
        ("random", "nothing"): 0.375,
    }
    against = next(one for one in found.contrasts if one.second == "random")
    assert against.draws == 2
    # A question that one of the draws has no verdict on is in no mean over draws.
    assert against.suites["b"].questions == 1
    assert against.suites[ALL_SUITES].questions == 5


def test_draws_together_have_the_samples_of_all():
    first, second = (made("one", {"a": letters}).outcomes for letters in ("x.", ".."))
    both = together([first, second])
    assert [both["a", f"q{n}"].pass_rate for n in range(2)] == [0.5, 1.0]
    assert together([first]) == first


def test_what_is_shown_has_every_variant_and_every_contrast(found):
    text = protection_markdown(found, "sparsity", "tiny | lrm", ["a note"])
    assert "## tiny &#124; lrm" in text
    assert text.count("| random, seed 1 ") == 3
    assert text.count("| suggested | random, 2 draws ") == 3
    assert "| suggested | 0.5 | 15.0 % | 4 | 75.0 %" in text
    document = protection_document(found, "sparsity")
    assert len(document["levels"]) == 6
    assert len(document["contrasts"]) == 6
    rows = protection_cells(found)
    assert len(rows) == 18
    assert all(set(row) == set(LEVEL_COLUMNS) for row in rows)
