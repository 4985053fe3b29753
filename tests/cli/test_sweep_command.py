"""`lrmtest sweep`."""

import csv
import json
import os
import shlex
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import prepared
import psutil
import pytest
from processes import gone, wait_for

from lrmtest.cli import main, session, sweep
from lrmtest.compress.protect_file import read_protect_file
from lrmtest.errors import UsageError
from lrmtest.runs.extent import EVERYTHING
from lrmtest.runs.store import STORE_NAME, Store

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
        (["--sparsity", "0.5", "--draws", "2"], "--draws is of use where ways"),
        (["--sparsity", "0.5", "--protect", "last:mlp,,random"], "between two commas"),
        (["--sparsity", "0.5", "--protect", "last:mlp,last:mlp"], "names a way twice"),
        (["--sparsity", "0.5", "--protect", "suggested,random"], "how much is to be protected"),
        (["--sparsity", "0.5", "--protect", "suggested:0%,random"], "no share such as 2%"),
        (["--sparsity", "0.5", "--protect", "suggested:absent.toml"], "cannot read"),
        (["--sparsity", "0.5", "--protect", "suggested:1%,suggested:2%"], "one suggestion"),
        (["--sparsity", "0.5,0.6", "--protect", "last:mlp,random"], "--sparsity has one value"),
        (["--sparsity", "0.5", "--protect", "last:mpl,random"], "did you mean layers."),
        (["--sparsity", "0.5", "--protect", "last:mlp,random", "--seed", "1"], "--draws N"),
        (["--sparsity", "0.5", "--protect", "last:mlp,random", "--traces", "x"], "no use"),
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


@pytest.fixture
def forked(monkeypatch):
    """The sessions that a sweep begins find torch imported."""
    prepared.forks(monkeypatch, torch=True)


@pytest.mark.engine
@pytest.mark.usefixtures("forked")
def test_a_sweep_of_a_real_model(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    command = ["sweep", "tiny-lrm", "-o", "out", "--method", "magnitude", "--sparsity", "0,0.95"]
    command += ["--suite", str(SUITE), "--pytest", "--fresh-count 6 --max-tokens 64"]
    command += ["--calibration-samples", "4", "--calibration-tokens", "64"]
    assert main(command) == 0
    printed = capfd.readouterr().out
    assert "Collapse point: sparsity" in printed
    assert "written: out/sweep.md, out/sweep.html, and as data sweep.json, sweep.csv" in printed
    table = (tmp_path / "out" / "sweep.md").read_text()
    assert "tiny-lrm-magnitude-0.95" in table
    data = json.loads((tmp_path / "out" / "sweep.json").read_text())
    assert [level["degree"] for level in data["levels"]] == [0, 0.95]
    assert data["levels"][1]["model"] == "tiny-lrm-magnitude-0.95"
    rows = list(csv.DictReader((tmp_path / "out" / "sweep.csv").open()))
    first, last = rows[0], rows[-1]
    figures = data["levels"][1]["suites"][last["suite"]]
    assert float(last["pass_rate"]) == figures["pass_rate"]["value"]
    assert float(last["change"]) == -figures["change"]["failed"]["worsening"]
    assert float(last["change_low"]) <= float(last["change"]) <= float(last["change_high"])
    assert first["change"] == ""
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
@pytest.mark.usefixtures("forked")
def test_ways_of_protecting_a_real_model(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    command = ["sweep", "tiny-lrm", "-o", "out", "--method", "magnitude", "--sparsity", "0.9"]
    command += ["--protect", "suggested,last:mlp,random", "--draws", "1", "--suite", str(SUITE)]
    command += ["--pytest", "--fresh-count 3 --max-tokens 32 --temperature 0"]
    command += ["--calibration-samples", "2", "--calibration-tokens", "32"]
    job = pytest.importorskip("lrmtest.locate.job")
    # Ctrl-C when it has been located, and the suggested variant is to be tested.
    asked, run = [], session.run_in_foreground

    def interrupted(words):
        asked.append(words)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return run(words)

    monkeypatch.setattr(session, "run_in_foreground", interrupted)
    assert main(command) == 130
    assert completions(tmp_path) == 6
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.safetensors")}
    assert len(kept) == 2
    # The same command makes no variant again, and looks into no model.
    monkeypatch.setattr(job, "open_stack", None)
    assert main(command) == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    printed = capfd.readouterr().out
    assert "Size: last:mlp, 15.0 % of the weights" in printed
    assert "located on the very questions that are asked here" in printed
    data = json.loads((tmp_path / "out" / "protect.json").read_text())
    ways = {level["way"]: level["protected"] for level in data["levels"]}
    assert list(ways) == ["model", "nothing", "suggested", "named", "random"]
    assert ways["named"] == pytest.approx(0.15)
    assert 0 < ways["suggested"] <= 0.15
    assert ways["random"] == pytest.approx(0.15, abs=1e-3)
    assert len(data["contrasts"]) == 6
    assert completions(tmp_path) == 15
    # What it located on is kept beside the run, and the file has what is protected there.
    listed = {one.name for one in read_protect_file(tmp_path / "out" / "suggested.protect.toml")}
    record = tmp_path / "out" / "tiny-lrm-magnitude-suggested" / "lrmtest-compression.json"
    assert set(json.loads(record.read_text())["made_of"]["protect"]) == listed


@pytest.mark.engine
@pytest.mark.usefixtures("forked")
def test_a_level_that_cannot_be_tested_stops_the_sweep(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    command = ["sweep", "tiny-lrm", "-o", "out", "--method", "magnitude", "--sparsity", "0.5"]
    assert main([*command, "--suite", str(SUITE), "--pytest=--no-such-option"]) == 2
    said = capfd.readouterr().err
    assert "testing tiny-lrm ended with exit status 4" in said
    assert "the same command goes on" in said


SLOW = """
import os, sys, time
from pathlib import Path

Path("pid").write_text(str(os.getpid()))
time.sleep(600)
"""

SWEEPS = """
import sys
from lrmtest.models.programs.foreground import run_in_foreground

sys.exit(run_in_foreground([sys.executable, "slow.py"]))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells no child elsewhere")
def test_the_pytest_of_a_sweep_ends_with_it(tmp_path, how):
    (tmp_path / "slow.py").write_text(SLOW)
    process = subprocess.Popen(
        [sys.executable, "-c", SWEEPS],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    child = psutil.Process(
        int(wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    )
    if how is signal.SIGINT:  # the terminal's Ctrl-C
        os.killpg(process.pid, how)
    else:
        process.send_signal(how)
    process.wait(300)
    assert gone([child])


def test_a_sweep_takes_the_run_that_its_pytest_tells_and_not_the_newest(
    tmp_path, monkeypatch, capfd
):
    def pytest_run(command):
        path = Path(command[command.index("--summary-json") + 1])
        model = Path(next(w for w in command if w.startswith("--model=")).partition("=")[2]).name
        selection = {"hops": {"questions": ["q1", "q2"], "samples": 3}}
        run = {"model": model, "run_id": f"{model}-its-own", "manifest": {"selection": selection}}
        path.write_text(json.dumps({"runs": [run]}))
        return 0

    asked = []

    def loaded(reference, store, extent):
        assert extent == {("hops", "q1"): 3, ("hops", "q2"): 3}, "what it has asked itself"
        asked.append(reference)
        raise UsageError("enough")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session, "run_in_foreground", pytest_run)
    monkeypatch.setattr(sweep, "load_run", loaded)
    command = ["sweep", "tiny-lrm", "-o", "out", "--method", "magnitude", "--sparsity", "0.5"]
    for more in ([], ["--pytest=--summary-json=mine.json"], ["--pytest=--summary-json mine.json"]):
        if more:
            monkeypatch.setattr(
                session,
                "run_in_foreground",
                lambda command: pytest_run([*command, "--summary-json", "mine.json"]),
            )
        assert main([*command, "--suite", str(SUITE), *more]) == 2
    assert asked == ["tiny-lrm-its-own"] * 3


@pytest.mark.engine
@pytest.mark.usefixtures("forked")
def test_a_sweep_is_of_its_suites_whatever_else_its_models_were_asked(tmp_path, monkeypatch, capfd):
    """README's order: several suites, then the sweep of one of them, of fewer questions."""
    monkeypatch.chdir(tmp_path)
    suites = [str(SUITE), str(SUITE.with_name("test_fresh_arithmetic.py"))]
    options = ["--fresh-count", "6", "--max-tokens", "64"]
    first = [sys.executable, "-m", "pytest", *suites, "--model", "tiny-lrm", "-q", *options]
    assert subprocess.run([*first, "--rootdir", str(tmp_path), "--samples", "2"]).returncode < 2
    before = completions(tmp_path)
    assert before == 24
    command = ["sweep", "tiny-lrm", "-o", "out", "--method", "magnitude", "--sparsity", "0.95"]
    command += ["--suite", str(SUITE), "--pytest", shlex.join([*options, "--limit", "4"])]
    command += ["--calibration-samples", "4", "--calibration-tokens", "64"]
    assert main(command) == 0
    printed = capfd.readouterr().out
    assert completions(tmp_path) == before + 4, "the model's own were there"
    assert "Collapse point: sparsity" in printed
    assert "No collapse point" not in printed
    table = (tmp_path / "out" / "sweep.md").read_text()
    assert "fresh-arithmetic" not in table + (tmp_path / "out" / "sweep.html").read_text()
    rows = [line.split("|") for line in table.splitlines() if "| tiny-lrm" in line]
    assert [row[3].strip() for row in rows] == ["4", "4"], table

    # Of the model's run, `last` speaks of the sweep's questions too; the others are there.
    with Store(tmp_path / "reports" / STORE_NAME, create=False) as store:
        run = store.run("last:tiny-lrm")
        assert len(store.record(run).samples) == 4
        assert len(store.record(run, EVERYTHING).samples) == 24
