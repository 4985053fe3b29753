"""The same weights under two names: a GGUF file's tensor and a module of transformers.

``blk.3.ffn_down.weight`` is ``model.layers.3.mlp.down_proj``. The table covers the families that
reasoning models come in: Llama, Mistral and Qwen, dense or with experts, and DeepSeek's attention.
A tensor that is not in it is known under its GGUF name alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from lrmtest.models.gguf_header import GgufTensor

EMBEDDING, HEAD = "token_embd", "output"
"""The token embedding and the matrix that gives the logits, without ``.weight``."""

_LAYER = re.compile(r"blk\.(\d+)\.(.+)")
_OUTER = {EMBEDDING: ("model.embed_tokens",), HEAD: ("lm_head",)}
_IN_LAYER: dict[str, tuple[str, ...]] = {
    "attn_q": ("self_attn.q_proj",),
    "attn_k": ("self_attn.k_proj",),
    "attn_v": ("self_attn.v_proj",),
    "attn_qkv": ("self_attn.qkv_proj",),
    "attn_output": ("self_attn.o_proj",),
    "attn_q_a": ("self_attn.q_a_proj",),
    "attn_q_b": ("self_attn.q_b_proj",),
    "attn_kv_a_mqa": ("self_attn.kv_a_proj_with_mqa",),
    # One matrix in transformers; newer GGUF files hold its two halves apart.
    "attn_kv_b": ("self_attn.kv_b_proj",),
    "attn_k_b": ("self_attn.kv_b_proj",),
    "attn_v_b": ("self_attn.kv_b_proj",),
    "ffn_gate_inp": ("mlp.gate",),
}
for _part in ("gate", "up", "down"):
    _IN_LAYER[f"ffn_{_part}"] = (f"mlp.{_part}_proj",)
    # A GGUF file keeps all experts of a layer in one tensor; a star stands for their numbers.
    _IN_LAYER[f"ffn_{_part}_exps"] = (
        f"mlp.experts.{_part}_proj",
        f"mlp.experts.*.{_part}_proj",
    )
    _IN_LAYER[f"ffn_{_part}_shexp"] = (
        f"mlp.shared_experts.{_part}_proj",
        f"mlp.shared_expert.{_part}_proj",
    )


def module_of(tensor: str) -> str:
    """The name of the module that holds the tensor; its GGUF name if the table has none."""
    name = tensor.removesuffix(".weight")
    return next(iter(_aliases(name)), name)


def names_of(tensor: str, *, tied: bool = False) -> tuple[str, ...]:
    """All names of a tensor, none with ``.weight``: in GGUF files, then of modules.

    Args:
        tensor: its GGUF name.
        tied: whether the file has no matrix of its own for the logits, so that the token
            embedding is that too.
    """
    name = tensor.removesuffix(".weight")
    both = (name, HEAD) if tied and name == EMBEDDING else (name,)
    return tuple(known for each in both for known in (each, *_aliases(each)))


def layer_of(tensor: str) -> int | None:
    """The number of the layer that the tensor is in; None for what is in no layer."""
    match = _LAYER.fullmatch(tensor)
    return int(match[1]) if match else None


def is_matrix(tensor: GgufTensor) -> bool:
    """Whether llama-quantize may quantize it: no norm, no bias, no router of experts."""
    name = tensor.name
    inner = "_norm." not in name and "ffn_gate_inp" not in name
    return name.endswith(".weight") and inner and any(length > 1 for length in tensor.shape[1:])


def is_tied(tensors: Collection[GgufTensor]) -> bool:
    """Whether the token embedding gives the logits too."""
    return f"{HEAD}.weight" not in {tensor.name for tensor in tensors}


def _aliases(name: str) -> tuple[str, ...]:
    match = _LAYER.fullmatch(name)
    if match is None:
        return _OUTER.get(name, ())
    return tuple(f"model.layers.{match[1]}.{part}" for part in _IN_LAYER.get(match[2], ()))
