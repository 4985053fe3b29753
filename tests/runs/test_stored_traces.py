"""Traces and readings in the store: with their completions, checked, salvaged, carried over."""

import sqlite3
from array import array
from contextlib import closing
from dataclasses import replace

import pytest

from lrmtest.cli import main
from lrmtest.errors import DamagedStoreError, StoreError
from lrmtest.grading.completion import Completion
from lrmtest.models.trace import Trace
from lrmtest.options.exit_codes import INFRASTRUCTURE
from lrmtest.questions.place import Place
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.reading_manifest import ReadingManifest
from lrmtest.runs.readings import Reading
from lrmtest.runs.records import StoredCompletion
from lrmtest.runs.salvage import read_remains
from lrmtest.runs.store import STORE_NAME, Store

SECOND_SCHEMA_TABLES = ("trace", "reading_head", "reading")


def trace(number=0):
    return Trace(
        array("I", [1, 2, 3]), array("I", [number, 70000]), array("f", [-0.25, -number]), True
    )


def place(number):
    return Place(f"k{number}", "sums", f"q{number}", 0)


def reading(number):
    figures = array("f", [-0.5, -number])
    return Reading(place(number), figures, figures, figures, array("f"), array("f"))


def known(**manifest):
    return ReadingManifest.from_json(manifest)


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / STORE_NAME) as made:
        made.add_run("r", "m", "identity", Manifest())
        yield made


def completion(number):
    return Completion(f"text {number}", "stop", completion_tokens=2)


def test_a_trace_is_kept_with_its_completion(store):
    arrived = [
        StoredCompletion(place(n), completion(n), "2026", None, trace(n) if n != 1 else None)
        for n in range(3)
    ]
    assert store.add_arrived("r", arrived)
    assert [store.trace("r", f"k{n}") for n in range(3)] == [trace(0), None, trace(2)]
    assert store.traced("r") == {"k0", "k2"}


def test_a_second_completion_of_a_key_does_not_bring_its_trace(store):
    assert store.add_completion("r", place(0), completion(0))
    assert not store.add_completion("r", place(0), completion(5), trace=trace(5))
    assert store.trace("r", "k0") is None
    assert store.add_completion("r", place(1), completion(1), trace=trace(1))
    assert not store.add_completion("r", place(1), completion(5), trace=trace(5))
    assert store.trace("r", "k1") == trace(1)


def test_a_trace_that_cannot_be_takes_its_completion_back(store):
    bad = Trace(array("I"), array("I", [1]), array("f", [1.0]), False)
    with pytest.raises(StoreError, match="log-probability"):
        store.add_completion("r", place(0), completion(0), trace=bad)
    assert store.keys("r") == set()


def test_only_a_completion_gets_a_trace(store):
    assert not store.add_trace("r", "k0", trace())
    store.add_completion("r", place(0), completion(0))
    assert store.add_trace("r", "k0", trace())
    assert not store.add_trace("r", "k0", trace(7))
    assert store.trace("r", "k0") == trace()


def test_an_adopted_completion_brings_its_trace_and_one_with_a_trace_comes_first(store):
    for run in ("bare", "traced", "new"):
        store.add_run(run, "m", run, Manifest())
    store.add_completion("bare", place(0), completion(0))
    store.add_completion("traced", place(0), completion(7), trace=trace(7))
    assert store.adopt("new", ["k0", "k1"]) == {"k0"}
    assert store.completion("new", "k0").completion == completion(7)
    assert store.trace("new", "k0") == trace(7)


def test_readings_are_kept_under_their_head(store):
    head = store.readings.begin("d", "r", "small", "same", known(top_p=0.95))
    store.readings.begin("other", "r2", "small", "else", known())
    store.readings.add("d", [reading(2), reading(0)])
    store.readings.add("d", [reading(1), reading(0)])
    assert list(store.readings.each("d")) == [reading(0), reading(1), reading(2)]
    assert store.readings.keys("d") == {"k0", "k1", "k2"}
    assert store.readings.heads(run_id="r", identity="same") == [head]
    assert len(store.readings.heads()) == 2
    store.readings.note("d", known(top_p=1))
    store.readings.finish("d")
    found = store.readings.head("d")
    assert (found.manifest, found.finished is None) == (known(top_p=1), False)
    with pytest.raises(StoreError):
        store.readings.begin("d", "r", "small", "same", known())
    with pytest.raises(StoreError, match="gone"):
        store.readings.finish("none")
    bad = Reading(place(3), *[array("f", [0.5])] * 3, array("f"), array("f"))
    with pytest.raises(StoreError, match="cannot be stored"):
        store.readings.add("d", [reading(4), bad])
    assert store.readings.keys("d") == {"k0", "k1", "k2"}


def as_schema_2(path):
    with closing(sqlite3.connect(path)) as db, db:
        for table in SECOND_SCHEMA_TABLES:
            db.execute(f"DROP TABLE {table}")
        db.execute("ALTER TABLE completion DROP COLUMN drafted_tokens")
        db.execute("PRAGMA user_version = 2")


def test_a_store_of_schema_2_is_checked_as_it_is_and_upgraded_when_written(tmp_path, capsys):
    path = tmp_path / STORE_NAME
    with Store(path) as made:
        made.add_run("r", "m", "identity", Manifest())
        made.add_completion("r", place(0), completion(0))
    as_schema_2(path)
    assert main(["check", "--reports-dir", str(tmp_path)]) == 0
    assert "1 run with 1 completion, all intact" in capsys.readouterr().out
    with Store(path) as again:
        assert again.completion("r", "k0").completion == completion(0)
        again.add_completion("r", place(1), completion(1), trace=trace(1))
        assert again.traced("r") == {"k1"}


def test_a_store_of_schema_3_knows_no_drafts_until_it_is_written(tmp_path, capsys):
    path = tmp_path / STORE_NAME
    with Store(path) as made:
        made.add_run("r", "m", "identity", Manifest())
        made.add_completion("r", place(0), completion(0), trace=trace(0))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("ALTER TABLE completion DROP COLUMN drafted_tokens")
        db.execute("PRAGMA user_version = 3")
    assert main(["check", "--reports-dir", str(tmp_path)]) == 0
    assert "1 run with 1 completion and 1 trace, all intact" in capsys.readouterr().out
    drafted = replace(completion(1), completion_tokens=7, drafted_tokens=5)
    with Store(path) as again:
        assert again.completion("r", "k0").completion == completion(0)
        again.add_completion("r", place(1), drafted)
        assert again.completion("r", "k1").completion == drafted
        assert drafted.generated_tokens == 2


def test_a_changed_number_of_drafted_tokens_is_damage(tmp_path):
    path = tmp_path / STORE_NAME
    for before, after in ((5, 6), (5, None), (None, 5), (0, None), (None, 0)):
        made = replace(completion(0), completion_tokens=7, drafted_tokens=before)
        with Store(path) as store:
            store.add_run("r", "m", "identity", Manifest())
            store.add_completion("r", place(0), made)
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("UPDATE completion SET drafted_tokens = ?", (after,))
        with Store(path) as store, pytest.raises(DamagedStoreError, match="checksum"):
            store.completion("r", "k0")
        path.unlink()


def test_a_store_that_lost_a_table_is_told(tmp_path):
    path = tmp_path / STORE_NAME
    with Store(path) as made:
        made.add_run("r", "m", "identity", Manifest())
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP TABLE trace")
    with pytest.raises(StoreError, match="no store"):
        Store(path)
    assert "table trace is lost" in read_remains(path).messages


@pytest.fixture
def filled(tmp_path, store):
    for number in range(4):
        store.add_completion("r", place(number), completion(number), trace=trace(number))
    store.finish_run("r")
    store.readings.begin("d", "r", "small", "same", known())
    store.readings.add("d", [reading(number) for number in range(4)])
    store.readings.finish("d")
    store.close()
    return tmp_path


def test_check_of_whole_traces(filled, capsys):
    assert main(["check", "--reports-dir", str(filled)]) == 0
    said = "1 run with 4 completions and 4 traces, 1 reading of 4 traces, all intact"
    assert said in capsys.readouterr().out


def read_whole(store):
    for key in store.traced("r"):
        store.trace("r", key)
    store.readings.heads()
    for reading_id in ("d", "e"):
        list(store.readings.each(reading_id))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE trace SET data = x'00' WHERE key = 'k2'",
        "UPDATE trace SET data = zeroblob(40) WHERE key = 'k2'",
        "UPDATE trace SET data = 'text' WHERE key = 'k2'",
        "UPDATE trace SET checksum = 1 WHERE key = 'k2'",
        "UPDATE trace SET data = (SELECT data FROM trace WHERE key = 'k1') WHERE key = 'k2'",
        "UPDATE trace SET key = 'k9' WHERE key = 'k2'",
        "UPDATE reading SET data = x'00' WHERE key = 'k2'",
        "UPDATE reading SET sample = 7 WHERE key = 'k2'",
        "UPDATE reading SET reading_id = 'e' WHERE key = 'k2'",
        "UPDATE reading_head SET reader = 'large'",
    ],
)
def test_a_damaged_trace_is_told_and_the_rest_is_salvaged(filled, statement, capsys):
    with closing(sqlite3.connect(filled / STORE_NAME)) as db, db:
        assert db.execute(statement).rowcount
    with Store(filled / STORE_NAME) as damaged, pytest.raises(DamagedStoreError):
        read_whole(damaged)
    new = filled / "new"
    command = ["check", "--reports-dir", str(filled), "--salvage", str(new)]
    assert main(command) == INFRASTRUCTURE
    out = capsys.readouterr().out
    with Store(new / STORE_NAME) as saved:
        assert saved.completion_count("r") == 4
        if "UPDATE trace" in statement:
            assert "1 trace lost" in out
            assert saved.traced("r") == {"k0", "k1", "k3"}
            assert saved.readings.keys("d") == {"k0", "k1", "k2", "k3"}
            assert saved.readings.head("d").finished
        elif "reading_head" in statement:
            assert saved.readings.heads() == []
        else:
            assert saved.readings.keys("d") == {"k0", "k1", "k3"}
        assert saved.head("r").finished
