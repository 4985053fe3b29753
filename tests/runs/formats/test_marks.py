"""Which of a sample's figures say right or wrong."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.runs.formats.marks import first_mark, is_mark, is_share, right_or_wrong


@pytest.mark.parametrize(
    "name",
    [
        "exact_match",
        "exact_match,strict-match",
        "prompt_level_strict_acc",
        "extractive_match",
        "math_verify",
        "acc",
        "Accuracy",
        "pass@1",
        "pass_at_1",
        "math_pass@1:1_samples",
        "pass@k:k=1",
        "AveragePass@1",
        "em",
    ],
)
def test_names_that_say_right_or_wrong(name):
    assert is_mark(name)


@pytest.mark.parametrize(
    "name", ["bypass", "length", "f1", "bleu", "perplexity", "acc_norm", "pass@k:k=8", "system", ""]
)
def test_a_figure_of_zero_or_one_is_no_mark_by_itself(name):
    assert not is_mark(name)
    assert first_mark({name: 1}) is None


def test_the_first_known_figure_counts():
    assert first_mark({"bypass": 0, "f1": 1.0, "exact_match": 1.0, "acc": 0}) == (
        "exact_match",
        True,
    )


@pytest.mark.parametrize("value", [None, 999, 0.5, math.nan, math.inf, [1], {"a": 1}, "P", ""])
def test_what_is_between_is_neither(value):
    assert right_or_wrong(value) is None


def test_a_share_says_something_of_each_at_its_ends_only():
    assert is_share("avg@n:n=4")
    assert first_mark({"avg@n:n=4": 1.0}, samples=4) == ("avg@n:n=4", True)
    assert first_mark({"avg@n:n=4": 0.25}, samples=4) is None
    # One of several was right: of which one nothing is said.
    assert first_mark({"exact_match": 1.0}, samples=4) is None


@given(st.text(), st.from_type(object) | st.integers() | st.floats() | st.text())
def test_any_figure_is_read(name, value):
    assert first_mark({name: value}) in (None, (name, True), (name, False))
