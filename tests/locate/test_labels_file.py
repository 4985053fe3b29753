"""Labels in a file, and the tokens of segments."""

from __future__ import annotations

import json
from array import array
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.analysis.behaviours import SCORED, Segment
from lrmtest.errors import DataError
from lrmtest.locate.behaviours.labels_file import labels_line, read_labels
from lrmtest.locate.behaviours.segmented import TokenSegment, labels_of_tokens, segmented
from lrmtest.models.reading import Shaping, Written
from lrmtest.models.trace import Trace
from lrmtest.questions.place import Place

PLACE = Place("key", "sums", "q1", 2)
TEXT = "Wait, no. It is 4. Wait, no. It is 5."


@pytest.fixture
def read(tmp_path):
    def of(*lines):
        path = tmp_path / "labels.jsonl"
        path.write_text(
            "".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
        )
        return read_labels(path)

    return of


def line(*segments, **more):
    return {"suite": "sums", "question": "q1", "sample": 2, "segments": list(segments)} | more


def test_what_is_written_is_read_again(read):
    segments = [Segment(0, 9, "backtracking"), Segment(10, 18, "deduction")]
    found = read(labels_line(PLACE, TEXT, segments))
    assert found.segments(PLACE, TEXT) == (segments, 0)
    assert found.segments(Place("key", "sums", "q1", 0), TEXT) is None


def test_texts_are_looked_for_behind_each_other_and_counted_where_they_are_not(read):
    wait = {"behaviour": "backtracking", "text": "Wait, no."}
    lost = {"behaviour": "backtracking", "text": "No such words."}
    segments, lacking = read(line(wait, lost, wait)).segments(PLACE, TEXT)
    assert [(each.begin, each.end) for each in segments] == [(0, 9), (19, 28)]
    assert lacking == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no labels in it"),
        ("{", "not valid JSON"),
        ("[]", "no object"),
        (json.dumps({"suite": "sums"}), "suite and question are texts"),
        (json.dumps(line(sample="2")), "sample a number"),
        (json.dumps(line() | {"segments": 3}), "segments is no list"),
        (json.dumps(line(4)), "a segment is no object"),
        (json.dumps(line({"behaviour": "wondering", "text": "x"})), "'wondering' is no behaviour"),
        (json.dumps(line({"behaviour": ["a"], "text": "x"})), "is no behaviour"),
        (json.dumps(line({"behaviour": "deduction"})), "neither begin and end nor a text"),
        (json.dumps(line({"behaviour": "deduction", "begin": 3, "end": 3})), "neither begin and"),
        (
            json.dumps(line({"behaviour": "deduction", "begin": 3, "text": "x"})),
            "neither begin and",
        ),
        (json.dumps(line({"behaviour": "deduction", "begin": 0, "end": 3, "text": 5})), "is none"),
        (json.dumps(line()) + "\n" + json.dumps(line()), ":2: sums: q1, sample 2 is there twice"),
    ],
)
def test_what_is_not_of_the_form_is_refused_with_its_line(read, content, words):
    with pytest.raises(DataError, match=words):
        read(content)


@pytest.mark.parametrize(
    "segment",
    [
        {"behaviour": "deduction", "begin": 0, "end": 400},
        {"behaviour": "deduction", "begin": 0, "end": 4, "text": "Wait, no."},
    ],
)
def test_labels_of_another_text_are_refused(read, segment):
    with pytest.raises(DataError, match="q1, sample 2: characters 0 to "):
        read(line(segment)).segments(PLACE, TEXT)


PIECES = st.lists(
    st.sampled_from(["a", " b", "\n", "", "cd", "  ", ". e"]), min_size=1, max_size=20
)


@given(PIECES, st.integers(0, 3), st.data())
def test_a_token_is_where_its_first_character_is(pieces, prompt, data):
    text = "".join(pieces)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    segments = [
        Segment(begin, end, data.draw(st.sampled_from([*SCORED, "deduction"])))
        for begin, end in pairwise(cuts)
    ]
    trace = Trace(array("I", range(prompt)), array("I", range(len(pieces))), array("f"), ended=True)
    found = segmented(Written(PLACE, trace, Shaping(1.0)), pieces, segments)
    labels = labels_of_tokens(pieces, segments)
    expected = [""] * len(pieces)
    at = 0
    for number, piece in enumerate(pieces):
        first = at + len(piece) - len(piece.lstrip())
        for each in segments:
            if each.begin <= first < each.end:
                expected[number] = each.behaviour
        at += len(piece)
    assert labels == expected
    of_segments = {
        place: SCORED[each.behaviour]
        for each in found.segments
        for place in range(each.begin, each.end)
    }
    scored = {prompt + number: label for number, label in enumerate(labels) if label in SCORED}
    scored.pop(0, None)  # nothing is asked before the first token of all
    assert of_segments == scored
    assert all(isinstance(each, TokenSegment) and each.begin >= 1 for each in found.segments)
