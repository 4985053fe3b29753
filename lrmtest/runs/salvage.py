"""Salvage: all that can still be read of a damaged store, and what cannot.

SQLite gives up at the first damaged page. Here every row is asked for by itself, by its number or
its key, from both ends of a table and through its indexes, so that one page takes with it what
was on it and nothing else.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lrmtest.errors import DamagedStoreError, StoreError
from lrmtest.runs.checked_rows import (
    COMPLETION_COLUMNS,
    ERROR_COLUMNS,
    QUESTION_COLUMNS,
    READING_COLUMNS,
    READING_HEAD_COLUMNS,
    RUN_COLUMNS,
    TRACE_COLUMNS,
    Reader,
)
from lrmtest.runs.database import Database
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.readings import ReadingHead
from lrmtest.runs.records import RunHead
from lrmtest.runs.schema import SCHEMA_VERSION, TABLES_OF_TRACES
from lrmtest.runs.store import Store

_MOST_TOLD = 20
_GAPS = 4
"""Row numbers that no index knows are tried up to so many times the rows that are known."""


@dataclass(slots=True)
class RunRemains:
    """What can be read of a run.

    Attributes:
        head: the run; a stand-in without settings where its own row is lost.
        whole: its own row could be read.
        completions, questions, errors: how many rows can be read.
        damaged: how many cannot.
        verdicts_lost: completions that can be read, but not their verdicts.
        traces: of the completions that can be read, how many have one.
        traces_lost: how many traces cannot be read.
    """

    head: RunHead
    whole: bool = True
    completions: int = 0
    questions: int = 0
    errors: int = 0
    damaged: int = 0
    verdicts_lost: int = 0
    traces: int = 0
    traces_lost: int = 0


@dataclass(slots=True)
class Remains:
    """What can be read of a store.

    Attributes:
        runs: by their ids.
        readings: how much can be read of each reading of traces, by its id.
        messages: what is wrong, the first few, in words.
        faults: how many things are wrong.
    """

    runs: dict[str, RunRemains] = field(default_factory=dict)
    readings: dict[str, int] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    faults: int = 0

    def fault(self, message: str) -> None:
        """Note that something is wrong."""
        self.faults += 1
        if len(self.messages) < _MOST_TOLD:
            self.messages.append(message)

    def of(self, run_id: str) -> RunRemains:
        """The remains of a run; of one whose own row is lost, a stand-in.

        Its model is taken from its id. It is never continued, for nobody knows its settings, but
        its completions are found by their keys.
        """
        if run_id not in self.runs:
            self.fault(f"run {run_id!r:.80} itself is lost; its rows are kept without settings")
            head = RunHead(run_id, run_id.rsplit("-", 3)[0], "", None, Manifest(), "")
            self.runs[run_id] = RunRemains(head, whole=False)
        return self.runs[run_id]


def read_remains(path: Path, target: Store | None = None) -> Remains:
    """Read all of a store that can be read.

    Args:
        path: the store; nothing in it is changed.
        target: a new store that it is written to; None to look only.

    Raises:
        StoreError: it is not there, is no store at all, or `target` cannot be written.
    """
    database = Database(path, create=False, read_only=True)
    try:
        # Bytes that are no text are damage, which the row's own check finds.
        database.connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        return _Salvage(database, target).remains()
    finally:
        database.close()


class _Salvage:
    def __init__(self, database: Database, target: Store | None) -> None:
        self._reading = database.reading
        self._db = database.connection
        self._path = database.path
        self._target = target
        self._read = Reader(database.path)
        self._found = Remains()
        self._completions: set[tuple[str, str]] = set()
        self._heads: dict[str, ReadingHead] = {}

    def remains(self) -> Remains:
        # A session may begin a run and add to it meanwhile.
        with self._reading():
            self._check_file()
            if self._target is None:
                self._read_all()
            else:
                with self._target.transaction():
                    self._read_all()
        return self._found

    def _check_file(self) -> None:
        """What SQLite itself says of the file.

        Raises:
            StoreError: it is of a later version, or there is nothing to read.
        """
        try:
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            tables = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master")}
        except sqlite3.Error as error:
            raise DamagedStoreError(
                f"{self._path} is no store, or damaged at its very beginning: {error}",
                hint="nothing can be read without that; take it from a copy",
            ) from error
        if version > SCHEMA_VERSION and "completion" in tables:
            self._found.fault(f"it says to be of schema {version}, which is not known here")
        if "completion" not in tables and "run" not in tables:
            raise StoreError(f"{self._path} is an SQLite file, but no store of lrmtest")
        with suppress(sqlite3.Error):
            for (said,) in self._db.execute("PRAGMA integrity_check(100)"):
                if said != "ok":
                    self._found.fault(f"SQLite: {said}")
            return
        self._found.fault("SQLite cannot check the file to its end")

    def _read_all(self) -> None:
        for row in self._by_number("run", RUN_COLUMNS):
            self._take_run(row)
        for row in self._by_number("completion", ("run_id", *COMPLETION_COLUMNS)):
            self._take_completion(row)
        for row in self._by_key("question", ("run_id", *QUESTION_COLUMNS), 3):
            self._take_question(row)
        for row in self._by_key("engine_error", ("run_id", *ERROR_COLUMNS), 2):
            self._take_error(row)
        self._read_traces()
        if self._target is not None:
            for run in self._found.runs.values():
                # One that has lost something is not finished: the same command completes it.
                if run.head.finished and run.whole and not run.damaged:
                    self._target.finish_run(run.head.run_id)

    def _read_traces(self) -> None:
        """What only stores from schema 3 on have."""
        query = "SELECT name FROM sqlite_master WHERE type = 'table'"
        there = {name for (name,) in self._db.execute(query)}
        for table in sorted(TABLES_OF_TRACES - there) if there & TABLES_OF_TRACES else ():
            self._found.fault(f"table {table} is lost")
        if "trace" in there:
            for row in self._by_number("trace", TRACE_COLUMNS):
                self._take_trace(row)
        if "reading_head" in there:
            for row in self._by_number("reading_head", READING_HEAD_COLUMNS):
                self._take_reading_head(row)
        whole = set(self._heads)
        if "reading" in there:
            for row in self._by_number("reading", READING_COLUMNS):
                if not self._take_reading(row):
                    whole.discard(row[0])
        if self._target is not None:
            for head in self._heads.values():
                if head.finished and head.reading_id in whole:
                    self._target.readings.finish(head.reading_id)

    # Rows

    def _take_run(self, row: Sequence[Any]) -> None:
        try:
            head = self._read.run(row)
        except DamagedStoreError as error:
            self._found.fault(error.message)
            return
        self._found.runs[head.run_id] = RunRemains(head)
        self._add_run(head)

    def _run_of(self, run_id: object) -> RunRemains | None:
        if not isinstance(run_id, str) or not run_id.isprintable():
            self._found.fault(f"a row is of no run that can be: {run_id!r:.80}")
            return None
        if run_id not in self._found.runs:
            self._add_run(self._found.of(run_id).head)
        return self._found.of(run_id)

    def _add_run(self, head: RunHead) -> None:
        if self._target is not None:
            self._target.add_run(
                head.run_id, head.model, head.identity, head.manifest, created=head.created
            )

    def _take_completion(self, row: Sequence[Any]) -> None:
        run_id, *values = row
        if (run := self._run_of(run_id)) is None:
            return
        try:
            stored = self._read.completion(run_id, values)
        except DamagedStoreError as error:
            # Its verdict can be had again by grading.
            verdict = COMPLETION_COLUMNS.index("verdict")
            try:
                stored = self._read.completion(
                    run_id, [None if n == verdict else value for n, value in enumerate(values)]
                )
            except DamagedStoreError:
                run.damaged += 1
                self._found.fault(error.message)
                return
            run.verdicts_lost += 1
            self._found.fault(error.message)
        run.completions += 1
        self._completions.add((run_id, stored.place.key))
        if self._target is not None:
            self._target.add_completion(
                run_id, stored.place, stored.completion, created=stored.created
            )
            if stored.verdict is not None:
                self._target.set_verdicts(run_id, [(stored.place.key, stored.verdict)])

    def _take_question(self, row: Sequence[Any]) -> None:
        run_id, *values = row
        if (run := self._run_of(run_id)) is None:
            return
        try:
            asked = self._read.question(run_id, values)
        except DamagedStoreError as error:
            run.damaged += 1
            self._found.fault(error.message)
            return
        run.questions += 1
        if self._target is not None:
            self._target.add_questions(
                run_id, [(values[0], values[1], asked.question, asked.prompt)]
            )

    def _take_error(self, row: Sequence[Any]) -> None:
        run_id, *values = row
        if (run := self._run_of(run_id)) is None:
            return
        try:
            error = self._read.error(run_id, values)
        except DamagedStoreError as damage:
            run.damaged += 1
            self._found.fault(damage.message)
            return
        run.errors += 1
        if self._target is not None:
            self._target.add_error(run_id, error.place, error.message, error.attempts)

    def _take_trace(self, row: Sequence[Any]) -> None:
        if (run := self._run_of(row[0])) is None:
            return
        try:
            trace = self._read.trace(row)
        except DamagedStoreError as damage:
            run.traces_lost += 1
            self._found.fault(damage.message)
            return
        if tuple(row[:2]) not in self._completions:
            return  # its completion is lost, which has been told
        run.traces += 1
        if self._target is not None:
            self._target.add_trace(row[0], row[1], trace)

    def _take_reading_head(self, row: Sequence[Any]) -> None:
        try:
            head = self._read.reading_head(row)
        except DamagedStoreError as damage:
            self._found.fault(damage.message)
            return
        self._heads[head.reading_id] = head
        self._found.readings[head.reading_id] = 0
        if self._target is not None:
            self._target.readings.begin(
                head.reading_id,
                head.run_id,
                head.reader,
                head.identity,
                head.manifest,
                created=head.created,
            )

    def _take_reading(self, row: Sequence[Any]) -> bool:
        """Whether it can be read; what has lost its head can be read again from the traces."""
        try:
            reading = self._read.reading(row)
        except DamagedStoreError as damage:
            self._found.fault(damage.message)
            return False
        if row[0] not in self._heads:
            self._found.fault(f"a row is of no reading that is here: {row[0]!r:.80}")
            return False
        self._found.readings[row[0]] += 1
        if self._target is not None:
            self._target.readings.add(row[0], [reading])
        return True

    # Tables

    def _by_number(self, table: str, columns: Sequence[str]) -> Iterator[Sequence[Any]]:
        """A table's rows, each asked for by its number."""
        numbers: set[int] = set()
        whole = True
        for way in ("NOT INDEXED ORDER BY rowid", "NOT INDEXED ORDER BY rowid DESC", ""):
            whole &= self._numbers(f"SELECT rowid FROM {table} {way}", numbers)
        likely = max(numbers, default=0)
        if not whole and likely <= _GAPS * len(numbers) + 1000:
            numbers |= set(range(1, likely + 1))
        selected = self._selected(table, columns)
        for number in sorted(numbers):
            try:
                row = self._db.execute(
                    f"SELECT {selected} FROM {table} NOT INDEXED WHERE rowid = ?", (number,)
                ).fetchone()
            except (sqlite3.Error, OverflowError) as error:
                self._found.fault(f"row {number} of table {table} cannot be read: {error}")
                continue
            if row is not None:
                yield row

    def _numbers(self, query: str, numbers: set[int]) -> bool:
        """Gather what a query gives until it breaks; whether it came to its end."""
        try:
            for (number,) in self._db.execute(query):
                numbers.add(number)
        except sqlite3.Error:
            return False
        return True

    def _by_key(self, table: str, columns: Sequence[str], keys: int) -> Iterator[Sequence[Any]]:
        """The rows of a table without row numbers, from both ends up to where it breaks."""
        seen: set[tuple[Any, ...]] = set()
        key = columns[:keys]
        for direction in ("ASC", "DESC"):
            order = ", ".join(f"{name} {direction}" for name in key)
            query = f"SELECT {self._selected(table, columns)} FROM {table} ORDER BY {order}"
            try:
                for row in self._db.execute(query):
                    if row[:keys] not in seen:
                        seen.add(row[:keys])
                        yield row
            except sqlite3.Error as error:
                self._found.fault(f"table {table} cannot be read as a whole: {error}")
            else:
                return

    def _selected(self, table: str, columns: Sequence[str]) -> str:
        """The columns, also of a store of an earlier version that does not have all."""
        try:
            there = {row[1] for row in self._db.execute(f"PRAGMA table_info({table})")}
        except sqlite3.Error:
            return ", ".join(columns)
        absent = {"finish_word": "'' AS finish_word"}
        return ", ".join(
            name if name in there else absent.get(name, f"NULL AS {name}") for name in columns
        )
