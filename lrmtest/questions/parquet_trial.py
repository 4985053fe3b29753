"""A trial of a Parquet file: can it be read without the end of the process?

pyarrow reads Parquet in C++. Some damaged files make it give up with an exception that Python never
sees, and the process with it. So a file is read once in a process of its own, in bounded time and
memory, before it is in this one.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

from lrmtest.errors import DataError
from lrmtest.questions import parquet_worker
from lrmtest.unicode import quote

SECONDS = 600.0
"""Of computing; a gigabyte takes a few."""
_PATIENCE = 3600.0
"""Seconds on the clock, for a machine that has much else to do."""


def try_parquet(
    source: Path | bytes, name: str | Path, *, hint: str, seconds: float = SECONDS
) -> None:
    """Read a Parquet file whole in a process of its own.

    Args:
        source: the file, or what is in it.
        name: what the file is called in an error.
        hint: what may be done then.
        seconds: of computing.

    Raises:
        DataError: no process comes to the end of it. A file that is no Parquet at all passes: its
            reader can say what is wrong.
    """
    try:
        if isinstance(source, bytes):
            why = _trial("-", source, seconds)
        else:
            state = source.stat()
            why = _trial_of_file(str(source), state.st_size, state.st_mtime_ns, seconds)
    except OSError as error:
        raise DataError(f"{name}: {error.strerror or error}", hint=hint) from error
    if why:
        raise DataError(f"{name}: not a readable Parquet file ({why})", hint=hint)


@lru_cache(maxsize=64)
def _trial_of_file(path: str, size: int, changed: int, seconds: float) -> str:
    """As `_trial`, once for a file as it is: its format is found out before it is read."""
    return _trial(path, None, seconds)


def _trial(path: str, content: bytes | None, seconds: float) -> str:
    """Why a file cannot be read; empty if it can."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", parquet_worker.__file__, str(seconds), path],
            input=content,
            stdin=subprocess.DEVNULL if content is None else None,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return f"not read within {_PATIENCE:g} s"
    if done.returncode == -signal.SIGPROF:
        return f"{seconds:g} s of computing were not enough to read it"
    if done.returncode < 0:
        words = done.stderr.decode("utf-8", "replace").strip().rpartition("what():")[2]
        return f"what reads it dies of it: {quote(words, 200)}"
    return ""
