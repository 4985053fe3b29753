"""Runs as Parquet."""

import json
import sys

import pyarrow.parquet as parquet
import pytest
from exported_run import MANIFEST, OUTPUTS, QUESTION, fill

from lrmtest.errors import StoreError, UsageError
from lrmtest.runs.formats import parquet as written
from lrmtest.runs.formats.parquet import export_parquet
from lrmtest.runs.store import Store


def test_a_row_for_every_sample(tmp_path, monkeypatch):
    # More than one row group.
    monkeypatch.setattr(written, "_GROUP_CHARACTERS", 10)
    path = tmp_path / "run.parquet"
    with Store(tmp_path / "s.sqlite") as store:
        assert export_parquet(store, fill(store), path) == len(OUTPUTS)
    table = parquet.read_table(path)
    rows = table.to_pylist()
    assert len(rows) == len(OUTPUTS) + 1
    assert [row["correct"] for row in rows] == [True, False, False, False, None]
    assert [row["failure"] for row in rows][1:] == ["looped", "wrong", "no-answer", None]
    assert rows[0]["answer"].strip() == "it is \\boxed{2}"
    assert rows[0]["output"] == OUTPUTS[0][0].replace("\ud800", "�")
    assert rows[0]["references"] == list(QUESTION.references)
    assert rows[0]["prompt"][0] == {"role": "system", "text": "Be brief."}
    assert rows[0]["completion_tokens"] == 70
    assert rows[-1]["error"] == "broke\x1b"
    assert rows[-1]["output"] is None
    header = json.loads(table.schema.metadata[b"lrmtest"])
    assert header["manifest"] == MANIFEST


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with Store(tmp_path / "s.sqlite") as store, pytest.raises(UsageError, match=r"lrmtest\[hub\]"):
        export_parquet(store, fill(store), tmp_path / "run.parquet")


def test_a_file_that_cannot_be_written_is_a_clear_error(tmp_path):
    with Store(tmp_path / "s.sqlite") as store, pytest.raises(StoreError, match="cannot write"):
        export_parquet(store, fill(store), tmp_path / "missing" / "run.parquet")
