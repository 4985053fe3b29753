"""Figures in sentences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.analysis.written import p_words
from lrmtest.counted import three_digits


@pytest.mark.parametrize(
    ("p", "words"),
    [(2.7e-115, "p < 0.001"), (0.0, "p < 0.001"), (0.0012, "p = 0.0012"), (0.51234, "p = 0.51")],
)
def test_p_values(p, words):
    assert p_words(p) == words


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (1109.4, "1,109"),
        (999.6, "1,000"),
        (12.345, "12.3"),
        (-2500.0, "-2,500"),
        (0.0, "0"),
        (1040, "1,040"),
    ],
)
def test_figures(number, written):
    assert three_digits(number) == written


@given(st.floats(1e-3, 1e12))
def test_nobody_reads_an_exponent(number):
    assert "e" not in three_digits(number)
    assert "e" not in p_words(min(number, 1.0))
