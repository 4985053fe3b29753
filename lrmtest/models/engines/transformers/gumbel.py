"""Drawing tokens so that a draw depends on its seed and its step alone.

A token with log-probability l_i is drawn by ``argmax_i(l_i + g_i)`` with independent standard
Gumbel noise g_i = -log(-log(u_i)), which is an exact sample of softmax(l) (Gumbel 1954,
"Statistical theory of extreme values"; Maddison, Tarlow and Minka 2014, "A* Sampling",
arXiv 1411.0030). The noise is not the next value of a generator's state but a hash of
(seed, step, token id), so that it does not matter what else is in the batch, in which order or
on which device. The hash is SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable
pseudorandom number generators", OOPSLA): the token with id i gets the i-th output of the
generator that (seed, step) starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

_GAMMA = 0x9E3779B97F4A7C15
_MIX_1, _MIX_2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_MASK = (1 << 64) - 1
_FIRST_CANDIDATES = 256
"""Tokens looked at first for a nucleus; most nuclei are far smaller."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One token to draw: temperature 0 is greedy, `top_p` the nucleus mass in (0, 1]."""

    temperature: float
    top_p: float
    seed: int
    step: int


def pick(logits: torch.Tensor, draws: Sequence[Draw]) -> list[int | None]:
    """One token per row.

    Args:
        logits: shape (rows, vocabulary).
        draws: one per row.

    Returns:
        Token ids; None where a row's logits hold NaN, so that there is nothing to draw from.
    """
    logits = logits.float()
    highest, tokens = logits.max(dim=-1)
    for rows, from_logprobs in (
        ([i for i, draw in enumerate(draws) if draw.temperature > 0 and draw.top_p >= 1], _whole),
        ([i for i, draw in enumerate(draws) if draw.temperature > 0 and draw.top_p < 1], _nucleus),
    ):
        if rows:
            chosen = [draws[i] for i in rows]
            index = torch.tensor(rows, device=logits.device)
            temperature = torch.tensor([draw.temperature for draw in chosen], device=logits.device)
            logprobs = (logits[index] / temperature[:, None]).log_softmax(dim=-1)
            tokens[index] = from_logprobs(logprobs, chosen)
    broken = highest.isnan().tolist()
    return [None if bad else token for token, bad in zip(tokens.tolist(), broken, strict=True)]


def _whole(logprobs: torch.Tensor, draws: Sequence[Draw]) -> torch.Tensor:
    """Token ids, shape (rows,), each from the whole vocabulary."""
    ids = torch.arange(logprobs.shape[-1], device=logprobs.device)
    return (logprobs + gumbel(_keys(draws, logprobs.device), ids)).argmax(dim=-1)


def _nucleus(
    logprobs: torch.Tensor, draws: Sequence[Draw], candidates: int = _FIRST_CANDIDATES
) -> torch.Tensor:
    """Token ids, shape (rows,), each from the nucleus of its row.

    The nucleus is the fewest most probable tokens with a mass of at least `top_p` (Holtzman et
    al. 2020, "The curious case of neural text degeneration", arXiv 1904.09751). Rows whose
    `candidates` most probable tokens do not hold it are done again with more.
    """
    device, size = logprobs.device, logprobs.shape[-1]
    top_p = torch.tensor([draw.top_p for draw in draws], device=device, dtype=torch.float64)
    likely, ids = logprobs.topk(min(candidates, size), dim=-1)
    likely = likely.double()
    mass = likely.exp().cumsum(dim=-1)
    outside = torch.zeros_like(mass, dtype=torch.bool)
    outside[:, 1:] = mass[:, :-1] >= top_p[:, None]
    scores = (likely + gumbel(_keys(draws, device), ids)).masked_fill(outside, -torch.inf)
    tokens = ids.gather(1, scores.argmax(dim=-1, keepdim=True))[:, 0]

    wider = (mass[:, -1] < top_p).nonzero()[:, 0]
    if candidates < size and len(wider):
        chosen = [draws[i] for i in wider.tolist()]
        tokens[wider] = _nucleus(logprobs[wider], chosen, candidates * 16)
    return tokens


def gumbel(keys: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Standard Gumbel noise for token `ids` under `keys`, both int64; float64, broadcast."""
    # int64 arithmetic wraps around, as SplitMix64's does; only the shifts must be made logical.
    x = keys + (ids + 1) * _signed(_GAMMA)
    x = (x ^ _shifted(x, 30)) * _signed(_MIX_1)
    x = (x ^ _shifted(x, 27)) * _signed(_MIX_2)
    x = x ^ _shifted(x, 31)
    # 52 bits and a half are exact in a double, so that 0 < uniform < 1 and the noise is finite.
    uniform = (_shifted(x, 12).double() + 0.5) * 2.0**-52
    return -(-uniform.log()).log()


def _keys(draws: Sequence[Draw], device: torch.device) -> torch.Tensor:
    """Where each row's generator starts, int64, shape (rows, 1)."""
    return torch.tensor([[_key(draw.seed, draw.step)] for draw in draws], device=device)


def _key(seed: int, step: int) -> int:
    """The state that (seed, step) starts from: SplitMix64 seeded by a SplitMix64 of the seed."""
    return _signed(_mix(_mix(seed * _GAMMA) + step * _GAMMA))


def _mix(x: int) -> int:
    x &= _MASK
    x = (x ^ x >> 30) * _MIX_1 & _MASK
    x = (x ^ x >> 27) * _MIX_2 & _MASK
    return x ^ x >> 31


def _signed(x: int) -> int:
    """The int64 with the bits of `x`, an unsigned one."""
    x &= _MASK
    return x - (1 << 64) if x >> 63 else x


def _shifted(x: torch.Tensor, bits: int) -> torch.Tensor:
    """Logical right shift; torch's is arithmetic."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)
