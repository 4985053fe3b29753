from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from lrmtest.reports.fold import collapse_loop, fold, last_lines


def _prose(length, seed=0):
    chooser = random.Random(seed)
    return "".join(chooser.choice("abcdefghij klmnop.\n") for _ in range(length))


def test_a_loop_is_shown_once():
    period = _prose(300, 1)
    text = _prose(2000) + period * 500
    shown = collapse_loop(text)
    assert len(shown) < 2000 + 300 + 100
    assert "[the last 300 characters come 500 times in all]" in shown


def test_text_without_a_loop_stays():
    text = _prose(50_000)
    assert collapse_loop(text) == text


@given(st.text(max_size=300), st.integers(1, 50), st.integers(1, 50))
def test_folding_keeps_both_ends_and_little_more(text, head, tail):
    assert len(fold(text * 10, head, tail)) <= 10 * (head + tail) + 60


def test_folding_says_what_is_missing():
    shown = fold("begin" + _prose(100_000) + "end", 5, 3)
    assert shown == "begin …\n[100 kB left out]\n… end"


def test_the_last_lines_skip_blank_ones():
    assert last_lines("a\n\nb\n\n\nc\n\n", 2, 100) == "b\nc"
    assert last_lines("", 5, 100) == ""
