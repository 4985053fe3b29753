"""Memory of the key-value cache: keys and values of every layer, for each token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lrmtest.bounded import SETTINGS, read_json
from lrmtest.errors import ModelError
from lrmtest.models.gguf_header import GgufHeader

_DEFAULT_BYTES = 2.0  # float16 or bfloat16
# llama.cpp's types, scales included; vLLM's begin with their width.
_BYTES = {
    "f32": 4.0,
    "float32": 4.0,
    "q8_0": 34 / 32,
    "q5_1": 24 / 32,
    "q5_0": 22 / 32,
    "q4_1": 20 / 32,
    "q4_0": 18 / 32,
    "iq4_nl": 18 / 32,
}
_MOST = 1 << 40  # no layer, head or state is as large
_UNKNOWN_MODEL_BYTES = 256 << 10  # a 70B model with grouped-query attention takes 320 KiB


def gguf_kv_bytes(header: GgufHeader, dtype: str) -> float:
    """Bytes per token that llama.cpp's cache takes for the model with this header.

    A model with sliding windows or latent attention may need less.

    Args:
        header: of the model's file; of a split one its first part.
        dtype: of the cache, ``q8_0`` for instance; empty for float16.
    """
    architecture = header.metadata.get("general.architecture")

    def number(name: str) -> int:
        value = header.metadata.get(f"{architecture}.{name}")
        return value if isinstance(value, int) and value > 0 else 0

    heads = number("attention.head_count")
    # The number may differ from layer to layer; then the file has a list, which is not read.
    kv_heads = number("attention.head_count_kv") or heads
    head_size = number("embedding_length") // heads if heads else 0
    key = number("attention.key_length") or head_size
    value = number("attention.value_length") or head_size
    numbers = number("block_count") * kv_heads * (key + value)
    return numbers * _BYTES.get(dtype, _DEFAULT_BYTES) or _UNKNOWN_MODEL_BYTES


def config_kv_bytes(folder: Path, dtype: str) -> float:
    """Bytes per token that vLLM's cache takes for the checkpoint in `folder`.

    Args:
        folder: has a ``config.json``.
        dtype: of the cache: ``float32``, ``fp8``, ...; anything else counts as 16 bits.

    Raises:
        ModelError: there is none, or it is no JSON object.
    """
    config: Any = read_json(folder / "config.json", SETTINGS, error=ModelError)
    if not isinstance(config, dict):
        raise ModelError(f"{folder / 'config.json'} is not a JSON object")
    if isinstance(config.get("text_config"), dict):
        config = config["text_config"]

    def number(name: str) -> int:
        value = config.get(name)
        return value if isinstance(value, int) and 0 < value < _MOST else 0

    heads = number("num_attention_heads")
    kv_heads = number("num_key_value_heads") or heads
    head_size = number("head_dim") or (number("hidden_size") // heads if heads else 0)
    numbers = 2 * number("num_hidden_layers") * kv_heads * head_size
    if latent := number("kv_lora_rank"):  # multi-head latent attention: one vector for all heads
        numbers = number("num_hidden_layers") * (latent + number("qk_rope_head_dim"))
    width = 1.0 if dtype.startswith(("fp8", "int8")) else _BYTES.get(dtype, _DEFAULT_BYTES)
    return numbers * width or _UNKNOWN_MODEL_BYTES
