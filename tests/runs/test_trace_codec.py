"""Traces and readings as bytes: exact to the bit, and of hostile bytes nothing is believed."""

import math
import struct
import zlib
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.models.trace import Trace
from lrmtest.questions.place import Place
from lrmtest.runs.readings import FIGURES, Reading
from lrmtest.runs.trace_codec import (
    MOST_TOKENS,
    reading_from_bytes,
    reading_to_bytes,
    trace_from_bytes,
    trace_to_bytes,
)

ids = st.lists(st.integers(0, 2**32 - 1), max_size=60)
logprob = st.floats(-(2.0**100), 0, width=32)
PLACE = Place("k", "sums", "q1", 0)


def trace(prompt=(1, 2, 3), tokens=(7, 8, 70000), logprobs=(-0.5, 0.0, -1e-7), ended=True):
    return Trace(array("I", prompt), array("I", tokens), array("f", logprobs), ended)


@st.composite
def traces(draw):
    tokens = draw(ids)
    kept = draw(st.booleans())
    logprobs = [draw(logprob) for _ in tokens] if kept else []
    return trace(draw(ids), tokens, logprobs, bool(tokens) and draw(st.booleans()))


@st.composite
def readings(draw):
    count = draw(st.integers(0, 30))

    def figures(one):
        return array("f", [draw(one) for _ in range(count)])

    written, lowest = figures(logprob), figures(logprob | st.just(-math.inf))
    highest = draw(st.sampled_from([lowest, written])) if draw(st.booleans()) else figures(logprob)
    variation = figures(st.floats(0, 1, width=32)) if draw(st.booleans()) else array("f")
    divergence = figures(st.floats(0, 2.0**100, width=32)) if draw(st.booleans()) else array("f")
    return Reading(PLACE, written, lowest, highest, variation, divergence)


@given(traces())
def test_a_trace_comes_back_to_the_bit(one):
    again = trace_from_bytes(trace_to_bytes(one))
    assert again == one
    assert again.logprobs.tobytes() == one.logprobs.tobytes()  # -0.0 and 0.0 are equal


@given(readings())
def test_a_reading_comes_back_to_the_bit(one):
    again = reading_from_bytes(reading_to_bytes(one), PLACE)
    assert again == one
    assert again.lowest.tobytes() == one.lowest.tobytes()


@given(traces(), st.data())
def test_damaged_bytes_are_refused_or_a_trace(one, data):
    content = bytearray(trace_to_bytes(one))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        found = trace_from_bytes(cut)
    except ValueError:
        return
    assert found.fault is None


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_read(content):
    for read in (trace_from_bytes, lambda data: reading_from_bytes(data, PLACE)):
        try:
            assert read(content).fault is None
        except ValueError:
            continue


def test_a_stream_is_unpacked_no_further_than_its_head_says():
    bomb = zlib.compress(bytes(1 << 26), 9)
    with pytest.raises(ValueError, match="what its head says"):
        trace_from_bytes(struct.pack("<BBII", 1, 0, 3, 3) + bomb)
    with pytest.raises(ValueError, match="kept at most"):
        trace_from_bytes(struct.pack("<BBII", 1, 0, 1, MOST_TOKENS) + bomb)
    with pytest.raises(ValueError, match="kept at most"):
        reading_from_bytes(struct.pack("<BI5sx", 1, 2**32 - 1, b"\1\1\1\0\0") + bomb, PLACE)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cut off"),
        (b"\2" + trace_to_bytes(trace())[1:], "version 2"),
        (b"\1\xff" + trace_to_bytes(trace())[2:], "flags 255"),
        (trace_to_bytes(trace()) + b"more", "what its head says"),
        (trace_to_bytes(trace())[:-1], "what its head says"),
        (struct.pack("<BBII", 1, 1, 0, 0) + zlib.compress(b""), "has none"),
    ],
)
def test_what_is_no_trace_is_told(content, said):
    with pytest.raises(ValueError, match=said):
        trace_from_bytes(content)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 0.25])
def test_a_figure_that_no_token_can_have_is_refused(bad):
    with pytest.raises(ValueError, match="log-probability"):
        trace_to_bytes(trace(logprobs=(bad, 0.0, 0.0)))
    body = array("f", (bad, 0.0, 0.0)).tobytes()
    content = struct.pack("<BBII", 1, 2, 0, 3) + zlib.compress(bytes(12) + body)
    with pytest.raises(ValueError, match="log-probability"):
        trace_from_bytes(content)


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="2 log-probabilities for 3 tokens"):
        trace_to_bytes(trace(logprobs=(-1.0, -1.0)))
    three, two = array("f", [-1.0] * 3), array("f", [-1.0] * 2)
    none = array("f")
    with pytest.raises(ValueError, match="highest has 2 figures for 3 tokens"):
        reading_to_bytes(Reading(PLACE, three, three, two, none, none))
    with pytest.raises(ValueError, match="variation holds -1"):
        reading_to_bytes(Reading(PLACE, three, three, three, three, none))
    with pytest.raises(ValueError, match="lowest holds what is no number"):
        reading_to_bytes(Reading(PLACE, three, array("f", [math.nan] * 3), three, none, none))


def test_what_repeats_another_array_is_kept_once():
    figures = array("f", [-float(n) / 7 for n in range(1000)])
    none = array("f")
    once = len(reading_to_bytes(Reading(PLACE, figures, figures, figures, none, none)))
    other = array("f", [value / 3 for value in figures])
    twice = len(reading_to_bytes(Reading(PLACE, figures, figures, other, none, none)))
    assert once < 4 * 1000 + 100 < twice


def test_an_array_cannot_repeat_one_that_comes_later():
    codes = b"\3\1\1".ljust(len(FIGURES), b"\0")
    content = struct.pack(f"<BI{len(codes)}sx", 1, 1, codes) + zlib.compress(bytes(8))
    with pytest.raises(ValueError, match="comes later"):
        reading_from_bytes(content, PLACE)
