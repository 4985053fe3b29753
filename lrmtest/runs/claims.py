"""Claims: which completions each session is generating, so that no two generate the same.

Every session that generates for a run has a file beside the store, in which it writes the keys
that it has taken on, and which it keeps locked (flock). The kernel lifts the lock when the
process ends, however it ends, so a claim lives just as long as the session behind it. Sessions
claim inside a transaction of the store, one after the other.

A claim is only made of what is given to an engine in the same moment, which delivers it whatever
else its session does; so sessions that wait for each other's completions always get them.

This reaches as far as flock does: all processes of one machine, containers that share the folder
included; over NFS only where the server keeps locks. Where files cannot be locked, sessions know
nothing of each other and each generates for itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from lrmtest.runs.session_files import (
    files_of,
    is_locked,
    locked_file,
    removed,
    sessions_folder,
)

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


_SUFFIX = ".claims"
_BEGINNING_SECONDS = 600.0
_LOOK_SECONDS = 0.1


@contextmanager
def beginning(store: Path, what: str) -> Iterator[None]:
    """Let one session at a time find out which run of `what` it continues, or begin one.

    Two that did so at once would each begin a run of its own, and share nothing. Where files
    cannot be locked, or another one takes too long, nobody waits.

    Args:
        store: the store's file.
        what: what a session begins, so that others need not wait: an endpoint's URL.
    """
    folder = sessions_folder(store)
    path = folder / f"{hashlib.sha256(what.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}.lock"
    file = _locked(path)
    try:
        yield
    finally:
        if file is not None:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            file.close()
            with suppress(OSError):  # others are in it
                folder.rmdir()


def _locked(path: Path) -> IO[bytes] | None:
    """The file at `path`, made and locked; None where that cannot be had."""
    if fcntl is None:
        return None
    until = time.monotonic() + _BEGINNING_SECONDS
    while time.monotonic() < until:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("ab", buffering=0)
        except FileNotFoundError:  # whoever was in the folder has just left it
            continue
        except OSError:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Who had it has removed it since; a lock on what nobody finds is none.
            if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                return file
        except BlockingIOError:
            time.sleep(_LOOK_SECONDS)
        except FileNotFoundError:
            pass
        except OSError:
            file.close()
            return None
        file.close()
    return None


@dataclass(frozen=True, slots=True)
class Claimant:
    """The session behind a claim: its process and machine."""

    pid: int
    host: str

    def __str__(self) -> str:
        elsewhere = f" on {self.host}" if self.host != socket.gethostname() else ""
        return f"pid {self.pid}{elsewhere}"


class Claims:
    """What this session claims of a run, and what the others do.

    Not safe to use from several threads at once.

    Args:
        store: the store's file.
        run_id: the run.
    """

    def __init__(self, store: Path, run_id: str) -> None:
        self._store = store
        self._run_id = run_id
        self._file: IO[bytes] | None = None
        self._path: Path | None = None
        self._own: set[str] = set()
        self._others: dict[Path, _Other] = {}

    def others(self) -> dict[str, Claimant]:
        """The keys that other sessions are generating now."""
        for path in files_of(self._store, self._run_id, _SUFFIX):
            if path != self._path and path not in self._others:
                with suppress(OSError, ValueError):
                    self._others[path] = _Other.opened(path)
        found: dict[str, Claimant] = {}
        for path, other in list(self._others.items()):
            if is_locked(other.file):
                found |= dict.fromkeys(other.keys(), other.claimant)
            else:
                del self._others[path]
                other.file.close()
                # Nobody will write to it again; who else looks at it has it open.
                with suppress(OSError):
                    path.unlink(missing_ok=True)
        return found

    def claim(self, keys: Collection[str]) -> None:
        """Claim what nobody else does; inside a transaction of the store, after `others`."""
        new = set(keys) - self._own
        if new and self._opened():
            self._own |= new
            self._write("+", new)

    def release(self, keys: Collection[str]) -> None:
        """Leave keys to others: they were not generated, and are not being generated."""
        gone = self._own & set(keys)
        self._own -= gone
        if gone and self._file is not None:
            self._write("-", gone)

    def close(self) -> None:
        """Give up all claims."""
        self._own.clear()
        for other in self._others.values():
            other.file.close()
        self._others.clear()
        if self._file is not None and self._path is not None:
            removed(self._file, self._path)
            self._file = None

    def _opened(self) -> bool:
        """Whether this session has its file, locked."""
        if self._file is None:
            head = json.dumps({"pid": os.getpid(), "host": socket.gethostname()}) + "\n"
            made = locked_file(self._store, self._run_id, _SUFFIX, head.encode())
            if made is None:
                return False
            self._file, self._path = made
        return True

    def _write(self, sign: str, keys: Collection[str]) -> None:
        assert self._file is not None
        # What a full disk keeps from being written is generated twice, and not lost.
        with suppress(OSError):
            self._file.write("".join(f"{sign}{key}\n" for key in keys).encode())


@dataclass(slots=True)
class _Other:
    """The claims of another session, read as they are written."""

    file: IO[bytes]
    claimant: Claimant
    _keys: set[str] = field(default_factory=set)
    _rest: bytes = b""

    @classmethod
    def opened(cls, path: Path) -> _Other:
        """The session whose file this is.

        Raises:
            OSError, ValueError: it cannot be read.
        """
        file = path.open("rb")
        try:
            head = json.loads(file.readline())
            return cls(file, Claimant(int(head["pid"]), str(head["host"])))
        except (KeyError, TypeError, ValueError) as error:
            file.close()
            raise ValueError(str(error)) from error

    def keys(self) -> set[str]:
        """What it claims now."""
        *lines, self._rest = (self._rest + self.file.read()).split(b"\n")
        for line in lines:
            key = line[1:].decode("ascii", "replace")
            if line.startswith(b"+"):
                self._keys.add(key)
            else:
                self._keys.discard(key)
        return self._keys
