"""A column that holds how each text ended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.errors import DataError
from lrmtest.models.engines.recorded.end_column import EndColumn, value_in
from lrmtest.models.engines.recorded.recording import Recording

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda part: (
        st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=4), part, max_size=3)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("row", "column", "index", "value"),
    [
        ({"stop_reason": "eos"}, "stop_reason", 0, "eos"),
        ({"a": {"b": {"c": "eos"}}}, "a.b.c", 0, "eos"),
        ({"a.b": "eos", "a": {"b": "no"}}, "a.b", 0, "eos"),
        ({"x": {"a.b": "eos"}}, "x.a.b", 0, "eos"),
        ({"ends": ["stop", "length"]}, "ends", 1, "length"),
        ({"choices": [{"end": "stop"}, {"end": "length"}]}, "choices.end", 1, "length"),
        ({"choices": [{"end": "stop"}, {"end": "length"}]}, "choices.0.end", 1, "stop"),
        ({"ends": ["stop"]}, "ends", 1, None),
        ({"a": "text"}, "a.b", 0, None),
        ({"a": {}}, "a", 0, {}),
        ({}, "a", 0, None),
        (None, "a", 0, None),
        ({"a": []}, "a.²", 0, None),
    ],
)
def test_the_way_to_a_value(row: object, column: str, index: int, value: object) -> None:
    assert value_in(row, column, index) == value


@given(JSON, st.text(min_size=1, max_size=20), st.integers(0, 3))
def test_any_row_and_any_way(row: object, column: str, index: int) -> None:
    value_in(row, column, index)
    ends = EndColumn(column)
    reason, word = ends.end_of(row, index)
    assert reason in (None, "stop", "length", "loop")
    assert len(word) <= 80
    assert word.isprintable()
    assert ends.texts == 1
    assert ends.line().isprintable()


@given(st.lists(st.sampled_from(["eos", "MAX_TOKENS", "", None, "odd", "SAFETY", "load"])))
def test_every_text_is_counted_once(words: list[str | None]) -> None:
    ends = EndColumn("x")
    told = sum(ends.end_of({"x": word})[0] is not None for word in words)
    assert told == sum(word in ("eos", "MAX_TOKENS") for word in words)
    assert ends.texts == len(words) == told + ends.empty + ends.untold.total()


def test_as_many_words_as_rows_take_no_more_room() -> None:
    ends = EndColumn("x")
    for number in range(5000):
        ends.end_of({"x": f"word {number}"})
    assert ends.untold.total() == 5000
    assert len(ends.untold) <= 201


def record(folder: Path, *rows: dict[str, object]) -> Path:
    path = folder / "outputs.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_a_recording_reads_its_column(tmp_path: Path) -> None:
    rows = [
        {"question": "a", "output": "x", "meta": {"end": "end_turn"}},
        {"question": "b", "output": "x", "meta": {"end": "max_new_tokens"}},
        {"question": "c", "output": "x", "meta": {"end": "because"}, "finish_reason": "stop"},
        {"question": "d", "output": "x"},
        {"question": "e", "output": "x", "meta": {"end": "length"}, "finish_reason": "stop"},
    ]
    recording = Recording(record(tmp_path, *rows), "meta.end")
    found = [recording.read("s", name, 0) for name in "abcde"]
    assert [(one.finish_reason, one.finish_word) for one in found if one] == [
        ("stop", "end_turn"),
        ("length", "max_new_tokens"),
        ("stop", "because"),  # by the line's own reason; the word is kept as it is
        (None, ""),
        ("length", "length"),  # what the user names is what holds
    ]
    assert recording.ends is not None
    assert recording.ends.line() == (
        "column meta.end tells how 3 of 5 texts ended; 1 have nothing there; 1 have a word that "
        "tells no end: because (1)"
    )
    assert Recording(record(tmp_path, *rows)).ends is None


def test_a_column_that_no_line_has_is_a_mistake(tmp_path: Path) -> None:
    path = record(tmp_path, {"question": "a", "output": "x", "stop\x1b_reason": "eos"})
    with pytest.raises(DataError, match="has anything in column stop_raeson") as caught:
        Recording(path, "stop_raeson")
    assert "question, output, stop _reason" in (caught.value.hint or "")
