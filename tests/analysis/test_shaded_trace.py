"""A trace token by token with its reader's figures."""

from __future__ import annotations

from array import array
from math import inf, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.analysis.shaded_trace import shaded_trace, text_pieces
from lrmtest.models.reading import Reading, Shaping
from lrmtest.questions.place import Place

SAMPLED, GREEDY = Shaping(1.0), Shaping(0.0)


def reading(written, lowest, highest=None, variation=()):
    low = array("f", lowest)
    return Reading(
        Place("key", "sums", "q", 0),
        array("f", written),
        low,
        low if highest is None else array("f", highest),
        array("f", variation),
        array("f"),
    )


@given(st.text(max_size=30), st.lists(st.integers(1, 4), min_size=1, max_size=8))
def test_pieces_put_together_are_the_text(text, sizes):
    data, tokens, at = text.encode("utf-8", "surrogatepass"), [], 0
    while at < len(data):
        size = sizes[len(tokens) % len(sizes)]
        tokens.append(data[at : at + size])
        at += size
    pieces = text_pieces(range(len(tokens)), dict(enumerate(tokens)))
    assert len(pieces) == len(tokens)
    assert "".join(pieces) == data.decode("utf-8", "replace")


def test_a_character_of_several_tokens_is_shown_once_with_its_largest_figure():
    euro = "€".encode()
    texts = {0: b"a", 1: euro[:1], 2: euro[1:2], 3: euro[2:], 4: b"!"}
    one = reading([0] * 5, [0] * 5, variation=[0.0, 0.25, 0.75, 0.5, 0.0])
    found = shaded_trace(one, range(5), texts, SAMPLED)
    assert [(t.text, t.place, t.high) for t in found.tokens] == [
        ("a", 0, 0.0), ("€", 1, 0.75), ("!", 4, 0.0),
    ]  # fmt: skip
    assert found.figure == "exact"
    assert found.named


def test_it_turns_where_a_token_is_kept_less_than_every_other_time():
    one = reading([log(0.9)] * 3, [log(0.46), log(0.44), -inf])
    found = shaded_trace(one, [1, 2, 3], {1: b"a", 2: b"b", 3: b"c"}, SAMPLED)
    assert [t.turn for t in found.tokens] == ["", "would", "would"]
    assert [t.high for t in found.tokens] == pytest.approx([1 - 46 / 90, 1 - 44 / 90, 1.0])
    assert found.figure == "estimated"
    assert [t.shade for t in found.tokens] == [3, 3, 4]


def test_bounds_leave_a_turn_open():
    one = reading([0, 0, 0], [log(0.1), log(0.1), log(0.9)], [log(0.9), log(0.2), log(0.9)])
    found = shaded_trace(one, [0, 1, 2], {0: b"a", 1: b"b"}, SAMPLED)
    assert [t.turn for t in found.tokens] == ["may", "would", ""]
    assert (found.tokens[0].low, found.tokens[0].high) == pytest.approx((0.1, 0.9))
    assert found.figure == "bounded"
    assert not found.named
    assert found.tokens[2].text == "[token 2]"


def test_of_a_greedy_trace_it_turns_where_another_token_is_likeliest():
    found = shaded_trace(reading([0, 0], [0, -inf]), [0, 1], {0: b"a", 1: b"b"}, GREEDY)
    assert [t.turn for t in found.tokens] == ["", "would"]
    assert found.figures.first == 1


def test_a_reading_of_another_trace_is_refused():
    with pytest.raises(ValueError, match="1 figures for 2 tokens"):
        shaded_trace(reading([0], [0]), [1, 2], {}, SAMPLED)
