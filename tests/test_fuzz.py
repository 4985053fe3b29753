"""Every reader of outside data, with some hundred damaged files each; `tools/fuzz.py` has more."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from deadly_parquet import deadly_parquet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrmtest.errors import DataError
from lrmtest.questions.parquet_trial import try_parquet


def _loaded():
    path = Path(__file__).parents[1] / "tools" / "fuzz.py"
    spec = importlib.util.spec_from_file_location("lrmtest_fuzz", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


fuzz = _loaded()


@pytest.mark.parametrize("name", fuzz.READERS)
def test_damaged_files_are_read_or_refused(name, tmp_path):
    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def read(data):
        fuzz.check(fuzz.READERS[name], data, tmp_path)

    with fuzz.forked_trials():
        read()


@pytest.mark.parametrize("name", fuzz.READERS)
def test_what_is_fuzzed_can_be_read_undamaged(name, tmp_path):
    reader = fuzz.READERS[name]
    for called, content in reader.files().items():
        if "error" in called or (name == "format" and called == "base.json"):
            continue
        path = tmp_path / called
        path.write_bytes(content)
        reader.read(path)


def test_a_finding_is_one(tmp_path):
    def read(path):
        raise KeyError("bug")

    @settings(max_examples=1, database=None)
    @given(st.data())
    def once(data):
        fuzz.check(fuzz.Reader(lambda: {"a": b"x"}, read), data, tmp_path)

    with pytest.raises(fuzz.Finding, match="KeyError"):
        once()


def test_trials_of_parquet_in_forks_end_as_in_processes_of_their_own(tmp_path, monkeypatch):
    """By themselves, by a signal, and by their limit of computing; and one process is begun."""
    pyarrow = pytest.importorskip("pyarrow")
    # Read in batches of eight this takes seconds, so that ten milliseconds are surely counted.
    table = pyarrow.table({"a": pyarrow.repeat(1, 5_000_000)})
    pytest.importorskip("pyarrow.parquet").write_table(table, tmp_path / "long")
    begun = []
    begin = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda *a, **more: begun.append(a) or begin(*a, **more)
    )
    file = tmp_path / "file"
    with fuzz.forked_trials():
        for content, seconds, end in (
            (fuzz._question_files()["q.parquet"], 60, None),
            (deadly_parquet(), 60, "reads it dies of it: Definition level histogram"),
            ((tmp_path / "long").read_bytes(), 0.01, "0.01 s of computing were not enough"),
            (b"no Parquet", 60, None),
        ):
            file.write_bytes(content)
            for source in (content, file):
                with pytest.raises(DataError, match=end) if end else nullcontext():
                    try_parquet(source, "name", hint="", seconds=seconds)
    assert len(begun) == 1
