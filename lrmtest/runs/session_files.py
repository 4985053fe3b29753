"""The files of sessions: one for each that generates, beside the store, locked while it lives.

The kernel lifts the lock (flock) when the process ends, however it ends. A file that is there and
locked is a session's at work; one that is not locked is a dead session's.

This reaches as far as flock does: all processes of one machine, containers that share the folder
included; over NFS only where the server keeps locks.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def sessions_folder(store: Path) -> Path:
    """The folder of a store's session files; it is there while a session is."""
    return store.with_name(f"{store.name}-sessions")


def mark_of(run_id: str) -> str:
    """By what the names of a run's files begin."""
    return hashlib.sha256(run_id.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def files_of(store: Path, run_id: str, suffix: str) -> Iterator[Path]:
    """The files of a run's sessions, living and dead ones."""
    with suppress(OSError):
        yield from sessions_folder(store).glob(f"{mark_of(run_id)}-*{suffix}")


def locked_file(
    store: Path, run_id: str, suffix: str, content: bytes
) -> tuple[IO[bytes], Path] | None:
    """A new file of this session, locked, that others see with its first content.

    Returns:
        None where files cannot be locked, or it cannot be made.
    """
    if fcntl is None:
        return None
    folder = sessions_folder(store)
    name = f"{mark_of(run_id)}-{os.getpid()}-{secrets.token_hex(4)}"
    unfinished = folder / f"{name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = unfinished.open("xb", buffering=0)
        unfinished.chmod(0o600)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.write(content)
        # Seen by others only now: a file that is there and not locked is a dead session's.
        path = unfinished.with_suffix(suffix)
        unfinished.rename(path)
    except OSError:
        file.close()
        unfinished.unlink(missing_ok=True)
        return None
    return file, path


def removed(file: IO[bytes], path: Path) -> None:
    """Take this session's file away, and the folder if nobody is left in it."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
    file.close()
    with suppress(OSError):  # others are in it
        path.parent.rmdir()


def is_locked(file: IO[bytes]) -> bool:
    """Whether the session whose file this is still lives."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no locks here
        return False
    fcntl.flock(file, fcntl.LOCK_UN)
    return False
