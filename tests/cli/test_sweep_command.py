"""`lrmtest sweep`."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lrmtest.cli import main
from lrmtest.runs.store import STORE_NAME

SUITE = Path(__file__).parents[2] / "suites" / "fresh" / "test_fresh_hops.py"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "varies one of --sparsity, --type and --bits"),
        (["--sparsity", "0.5", "--bits", "4"], "varies one of"),
        (["--sparsity", "0"], "no value to compress with"),
        (["--sparsity", "0.5,half"], "'half' is no number"),
        (["--sparsity", "0.5,nan"], "sparsity"),
        (["--sparsity", "0.5,1.5"], "sparsity"),
        (["--type", "Q2_K,Q8_0"], "--type is an option of gguf"),
        (["--sparsity", "0.5", "--pytest", "'open"], "close the quotes"),
    ],
)
def test_mistakes_are_messages_before_anything_is_made(
    tmp_path, monkeypatch, capsys, options, said
):
    monkeypatch.chdir(tmp_path)
    words = ["sweep", "tiny-lrm", "-o", "out", "--method", "magnitude", "--suite", str(SUITE)]
    assert main([*words, *options]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_suite_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["sweep", "tiny-lrm", "-o", "out", "--method", "magnitude", "--sparsity", "0.5"]
    assert main([*words, "--suite", "no-such"]) == 2
    assert "no suite 'no-such'" in capsys.readouterr().err


def completions(folder):
    with closing(sqlite3.connect(folder / "reports" / STORE_NAME)) as store:
        return store.execute("select count(*) from completion").fetchone()[0]


@pytest.mark.engine
def test_a_sweep_of_a_real_model(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    command = ["sweep", "tiny-lrm", "-o", "out", "--method", "magnitude", "--sparsity", "0,0.95"]
    command += ["--suite", str(SUITE), "--pytest", "--fresh-count 6 --max-tokens 64"]
    command += ["--calibration-samples", "4", "--calibration-tokens", "64"]
    assert main(command) == 0
    printed = capfd.readouterr().out
    assert "Collapse point: sparsity" in printed
    assert "written: out/sweep.md, out/sweep.html" in printed
    table = (tmp_path / "out" / "sweep.md").read_text()
    assert "tiny-lrm-magnitude-0.95" in table
    record = tmp_path / "out" / "tiny-lrm-magnitude-0.95" / "lrmtest-compression.json"
    assert json.loads(record.read_text())["figures"]
    made, generated = record.stat().st_mtime_ns, completions(tmp_path)
    assert generated == 12

    # The same command again makes nothing and generates nothing.
    assert main(command) == 0
    again = capfd.readouterr().out
    assert record.stat().st_mtime_ns == made
    assert completions(tmp_path) == generated
    assert "Collapse point: sparsity" in again


@pytest.mark.engine
def test_a_level_that_cannot_be_tested_stops_the_sweep(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    command = ["sweep", "tiny-lrm", "-o", "out", "--method", "magnitude", "--sparsity", "0.5"]
    assert main([*command, "--suite", str(SUITE), "--pytest=--no-such-option"]) == 11
    said = capfd.readouterr().err
    assert "testing tiny-lrm ended with exit status 4" in said
    assert "the same command goes on" in said
