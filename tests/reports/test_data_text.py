"""JSON and CSV for scripts and spreadsheets: what goes in comes out, and nothing is obeyed."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.reports.data_text import csv_text, json_text
from lrmtest.reports.log_commands import disarmed

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["##vso[x]y", "###"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_json_is_read_back_as_it_was_and_obeyed_by_no_log(document):
    text = json_text(document)
    assert json.loads(text) == document
    assert text.isascii()
    assert disarmed(text) == text


def test_a_figure_that_json_does_not_have_is_no_json():
    with pytest.raises(ValueError, match="JSON"):
        json_text([float("nan")])


@given(st.lists(st.fixed_dictionaries({"a": st.text(), "b": st.integers() | st.none()})))
def test_csv_has_a_line_for_each_row_and_no_formula(rows):
    text = csv_text(["b", "a"], rows)
    assert len(text.split("\n")) == len(rows) + 2
    head, *read = list(csv.reader(io.StringIO(text)))
    assert head == ["b", "a"]
    assert [row[0] for row in read] == ["" if one["b"] is None else str(one["b"]) for one in rows]
    assert not any(row[1][:1] in tuple("=+-@") for row in read)


@given(st.text(alphabet=st.characters(categories=["L", "N"])))
def test_plain_words_come_back_as_they_were(word):
    ((read, told),) = csv.reader(io.StringIO(csv_text(["x", "y"], [{"x": word, "y": True}])[4:]))
    assert (read, told) == (word, "true")


def test_what_no_cell_could_hold_is_cut():
    text = csv_text(["x"], [{"x": "a" * 10_000_000}])
    assert len(text) < 31_000
    assert "MB more" in text
