"""A run on a model whose card names a branch: the commit that was fetched is in its manifest."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import stand_in_server
from fake_hub import COMMIT, FakeHub
from model_bytes import gguf_bytes

from lrmtest.runs.store import Store

SUITE = """
import lrmtest

@lrmtest.suite("fresh-arithmetic")
def test_question(question, model):
    model.solve(question)
"""
CARDS = """
[models.m]
engine = "llamacpp"
parameters = 0.001
context_length = 65536
temperature = 0
request = { top_k = 20 }
checkpoint = { repo = "org/model", files = ["m-Q4_K_M.gguf"], gguf = true }
"""


@pytest.fixture
def hub(monkeypatch, tmp_path):
    fake = FakeHub()
    context = {"general.architecture": "llama", "llama.context_length": 65536}
    weights = gguf_bytes(context, [("blk.0.weight", (32, 2), 3, 40)])
    fake.files = {"m-Q4_K_M.gguf": weights, "m-Q8_0.gguf": weights}
    monkeypatch.setenv("HF_ENDPOINT", fake.url)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("LRMTEST_LLAMA_SERVER", str(stand_in_server.install(tmp_path)))
    yield fake
    fake.close()


def test_the_commit_of_a_branch_is_recorded(pytester, hub, tmp_path):
    pytester.makepyfile(test_questions=SUITE)
    (pytester.path / "cards.toml").write_text(CARDS)
    words = ("--model", "m", "--cards", "cards.toml", "--fresh-count", "2", "--max-tokens", "40")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words],
        cwd=pytester.path,
        capture_output=True,
        text=True,
        env=dict(os.environ),
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with Store(pytester.path / "reports" / "lrmtest.sqlite", create=False) as store:
        (head,) = store.runs()
        manifest = head.manifest
    assert (manifest.fetched.repo, manifest.fetched.commit) == ("org/model", COMMIT)
    assert set(manifest.model.files) == {"m-Q4_K_M.gguf"}
    assert manifest.model.to_json()["request"] == {"top_k": 20}
    assert manifest.model.to_json()["revision"] == "main"
    assert not list((tmp_path / "hub").rglob("m-Q8_0.gguf"))
