"""Files are their owner's alone, unless a folder is shared or they had another mode before."""

from __future__ import annotations

import os
import stat

import pytest

from lrmtest.runs.files import create_private, replacing, write_whole
from lrmtest.runs.store import Store


@pytest.fixture(params=[0o022, 0o002, 0o000, 0o077])
def _umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("_umask")
def test_new_files_are_private(tmp_path):
    write_whole(tmp_path / "report.html", "x", what="it")
    with replacing(tmp_path / "run.jsonl") as unfinished:
        assert mode(unfinished) == 0o600
        unfinished.write_text("x")
    create_private(tmp_path / "empty")
    assert {mode(path) for path in tmp_path.iterdir()} == {0o600}


@pytest.mark.usefixtures("_umask")
def test_the_store_and_what_sqlite_puts_beside_it(tmp_path):
    with Store(tmp_path / "reports" / "lrmtest.sqlite"):
        found = {path.name: mode(path) for path in (tmp_path / "reports").iterdir()}
    assert set(found) == {"lrmtest.sqlite", "lrmtest.sqlite-wal", "lrmtest.sqlite-shm"}
    assert set(found.values()) == {0o600}


@pytest.mark.usefixtures("_umask")
def test_a_folder_that_is_shared_on_purpose(tmp_path):
    tmp_path.chmod(0o2770)
    write_whole(tmp_path / "report.html", "x", what="it")
    with Store(tmp_path / "lrmtest.sqlite"):
        assert {mode(path) for path in tmp_path.iterdir()} == {0o660}


def test_a_group_that_may_write_without_setgid_is_mere_umask(tmp_path):
    tmp_path.chmod(0o775)
    write_whole(tmp_path / "report.html", "x", what="it")
    assert mode(tmp_path / "report.html") == 0o600


@pytest.mark.parametrize("before", [0o644, 0o664, 0o600, 0o640])
def test_a_file_that_is_there_keeps_its_mode(tmp_path, before):
    file = tmp_path / "report.html"
    file.write_text("old")
    file.chmod(before)
    write_whole(file, "new", what="it")
    assert (file.read_text(), mode(file)) == ("new", before)
    write_whole(file, "newer", what="it", private=False)
    assert (file.read_text(), mode(file)) == ("newer", before)
    store = tmp_path / "lrmtest.sqlite"
    store.touch()
    store.chmod(before)
    with Store(store):
        assert mode(store) == mode(tmp_path / "lrmtest.sqlite-wal") == before


def test_what_is_handed_on_has_the_umasks_mode(tmp_path):
    before = os.umask(0o022)
    try:
        write_whole(tmp_path / "baseline.json", "x", what="it", private=False)
    finally:
        os.umask(before)
    assert mode(tmp_path / "baseline.json") == 0o644
