from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

import pytest
from made_runs import sample_of

from lrmtest.analysis.summary import summarize
from lrmtest.errors import LrmtestError
from lrmtest.grading.verdict import Verdict
from lrmtest.reports.summary_json import SCHEMA, summary_document, write_summary
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.records import RunRecord, RunTiming

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "summary-json.md"


def _document():
    verdict = Verdict(False, 0.5, "x", "wrong", False, metrics={"f1": 0.5})
    samples = [
        sample_of("m", "musique", "a", i, verdict, reasoning_tokens=50 + i) for i in range(2)
    ]
    run = RunRecord(
        "run-1",
        "m",
        manifest=Manifest.from_json({"seed": 0}),
        samples=tuple(samples),
        timing=RunTiming(2.0, 1.0, 101),
    )
    return summary_document([summarize(run)])


def test_figures():
    document = _document()
    assert document["schema"] == SCHEMA
    (run,) = document["runs"]
    assert run["timing"]["tokens_per_second"] == 50.5
    (suite,) = run["suites"]
    assert suite["pass_rate"]["value"] == 0
    assert suite["pass_rate"]["low"] == 0
    assert suite["metrics"]["f1"]["value"] == 0.5
    assert suite["failures"] == {"wrong": 2, "no-answer": 0, "truncated": 0, "looped": 0}
    assert suite["tokens"]["reasoning"] == {
        "mean": 50.5,
        "median": 50.5,
        "p95": 50.95,
        "total": 101,
    }
    assert suite["tokens"]["prompt"] is None
    assert run["total"]["suite"] == "all suites"
    assert json.loads(json.dumps(document)) == document


def test_the_documentation_has_the_same_fields():
    """The documented example has exactly the fields of a real document, and each is explained."""
    text = DOCUMENTATION.read_text(encoding="utf-8")
    block = re.search(r"```json\n(.*?)```", text, re.DOTALL)
    assert block is not None
    documented = json.loads(block[1])
    real = _document()
    assert documented["schema"] == real["schema"]
    run, real_run = documented["runs"][0], real["runs"][0]
    assert list(run) == list(real_run)
    assert list(run["timing"]) == list(real_run["timing"])
    suite, real_suite = run["suites"][0], real_run["suites"][0]
    assert list(suite) == list(real_suite)
    assert list(suite["pass_rate"]) == list(real_suite["pass_rate"])
    assert list(suite["tokens"]["answer"]) == list(real_suite["tokens"]["reasoning"])
    for field in [*suite, *run, *(f"timing.{name}" for name in run["timing"])]:
        assert f"`{field}" in text or field in ("suite", "timing"), field


def test_writing_makes_folders_and_replaces(tmp_path):
    path = tmp_path / "deep" / "er" / "summary.json"
    write_summary(path, {"a": 1})
    write_summary(path, {"a": "\ud800"})
    assert json.loads(path.read_text()) == {"a": "\ud800"}
    assert [entry.name for entry in path.parent.iterdir()] == ["summary.json"]


def test_the_file_is_its_owner_s_alone_unless_it_was_shared(tmp_path):
    path = tmp_path / "summary.json"
    for shared in (0o600, 0o644):
        write_summary(path, {})
        assert stat.S_IMODE(path.stat().st_mode) == shared
        path.chmod(0o644)


def test_a_link_is_followed(tmp_path):
    real = tmp_path / "real.json"
    link = tmp_path / "link.json"
    link.symlink_to(real)
    write_summary(link, {"a": 1})
    assert link.is_symlink()
    assert json.loads(real.read_text()) == {"a": 1}


def test_what_is_no_file_is_written_to_and_not_replaced(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_summary(fifo, {"a": 1})
        assert json.loads(os.read(reader, 1000)) == {"a": 1}
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_folder_in_the_way_is_explained(tmp_path):
    with pytest.raises(LrmtestError, match="cannot be written") as caught:
        write_summary(tmp_path, {})
    assert "--summary-json" in str(caught.value)
    (tmp_path / "file").write_text("")
    with pytest.raises(LrmtestError, match="cannot be written"):
        write_summary(tmp_path / "file" / "summary.json", {})


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_is_explained():
    with pytest.raises(LrmtestError, match="No space left"):
        write_summary(Path("/dev/full"), {"a": 1})


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "summary.json"
    write_summary(path, {"a": 1})

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(LrmtestError, match="No space left"):
        write_summary(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["summary.json"]
