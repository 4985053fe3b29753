"""Rows of JSON, in every form that tools and editors leave behind."""

import gzip
import json

import pytest
from exported_run import refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrmtest.errors import DataError
from lrmtest.runs.formats import json_rows as module
from lrmtest.runs.formats.json_rows import json_document, json_rows

ROWS = [{"a": 1}, {"b": "line\u2028separator"}, {}]


def as_lines(rows, end="\n"):
    return end.join(json.dumps(row) for row in rows).encode()


@pytest.mark.parametrize(
    "data",
    [
        as_lines(ROWS),
        as_lines(ROWS) + b"\n\n  \n",
        b"\xef\xbb\xbf" + as_lines(ROWS, "\r\n") + b"\r\n",
        json.dumps(ROWS).encode(),
        b"\xef\xbb\xbf\n " + json.dumps(ROWS, indent=2).encode(),
        gzip.compress(as_lines(ROWS), mtime=0),
        gzip.compress(json.dumps(ROWS).encode(), mtime=0),
    ],
)
def test_the_same_rows_in_every_form(tmp_path, data):
    path = tmp_path / "rows"
    path.write_bytes(data)
    assert [row for _, row in json_rows(path, "hint")] == ROWS


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"a": 1}\n{"a"', "rows:2: not valid JSON"),
        (b'{"a": 1}\n[1]\n', "rows:2: not a JSON object"),
        (b'[{"a": 1}, 2]', "rows, row 2: not a JSON object"),
        (b"[" * 100_000, "rows: not valid JSON"),
        (b'{"a": ' + b"[" * 100_000, "rows:1: not valid JSON"),
        (b'{"a": "\xff"}', "rows:1: not UTF-8"),
        (gzip.compress(as_lines(ROWS), mtime=0)[:-9], "cannot read"),
        (b"\x1f\x8b no gzip", "cannot read"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path, data, said):
    path = tmp_path / "rows"
    path.write_bytes(data)
    with pytest.raises(DataError, match=said):
        list(json_rows(path, "hint"))


def test_a_folder_or_nothing_is_told(tmp_path):
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(DataError, match="cannot read"):
            list(json_rows(path, "hint"))


def test_lines_documents_and_packed_files_have_a_largest_size(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LINE", 1000)
    monkeypatch.setattr(module, "DOCUMENT", 2000)
    monkeypatch.setattr(module, "MOST_UNPACKED", 3000)
    path = tmp_path / "rows"
    for data, said in (
        (b'{"a": "' + b"x" * 1000 + b'"}', "rows:1: longer than"),
        (b"[" + b" " * 2000 + b"]", "rows: longer than"),
        (gzip.compress(b'{"a": 1}\n' * 1000), "rows: longer than"),
    ):
        path.write_bytes(data)
        with pytest.raises(DataError, match=said):
            list(json_rows(path, "hint"))
    path.write_bytes(gzip.compress(b'{"a": 1}' + b" " * 10**6))
    with pytest.raises(DataError, match="longer than"):
        json_document(path, "hint")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text(alphabet='[]{}",:1\n ', max_size=80).map(str.encode))
def test_any_bytes_are_rows_or_an_error_for_people(tmp_path, data):
    path = tmp_path / "rows"
    path.write_bytes(data)
    error = refused(lambda: list(json_rows(path, "hint")))
    assert error is None or "rows" in error
