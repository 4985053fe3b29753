"""Files: written whole or not at all, their owner's alone unless they are shared; their hash.

What a model wrote, and the questions that it was asked, need not be for everybody on a machine. A
file that is there already keeps its mode. In a folder that is shared on purpose, with a group to
write to it and the setgid bit (``chmod 2770``), new files are its group's.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lrmtest.errors import StoreError

_HINT = "choose another file or free some space"


def private_mode(folder: Path) -> int:
    """The mode of a new file in `folder`: its owner's alone, or the group's that shares it.

    Raises:
        OSError: there is no such folder.
    """
    mode = folder.stat().st_mode
    shared = stat.S_ISGID | stat.S_IWGRP
    return 0o660 if mode & shared == shared else 0o600


def create_private(path: Path) -> None:
    """Make an empty file at `path`, with `private_mode`, unless something is there.

    Raises:
        OSError: it cannot be made.
    """
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return
    try:
        os.fchmod(handle, private_mode(path.parent))
    finally:
        os.close(handle)


def write_whole(
    path: Path, text: str, *, what: str, hint: str = _HINT, private: bool = True
) -> None:
    """Write `text` to `path`, whole or not at all; missing folders are made.

    A reader never sees half a file, and a failure leaves what was there before. Something that
    is no regular file, such as /dev/stdout, is written to and not replaced.

    Args:
        path: the file.
        text: its content.
        what: what is written, for the message: ``the report``.
        hint: the next step when it fails.
        private: False for what is made to be handed on, such as a baseline: the umask decides.

    Raises:
        StoreError: the file cannot be written.
    """
    try:
        target = path.resolve()
        if target.exists() and not target.is_file() and not target.is_dir():
            target.write_text(text, encoding="utf-8")
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            _beside(target, private=private) as unfinished,
            unfinished.open("w", encoding="utf-8") as file,
        ):
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
def _beside(target: Path, *, private: bool = True) -> Iterator[Path]:
    # In the same folder, since only a rename within one file system is atomic.
    unfinished = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        if private:
            create_private(unfinished)
        else:
            unfinished.touch(exist_ok=False)
        if target.is_file():
            unfinished.chmod(stat.S_IMODE(target.stat().st_mode))
        yield unfinished
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
