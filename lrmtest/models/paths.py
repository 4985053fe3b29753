"""Paths as users write them."""

from __future__ import annotations

import os
from pathlib import Path


def user_path(text: str) -> Path:
    """`text` as a path, its ``~`` replaced by the home folder where there is one."""
    try:
        return Path(text).expanduser()
    except (RuntimeError, ValueError):  # no such user; a NUL in the name
        return Path(text)


def is_there(path: Path) -> bool:
    """Whether something is at `path`; False for what cannot be a path at all."""
    # Path.exists raises for a name that is too long or in a folder one may not read.
    return os.path.exists(path)  # noqa: PTH110
