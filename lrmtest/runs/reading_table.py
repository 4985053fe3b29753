"""The store's readings: what models have read of traces, one row a trace, under a head each.

A reading is kept apart from the run whose traces it is of: those may be in a file, and many models
may read the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from lrmtest.errors import StoreError
from lrmtest.questions.place import Place
from lrmtest.runs.checked_rows import (
    READING_COLUMNS,
    READING_HEAD_COLUMNS,
    Reader,
    reading_head_row,
    reading_row,
)
from lrmtest.runs.database import Database
from lrmtest.runs.reading_manifest import ReadingManifest
from lrmtest.runs.readings import Reading, ReadingHead

_HEADS = f"SELECT {', '.join(READING_HEAD_COLUMNS)} FROM reading_head"
_INSERT = (
    f"INSERT INTO reading ({', '.join(READING_COLUMNS)}) "
    f"VALUES (?{', ?' * (len(READING_COLUMNS) - 1)}) ON CONFLICT (reading_id, key) DO NOTHING"
)


class ReadingTable:
    """Readings of one store, as `Store.readings`. Its methods raise as the store's do.

    Args:
        database: the store's file.
        read: reads its rows.
    """

    def __init__(self, database: Database, read: Reader) -> None:
        self._db = database
        self._read = read

    def begin(
        self,
        reading_id: str,
        run_id: str,
        reader: str,
        identity: str,
        manifest: ReadingManifest,
        *,
        created: str | None = None,
    ) -> ReadingHead:
        """Begin a reading; see `ReadingHead` for what is given.

        Raises:
            StoreError: the file cannot be written, or the id is taken.
        """
        created = created or datetime.now(UTC).isoformat(timespec="seconds")
        head = ReadingHead(reading_id, run_id, reader, identity, created, None, manifest)
        with self._db.transaction(), self._db.errors("write"):
            self._db.execute(
                f"INSERT INTO reading_head ({', '.join(READING_HEAD_COLUMNS)}) "
                f"VALUES (?{', ?' * (len(READING_HEAD_COLUMNS) - 1)})",
                reading_head_row(head),
            )
        return head

    def note(self, reading_id: str, manifest: ReadingManifest) -> None:
        """Replace a reading's manifest."""
        self._update(reading_id, manifest=manifest)

    def finish(self, reading_id: str) -> None:
        """Note that all that was planned has been read."""
        self._update(reading_id, finished=datetime.now(UTC).isoformat(timespec="seconds"))

    def _update(self, reading_id: str, **changes: Any) -> None:
        with self._db.transaction():
            head = self.head(reading_id)
            if head is None:
                raise StoreError(
                    f"reading {reading_id} is gone from {self._db.path}",
                    hint="do not change the store while it is used",
                )
            row = reading_head_row(replace(head, **changes))
            with self._db.errors("write"):
                self._db.execute(
                    "UPDATE reading_head "
                    f"SET {', '.join(f'{name} = ?' for name in READING_HEAD_COLUMNS[1:])} "
                    "WHERE reading_id = ?",
                    (*row[1:], reading_id),
                )

    def head(self, reading_id: str) -> ReadingHead | None:
        """The reading with just this id."""
        row = self._db.one(f"{_HEADS} WHERE reading_id = ?", (reading_id,))
        return None if row is None else self._read.reading_head(row)

    def heads(self, *, run_id: str | None = None, identity: str | None = None) -> list[ReadingHead]:
        """All readings, or those of a run's traces, or with this identity; newest first."""
        asked = {"run_id": run_id, "identity": identity}
        given = {name: value for name, value in asked.items() if value is not None}
        where = " AND ".join(f"{name} = ?" for name in given)
        query = f"{_HEADS}{' WHERE ' * bool(given)}{where} ORDER BY created DESC, rowid DESC"
        return [self._read.reading_head(row) for row in self._db.all(query, [*given.values()])]

    def add(self, reading_id: str, readings: Iterable[Reading]) -> None:
        """Write what was read in one transaction, committed on return.

        A key that the reading has already keeps what it has.

        Raises:
            StoreError: one could not be written; then none is.
        """
        rows = []
        for one in readings:
            try:
                rows.append(reading_row(reading_id, one))
            except ValueError as error:
                raise StoreError(
                    f"what was read of {' '.join(one.place.question)} sample "
                    f"{one.place.sample!r:.40} cannot be stored: {error}"
                ) from error
        with self._db.transaction(), self._db.errors("write"):
            self._db.many(_INSERT, rows)

    def keys(self, reading_id: str) -> set[str]:
        """The keys of the traces that have been read."""
        rows = self._db.all("SELECT key FROM reading WHERE reading_id = ?", (reading_id,))
        return {key for (key,) in rows}

    def places(self, reading_id: str) -> list[tuple[int, Place]]:
        """What has been read, in the order of `each`, with the number that `at` takes."""
        self._db.refuse_lost_rows("reading", "reading_id", reading_id)
        rows = self._db.all(
            "SELECT id, key, suite, question_id, sample FROM reading WHERE reading_id = ? "
            "ORDER BY suite, question_id, sample",
            (reading_id,),
        )
        return [(number, Place(*place)) for number, *place in rows]

    def at(self, number: int) -> Reading:
        """What was read of one trace, by its number."""
        query = f"SELECT {', '.join(READING_COLUMNS)} FROM reading WHERE id = ?"
        return self._read.reading(self._db.one(query, (number,)))

    def each(self, reading_id: str) -> Iterator[Reading]:
        """What was read, one trace at a time, in order of suite, question and sample."""
        for number, _ in self.places(reading_id):
            yield self.at(number)
