"""Reading within limits: what is too large, or no JSON or TOML, is an error that names the file."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest import bounded
from lrmtest.bounded import parse_json, read_bytes, read_json, read_lines, read_text, read_toml
from lrmtest.errors import DataError, ModelError, UsageError

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values, st.booleans())
def test_json_is_read_as_python_reads_it(value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert parse_json(text, "x") == value
    assert parse_json(text.encode(), "x") == value
    assert parse_json(b"\xef\xbb\xbf" + text.encode(), "x") == value


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"a": ', "x: not valid JSON, cut off perhaps"),
        (b'{"a": 1,\n"b": }', "x:2: not valid JSON"),
        (b"[" * 100_000, "x: not valid JSON: nested too deeply"),
        (b'{"a": ' + b"9" * 301 + b"}", "a number of 301 digits"),
        (b'{"a": ' + b"9" * 5000 + b"}", "a number of 5000 digits"),
        (b'"\xff"', "x: not UTF-8 at byte 1"),
        ("[1]".encode("utf-16"), "x: UTF-16"),
        (b"", "x: not valid JSON"),
    ],
)
def test_what_is_no_json_is_told_with_its_place(data, said):
    with pytest.raises(DataError) as caught:
        parse_json(data, "x")
    assert said in caught.value.message


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "1e999", '{"a": 1, "a": 2}'])
def test_only_strict_reading_wants_json_to_the_letter(text):
    parse_json(text, "x")
    with pytest.raises(DataError, match="x: not valid JSON"):
        parse_json(text, "x", strict=True)


def test_many_small_values_are_refused_before_they_are_built(monkeypatch):
    monkeypatch.setattr(bounded, "MOST_VALUES", 100_000)
    monkeypatch.setattr(bounded, "_FEW_BYTES", 200_000)
    data = b"[" + b"[]," * 200_000 + b"1]"
    tracemalloc.start()
    with pytest.raises(DataError, match="values"):
        parse_json(data, "x")
    assert tracemalloc.get_traced_memory()[1] < 20 * len(data)
    tracemalloc.stop()
    text = json.dumps(["[{,}]" * 100_000])  # what stands in a text is no value
    assert parse_json(text, "x") == ["[{,}]" * 100_000]


def test_a_file_that_is_too_long_is_refused_by_name(tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(b"[1]" + b" " * 100)
    assert read_json(path, 200) == [1]
    with pytest.raises(ModelError, match=r"config\.json: longer than 50 bytes") as caught:
        read_json(path, 50, error=ModelError)
    assert caught.value.hint
    with pytest.raises(UsageError, match=r"cannot read the thing .*none"):
        read_bytes(tmp_path / "none", 9, what="the thing ", error=UsageError)


def test_lines_have_numbers_and_offsets(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes("\ufeffa\r\nb\u2028c\n\nd".encode())
    found = list(read_lines(path))
    assert [(number, line.decode()) for number, _, line in found] == [
        (1, "a\r\n"),
        (2, "b\u2028c\n"),
        (3, "\n"),
        (4, "d"),
    ]
    for _, offset, line in found:
        assert path.read_bytes()[offset : offset + len(line)] == line


def test_a_line_without_an_end_is_refused_before_it_is_read_whole(tmp_path):
    path = tmp_path / "x.jsonl"
    with path.open("wb") as file:
        file.write(b"{}\n")
        file.truncate(1 << 34)  # 16 GiB of nothing
    lines = read_lines(path, 1 << 20)
    assert next(lines)[2] == b"{}\n"
    with pytest.raises(DataError, match=r"x\.jsonl:2: longer than 1 MiB"):
        next(lines)
    with pytest.raises(DataError, match="longer than 1 MiB"):
        read_text(path, 1 << 20)


@pytest.mark.parametrize(
    "text",
    ["a = ", "a = " + "[" * 5000, "a = 1" + "0" * 400, "a = 9" + "9" * 5000, 'a = "\ud800"'],
)
def test_what_is_no_toml_is_told(tmp_path, text):
    path = tmp_path / "card.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(UsageError, match=r"card\.toml"):
        read_toml(path, error=UsageError)
