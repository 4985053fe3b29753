"""Every reader of outside data, with some hundred damaged files each; `tools/fuzz.py` has more."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


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
