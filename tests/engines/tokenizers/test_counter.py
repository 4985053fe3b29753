"""Counting tokens for ``--tokenizer``."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.errors import ModelError
from lrmtest.models.engines.tokenizers.counter import load_counter

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def count(tiny_model):
    return load_counter(str(tiny_model))


@given(text=st.text())
def test_a_tokenizer_of_bytes_counts_bytes(count, text):
    assert count(text) == len(text.encode("utf-8"))


def test_special_tokens_in_the_text_count_once_and_none_is_added(count):
    assert count("a</think>b") == 3
    assert count("") == 0


def test_text_that_is_no_text(count):
    assert count("a\ud800b") == len("a\ufffdb".encode())
    assert count("\0\x1b[31m") == 6


@pytest.mark.parametrize("text", ["a" * 1_000_000, "\0" * 1_000_000, "x\n\n " * 250_000])
def test_a_megabyte_takes_seconds(count, text):
    start = time.process_time()
    assert count(text) == len(text)
    assert time.process_time() - start < 8


def test_a_folder_is_read_without_transformers(tiny_model):
    code = (
        "import sys; from lrmtest.models.engines.tokenizers.counter import load_counter;"
        f"assert load_counter({str(tiny_model)!r})('abc') == 3;"
        "assert not {'transformers', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_mistakes_are_explained(tmp_path):
    with pytest.raises(ModelError, match="there is no model at"):
        load_counter(str(tmp_path / "nothing"))
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="is not a tokenizer"):
        load_counter(str(tmp_path))
    gguf = tmp_path / "broken.gguf"
    gguf.write_bytes(b"GGUF" + bytes(40))
    with pytest.raises(ModelError, match="GGUF version 0 cannot be read"):
        load_counter(str(gguf))


def test_a_hub_repository_that_cannot_be_reached(monkeypatch):
    import huggingface_hub

    def unreachable(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", unreachable)
    with pytest.raises(ModelError, match="no route to host"):
        load_counter("some-owner/some-model")


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "tokens"),
    [("ggml-vocab-llama-bpe.gguf", 11), ("ggml-vocab-qwen2.gguf", 14)],
)
def test_real_vocabularies_without_weights(name, tokens):
    folder = os.environ.get("LRMTEST_DATA_DIR")
    if not folder:
        pytest.skip("set LRMTEST_DATA_DIR to a folder with tokenizers/" + name)
    count = load_counter(str(Path(folder) / "tokenizers" / name))
    # Llama 3 takes three digits at a time, Qwen 2 one.
    assert count("Hello <think>world</think> 12345") == tokens
