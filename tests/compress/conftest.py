"""A small random model, and a cache of its own for each test."""

import os

import pytest


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A random Llama of two layers in bfloat16."""
    pytest.importorskip("torch")
    import tiny_checkpoint

    folder = tiny_checkpoint.save(tmp_path_factory.mktemp("parents") / "tiny")
    for file in folder.iterdir():
        # Hashes of files that were written a moment ago are not kept.
        os.utime(file, (0, 0))
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("LRMTEST_CACHE", str(tmp_path / "lrmtest-cache"))
