"""A store and a baseline of lrmtest 0.1.0: they open, and say what they said then."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lrmtest.analysis.compare import compare
from lrmtest.analysis.summary import summarize
from lrmtest.cli import main
from lrmtest.reports.summary_json import summary_document
from lrmtest.runs.formats.baseline import baseline_text, read_baseline
from lrmtest.runs.formats.jsonl import export_run, import_run
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.store import STORE_NAME, Store

ROOT = Path(__file__).parents[2]

AS_THEN = """
import json, sys
import pytest
from lrmtest.models.engines import kinds

today, then = kinds.file_hashes, json.loads(sys.argv[1])
def file_hashes(path):
    assert today(path).keys() == then.keys()
    return then

kinds.file_hashes = file_hashes
sys.exit(pytest.main(sys.argv[2:]))
"""
"""pytest, but every file of the model has the hash that the first argument tells, as JSON."""


@pytest.fixture(scope="module")
def compat_dir(data_dir):
    """The folder with what 0.1.0 wrote."""
    folder = data_dir.parent / "compat"
    if not (folder / STORE_NAME).is_file():
        pytest.skip(f"there is no store of lrmtest 0.1.0 at {folder}")
    return folder


@pytest.fixture
def reports(compat_dir, tmp_path):
    """A copy of the store, to write to, in a reports folder."""
    shutil.copy(compat_dir / STORE_NAME, tmp_path / STORE_NAME)
    (tmp_path / STORE_NAME).chmod(0o644)
    return tmp_path


@pytest.fixture
def store(reports):
    with Store(reports / STORE_NAME, create=False) as opened:
        yield opened


def figures(run):
    """The summary of a run, but for what is about the session that made it."""
    document = json.loads(json.dumps(summary_document([summarize(run)])["runs"][0]))
    return without_session(document)


def without_session(document):
    assert document["timing"].pop("drafted_tokens", 0) == 0
    for part in (*document["suites"], document["total"]):
        del part["reused"]
        # Which 0.1.0 did not count: all that it wrote is taken at its word.
        assert part.pop("unknown_ends", 0) == part.pop("unknown_end_share", 0) == 0
        assert part.pop("pass_rate_if_not_ended", part["pass_rate"]) == part["pass_rate"]
        assert part.pop("drafts", None) is None
        part.pop("several_samples", None)  # which 0.1.0 did not tell
    return document


def test_the_store_gives_the_same_figures(store, compat_dir):
    written = json.loads((compat_dir / "summary.json").read_text())["runs"][0]
    assert figures(store.record(store.run("awq"))) == without_session(written)
    tiny = summarize(store.record(store.run("tiny-lrm"))).total
    assert (tiny.questions, tiny.samples, tiny.errors, tiny.strict.value) == (60, 120, 0, 1.0)


def test_the_baseline_is_the_stores_run_and_is_written_again_as_it_was(store, compat_dir):
    text = (compat_dir / "baseline.json").read_text()
    read, kept = read_baseline(compat_dir / "baseline.json"), store.record(store.run("awq"))
    assert baseline_text(read) == text
    assert baseline_text(kept) == text
    assert read.outcomes == kept.outcomes
    compared = compare(read, kept)
    assert not compared.differences
    assert {flip.kind for flip in compared.flips} == {"both pass", "both fail"}


def test_manifests_are_written_again_as_they_were(store):
    rows = store._db.execute("SELECT manifest, identity FROM run").fetchall()
    assert len(rows) == 2
    for written, identity in rows:
        manifest = Manifest.from_json(json.loads(written))
        assert json.dumps(manifest.to_json(), separators=(",", ":")) == written
        assert manifest.identity == identity


def test_runs_go_through_a_file(store, tmp_path):
    for run in store.runs():
        count = export_run(store, run, tmp_path / "run.jsonl")
        with Store(tmp_path / "copy" / STORE_NAME) as other:
            copied, again = import_run(other, tmp_path / "run.jsonl")
            assert again == count
            assert other.record(other.run(copied.run_id)).samples == store.record(run).samples


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["regrade", "awq"], "242 completions graded again, 1 verdicts changed"),
        (["regrade", "tiny-lrm"], "120 completions graded again, 0 verdicts changed"),
        (["export", "awq", "logs", "--format", "inspect"], "242 completions"),
        (["report", "awq", "tiny-lrm", "-o", "both.html"], "2 runs written"),
        (["triage", "awq"], "folio"),
        (["compare", "awq", "tiny-lrm", "--allow-different", "all"], "against the baseline"),
        (["show", "tiny-lrm"], "fresh-hops"),
        (["compute", "tiny-lrm"], "fresh-hops"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_commands_read_it(reports, capsys, monkeypatch, words, said):
    monkeypatch.chdir(reports)
    assert main([*words, "--reports-dir", str(reports)]) == 0
    assert said in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "tests", "anew"),
    [
        # 0.1.0 had guessed how recorded texts ended, and stored the guess as their end.
        (["suites/aime", "--model", "awq=recorded:{data}/recorded"], 15, True),
        (["suites/fresh/test_fresh_hops.py", "--model", "tiny-lrm", "--samples=2"], 20, False),
    ],
    ids=["recorded", "generated"],
)
def test_the_same_command_continues_the_run(reports, data_dir, arguments, tests, anew):
    with Store(reports / STORE_NAME) as store:
        before = {run.run_id: run.manifest.to_json() for run in store.runs()}
        tiny = store.run("tiny-lrm").manifest.model.files
    program = [sys.executable, "-m", "pytest"]
    if not anew:
        # tiny-lrm's weights and tokenizer are others since, and so is the model: with the files
        # of then it is the one that was asked, and all else of a run and a key is as it was.
        program = [sys.executable, "-c", AS_THEN, json.dumps(tiny)]
    words = [word.format(data=data_dir) for word in arguments]
    words += ["--reports-dir", str(reports), "--summary-json", str(reports / "summary.json")]
    done = subprocess.run(
        [*program, *words, "--tb=no", "-q", "-p", "no:cacheprovider"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    (run,) = json.loads((reports / "summary.json").read_text())["runs"]
    assert run["total"]["questions"] == tests
    if anew:
        assert run["run_id"] not in before
        assert run["total"]["reused"] == 0
        assert run["total"]["unknown_ends"] == run["total"]["samples"]
        return
    assert run["run_id"] in before
    assert run["total"]["reused"] == run["total"]["samples"]
    with Store(reports / STORE_NAME) as store:
        after = {run.run_id: run.manifest.to_json() for run in store.runs()}
    assert after.keys() == before.keys()


def test_the_server_s_own_word_for_the_end_is_new_in_it(store):
    run = store.runs()[0]
    (first, *_) = store.completions(run.run_id)
    assert first.completion.finish_word == ""
