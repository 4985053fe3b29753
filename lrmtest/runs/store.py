"""The store: one SQLite file per reports folder, one row per completion.

Write-ahead logging lets many processes read and write at once; every completion is its own
transaction, committed before anything else happens to it, so that a run killed at any point
loses nothing that had arrived. Texts are zlib-compressed: looping outputs shrink a
hundredfold.
"""

from __future__ import annotations

import errno
import json
import sqlite3
import threading
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from lrmtest.errors import StoreError, UsageError
from lrmtest.grading.completion import Completion
from lrmtest.grading.verdict import Verdict
from lrmtest.questions.place import Place
from lrmtest.questions.question import Question
from lrmtest.runs.files import create_private
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.records import (
    RunHead,
    RunRecord,
    SampleRecord,
    StoredCompletion,
    StoredError,
    StoredQuestion,
)
from lrmtest.runs.rows import (
    COMPLETION_ROW,
    ERROR_ROW,
    completion_from_row,
    completion_to_row,
    error_from_row,
    error_to_row,
    question_from_json,
    question_to_json,
    verdict_to_json,
)

STORE_NAME = "lrmtest.sqlite"
SCHEMA_VERSION = 2

_SCHEMA = """
CREATE TABLE run (
    run_id   TEXT PRIMARY KEY,
    model    TEXT NOT NULL,
    identity TEXT NOT NULL,
    created  TEXT NOT NULL,
    finished TEXT,
    manifest TEXT NOT NULL
);
CREATE INDEX run_identity ON run (identity, created);
CREATE TABLE question (
    run_id      TEXT NOT NULL REFERENCES run,
    suite       TEXT NOT NULL,
    question_id TEXT NOT NULL,
    content     TEXT NOT NULL,
    prompt      TEXT NOT NULL,
    PRIMARY KEY (run_id, suite, question_id)
) WITHOUT ROWID;
CREATE TABLE completion (
    id                INTEGER PRIMARY KEY,
    run_id            TEXT NOT NULL REFERENCES run,
    key               TEXT NOT NULL,
    suite             TEXT NOT NULL,
    question_id       TEXT NOT NULL,
    sample            INTEGER NOT NULL,
    text              BLOB NOT NULL,
    finish_reason     TEXT NOT NULL,
    prompt_tokens     INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    reasoning_tokens  INTEGER NOT NULL,
    tokens_estimated  INTEGER NOT NULL,
    seed              INTEGER,
    seconds           REAL NOT NULL,
    finish_word       TEXT NOT NULL DEFAULT '',
    created           TEXT NOT NULL,
    verdict           TEXT,
    UNIQUE (run_id, key)
);
CREATE INDEX completion_key ON completion (key);
CREATE TABLE engine_error (
    run_id      TEXT NOT NULL REFERENCES run,
    key         TEXT NOT NULL,
    suite       TEXT NOT NULL,
    question_id TEXT NOT NULL,
    sample      INTEGER NOT NULL,
    message     TEXT NOT NULL,
    attempts    INTEGER NOT NULL,
    created     TEXT NOT NULL,
    PRIMARY KEY (run_id, key)
) WITHOUT ROWID;
"""

_UPGRADES = {1: "ALTER TABLE completion ADD COLUMN finish_word TEXT NOT NULL DEFAULT ''"}
"""What makes a schema the next one."""

_ARRIVED = COMPLETION_ROW[:-1]
"""The columns of a completion but for its verdict, which comes later."""
_COMPLETION_COLUMNS = ", ".join(_ARRIVED)


def utc_now() -> str:
    """The time now, UTC, ISO 8601 with seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Store:
    """The completions of all runs of one reports folder.

    Safe to use from several threads (one connection behind a lock) and several processes.

    Args:
        path: the SQLite file; made with its folder when `create` is set.
        create: whether a missing store is made; reading commands leave it False.

    Raises:
        StoreError: it cannot be opened, is not a store, or was written by a newer lrmtest.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        self._lock = threading.RLock()
        if not create and not path.exists():
            raise StoreError(
                f"there is no store at {path}",
                hint="run a suite first, or name the folder it wrote to with --reports-dir",
            )
        with self._errors("open"):
            path.parent.mkdir(parents=True, exist_ok=True)
            create_private(path)  # SQLite gives the files beside it the same mode
            self._db = sqlite3.connect(
                path, timeout=60, isolation_level=None, check_same_thread=False
            )
            self._db.execute("PRAGMA journal_mode = WAL")
            # NORMAL survives a killed process; only a power cut could lose the last moments.
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._migrate()

    def _migrate(self) -> None:
        if self._schema_version() < SCHEMA_VERSION:
            with self._transaction():
                # Another process may have done it while this one waited for the lock.
                self._upgrade(self._schema_version())
        version = self._schema_version()
        if version != SCHEMA_VERSION:
            raise StoreError(
                f"{self.path} has schema {version}, this lrmtest reads {SCHEMA_VERSION}",
                hint="upgrade lrmtest, or choose another folder with --reports-dir",
            )

    def _upgrade(self, version: int) -> None:
        if version == 0:
            for statement in filter(str.strip, _SCHEMA.split(";")):
                self._db.execute(statement)
        else:
            for older in range(version, SCHEMA_VERSION):
                self._db.execute(_UPGRADES[older])
        if version < SCHEMA_VERSION:
            self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _schema_version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except (sqlite3.Error, OSError, OverflowError, UnicodeEncodeError) as error:
                text = str(error)
                hint = "check the file and its folder; --reports-dir chooses another one"
                name = getattr(error, "sqlite_errorname", "")
                # A quota or a limit on the size of files is an error of writing.
                if name in ("SQLITE_FULL", "SQLITE_IOERR_WRITE") or (
                    getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
                ):
                    hint = "free some space and give the same command again: it continues"
                elif "not a database" in text or "malformed" in text:
                    hint = "the file is damaged: move it away and give the same command again"
                raise StoreError(f"cannot {doing} the store {self.path}: {text}", hint=hint) from (
                    error
                )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the file; further calls fail."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # Runs

    def add_run(self, run_id: str, model: str, identity: str, manifest: Manifest) -> RunHead:
        """Begin a run.

        Raises:
            StoreError: the file cannot be written, or the id is taken.
        """
        created = utc_now()
        with self._errors("write"):
            self._db.execute(
                "INSERT INTO run VALUES (?, ?, ?, ?, NULL, ?)",
                (run_id, model, identity, created, _dump(manifest.to_json())),
            )
        return RunHead(run_id, model, created, None, manifest, identity)

    def update_manifest(self, run_id: str, manifest: Manifest) -> None:
        """Replace a run's manifest, and mark the run as not finished."""
        with self._errors("write"):
            self._db.execute(
                "UPDATE run SET manifest = ?, finished = NULL WHERE run_id = ?",
                (_dump(manifest.to_json()), run_id),
            )

    def finish_run(self, run_id: str) -> str:
        """Note that everything planned for a run is there; returns the time that is noted."""
        now = utc_now()
        with self._errors("write"):
            self._db.execute("UPDATE run SET finished = ? WHERE run_id = ?", (now, run_id))
        return now

    def runs(self, *, identity: str | None = None) -> list[RunHead]:
        """All runs, or those with this identity, newest first."""
        query = "SELECT run_id, model, created, finished, manifest, identity FROM run"
        values: tuple[str, ...] = ()
        if identity is not None:
            query += " WHERE identity = ?"
            values = (identity,)
        with self._errors("read"):
            rows = self._db.execute(query + " ORDER BY created DESC, rowid DESC", values).fetchall()
        return [
            RunHead(run_id, model, created, finished, Manifest.from_json(json.loads(raw)), identity)
            for run_id, model, created, finished, raw, identity in rows
        ]

    def run(self, name: str, *, other_than: Collection[str] = ()) -> RunHead:
        """The run with this id, or the only one whose id begins so.

        ``last`` is the newest run, ``last:MODEL`` the newest of a model.

        Args:
            name: as above.
            other_than: ids of runs that do not count.

        Raises:
            UsageError: no run or several runs answer to the name.
        """
        runs = [run for run in self.runs() if run.run_id not in other_than]
        if name == "last" and runs:
            return runs[0]
        if name.startswith("last:"):
            of_model = [run for run in runs if run.model == name.removeprefix("last:")]
            if of_model:
                return of_model[0]
        exact = [run for run in runs if run.run_id == name]
        matches = exact or [run for run in runs if run.run_id.startswith(name)]
        if len(matches) == 1:
            return matches[0]
        if not matches:
            raise UsageError(
                f"no{' other' * bool(other_than)} run is called {name!r} in {self.path}",
                hint="`lrmtest runs` lists them; `last` is the newest, `last:MODEL` the newest "
                "of a model",
            )
        raise UsageError(
            f"{name!r} is the beginning of {len(matches)} runs",
            hint="one of: " + ", ".join(run.run_id for run in matches[:5]),
        )

    # Questions

    def add_questions(
        self,
        run_id: str,
        questions: Iterable[tuple[str, str, Question | None, Sequence[tuple[str, str]]]],
    ) -> None:
        """Remember what was asked: (suite, question id, question, messages).

        The question is None for a test's own prompt. A question already there is replaced.
        """
        rows = [
            (
                run_id,
                suite,
                question_id,
                _dump(question and question_to_json(question)),
                _dump(list(messages)),
            )
            for suite, question_id, question, messages in questions
        ]
        with self._errors("write"), self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO question VALUES (?, ?, ?, ?, ?)", rows)

    def question(self, run_id: str, suite: str, question_id: str) -> StoredQuestion | None:
        """One question as it was asked in a run; None when the run does not have it."""
        with self._errors("read"):
            row = self._db.execute(
                "SELECT content, prompt FROM question "
                "WHERE run_id = ? AND suite = ? AND question_id = ?",
                (run_id, suite, question_id),
            ).fetchone()
        return None if row is None else _stored_question(*row)

    def questions(self, run_id: str) -> Iterator[tuple[str, str, StoredQuestion]]:
        """All of a run's questions as (suite, question id, question), one at a time."""
        query = (
            "SELECT suite, question_id, content, prompt FROM question "
            "WHERE run_id = ? ORDER BY suite, question_id"
        )
        for suite, question_id, content, prompt in self._rows(query, (run_id,)):
            yield suite, question_id, _stored_question(content, prompt)

    # Completions

    def add_completion(
        self,
        run_id: str,
        place: Place,
        completion: Completion,
        *,
        created: str | None = None,
    ) -> None:
        """Write one completion, committed on return. An engine error it repairs is removed.

        A key that the run has already keeps its first completion.

        Raises:
            StoreError: it could not be written, for example because the disk is full.
        """
        row = completion_to_row(StoredCompletion(place, completion, created or utc_now(), None))
        row["text"] = zlib.compress(completion.text.encode("utf-8", "surrogatepass"), level=3)
        with self._errors("write"), self._transaction():
            self._db.execute(
                f"INSERT OR IGNORE INTO completion (run_id, {_COMPLETION_COLUMNS}) "
                f"VALUES (?{', ?' * len(_ARRIVED)})",
                (run_id, *(row[name] for name in _ARRIVED)),
            )
            self._db.execute(
                "DELETE FROM engine_error WHERE run_id = ? AND key = ?", (run_id, place.key)
            )

    def add_error(self, run_id: str, place: Place, message: str, attempts: int) -> None:
        """Remember that the engine failed to produce a completion."""
        error = error_to_row(StoredError(place, message, attempts))
        with self._errors("write"):
            self._db.execute(
                "INSERT OR REPLACE INTO engine_error VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (run_id, *error.values(), utc_now()),
            )

    def keys(self, run_id: str) -> set[str]:
        """The keys of the completions a run has."""
        with self._errors("read"):
            rows = self._db.execute(
                "SELECT key FROM completion WHERE run_id = ?", (run_id,)
            ).fetchall()
        return {row[0] for row in rows}

    def adopt(
        self, run_id: str, keys: Iterable[str], *, of: Collection[str] | None = None
    ) -> set[str]:
        """Copy completions with these keys from other runs into this one.

        Equal keys mean equal model, prompt, settings and seed, so another run's completion is
        this one's too: after a changed prompt in one suite the others need no new generation.

        Args:
            run_id: this run.
            keys: what it lacks.
            of: ids of the runs to take them from; None for all.

        Returns:
            The keys that were found.
        """
        found: set[str] = set()
        runs = "" if of is None else " AND run_id IN (SELECT value FROM json_each(?))"
        sources = () if of is None else (_dump(list(of)),)
        with self._errors("write"), self._transaction():
            for key in keys:
                cursor = self._db.execute(
                    f"INSERT OR IGNORE INTO completion (run_id, {_COMPLETION_COLUMNS}) "
                    f"SELECT ?, {_COMPLETION_COLUMNS} FROM completion "
                    f"WHERE key = ?{runs} ORDER BY id LIMIT 1",
                    (run_id, key, *sources),
                )
                if cursor.rowcount > 0:
                    found.add(key)
        return found

    def completion(self, run_id: str, key: str) -> StoredCompletion | None:
        """One completion with its text; None when the run does not have it."""
        with self._errors("read"):
            row = self._db.execute(
                f"SELECT {_COMPLETION_COLUMNS}, verdict FROM completion "
                "WHERE run_id = ? AND key = ?",
                (run_id, key),
            ).fetchone()
        return None if row is None else _completion(row)

    def completions(
        self, run_id: str, *, question_id: str | None = None
    ) -> Iterator[StoredCompletion]:
        """A run's completions, or one question's, in order of suite, question and sample.

        They are read one at a time: a run's texts together may not fit in memory.
        """
        query = f"SELECT {_COMPLETION_COLUMNS}, verdict FROM completion WHERE run_id = ?"
        values: tuple[str, ...] = (run_id,)
        if question_id is not None:
            query += " AND question_id = ?"
            values = (run_id, question_id)
        for row in self._rows(query + " ORDER BY suite, question_id, sample", values):
            yield _completion(row)

    def expected_tokens(self, model: str) -> dict[tuple[str, str], float]:
        """Mean completion tokens by (suite, question id), of a model's completions so far.

        Of all models' when the store has none of this one's: hard questions are long for all.
        """
        query = (
            "SELECT c.suite, c.question_id, AVG(c.completion_tokens) FROM completion c "
            "JOIN run r USING (run_id) WHERE r.model = ? OR ? = '' GROUP BY 1, 2"
        )
        with self._errors("read"):
            for name in (model, ""):
                if rows := self._db.execute(query, (name, name)).fetchall():
                    return {(suite, question_id): mean for suite, question_id, mean in rows}
        return {}

    def record(self, run: RunHead) -> RunRecord:
        """A run with its samples, and what it lacks to be a baseline."""
        return run.with_samples(
            self.sample_records(run), store=self.path, lacking=self.lacking(run)
        )

    def sample_records(self, run: RunHead) -> list[SampleRecord]:
        """A record of every sample of a run, engine errors included, without reading texts.

        A completion that was never graded, because its test did not run, is left out.
        """
        columns = ["'' AS text" if name == "text" else name for name in COMPLETION_ROW]
        with self._errors("read"):
            rows = self._db.execute(
                f"SELECT {', '.join(columns)} FROM completion "
                "WHERE run_id = ? AND verdict IS NOT NULL ORDER BY suite, question_id, sample",
                (run.run_id,),
            ).fetchall()
        records = []
        for row in rows:
            stored = _stored_completion(dict(zip(COMPLETION_ROW, row, strict=True)))
            assert stored.verdict is not None
            records.append(
                SampleRecord.of(
                    run.model, stored.place, stored.completion, stored.verdict, reused=True
                )
            )
        return records + [
            SampleRecord(run.model, error.place, error=error.message)
            for error in self.errors(run.run_id)
        ]

    def lacking(self, run: RunHead) -> list[str]:
        """What a run lacks to be a baseline, in words; empty when it lacks nothing."""
        lacking = []
        if run.finished is None:
            lacking.append("not everything that was planned has been generated")
        if errors := len(self.errors(run.run_id)):
            lacking.append(f"{errors} sample{'s' * (errors > 1)} ended in an engine error")
        if ungraded := self._ungraded(run.run_id):
            tests = "its test" if ungraded == 1 else "their tests"
            lacking.append(
                f"{ungraded} completion{'s' * (ungraded > 1)} without a verdict, because {tests} "
                "did not run"
            )
        return lacking

    def _ungraded(self, run_id: str) -> int:
        """How many completions of suites' questions have no verdict: their tests did not run."""
        with self._errors("read"):
            row = self._db.execute(
                "SELECT COUNT(*) FROM completion "
                "WHERE run_id = ? AND suite != '' AND verdict IS NULL",
                (run_id,),
            ).fetchone()
        return int(row[0])

    def errors(self, run_id: str) -> list[StoredError]:
        """The engine errors of a run that no completion has repaired."""
        with self._errors("read"):
            rows = self._db.execute(
                f"SELECT {', '.join(ERROR_ROW)} FROM engine_error "
                "WHERE run_id = ? ORDER BY suite, question_id, sample",
                (run_id,),
            ).fetchall()
        return [error_from_row(dict(zip(ERROR_ROW, row, strict=True))) for row in rows]

    def set_verdicts(self, run_id: str, verdicts: Iterable[tuple[str, Verdict]]) -> None:
        """Write verdicts by completion key, replacing earlier ones, in one transaction."""
        rows = [(_dump(verdict_to_json(verdict)), run_id, key) for key, verdict in verdicts]
        with self._errors("write"), self._transaction():
            self._db.executemany(
                "UPDATE completion SET verdict = ? WHERE run_id = ? AND key = ?", rows
            )

    def _rows(self, query: str, values: tuple[str, ...]) -> Iterator[Any]:
        with self._errors("read"):
            cursor = self._db.execute(query, values)
        while True:
            with self._errors("read"):
                row = cursor.fetchone()
            if row is None:
                return
            yield row


def _dump(content: Any) -> str:
    # ASCII escapes keep lone surrogates, which a model may emit, valid in a TEXT column.
    return json.dumps(content, separators=(",", ":"))


def _stored_question(content: str, prompt: str) -> StoredQuestion:
    raw = json.loads(content)
    return StoredQuestion(
        question=None if raw is None else question_from_json(raw),
        prompt=tuple((role, text) for role, text in json.loads(prompt)),
    )


def _completion(values: Sequence[Any]) -> StoredCompletion:
    row = dict(zip(COMPLETION_ROW, values, strict=True))
    row["text"] = zlib.decompress(row["text"]).decode("utf-8", "surrogatepass")
    return _stored_completion(row)


def _stored_completion(row: dict[str, Any]) -> StoredCompletion:
    """A completion of its columns, the text in clear."""
    row["tokens_estimated"] = bool(row["tokens_estimated"])
    if row["verdict"] is not None:
        row["verdict"] = json.loads(row["verdict"])
    return completion_from_row(row)
