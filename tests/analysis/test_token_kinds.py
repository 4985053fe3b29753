"""Tokens sorted by kind and word, and what each has of the total variation."""

from __future__ import annotations

from math import fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.analysis.token_kinds import (
    BLANKS,
    LINE_END,
    TOKEN_KINDS,
    counted_variation,
    words_of,
)

PIECES = st.lists(st.text(max_size=6), max_size=60)


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["Wait", ",", " so", " it"],
         [("connectives", "wait"), ("punctuation", ","), ("connectives", "so"),
          ("other words", "it")]),
        (["3", ".", "1", "4", " =", " ", "x"],
         [("numbers", "3.14")] * 4 + [("operators", "="), ("structure", BLANKS),
                                      ("other words", "x")]),
        (["<", "/", "think", ">", "\n\n", "  "],
         [("structure", "</think>")] * 4 + [("structure", LINE_END), ("structure", BLANKS)]),
        (["\\", "frac", "{", "1", "}"],
         [("operators", "\\frac")] * 2 + [("punctuation", "{"), ("numbers", "1"),
                                          ("punctuation", "}")]),
        (["step", "-by", "-step", " -", "1"],
         [("other words", "step-by-step")] * 3 + [("operators", "-"), ("numbers", "1")]),
        (["**", "There", "fore", "**"],
         [("structure", "**"), ("connectives", "therefore"), ("connectives", "therefore"),
          ("structure", "**")]),
        (["<|im_end|>", "≤", " ½", " ", "所", "a < b and c > d"],
         [("structure", "<|im_end|>"), ("operators", "≤"), ("numbers", "½"),
          ("structure", BLANKS), ("other words", "所"), ("other words", "a")]),
        ([" ", "", ""], [("structure", BLANKS)] * 3),
        (["x", "", "é"], [("other words", "xé")] * 3),
    ],
)  # fmt: skip
def test_tokens_belong_to_words(pieces, expected):
    assert words_of(pieces) == expected


@given(PIECES)
def test_every_token_has_one_word_of_a_known_kind(pieces):
    found = words_of(pieces)
    assert len(found) == len(pieces)
    assert {kind for kind, _ in found} <= set(TOKEN_KINDS)
    assert all(0 < len(word) <= 40 for _, word in found)


@given(st.lists(st.tuples(PIECES, st.integers(0, 3)), min_size=1, max_size=6), st.randoms())
def test_shares_are_of_the_whole(traces, random):
    told = [
        (("sums", f"q{number}"), pieces, [0.01 + random.random() for _ in pieces])
        for pieces, number in traces
    ]
    found = counted_variation(told, most=5)
    tokens = sum(len(pieces) for _, pieces, _ in told)
    if not tokens:
        assert found is None
        return
    assert found.tokens == tokens == sum(one.tokens for one in found.kinds)
    assert found.variation == pytest.approx(fsum(fsum(values) for _, _, values in told))
    assert fsum(one.share for one in found.kinds) == pytest.approx(1)
    assert fsum(one.token_share for one in found.kinds) == pytest.approx(1)
    for one in [*found.kinds, *found.words]:
        assert 0 <= one.interval.low <= one.interval.high <= 1
        assert one.per_token * one.tokens == pytest.approx(one.share * found.variation)
    assert [one.share for one in found.words] == sorted(
        (one.share for one in found.words), reverse=True
    )
    assert len(found.words) <= 5


def test_a_word_that_one_question_alone_has_may_have_nothing():
    told = [(("s", "a"), ["so"], [0.9])] + [(("s", f"q{n}"), ["x"], [0.01]) for n in range(30)]
    found = counted_variation(told)
    [so] = [one for one in found.words if one.name == "so"]
    assert (so.kind, so.share) == ("connectives", pytest.approx(0.75))
    assert so.interval.low == 0


def test_where_nothing_differs_nothing_is_shared_out():
    assert counted_variation([(("s", "a"), ["so"], [0.0])]) is None
    assert counted_variation([]) is None


def test_a_long_text_without_spaces_is_read_in_linear_time():
    pieces = ["<a"] * 200_000 + ["1."] * 200_000 + ["x-"] * 200_000
    assert len(words_of(pieces)) == len(pieces)
