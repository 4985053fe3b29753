"""Stores with damaged bits: every command tells the damage or is right; what is left is saved."""

import random
import shutil
import sqlite3
import zlib
from contextlib import closing

import pytest
from report_store import make_store

from lrmtest.cli import main
from lrmtest.errors import DamagedStoreError, LrmtestError, StoreError
from lrmtest.options.exit_codes import INFRASTRUCTURE
from lrmtest.runs.formats.jsonl import export_run
from lrmtest.runs.salvage import read_remains
from lrmtest.runs.store import STORE_NAME, Store

COMMANDS = (
    ["runs"],
    ["show", "small-1"],
    ["show", "small-1", "q7"],
    ["compare", "small-1", "full-1", "--gate"],
    ["triage", "small-1", "--baseline", "full-1"],
    ["regrade", "full-1"],
    ["baseline", "full-1", "-o", "b.json"],
    ["export", "small-1", "out.jsonl"],
    ["report", "small-1", "-o", "report.html"],
)
FLIPS = 12
"""Of single bits, for each command; more, where none of these was in what it reads."""


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    """A folder with a store, closed, and what each command says of it."""
    folder = tmp_path_factory.mktemp("intact")
    make_store(folder / STORE_NAME)
    with closing(sqlite3.connect(folder / STORE_NAME)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
    return folder


def flipped(intact, folder, rng):
    """A copy of the store with one bit changed; where."""
    content = bytearray((intact / STORE_NAME).read_bytes())
    place = rng.randrange(len(content) * 8)
    content[place // 8] ^= 1 << place % 8
    (folder / STORE_NAME).write_bytes(content)
    return place


def said_by(command, folder, capsys, monkeypatch):
    """Exit status, output and errors of a command, run in `folder` on the store there."""
    monkeypatch.chdir(folder)
    capsys.readouterr()
    status = main([*command, "--reports-dir", "."])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: "-".join(command[:1]))
def test_a_flipped_bit_is_told_or_changes_nothing(intact, tmp_path, capsys, monkeypatch, command):
    whole = tmp_path / "whole"
    whole.mkdir()
    shutil.copy(intact / STORE_NAME, whole)
    expected = said_by(command, whole, capsys, monkeypatch)
    rng = random.Random(str(command))
    told = 0
    for n in range(20 * FLIPS):
        if n >= FLIPS and told:
            break
        folder = tmp_path / str(n)
        folder.mkdir()
        place = flipped(intact, folder, rng)
        status, out, err = said_by(command, folder, capsys, monkeypatch)
        if (status, out) != expected[:2]:
            assert "Traceback" not in err
            assert err.startswith("lrmtest: "), (place, status, out, err)
            assert "  -> " in err, err
            assert status not in (0, 10), place
            told += 1
        shutil.rmtree(folder)
    assert told  # so that the test is of something


def test_flipped_bits_are_found_by_check_and_the_rest_is_salvaged(intact, tmp_path):
    whole = read_remains(intact / STORE_NAME)
    assert whole.faults == 0
    everything = sum(run.completions for run in whole.runs.values())
    with Store(intact / STORE_NAME) as store:
        original = {
            (run.run_id, one.place.key): one
            for run in store.runs()
            for one in store.completions(run.run_id)
        }
    saved = []
    rng = random.Random(11)
    for n in range(25):
        folder = tmp_path / str(n)
        folder.mkdir()
        flipped(intact, folder, rng)
        try:
            with Store(folder / "new" / STORE_NAME) as new:
                read_remains(folder / STORE_NAME, new)
                for run in new.runs():
                    for one in new.completions(run.run_id):
                        before = original[run.run_id, one.place.key]
                        assert (one.completion, one.place) == (before.completion, before.place)
                        assert one.verdict in (before.verdict, None)
                saved.append(new.completion_count())
        except StoreError:
            continue  # the beginning of the file
        shutil.rmtree(folder)
    assert len(saved) > 20
    assert min(saved) > everything // 2
    assert sum(saved) > 0.97 * everything * len(saved)


def spoiled(intact, tmp_path, statement, values=()):
    shutil.copy(intact / STORE_NAME, tmp_path)
    with closing(sqlite3.connect(tmp_path / STORE_NAME)) as db, db:
        assert db.execute(statement, values).rowcount
    return tmp_path / STORE_NAME


def read_whole(path, *names):
    with Store(path) as store:
        for name in names:
            run = store.run(name)
            store.record(run)
            list(store.questions(run.run_id))
            export_run(store, run, path.with_name("out.jsonl"))


ONE = "run_id = 'small-1' AND key = 'small-1/sums/q7/0'"


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (f"UPDATE completion SET text = ? WHERE {ONE}", (b"no zlib",)),
        (f"UPDATE completion SET text = ? WHERE {ONE}", (zlib.compress(b"x" * 99)[:-1],)),
        (f"UPDATE completion SET text = 'a text' WHERE {ONE}", ()),
        (f"UPDATE completion SET verdict = '{{' WHERE {ONE}", ()),
        (f"UPDATE completion SET verdict = '[1]' WHERE {ONE}", ()),
        (f"UPDATE completion SET verdict = replace(verdict, 'false', 'true') WHERE {ONE}", ()),
        (f"UPDATE completion SET finish_reason = 'stap' WHERE {ONE}", ()),
        (f"UPDATE completion SET finish_reason = 'length' WHERE {ONE}", ()),
        (f"UPDATE completion SET prompt_tokens = 'many' WHERE {ONE}", ()),
        (f"UPDATE completion SET completion_tokens = -1 WHERE {ONE}", ()),
        (f"UPDATE completion SET seconds = 9e999 WHERE {ONE}", ()),
        (f"UPDATE completion SET sample = 7 WHERE {ONE}", ()),
        (f"UPDATE completion SET question_id = x'ff' WHERE {ONE}", ()),
        ("UPDATE run SET manifest = '{' WHERE run_id = 'small-1'", ()),
        ("UPDATE run SET manifest = '[]', checksum = NULL WHERE run_id = 'small-1'", ()),
        ("UPDATE question SET content = '{}', checksum = NULL WHERE question_id = 'q7'", ()),
        ("UPDATE question SET prompt = '7' WHERE question_id = 'q7'", ()),
        ("UPDATE engine_error SET attempts = 'x' WHERE run_id = 'small-1'", ()),
    ],
)
def test_a_row_that_is_not_as_it_was_written_is_no_verdict(intact, tmp_path, statement, values):
    path = spoiled(intact, tmp_path, statement, values)
    with pytest.raises(DamagedStoreError) as raised:
        read_whole(path, "small-1")
    assert "lrmtest check" in str(raised.value)
    assert not (tmp_path / "out.jsonl").exists()
    assert read_remains(path).faults


def test_rows_without_their_run_are_kept_and_told(intact, tmp_path, capsys):
    path = spoiled(intact, tmp_path, "DELETE FROM run WHERE run_id = 'full-1'")
    folder = tmp_path / "new"
    assert (
        main(["check", "--reports-dir", str(tmp_path), "--salvage", str(folder)]) == INFRASTRUCTURE
    )
    out = capsys.readouterr().out
    assert "run full-1: 104 completions can be read, its settings are lost" in out
    with Store(folder / STORE_NAME) as new, Store(path) as old:
        assert new.completion_count() == old.completion_count()


def test_check_of_a_whole_store(intact, tmp_path, capsys):
    shutil.copy(intact / STORE_NAME, tmp_path)
    before = (tmp_path / STORE_NAME).read_bytes()
    assert main(["check", "--reports-dir", str(tmp_path)]) == 0
    assert "2 runs with 208 completions, all intact" in capsys.readouterr().out
    assert (tmp_path / STORE_NAME).read_bytes() == before
    assert main(["check", "--reports-dir", str(tmp_path), "--salvage", str(tmp_path)]) == 2
    assert "there is a store already" in capsys.readouterr().err


@pytest.mark.parametrize("size", [0, 50, 4096, 20_000, 100_000])
def test_a_store_that_was_cut_off_is_told(intact, tmp_path, size):
    (tmp_path / STORE_NAME).write_bytes((intact / STORE_NAME).read_bytes()[:size])
    with pytest.raises(LrmtestError) as raised:
        read_whole(tmp_path / STORE_NAME, "full-1", "small-1")
    assert raised.value.hint
