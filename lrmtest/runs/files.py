"""Writing files that others read: whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lrmtest.errors import StoreError

_HINT = "choose another file or free some space"


def write_whole(path: Path, text: str, *, what: str, hint: str = _HINT) -> None:
    """Write `text` to `path`, whole or not at all; missing folders are made.

    A reader never sees half a file, and a failure leaves what was there before. Something that
    is no regular file, such as /dev/stdout, is written to and not replaced.

    Args:
        path: the file.
        text: its content.
        what: what is written, for the message: ``the report``.
        hint: the next step when it fails.

    Raises:
        StoreError: the file cannot be written.
    """
    try:
        target = path.resolve()
        if target.exists() and not target.is_file() and not target.is_dir():
            target.write_text(text, encoding="utf-8")
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with _beside(target) as unfinished, unfinished.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(
            f"{what} cannot be written to {path}: {error.strerror or error}", hint=hint
        ) from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to, which takes its place if nothing goes wrong.

    Raises:
        StoreError: it cannot be written; what was there before is still there.
    """
    try:
        with _beside(path) as unfinished:
            yield unfinished
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}", hint=_HINT) from error


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    # In the same folder, since only a rename within one file system is atomic. Not by
    # `tempfile`, whose files are readable by their owner alone.
    unfinished = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        yield unfinished
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
