"""Reading zip files, Zstandard ones too, which `zipfile` knows from Python 3.14 on."""

from __future__ import annotations

import struct
import zipfile
import zlib
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Self

from lrmtest.errors import DataError

_ZSTANDARD = 93
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
        try:
            self._archive = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(f"{path}: {error}", hint=hint) from error
        self._members = {member.filename: member for member in self._archive.infolist()}

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
            DataError: it is not there, is damaged, or its compression cannot be read here.
        """
        member = self._members.get(name)
        if member is None:
            raise DataError(f"{self._path}: no {name} in it", hint=self._hint)
        # Whoever taught zipfile Zstandard in this process raises errors of its own.
        if member.compress_type == _ZSTANDARD:
            return self._unpacked(member)
        try:
            return self._archive.read(member)
        except NotImplementedError:
            raise DataError(
                f"{self._path}, {member.filename}: unknown compression {member.compress_type}",
                hint=self._hint,
            ) from None
        except (OSError, RuntimeError, zipfile.BadZipFile, zlib.error, EOFError) as error:
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
                packed = file.read(member.compress_size)
            with zstandard.ZstdDecompressor().stream_reader(
                BytesIO(packed), read_across_frames=True
            ) as reader:
                content: bytes = reader.read()
        except (OSError, struct.error, zstandard.ZstdError) as error:
            raise self._damaged(member, error) from error
        if zlib.crc32(content) != member.CRC:
            raise self._damaged(member, ValueError("the checksum is wrong"))
        return content

    def _damaged(self, member: zipfile.ZipInfo, error: Exception) -> DataError:
        return DataError(f"{self._path}, {member.filename}: damaged ({error})", hint=self._hint)
