"""One step's loss, computed as sparingly as two CPU cores need.

The same function as transformers' Llama with the same weights, but a prompt's tokens are not
carried through the last layer, where nothing but the completion is asked for.
"""

from __future__ import annotations

import torch
from torch.nn import functional
from transformers import LlamaForCausalLM

IGNORE = -100
"""Target of a position that is not asked for: a prompt's, or padding."""


def completion_logits(
    model: LlamaForCausalLM, inputs: torch.Tensor, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and targets of all positions that are asked for, one row each.

    Args:
        model: a Llama with as many key heads as query heads and tied embeddings.
        inputs: tokens, one chat per row, padded on the right.
        targets: what follows each of them, `IGNORE` but for one stretch per row.
    """
    config = model.config
    heads, width, eps = config.num_attention_heads, config.hidden_size, config.rms_norm_eps
    rows, length = inputs.shape
    cos, sin = model.model.rotary_emb(model.model.norm.weight, torch.arange(length)[None])
    cos, sin = cos[0], sin[0]

    asked = targets != IGNORE
    stretch = torch.arange(int(asked.sum(1).max()))
    at = (asked.int().argmax(1)[:, None] + stretch).clamp(max=length - 1)
    seen = torch.arange(length) <= at[:, None, :, None]

    def split(x: torch.Tensor) -> torch.Tensor:
        return x.view(rows, -1, heads, width // heads).transpose(1, 2)

    linear, norm = functional.linear, functional.rms_norm
    x = functional.embedding(inputs, model.model.embed_tokens.weight)
    for number, layer in enumerate(model.model.layers):
        attention, mlp = layer.self_attn, layer.mlp
        h = norm(x, (width,), layer.input_layernorm.weight, eps)
        k = _turn(split(linear(h, attention.k_proj.weight)), cos, sin)
        v = split(linear(h, attention.v_proj.weight))
        if number < config.num_hidden_layers - 1:
            q = _turn(split(linear(h, attention.q_proj.weight)), cos, sin)
            mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            here = at[:, :, None].expand(-1, -1, width)
            x, h = x.gather(1, here), h.gather(1, here)
            q = _turn(split(linear(h, attention.q_proj.weight)), cos[at][:, None], sin[at][:, None])
            mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        x = x + linear(mixed.transpose(1, 2).flatten(2), attention.o_proj.weight)
        h = norm(x, (width,), layer.post_attention_layernorm.weight, eps)
        gate = functional.silu(linear(h, mlp.gate_proj.weight))
        x = x + linear(gate * linear(h, mlp.up_proj.weight), mlp.down_proj.weight)
    wanted = targets.gather(1, at)
    wanted[at == at.roll(1, dims=1)] = IGNORE  # a row's end, repeated by the clamp
    x = norm(x[wanted != IGNORE], (width,), model.model.norm.weight, eps)
    return linear(x, model.model.embed_tokens.weight), wanted


def _turn(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary position embedding."""
    left, right = x.chunk(2, -1)
    return x * cos + torch.cat((-right, left), -1) * sin
