"""A shaded trace on a terminal, with colours and without."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from read_runs import PIECES, reading_of
from rich.console import Group

from lrmtest.analysis.shaded_trace import shaded_trace
from lrmtest.models.reading import Shaping
from lrmtest.questions.place import Place
from lrmtest.reports.shaded import Shaded, shaded_legend, shaded_view
from lrmtest.reports.terminal import render

PLACE = Place("key", "sums", "q", 0)


def shaded(pieces, keeps, **options):
    texts = {n: piece.encode("utf-8", "surrogatepass") for n, piece in enumerate(pieces)}
    one = reading_of(PLACE, keeps, **options)
    return shaded_trace(one, range(len(pieces)), texts, Shaping(1.0))


def shown(trace, *, color=False, most=1500, width=100):
    parts = shaded_view(trace, reader="small", writer="full", samples=[0], most=most)
    return render(Group(*parts, shaded_legend(trace)), width, color)


def test_colours_are_there_where_the_terminal_has_them():
    trace = shaded(["a", " b", " c", " d", " e"], [1, 0.95, 0.8, 0.6, 0.2])
    text = shown(trace, color=True)
    assert " \x1b[4mb\x1b[0m" in text
    assert " \x1b[30;43mc\x1b[0m" in text
    assert " ▸\x1b[1;37;41me\x1b[0m◂" in text
    assert "[c|" not in text
    assert "0.01 to 0.1" in text
    bare = re.sub(r"\x1b\[[\d;]*m", "", text)
    assert "a b c d ▸e◂\n" in bare


def test_without_colours_figures_stand_beside_the_tokens():
    trace = shaded(["a", " b", " c\n", "\n", " e"], [1, 0.95, 0.8, 0.5, 0.2])
    text = shown(trace)
    assert "\x1b" not in text
    assert "a b [c|0.20]\n" in text
    assert "[e|0.80!]" in text


def test_a_token_of_spaces_alone_is_marked_too():
    text = shown(shaded(["a", "\n\n", "b"], [1, 0.2, 1]))
    assert "a[|0.80!]" in text
    assert r"▸'\n\n'◂" in text


def test_of_many_turns_the_first_are_listed():
    text = shown(shaded([f" w{n}" for n in range(40)], [0.1] * 40))
    assert "would turn at 40 tokens, first at 1" in text
    assert "... and 30 more" in text


@given(
    st.lists(st.tuples(st.text(max_size=8), st.sampled_from([0, 0.2, 0.9, 1])), max_size=30),
    st.booleans(),
    st.integers(1, 60),
)
def test_any_text_is_shown_and_nothing_in_it_obeyed(tokens, color, most):
    pieces = [text for text, _ in tokens] or ["x"]
    keeps = [keep for _, keep in tokens] or [1]
    text = shown(shaded(pieces, keeps), color=color, most=most)
    own = re.sub(r"\x1b\[[\d;]*m", "", text) if color else text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", own)


@pytest.mark.parametrize("color", [True, False])
def test_the_whole_text_is_there(color):
    trace = shaded(PIECES, [1.0] * len(PIECES))
    text = re.sub(r"\x1b\[[\d;]*m", "", render(Shaded(trace.tokens), 100, color))
    assert text == "<think>\nWait, so 6*7 = 42\n</think> 42"
