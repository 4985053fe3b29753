"""Reading zip files, Zstandard ones too, which `zipfile` knows from Python 3.14 on.

What a file unpacks to has limits, whatever its directory says: 3 MB of zip can hold gigabytes.
"""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import IO, Self

from lrmtest.bounded import LINE
from lrmtest.errors import DataError

_ZSTANDARD = 93
_MOST_DIRECTORY = 32 << 20
"""Bytes; a member takes 46 and its name."""
_MOST_UNPACKED = 4 << 30
"""Bytes of all members together, or `_RATIO` times the file, whichever is more."""
_RATIO = 100
_BLOCK = 1 << 20
_END = (1 << 16) + 22 + 76
"""Bytes of the records at the end, with the longest comment."""
_LOCAL_HEADER = 30
"""Bytes before the name; the lengths of name and extra field are the last four."""


class ZipMembers:
    """The members of a zip file, of each name the last.

    Args:
        path: the file.
        hint: what the reader should do about a file that is none.

    Raises:
        DataError: it is not a zip file, or is damaged.
    """

    def __init__(self, path: Path, hint: str) -> None:
        self._path = path
        self._hint = hint
        self._unpacked_bytes = 0
        try:
            self._most = max(_MOST_UNPACKED, _RATIO * path.stat().st_size)
            if _directory_size(path) > _MOST_DIRECTORY:
                raise self._too_much("a larger directory", _MOST_DIRECTORY)
            self._archive = zipfile.ZipFile(path)
        # A damaged directory makes zipfile raise NotImplementedError and ValueError, too.
        except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise DataError(f"{path}: {error}", hint=hint) from error
        self._members = {member.filename: member for member in self._archive.infolist()}
        if sum(member.file_size for member in self._members.values()) > self._most:
            raise self._too_much("members that unpack to more", self._most)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._archive.close()

    @property
    def names(self) -> tuple[str, ...]:
        """The members' names, in the order of the file."""
        return tuple(self._members)

    def read(self, name: str) -> bytes:
        """A member's content.

        Raises:
            DataError: it is not there, is damaged, unpacks to more than is read, or its
                compression cannot be read here.
        """
        member = self._members.get(name)
        if member is None:
            raise DataError(f"{self._path}: no {name} in it", hint=self._hint)
        # Whoever taught zipfile Zstandard in this process raises errors of its own.
        if member.compress_type == _ZSTANDARD:
            return self._unpacked(member)
        try:
            with self._archive.open(member) as content:
                return self._bounded(content, member)
        except NotImplementedError:
            raise DataError(
                f"{self._path}, {member.filename}: unknown compression {member.compress_type}",
                hint=self._hint,
            ) from None
        except (
            *(OSError, RuntimeError, ValueError, EOFError, struct.error, IndexError),
            *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
        ) as error:
            raise self._damaged(member, error) from error

    def _unpacked(self, member: zipfile.ZipInfo) -> bytes:
        try:
            zstandard = import_module("zstandard")
        except ImportError:
            raise DataError(
                f"{self._path}: its compression, Zstandard, cannot be read here",
                hint="pip install 'lrmtest[inspect]', or write the log as .json: "
                "inspect log convert",
            ) from None
        try:
            with self._path.open("rb") as file:
                file.seek(member.header_offset)
                name, extra = struct.unpack("<HH", file.read(_LOCAL_HEADER)[-4:])
                file.seek(name + extra, 1)
                packed = file.read(min(member.compress_size, LINE))
            with zstandard.ZstdDecompressor(max_window_size=LINE).stream_reader(
                BytesIO(packed), read_across_frames=True
            ) as reader:
                content = self._bounded(reader, member)
        except (OSError, ValueError, struct.error, zstandard.ZstdError) as error:
            raise self._damaged(member, error) from error
        if zlib.crc32(content) != member.CRC:
            raise self._damaged(member, ValueError("the checksum is wrong"))
        return content

    def _bounded(self, content: IO[bytes], member: zipfile.ZipInfo) -> bytes:
        """All of a member, as long as it and what was read before stay within the limits."""
        parts: list[bytes] = []
        size = 0
        while part := content.read(_BLOCK):
            parts.append(part)
            size += len(part)
            self._unpacked_bytes += len(part)
            if size > LINE:
                raise self._too_much(f"{member.filename}, which unpacks to more", LINE)
            if self._unpacked_bytes > self._most:
                raise self._too_much("members that unpack to more", self._most)
        return b"".join(parts)

    def _too_much(self, what: str, most: int) -> DataError:
        return DataError(
            f"{self._path}: {what} than {most >> 20} MiB, which is all that is read",
            hint="is it the file that was meant? Split the log, or look at it with its own tool",
        )

    def _damaged(self, member: zipfile.ZipInfo, error: Exception) -> DataError:
        return DataError(f"{self._path}, {member.filename}: damaged ({error})", hint=self._hint)


def _directory_size(path: Path) -> int:
    """Bytes of the list of members, by the record at the end of the file; 0 without one.

    `zipfile` reads the list whole. Layout: APPNOTE.TXT, 4.3.14 to 4.3.16.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _END))
        tail = file.read(_END)
    at = tail.rfind(b"PK\x05\x06")
    if at == -1 or len(tail) < at + 16:
        return 0
    (size,) = struct.unpack_from("<I", tail, at + 12)
    large = tail.rfind(b"PK\x06\x06", 0, at)
    if large != -1 and len(tail) >= large + 48:
        (size,) = struct.unpack_from("<Q", tail, large + 40)
    return int(size)
