"""Reading rows from bytes, whatever the bytes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.errors import DataError
from lrmtest.questions.rows import Row, parse_rows


def parse(data, name="a.jsonl"):
    return parse_rows(data, name, hint="mend it")


@given(st.binary(max_size=200), st.sampled_from(["a.jsonl", "a.json"]))
def test_any_bytes_are_rows_or_a_data_error(data, name):
    try:
        rows = parse(data, name)
    except DataError:
        return
    assert all(isinstance(row, Row) for row in rows)


texts = st.text(st.characters(exclude_categories=["Cs"]))
objects = st.dictionaries(
    texts, texts | st.integers() | st.none() | st.booleans() | st.lists(texts)
)


@given(st.lists(objects), st.booleans(), st.sampled_from(["\n", "\r\n", "\n\n"]))
def test_what_was_written_is_read(values, ascii_only, end):
    data = "".join(json.dumps(v, ensure_ascii=ascii_only) + end for v in values).encode()
    assert [row.values for row in parse(data)] == values
    assert [row.values for row in parse(b"\xef\xbb\xbf" + data)] == values
    whole = json.dumps(values, ensure_ascii=ascii_only).encode()
    assert [row.values for row in parse(whole, "a.json")] == values


def test_line_separators_inside_a_text_end_no_line():
    value = {"text": "one\u2028two\u0085three\x0bfour"}
    assert parse(json.dumps(value, ensure_ascii=False).encode())[0].values == value


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"a": 1}\n\n{"a": ', "line 3: not valid JSON, cut off perhaps"),
        (b'{"a": "\xff"}', "line 1: not UTF-8 at byte 7"),
        (b"[1]", "line 1: an object was expected, not a list"),
        (b'{"a": NaN}', "line 1: not valid JSON"),
        (b'{"a": "\\uD800"}', "line 1: half a surrogate pair"),
        ('{"a": 1}'.encode("utf-16"), "UTF-16"),
        (b"[" * 100_000, "line 1: not valid JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "line 1: not valid JSON"),
    ],
)
def test_what_is_wrong_is_said(data, message):
    with pytest.raises(DataError) as caught:
        parse(data)
    assert message in caught.value.message
    assert len(str(caught.value)) < 400


def test_fields_say_what_was_expected():
    row = Row("f.jsonl, line 2", {"n": True, "t": 5, "l": ["a", ""], "o": [{"x": 1}]}, "mend it")
    for call, problem in (
        (lambda: row.text("gone"), "field 'gone': missing"),
        (lambda: row.text("t"), "field 't': a text was expected, not an integer"),
        (lambda: row.integer("n"), "field 'n': an integer was expected, not true or false"),
        (lambda: row.integer("t", low=6, high=9), "field 't': 5 is not from 6 to 9"),
        (lambda: row.texts("l"), "field 'l': item 2 of the list is not a text"),
        (lambda: row.objects("o", texts=("x",)), "field 'o': item 1 has no text 'x'"),
    ):
        with pytest.raises(DataError) as caught:
            call()
        assert caught.value.message == f"f.jsonl, line 2, {problem}"
        assert caught.value.hint == "mend it"
