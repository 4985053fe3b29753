"""A store's file: the SQLite connection, its transactions, and what can go wrong with it in words.

Waiting for a locked file, finding out that the file is gone from its place, and telling damage
from a full disk are all here, so that what reads and writes rows need not know of them.
"""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from lrmtest.errors import DamagedStoreError, LockedStoreError, MissingStoreError, StoreError
from lrmtest.progress import Tell, silent
from lrmtest.runs.files import create_private
from lrmtest.runs.schema import SCHEMA, SCHEMA_VERSION, UPGRADES, tables_of

PATIENCE = 60.0
"""Seconds that a locked store is waited for, unless the user says otherwise."""

_AT_ONCE = 0.5  # seconds that SQLite itself waits, between two looks at whether to go on
_TELL_AFTER = 3.0
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT)


def check_hint(path: Path) -> str:
    """The next step for a damaged store."""
    return (
        f"`lrmtest check --reports-dir {path.parent}` says what can still be read, and "
        "`--salvage DIR` writes that to a new store, with which the run continues"
    )


class Database:
    """One connection to a store's file, safe to use from several threads.

    Args:
        path: the SQLite file; made with its folder when `create` is set.
        create: whether a missing store is made.
        patience: seconds that it is waited for when another program has locked it.
        tell: told when that takes long.
        read_only: nothing may be written, not even the upgrade of an older store.

    Raises:
        StoreError: it cannot be opened, is not a store, or was written by a newer lrmtest.
    """

    def __init__(
        self,
        path: Path,
        *,
        create: bool = True,
        patience: float = PATIENCE,
        tell: Tell = silent,
        read_only: bool = False,
    ) -> None:
        self.path = path
        self._patience = patience
        self._tell = tell
        self._lock = threading.RLock()
        self._depth = 0
        self._gone: StoreError | None = None
        with self.errors("open"):
            missing = not create and not path.exists()
        if missing:
            raise MissingStoreError(
                f"there is no store at {path}",
                hint="run a suite first, or name the folder it wrote to with --reports-dir",
            )
        with self.errors("open"):
            path.parent.mkdir(parents=True, exist_ok=True)
            create_private(path)  # SQLite gives the files beside it the same mode
            self.connection = sqlite3.connect(
                path, timeout=_AT_ONCE, isolation_level=None, check_same_thread=False
            )
        try:
            with self.errors("open"):
                if read_only:
                    self.refuse_writing()
                else:
                    self._make_ready()
                self._inode = _inode(path)
        except BaseException:
            self.connection.close()
            raise

    def _make_ready(self) -> None:
        with self.reading():  # another process may be making the tables
            tables = {row[0] for row in self.execute("SELECT name FROM sqlite_master")}
            version = self._version()
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{self.path} has schema {version}, this lrmtest reads {SCHEMA_VERSION}",
                hint="upgrade lrmtest, or choose another folder with --reports-dir",
            )
        # Before anything is changed in it.
        if tables if version == 0 else not tables >= tables_of(version):
            raise StoreError(
                f"{self.path} is an SQLite file, but no store of lrmtest",
                hint="choose another folder with --reports-dir; or, if it was a store: "
                + check_hint(self.path),
            )
        self.execute("PRAGMA journal_mode = WAL")
        # NORMAL survives a killed process; only a power cut could lose the last moments.
        self.execute("PRAGMA synchronous = NORMAL")
        if version < SCHEMA_VERSION:
            self._inode = _inode(self.path)
            with self.transaction():
                # Another process may have done it while this one waited for the lock.
                self._upgrade(self._version())

    def refuse_writing(self) -> None:
        """Let SQLite refuse whatever would write from now on, or lock out who writes."""
        self.execute("PRAGMA query_only = ON")

    def _version(self) -> int:
        return int(self.execute("PRAGMA user_version").fetchone()[0])

    def _upgrade(self, version: int) -> None:
        steps = [UPGRADES[older] for older in range(version, SCHEMA_VERSION) if older]
        scripts = steps if version else [SCHEMA]
        for statement in filter(str.strip, ";".join(scripts).split(";")):
            self.execute(statement)
        self.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    # Statements

    def execute(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run one statement; inside `errors`, which says what went wrong."""
        if self._depth:  # whoever is in a transaction that writes need not wait any more
            return self.connection.execute(sql, values)
        return self._patiently(sql, values, self._patience)

    def _patiently(self, sql: str, values: Sequence[Any], patience: float) -> sqlite3.Cursor:
        """Run a statement as soon as nobody has the file locked.

        In short rounds, so that Ctrl-C is heard and the user hears why nothing happens.
        """
        began, told = time.monotonic(), False
        while True:
            try:
                return self.connection.execute(sql, values)
            except sqlite3.OperationalError as error:
                if not _is(error, _LOCKED):
                    raise
                waited = time.monotonic() - began
                if waited >= patience:
                    raise LockedStoreError(
                        f"the store {self.path} has been locked by another program "
                        f"for {waited:.0f} s",
                        hint="end what holds it (an open database tool, a backup, a stopped run) "
                        "and give the same command again: it continues",
                    ) from error
            if waited >= _TELL_AFTER and not told:
                told = True
                self._tell(
                    f"the store {self.path} is locked by another program; waiting for it, "
                    f"for up to {patience:.0f} s"
                )

    def rows(self, query: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        """What a query finds, one row at a time."""
        with self.errors("read"):
            cursor = self.execute(query, values)
        while True:
            with self.errors("read"):
                row = cursor.fetchone()
            if row is None:
                return
            yield row

    def all(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        """All that a query finds."""
        with self.errors("read"):
            return self.execute(query, values).fetchall()

    def one(self, query: str, values: Sequence[Any] = ()) -> Any:
        """The first row that a query finds; None without one."""
        with self.errors("read"):
            return self.execute(query, values).fetchone()

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run one statement for each row; inside `errors`, and in a transaction.

        Returns:
            How many rows it has written or changed.
        """
        return self.connection.executemany(sql, rows).rowcount

    def refuse_lost_rows(self, table: str, column: str, value: str) -> None:
        """Compare a table's rows for a value with those in its index: damage can hide some.

        Raises:
            DamagedStoreError: they differ.
        """
        count = f"SELECT COUNT(*) FROM {table}"
        with self.reading():
            (in_index,) = self.one(f"{count} WHERE {column} = ?", (value,))
            (in_table,) = self.one(f"{count} NOT INDEXED WHERE {column} = ?", (value,))
        if in_index != in_table:
            raise DamagedStoreError(
                f"the store {self.path} is damaged: {value} has {in_table} rows in table {table} "
                f"and {in_index} in its index",
                hint=check_hint(self.path),
            )

    @contextmanager
    def reading(self) -> Iterator[None]:
        """All that is read inside is of one moment: another session may be writing meanwhile.

        Nothing is written inside. One inside another, or inside a transaction, is a part of it.
        """
        with self._lock:
            if self.connection.in_transaction:
                yield
                return
            self.connection.execute("BEGIN")  # readers and writers do not wait for each other
            try:
                yield
            finally:
                with suppress(sqlite3.Error):
                    self.connection.execute("ROLLBACK")

    @contextmanager
    def transaction(self, patience: float | None = None) -> Iterator[None]:
        """All that is written inside is there together, or not at all.

        One inside another is a part of it.

        Args:
            patience: seconds to wait for a locked file, if not as long as usual.

        Raises:
            LockedStoreError: it stayed locked. Nothing has been written.
            StoreError: it cannot be written, or is gone from its place.
        """
        with self._lock:
            if self._depth:
                self._depth += 1
                try:
                    yield
                finally:
                    self._depth -= 1
                return
            with self.errors("write"):
                self._refuse_if_gone()
                self._patiently(
                    "BEGIN IMMEDIATE", (), self._patience if patience is None else patience
                )
            self._depth = 1
            try:
                yield
                with self.errors("write"):
                    self.connection.execute("COMMIT")
            finally:
                self._depth = 0
                if self.connection.in_transaction:
                    with suppress(sqlite3.Error):
                        self.connection.execute("ROLLBACK")

    @contextmanager
    def errors(self, doing: str) -> Iterator[None]:
        """Turn what SQLite and the system say into a `StoreError`.

        Args:
            doing: what is tried: ``open``, ``read`` or ``write``.
        """
        with self._lock:
            try:
                yield
            except (sqlite3.Error, OSError) as error:
                raise self._in_words(doing, error) from error
            except (OverflowError, UnicodeEncodeError) as error:
                raise StoreError(
                    f"cannot {doing} the store {self.path}: a value cannot be stored: {error}"
                ) from error

    def _in_words(self, doing: str, error: Exception) -> StoreError:
        message = f"cannot {doing} the store {self.path}: {error}"
        name = getattr(error, "sqlite_errorname", "")
        # A quota or a limit on the size of files is an error of writing.
        if name in ("SQLITE_FULL", "SQLITE_IOERR_WRITE") or (
            getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        ):
            return StoreError(
                message, hint="free some space and give the same command again: it continues"
            )
        if _is(error, (sqlite3.SQLITE_NOTADB,)):
            return DamagedStoreError(
                message,
                hint="the file is no store, or damaged at its beginning, without which nothing can "
                "be read: take it from a copy, or move it away and give the same command again",
            )
        if _is(error, _DAMAGED) or "decode" in str(error) or _schema_is_damaged(error):
            return DamagedStoreError(
                f"the store {self.path} is damaged: {error}", hint=check_hint(self.path)
            )
        return StoreError(
            message, hint="check the file and its folder; --reports-dir chooses another one"
        )

    # The file's place

    def _refuse_if_gone(self) -> None:
        """Write nothing to a file that nobody will find again.

        Raises:
            StoreError: the file was deleted or replaced. What it held is in a file again.
        """
        if self._gone is None and _inode(self.path) != self._inode:
            self._gone = self._rescued()
        if self._gone is not None:
            raise self._gone

    def _rescued(self) -> StoreError:
        """Write what the lost file holds, which is open here still, back to its place."""
        deleted = not self.path.exists()
        what = f"the store {self.path} was {'deleted' if deleted else 'replaced'} while it was used"
        place = self.path
        if not deleted and self._is_written_back():
            return StoreError(
                f"the store {self.path} was deleted while it was used; what it held has been "
                "written back",
                hint="give the same command again: it continues",
            )
        if not deleted:
            place = place.with_name(f"{place.stem}-{secrets.token_hex(2)}{place.suffix}")
        unfinished = place.with_name(f".{place.name}.{secrets.token_hex(4)}.part")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            create_private(unfinished)
            with closing(sqlite3.connect(unfinished)) as copy:
                self.connection.backup(copy)
            # Another process that had it open may do the same: the first one's stays.
            with suppress(FileExistsError):
                os.link(unfinished, place)
        except (sqlite3.Error, OSError) as error:
            return StoreError(
                f"{what}, and what it held cannot be written back: {error}",
                hint="the same command generates it anew",
            )
        finally:
            unfinished.unlink(missing_ok=True)
        return StoreError(
            f"{what}; what it held has been written back to {place}",
            hint="give the same command again: it continues"
            if deleted
            else f"put it back in its place, or move it to a folder of its own as {self.path.name} "
            "and give the same command again with that --reports-dir: it continues",
        )

    def _is_written_back(self) -> bool:
        """Whether the file that is there now has all completions of the one that was."""
        query = "SELECT run_id, key FROM completion"
        try:
            with closing(sqlite3.connect(self.path)) as there:
                return {*self.connection.execute(query)} <= {*there.execute(query)}
        except sqlite3.Error:
            return False

    def close(self) -> None:
        """Close the file; further calls fail."""
        with self._lock:
            self.connection.close()


def _is(error: Exception, codes: Sequence[int]) -> bool:
    # The lowest byte is the error, what is above it says more of it.
    return getattr(error, "sqlite_errorcode", -1) & 0xFF in codes


def _schema_is_damaged(error: Exception) -> bool:
    """Whether a table or a column is missing that every store has."""
    return any(words in str(error) for words in ("no such table", "no such column"))


def _inode(path: Path) -> tuple[int, int] | None:
    """Which file is at a place; None without one."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
