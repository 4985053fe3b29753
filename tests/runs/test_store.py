"""The store: what goes in comes out, from many threads and processes, and survives a kill."""

import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrmtest.errors import LockedStoreError, StoreError, UsageError
from lrmtest.grading.completion import Completion
from lrmtest.grading.verdict import FAILURE_CLASSES, Verdict
from lrmtest.questions import Question
from lrmtest.questions.place import Place
from lrmtest.runs.checked_rows import Reader
from lrmtest.runs.database import Database
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.salvage import read_remains
from lrmtest.runs.store import Store

# Models emit NULs, lone surrogates and anything else that a str can hold.
any_text = st.text(st.characters(exclude_categories=()), max_size=300)

completions = st.builds(
    Completion,
    text=any_text,
    finish_reason=st.sampled_from(["stop", "length", "loop"]),
    prompt_tokens=st.integers(0, 10**6),
    completion_tokens=st.integers(0, 10**6),
    reasoning_tokens=st.integers(0, 10**6),
    tokens_estimated=st.booleans(),
    seed=st.none() | st.integers(0, 2**31 - 1),
    seconds=st.floats(0, 1e6),
)

verdicts = st.builds(
    Verdict,
    correct=st.booleans(),
    score=st.floats(0, 1),
    extracted=st.none() | any_text,
    failure=st.none() | st.sampled_from(FAILURE_CLASSES),
    lenient_correct=st.booleans(),
    provisional=st.none() | any_text,
    metrics=st.dictionaries(st.sampled_from(["em", "f1"]), st.floats(0, 1)),
)


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("store") / "lrmtest.sqlite")
    store.add_run("r", "m", "identity", Manifest())
    yield store
    store.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(completion=completions, verdict=verdicts)
def test_a_completion_and_its_verdict_come_back_unchanged(shared_store, completion, verdict):
    key = str(len(shared_store.keys("r")))
    shared_store.add_completion("r", Place(key, "aime", "2024-I-1", 0), completion)
    shared_store.set_verdicts("r", [(key, verdict)])
    stored = shared_store.completion("r", key)
    assert stored.completion == completion
    assert stored.verdict == verdict


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    material=st.dictionaries(st.text(max_size=8), any_text | st.lists(any_text, max_size=3)),
    references=st.lists(any_text, min_size=1, max_size=3).map(tuple),
    prompt=any_text,
)
def test_a_question_comes_back_unchanged(shared_store, material, references, prompt):
    question = Question("q", "s", material, references, "short-text")
    shared_store.add_questions("r", [("s", "q", question, [("user", prompt)])])
    stored = shared_store.question("r", "s", "q")
    assert stored.question == question
    assert stored.question.digest == question.digest
    assert stored.prompt == (("user", prompt),)


def test_the_first_completion_of_a_key_stays(tmp_path):
    store = Store(tmp_path / "s.sqlite")
    store.add_run("r", "m", "i", Manifest())
    store.add_completion("r", Place("k", "s", "q", 0), Completion("first", "stop"))
    store.add_completion("r", Place("k", "s", "q", 0), Completion("second", "stop"))
    assert store.completion("r", "k").completion.text == "first"


def test_a_completion_repairs_an_engine_error(tmp_path):
    store = Store(tmp_path / "s.sqlite")
    store.add_run("r", "m", "i", Manifest())
    store.add_error("r", Place("k", "s", "q", 0), "connection refused", 7)
    assert [error.message for error in store.errors("r")] == ["connection refused"]
    store.add_completion("r", Place("k", "s", "q", 0), Completion("text", "stop"))
    assert store.errors("r") == []


def test_rows_that_another_session_adds_meanwhile_are_no_damage(tmp_path, monkeypatch):
    with Store(tmp_path / "s.sqlite") as writing, Store(tmp_path / "s.sqlite") as reading:
        writing.add_run("r", "m", "i", Manifest())
        added = itertools.count()

        def and_then_one_more(database, query, values=()):
            found = one(database, query, values)
            if database is reading._db:
                place = Place(f"k{next(added)}", "s", "q", next(added))
                writing.add_completion("r", place, Completion("text", "stop"))
            return found

        one = Database.one
        monkeypatch.setattr(Database, "one", and_then_one_more)
        assert len([*reading.completions("r")]) == 2
        assert reading.sample_records(reading.run("r")) == []  # none is graded
        assert next(added) >= 4


def test_what_another_session_completes_meanwhile_is_told_to_lack(tmp_path, monkeypatch):
    with Store(tmp_path / "s.sqlite") as writing, Store(tmp_path / "s.sqlite") as reading:
        writing.add_run("r", "m", "i", Manifest())
        writing.add_questions("r", [("s", question, None, ()) for question in ("q1", "q2")])
        writing.finish_run("r")

        def add(question):
            place = Place(question, "s", question, 0)
            writing.add_completion("r", place, Completion("text", "stop"))
            writing.set_verdicts("r", [(question, Verdict(True, 1.0, "text", None, True))])

        def and_the_last_one_comes(store, run_id, **selected):
            found = errors(store, run_id, **selected)
            if writing.keys(run_id) == {"q1"}:
                add("q2")
            return found

        add("q1")
        errors = Store.errors
        monkeypatch.setattr(Store, "errors", and_the_last_one_comes)
        record = reading.record(reading.run("r"))
        assert writing.keys("r") == {"q1", "q2"}
        assert len(record.samples) == 1
        assert record.lacking == ("not everything that was planned has been generated",)
        record = reading.record(reading.run("r"))
        assert len(record.samples) == 2
        assert not record.lacking


def test_a_run_that_another_session_begins_meanwhile_is_not_lost(tmp_path, monkeypatch):
    with Store(tmp_path / "s.sqlite") as writing:
        writing.add_run("r", "m", "i", Manifest())

        def and_then_another_begins(reader, values):
            writing.add_run("r2", "m", "i", Manifest())
            writing.add_completion("r2", Place("k", "s", "q", 0), Completion("text", "stop"))
            return run(reader, values)

        run = Reader.run
        monkeypatch.setattr(Reader, "run", and_then_another_begins)
        remains = read_remains(writing.path)
        assert writing.keys("r2") == {"k"}
    assert not remains.messages
    assert [*remains.runs] == ["r"]


def test_adopting_takes_equal_keys_from_other_runs_only(tmp_path):
    store = Store(tmp_path / "s.sqlite")
    for run in ("old", "new"):
        store.add_run(run, "m", "i", Manifest())
    store.add_completion("old", Place("k1", "s", "q1", 0), Completion("kept", "stop"))
    assert store.adopt("new", ["k1", "k2"]) == {"k1"}
    assert store.completion("new", "k1").completion.text == "kept"
    assert store.keys("new") == {"k1"}


def test_runs_are_found_by_prefix_and_last(tmp_path):
    store = Store(tmp_path / "s.sqlite")
    for name in ("alpha-1", "alpha-2", "beta-1"):
        store.add_run(name, "m", "i", Manifest())
    assert store.run("beta").run_id == "beta-1"
    assert store.run("last").run_id == "beta-1"
    assert store.run("alpha-1").run_id == "alpha-1"
    with pytest.raises(UsageError, match="beginning of 2 runs"):
        store.run("alpha")
    with pytest.raises(UsageError, match="no run is called"):
        store.run("gamma")


def test_a_file_that_is_no_store_is_refused_with_a_next_step(tmp_path):
    path = tmp_path / "s.sqlite"
    path.write_bytes(b"this is a diary, not a database" * 100)
    with pytest.raises(StoreError, match="move it away"):
        Store(path)


def test_a_newer_schema_is_refused(tmp_path):
    path = tmp_path / "s.sqlite"
    Store(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="schema 99"):
        Store(path)


def test_reading_commands_do_not_make_a_store(tmp_path):
    with pytest.raises(StoreError, match="no store"):
        Store(tmp_path / "s.sqlite", create=False)
    assert not (tmp_path / "s.sqlite").exists()


def test_a_path_that_no_file_can_have_is_a_clear_error(tmp_path):
    path = tmp_path.joinpath(*["x" * 200] * 25, "s.sqlite")
    for create in (True, False):
        with pytest.raises(StoreError, match="File name too long"):
            Store(path, create=create)


def test_another_program_s_database_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "s.sqlite"
    for version in (0, 1, 2):
        with closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE IF NOT EXISTS run (x)")
            db.execute(f"PRAGMA user_version = {version}")
        before = path.read_bytes()
        with pytest.raises(StoreError, match="no store of lrmtest"):
            Store(path)
        assert path.read_bytes() == before


def test_what_a_store_cannot_hold_is_told_and_not_swallowed(tmp_path):
    with Store(tmp_path / "s.sqlite") as store:
        store.add_run("r", "m", "i", Manifest())
        for completion, said in [
            (Completion("t", "stop", completion_tokens=2**63), "out of range"),
            (Completion("t", "stop", seconds=float("nan")), "seconds is nan"),
            (Completion(None, "stop"), "text is a NoneType"),
        ]:
            with pytest.raises(StoreError, match=f"s q sample 0 cannot be stored: .*{said}"):
                store.add_completion("r", Place("k", "s", "q", 0), completion)
        with pytest.raises(StoreError, match="NOT NULL"):
            store.add_completion("r", Place("k", "s", None, 0), Completion("t", "stop"))
        with pytest.raises(StoreError, match="cannot be stored"):
            store.add_completion("r", Place("k", "s", "\ud800", 0), Completion("t", "stop"))
        assert store.keys("r") == set()


def test_a_locked_store_is_waited_for_and_then_told(tmp_path):
    path, told = tmp_path / "s.sqlite", []
    with Store(path, patience=0.0, tell=told.append) as store:
        store.add_run("r", "m", "i", Manifest())
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(LockedStoreError, match="locked by another program"):
                store.add_completion("r", Place("k", "s", "q", 0), Completion("t", "stop"))
            assert store.keys("r") == set()
        assert store.add_completion("r", Place("k", "s", "q", 0), Completion("t", "stop"))


def test_a_transaction_is_whole_or_nothing(tmp_path):
    def broken(store):
        with store.transaction():
            store.add_run("r", "m", "i", Manifest())
            with store.transaction():
                store.add_completion("r", Place("k", "s", "q", 0), Completion("t", "stop"))
            raise ZeroDivisionError

    with Store(tmp_path / "s.sqlite") as store:
        with pytest.raises(ZeroDivisionError):
            broken(store)
        assert store.runs() == []
        assert store.completion_count() == 0


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_gone_is_not_written_to_and_put_back(tmp_path, replaced):
    path = tmp_path / "reports" / "s.sqlite"
    store = Store(path)
    store.add_run("r", "m", "i", Manifest())
    store.add_completion("r", Place("k", "s", "q", 0), Completion("kept", "stop"))
    shutil.rmtree(path.parent)
    if replaced:
        with Store(path) as other:
            other.add_run("another", "m", "i", Manifest())
    for _ in range(2):
        with pytest.raises(StoreError, match="replaced" if replaced else "deleted"):
            store.add_completion("r", Place("k2", "s", "q2", 0), Completion("late", "stop"))
    store.close()
    found = [one for one in path.parent.glob("s*.sqlite") if one != path or not replaced]
    assert len(found) == 1
    assert found[0].stat().st_mode & 0o777 == 0o600
    with Store(found[0]) as back:
        assert back.completion("r", "k").completion.text == "kept"


def test_a_full_disk_is_a_clear_error_and_loses_nothing(tmp_path):
    store = Store(tmp_path / "s.sqlite")
    store.add_run("r", "m", "i", Manifest())
    store.add_completion("r", Place("k", "s", "q", 0), Completion("here", "stop"))
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    noise = os.urandom(200_000).hex()
    with pytest.raises(StoreError, match="free some space"):
        store.add_completion("r", Place("k2", "s", "q2", 0), Completion(noise, "stop"))
    assert store.completion("r", "k").completion.text == "here"


def test_many_threads_write_at_once(tmp_path):
    store = Store(tmp_path / "s.sqlite")
    store.add_run("r", "m", "i", Manifest())

    def write(thread):
        for number in range(50):
            store.add_completion(
                "r", Place(f"{thread}-{number}", "s", "q", 0), Completion("t", "stop")
            )

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.keys("r")) == 200


WRITER = """
    import sys
    from pathlib import Path
    from lrmtest.grading.completion import Completion
    from lrmtest.questions.place import Place
    from lrmtest.runs.manifest import Manifest
    from lrmtest.runs.store import Store

    store = Store(Path(sys.argv[1]))
    if not store.runs():
        store.add_run("r", "m", "i", Manifest())
    for number in range(int(sys.argv[3])):
        place = Place(f"{sys.argv[2]}-{number}", "s", "q", 0)
        store.add_completion("r", place, Completion("t", "stop"))
        print(number, flush=True)
"""


def writer(path, name, count):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(path), name, str(count)],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_many_processes_open_and_write_at_once(tmp_path):
    path = tmp_path / "s.sqlite"
    with Store(path) as store:
        store.add_run("r", "m", "i", Manifest())
    processes = [writer(path, str(number), 40) for number in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    for process in processes:
        process.stdout.close()
    with Store(path) as store:
        assert len(store.keys("r")) == 160


def test_what_was_written_before_a_kill_is_there(tmp_path):
    path = tmp_path / "s.sqlite"
    process = writer(path, "w", 10**6)
    said = [int(process.stdout.readline()) for _ in range(20)]
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with Store(path) as store:
        assert {f"w-{number}" for number in said} <= store.keys("r")
