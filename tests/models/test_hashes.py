import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lrmtest.errors import ModelError
from lrmtest.models import hashes
from lrmtest.models.hashes import file_hashes, hash_files, sha256_of


def settle(path):
    """Make `path` look older than one tick of a clock, so that its hash is kept."""
    os.utime(path, ns=(10**18, 10**18))


def test_only_files_that_change_completions_are_hashed(model_folder):
    folder = model_folder(
        **{
            "tokenizer.json": "{}",
            "chat_template.jinja": "x",
            "modeling_custom.py": "x",
            "README.md": "x",
            "trainer_state.json": "x",
            "optimizer.bin": "x",
            "results.json": "x",
        }
    )
    found = file_hashes(folder)
    assert set(found) == {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "chat_template.jinja",
        "modeling_custom.py",
    }
    config = (folder / "config.json").read_bytes()
    assert found["config.json"] == hashlib.sha256(config).hexdigest()


def test_all_parts_of_a_split_model(tmp_path):
    for part in (1, 2):
        (tmp_path / f"m-{part:05}-of-00002.gguf").write_bytes(bytes([part]))
    assert len(file_hashes(tmp_path / "m-00001-of-00002.gguf")) == 2
    assert len(hash_files([tmp_path / "m-00001-of-00002.gguf"])) == 1


def test_a_hash_is_computed_once_until_the_file_changes(tmp_path, monkeypatch):
    file = tmp_path / "m.gguf"
    file.write_bytes(b"one")
    settle(file)
    read = []
    monkeypatch.setattr(hashes, "sha256_of", lambda path: read.append(path) or sha256_of(path))
    first = file_hashes(file)
    assert file_hashes(file) == first
    assert len(read) == 1

    # Same size, same time: the inode tells.
    other = tmp_path / "other"
    other.write_bytes(b"two")
    settle(other)
    other.replace(file)
    assert file_hashes(file) == {"m.gguf": hashlib.sha256(b"two").hexdigest()}


def test_processes_that_need_a_hash_at_once_compute_it_once(tmp_path, monkeypatch):
    file = tmp_path / "m.gguf"
    file.write_bytes(b"one")
    settle(file)
    read, all_have_asked, asked = [], threading.Barrier(4), threading.local()
    known = hashes._known

    def known_when_all_have_asked(fingerprints):
        found = known(fingerprints)
        if not hasattr(asked, "before"):
            asked.before = True
            all_have_asked.wait(timeout=60)
        return found

    monkeypatch.setattr(hashes, "_known", known_when_all_have_asked)
    monkeypatch.setattr(hashes, "sha256_of", lambda path: read.append(path) or sha256_of(path))
    with ThreadPoolExecutor(4) as pool:  # a lock of a file keeps threads apart as it does processes
        found = list(pool.map(file_hashes, [file] * 4))
    assert found == [found[0]] * 4
    assert len(read) == 1


def test_the_hash_of_a_file_just_written_is_not_trusted(tmp_path, own_cache):
    file = tmp_path / "m.gguf"
    file.write_bytes(b"one")
    file_hashes(file)
    assert not (own_cache / "hashes.json").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}', '{"a": [1]}', "\x00"])
def test_a_damaged_cache_is_begun_anew(tmp_path, own_cache, content):
    own_cache.mkdir()
    (own_cache / "hashes.json").write_text(content)
    file = tmp_path / "m.gguf"
    file.write_bytes(b"one")
    settle(file)
    assert file_hashes(file) == file_hashes(file) == {"m.gguf": hashlib.sha256(b"one").hexdigest()}


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path, monkeypatch):
    (tmp_path / "a-file").write_text("")
    monkeypatch.setenv("LRMTEST_CACHE", str(tmp_path / "a-file" / "below"))
    file = tmp_path / "m.gguf"
    file.write_bytes(b"one")
    settle(file)
    assert file_hashes(file)


def test_a_file_that_changes_meanwhile_is_refused(tmp_path, monkeypatch):
    file = tmp_path / "m.gguf"
    file.write_bytes(b"one")
    monkeypatch.setattr(hashes, "sha256_of", lambda path: path.write_bytes(b"longer") and "hash")
    with pytest.raises(ModelError, match="changed while it was being read"):
        file_hashes(file)


def test_long_hashing_is_announced(tmp_path, monkeypatch):
    monkeypatch.setattr(hashes, "_TOLD_BYTES", 2)
    file = tmp_path / "m.gguf"
    file.write_bytes(b"one")
    said = []
    file_hashes(file, tell=said.append)
    assert len(said) == 1
    assert "about 1 min" in said[0]


def test_what_is_not_there(tmp_path):
    with pytest.raises(ModelError, match="no model at"):
        file_hashes(tmp_path / "absent")
    with pytest.raises(ModelError, match="no model files"):
        file_hashes(tmp_path)
    with pytest.raises(ModelError, match="cannot read"):
        sha256_of(tmp_path / "absent")
