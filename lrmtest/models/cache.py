"""lrmtest's own cache folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from lrmtest.models.paths import user_path


def cache_dir() -> Path:
    """Where lrmtest keeps fetched models and file hashes; it may not exist yet.

    ``LRMTEST_CACHE``, else ``lrmtest`` in ``XDG_CACHE_HOME``, else ``~/.cache/lrmtest``.
    """
    if own := os.environ.get("LRMTEST_CACHE"):
        return user_path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "lrmtest"


def write_atomically(path: Path, text: str) -> None:
    """Put `text` at `path`: a reader sees the old file or the new one, never a part.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
