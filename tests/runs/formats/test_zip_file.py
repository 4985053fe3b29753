"""Zip files of logs: what they unpack to is bounded, whatever their directory says."""

from __future__ import annotations

import struct
import time
import tracemalloc
import zipfile

import pytest

from lrmtest.errors import DataError
from lrmtest.runs.formats import zip_file
from lrmtest.runs.formats.detect import detect_format
from lrmtest.runs.formats.inspect_log import read_inspect_log
from lrmtest.runs.formats.zip_file import ZipMembers

MIB = 1 << 20
KINDS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


def written(path, members, kind=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, size in members.items():
            with archive.open(name, "w", force_zip64=True) as member:
                for _ in range(size // MIB):
                    member.write(bytes(MIB))
                member.write(bytes(size % MIB))
    return path


def zstandard_written(path, content, declared):
    """An archive with one member in Zstandard, with a size of one's own choice."""
    zstandard = pytest.importorskip("zstandard")
    packed = zstandard.ZstdCompressor().compress(content)
    name = b"header.json"
    fields = (93, 0, 0, 0, len(packed), declared, len(name), 0)
    local = b"PK\x03\x04" + struct.pack("<HHHHHIIIHH", 20, 0, *fields)
    start = len(local) + len(name) + len(packed)
    entry = b"PK\x01\x02" + struct.pack("<HHHHHHIIIHH", 20, 20, 0, *fields)
    entry += struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(entry), start, 0)
    path.write_bytes(local + name + packed + entry + end)
    return path


@pytest.fixture
def small_limits(monkeypatch):
    monkeypatch.setattr(zip_file, "LINE", 4 * MIB)
    monkeypatch.setattr(zip_file, "_MOST_UNPACKED", 10 * MIB)
    monkeypatch.setattr(zip_file, "_RATIO", 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_that_unpacks_to_too_much_is_refused(tmp_path, small_limits, kind):
    path = written(tmp_path / "x.eval", {"a": 4 * MIB, "b": 4 * MIB + 1}, kind)
    with ZipMembers(path, "h") as members:
        assert len(members.read("a")) == 4 * MIB
        with pytest.raises(DataError, match="b, which unpacks to more than 4 MiB") as caught:
            members.read("b")
    assert caught.value.hint


def test_members_together_have_a_limit(tmp_path, small_limits):
    path = written(tmp_path / "x.eval", {str(number): 3 * MIB for number in range(5)})
    with pytest.raises(DataError, match="members that unpack to more than 10 MiB"):
        ZipMembers(path, "h")


def test_reading_again_and_again_has_the_same_limit(tmp_path, small_limits):
    path = written(tmp_path / "x.eval", {"a": 3 * MIB})
    with ZipMembers(path, "h") as members:
        for _ in range(3):
            members.read("a")
        with pytest.raises(DataError, match="more than 10 MiB"):
            members.read("a")


def test_a_size_that_is_declared_too_small_changes_nothing(tmp_path, small_limits):
    path = written(tmp_path / "x.eval", {"a": 5 * MIB})
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<I", 5 * MIB), struct.pack("<I", 10)))
    with ZipMembers(path, "h") as members, pytest.raises(DataError):
        members.read("a")


@pytest.mark.parametrize("declared", [10, 64 * MIB])
def test_zstandard_has_the_same_limits(tmp_path, small_limits, declared):
    path = zstandard_written(tmp_path / "x.eval", bytes(64 * MIB), declared)
    tracemalloc.start()
    with pytest.raises(DataError, match="more than"), ZipMembers(path, "h") as members:
        members.read("header.json")
    assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    tracemalloc.stop()


def test_a_directory_of_many_members_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(zip_file, "_MOST_DIRECTORY", 4000)
    path = written(tmp_path / "x.eval", {f"samples/{number}.json": 0 for number in range(100)})
    with pytest.raises(DataError, match="directory"):
        ZipMembers(path, "h")


def test_a_bomb_is_told_in_little_time_and_memory(tmp_path):
    """300 MB in some hundred kB, as a log of inspect_ai."""
    path = written(tmp_path / "x.eval", {"header.json": 300 * MIB})
    assert path.stat().st_size < 400_000
    assert detect_format(path) == "inspect"
    start = time.thread_time()
    tracemalloc.start()
    with pytest.raises(DataError, match=r"x\.eval: header\.json, which unpacks to more than 128"):
        read_inspect_log(path)
    assert tracemalloc.get_traced_memory()[1] < 300 * MIB
    tracemalloc.stop()
    assert time.thread_time() - start < 30
