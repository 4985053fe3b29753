"""The fingerprint of a file: what tells, without reading it, that it has not changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from lrmtest.errors import ModelError

# A file written this recently could be written again within one tick of its file system's clock.
_SETTLED_SECONDS = 2.0
_REMEMBERED = 512  # files; DeepSeek-R1 has 163

_P = ParamSpec("_P")
_R = TypeVar("_R")


def fingerprint(file: Path) -> str:
    """Size, time of change and inode of `file`.

    Raises:
        ModelError: it cannot be looked at.
    """
    try:
        status = file.stat()
    except OSError as error:
        raise ModelError(f"cannot read {file}: {error.strerror or error}") from error
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"


def settled(file: Path) -> bool:
    """Whether an equal fingerprint later on means that `file` is the same."""
    return file.stat().st_mtime_ns < time.time_ns() - int(_SETTLED_SECONDS * 1e9)


def read_once(
    read: Callable[Concatenate[Path, _P], _R],
) -> Callable[Concatenate[Path, _P], _R]:
    """`read`, which is called only once for a file that does not change.

    Args:
        read: of a file, and of what else it is given by position, which must be hashable. What
            it returns must not be changed by whoever gets it.

    Raises:
        ModelError: from the returned function: the file cannot be looked at.
    """
    known: dict[tuple[object, ...], _R] = {}

    @wraps(read)
    def remembered(file: Path, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        key = (file.absolute(), fingerprint(file), *args, *kwargs.items())
        if key in known:
            return known[key]
        found = read(file, *args, **kwargs)
        if settled(file) and fingerprint(file) == key[1]:
            if len(known) >= _REMEMBERED:
                known.clear()
            known[key] = found
        return found

    return remembered
