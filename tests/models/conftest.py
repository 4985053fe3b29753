"""Small model files, and a cache of its own for each test."""

import json
from pathlib import Path

import pytest
from fake_hub import FakeHub
from model_bytes import TINY, gguf_bytes, safetensors_bytes


@pytest.fixture(scope="session")
def tiny_gguf():
    """The bytes of a whole GGUF model: 72 weights in 72 bytes, context 2048."""
    return TINY


@pytest.fixture(scope="session")
def build_gguf():
    return gguf_bytes


@pytest.fixture(scope="session")
def build_safetensors():
    return safetensors_bytes


@pytest.fixture
def model_folder(tmp_path):
    """Makes a folder with a checkpoint of 100 bfloat16 weights; extra files by name."""

    def make(name="some-model", config=None, generation=None, tensors=None, **extra):
        folder = tmp_path / name
        folder.mkdir()
        config = {"model_type": "llama", "max_position_embeddings": 4096} | (config or {})
        (folder / "config.json").write_text(json.dumps(config))
        if generation is not None:
            (folder / "generation_config.json").write_text(json.dumps(generation))
        tensors = tensors or {"model.weight": ("BF16", [10, 10], 200)}
        (folder / "model.safetensors").write_bytes(safetensors_bytes(tensors))
        for file, text in extra.items():
            (folder / file).write_text(text)
        return folder

    return make


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """No test reads or writes the user's caches, or reaches a network."""
    from huggingface_hub import constants

    monkeypatch.setenv("LRMTEST_CACHE", str(tmp_path / "lrmtest-cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    for name in ("HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_TOKEN", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return Path(tmp_path / "lrmtest-cache")


@pytest.fixture
def fake_hub(monkeypatch):
    fake = FakeHub()
    monkeypatch.setenv("HF_ENDPOINT", fake.url)
    yield fake
    fake.close()
