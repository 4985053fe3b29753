"""Attention heads that begin as what the training would find last: a way to look things up.

To look something up, one layer must note beside each token which tokens stood before it, and a
later one must search those notes for the token at hand. Neither is of use without the other, so
that a training on a few million tokens hardly finds them; begun as such heads, with everything
else random, a model looks up from the first hundred steps on, and the training is free to change
all of it. In the spirit of Trockman & Kolter 2023, Mimetic Initialization of Self-Attention
Layers, arXiv 2305.09828.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import LlamaForCausalLM

CONSTANT = 4.0
"""Dimension 0 of every embedding, in standard deviations of the others: what heads use that look
at a place and not at a token."""
SHARP = 8.0
"""Length of the queries and keys that look at a place."""
MATCH, MATCH_HERE = 1.5, 2.55
"""Scale of keys and queries that look for a token, and of queries about the token at hand itself,
which the residual stream holds at a smaller scale than notes."""
NOTE, COPY = 0.06, 0.3
"""Scale of what is written into the residual stream: a note, and a token that was found."""
BACK = (1, 2, 3, 4)
"""Tokens that stood so far before are noted."""
SEARCHES = ((0, 1), (1, 2), (0, 2), (2, 3), (1, 3), (3, 4))
"""(a, b): look at tokens that have, b places before, the token that is a places before this one."""
_SLOW, _FAST = 0.006, 0.05
"""Radians per token of rotary dimensions that hold what a token is, or where it is."""


@torch.no_grad()
def seed_heads(model: LlamaForCausalLM, draws: torch.Generator) -> None:
    """Overwrite some heads: in the first layer those that note, in all others those that search.

    Args:
        model: fresh, as many key heads as query heads, all its matrices random.
        draws: of the directions in which notes are kept.
    """
    config = model.config
    width, heads = config.hidden_size, config.num_attention_heads
    size = width // heads
    speeds = model.model.rotary_emb.inv_freq
    slow = [i for i, speed in enumerate(speeds) if speed < _SLOW]
    fast = [i for i, speed in enumerate(speeds) if speed >= _FAST]
    token = slow + [i + size // 2 for i in slow]  # a head's dimensions that hardly turn

    model.model.embed_tokens.weight[:, 0] = CONSTANT * config.initializer_range
    # Orthogonal directions, none along dimension 0: some for notes, the rest for copies.
    directions = torch.linalg.qr(torch.randn(width - 1, width - 1, generator=draws))[0]
    directions = torch.cat([torch.zeros(width - 1, 1), directions], 1)
    known, *notes = directions.split(len(token))[: 1 + max(BACK)]
    rest = directions[len(token) * (1 + max(BACK)) :]
    notes = [known, *notes]

    first = model.model.layers[0].self_attn
    for head, back in enumerate(BACK):
        rows = slice(head * size, (head + 1) * size)
        query, key, value, out = _blank(size, width)
        for i in fast:
            turn = back * speeds[i]
            query[i, 0] = SHARP / CONSTANT
            key[i, 0] = SHARP / CONSTANT * turn.cos()
            key[i + size // 2, 0] = SHARP / CONSTANT * turn.sin()
        value[token] = known
        out[token] = NOTE * notes[back]
        _put(first, rows, query, key, value, out)
    for layer in model.model.layers[1:]:
        for head, (here, back) in enumerate(SEARCHES):
            rows = slice(head * size, (head + 1) * size)
            query, key, value, out = _blank(size, width)
            query[token] = notes[here] * (MATCH_HERE if here == 0 else MATCH)
            key[token] = notes[back] * MATCH
            value[:] = rest[torch.randperm(len(rest), generator=draws)[:size]]
            out[:] = COPY * value
            _put(layer.self_attn, rows, query, key, value, out)


def _blank(size: int, width: int) -> list[Tensor]:
    """A head's four matrices, that of its output transposed: (size, width) each."""
    return [torch.zeros(size, width) for _ in range(4)]


def _put(
    attention: torch.nn.Module, rows: slice, query: Tensor, key: Tensor, value: Tensor, out: Tensor
) -> None:
    attention.q_proj.weight[rows] = query
    attention.k_proj.weight[rows] = key
    attention.v_proj.weight[rows] = value
    attention.o_proj.weight[:, rows] = out.T
