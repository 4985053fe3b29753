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

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

_GAMMA = 0x9E3779B97F4A7C15
_MIX_1, _MIX_2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_MASK = (1 << 64) - 1
_FIRST_CANDIDATES = 256
"""Tokens looked at first for a nucleus; most nuclei are far smaller."""

UNDECIDED, BROKEN = -1, -2
"""In place of a token: the nucleus is wider than what was looked at; the logits are no numbers."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One token to draw: temperature 0 is greedy, `top_p` the nucleus mass in (0, 1]."""

    temperature: float
    top_p: float
    seed: int
    step: int


@dataclass(frozen=True, slots=True)
class Cut:
    """What takes tokens out before one is drawn, the same for all of a run's draws.

    It applies to probabilities at the draw's temperature, and before its nucleus is taken of what
    is left, as in vLLM.

    Attributes:
        top_k: only so many of the most probable tokens stay, and those as probable as the last of
            them; 0 for all (Fan, Lewis and Dauphin 2018, "Hierarchical neural story generation").
        min_p: tokens less probable than this share of the most probable one's probability go, in
            [0, 1] (Nguyen et al. 2025, "Turning up the heat", arXiv 2407.01082).
    """

    top_k: int = 0
    min_p: float = 0.0

    def of(self, logprobs: torch.Tensor) -> torch.Tensor:
        """Log-probabilities, shape (rows, vocabulary), with those taken out at -inf, normalized."""
        size = logprobs.shape[-1]
        gone = None
        if self.min_p > 0:
            least = logprobs.amax(dim=-1, keepdim=True) + math.log(self.min_p)
            gone = logprobs < least
        if 0 < self.top_k < size:
            last = logprobs.topk(self.top_k, dim=-1).values[:, -1:]
            gone = logprobs < last if gone is None else gone | (logprobs < last)
        if gone is None:
            return logprobs
        return logprobs.masked_fill(gone, -torch.inf).log_softmax(dim=-1)


NO_CUT = Cut()


def pick(
    logits: torch.Tensor, draws: Sequence[Draw], cut: Cut = NO_CUT, *, told: bool = True
) -> tuple[list[int | None], list[float]]:
    """One token per row, and how probable it was under the distribution that it was drawn from.

    Args:
        logits: shape (rows, vocabulary).
        draws: one per row.
        cut: what is taken out before any is drawn.
        told: compute the log-probabilities; there are none otherwise.

    Returns:
        Token ids, None where a row's logits hold NaN, so that there is nothing to draw from; and
        their natural log-probabilities, of a greedy row under the softmax of its logits.
    """
    logits = logits.float()
    highest, tokens = logits.max(dim=-1)
    told_of = highest - logits.logsumexp(dim=-1) if told else highest
    for rows, in_part in (
        ([i for i, draw in enumerate(draws) if draw.temperature > 0 and draw.top_p >= 1], False),
        ([i for i, draw in enumerate(draws) if draw.temperature > 0 and draw.top_p < 1], True),
    ):
        if rows:
            device, chosen = logits.device, [draws[i] for i in rows]
            index = torch.tensor(rows, device=device)
            temperature = torch.tensor([draw.temperature for draw in chosen], device=device)
            logprobs = cut.of((logits[index] / temperature[:, None]).log_softmax(dim=-1))
            keys = torch.tensor([[_key(d.seed, d.step)] for d in chosen], device=device)
            if in_part:
                top_p = [draw.top_p for draw in chosen]
                share = torch.tensor(top_p, device=device, dtype=torch.float64)
                drawn = _widened(logprobs, keys, share, _FIRST_CANDIDATES, told=told)
            else:
                drawn = _whole(logprobs, keys, told=told)
            tokens[index] = drawn.tokens
            if told:
                told_of[index] = drawn.logprobs
    broken = highest.isnan().tolist()
    found = [None if bad else token for token, bad in zip(tokens.tolist(), broken, strict=True)]
    return found, told_of.clamp(max=0.0).tolist() if told else []


def pick_fixed(
    logits: torch.Tensor,
    temperature: torch.Tensor,
    top_p: torch.Tensor,
    states: torch.Tensor,
    steps: torch.Tensor,
    *,
    whole: bool,
    candidates: int,
    cut: Cut = NO_CUT,
    told: bool = True,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One token per row by operations whose shapes and order no value decides.

    So it can be a part of a captured CUDA graph. Where it decides, it is `pick`'s token.

    Args:
        logits: shape (rows, vocabulary), float32.
        temperature: shape (rows,), float32; 0 is greedy.
        top_p: shape (rows,), float64.
        states: `seed_state` of each row's seed, int64, shape (rows,).
        steps: of the draws, int64, shape (rows,).
        whole: some row is drawn from the whole vocabulary: temperature above 0, `top_p` 1.
        candidates: most probable tokens that are looked at for a nucleus; 0 if no row has one,
            the vocabulary's size or more to decide every row.
        cut: what is taken out before any is drawn.
        told: compute the log-probabilities.

    Returns:
        Token ids, `UNDECIDED` or `BROKEN`, shape (rows,); each row's highest logit; and the
        log-probabilities that `pick` tells, float32, shape (rows,), which mean nothing unless they
        are `told`.
    """
    # masked_fill, since `where` would copy a number of Python's to the device, and wait for it.
    highest, tokens = logits.max(dim=-1)
    told_of = highest - logits.logsumexp(dim=-1) if told else highest
    if whole or candidates:
        divisor = temperature.masked_fill(temperature <= 0, 1.0)
        logprobs = cut.of((logits / divisor[:, None]).log_softmax(dim=-1))
        drawn, keys = temperature > 0, step_keys(states, steps)
        if whole:
            everywhere = _whole(logprobs, keys, told=told)
            rows = drawn & (top_p >= 1)
            tokens = torch.where(rows, everywhere.tokens, tokens)
            if told:
                told_of = torch.where(rows, everywhere.logprobs, told_of)
        if candidates:
            inside, wider = _nucleus(logprobs, keys, top_p, candidates, told=told)
            rows = drawn & (top_p < 1)
            tokens = torch.where(rows, inside.tokens.masked_fill(wider, UNDECIDED), tokens)
            if told:
                told_of = torch.where(rows, inside.logprobs, told_of)
    if told:
        told_of = told_of.clamp(max=0.0)
    return tokens.masked_fill(highest.isnan(), BROKEN), highest, told_of


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Token ids, shape (rows,), and their log-probabilities, float32; these only where told."""

    tokens: torch.Tensor
    logprobs: torch.Tensor


def _whole(logprobs: torch.Tensor, keys: torch.Tensor, *, told: bool) -> _Drawn:
    """A token of each row, from the whole vocabulary."""
    ids = torch.arange(logprobs.shape[-1], device=logprobs.device)
    tokens = (logprobs + gumbel(keys, ids)).argmax(dim=-1)
    return _Drawn(tokens, logprobs.gather(1, tokens[:, None])[:, 0] if told else logprobs)


def _nucleus(
    logprobs: torch.Tensor,
    keys: torch.Tensor,
    top_p: torch.Tensor,
    candidates: int,
    *,
    told: bool,
) -> tuple[_Drawn, torch.Tensor]:
    """A token of each row, from its nucleus.

    The nucleus is the fewest most probable tokens with a mass of at least `top_p` (Holtzman et
    al. 2020, "The curious case of neural text degeneration", arXiv 1904.09751).

    Returns:
        The tokens, and True for rows whose `candidates` most probable tokens do not hold the
        nucleus, so that their token is not to be used.
    """
    ids, inside, wider = _inside(logprobs, top_p, candidates)
    chosen = (inside + gumbel(keys, ids)).argmax(dim=-1, keepdim=True)
    tokens, told_of = ids.gather(1, chosen)[:, 0], logprobs
    if told:
        told_of = (inside.gather(1, chosen)[:, 0] - inside.logsumexp(dim=-1)).float()
    return _Drawn(tokens, told_of), wider


def _inside(
    logprobs: torch.Tensor, top_p: torch.Tensor, candidates: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The nucleus of each row among its `candidates` most probable tokens.

    Returns:
        Their ids, and their log-probabilities as they are, float64, -inf outside of the nucleus;
        both of shape (rows, candidates). And True for rows whose nucleus is wider.
    """
    size = logprobs.shape[-1]
    likely, ids = logprobs.topk(min(candidates, size), dim=-1)
    likely = likely.double()
    mass = likely.exp().cumsum(dim=-1)
    outside = torch.zeros_like(mass, dtype=torch.bool)
    outside[:, 1:] = mass[:, :-1] >= top_p[:, None]
    inside = likely.masked_fill(outside, -torch.inf)
    if candidates >= size:
        return ids, inside, torch.zeros_like(top_p, dtype=torch.bool)
    return ids, inside, mass[:, -1] < top_p


def nucleus(
    logprobs: torch.Tensor, top_p: float, candidates: int = _FIRST_CANDIDATES
) -> torch.Tensor:
    """Log-probabilities of the nucleus of each row, normalized, -inf outside of it.

    Args:
        logprobs: shape (rows, vocabulary), normalized.
        top_p: its mass.
        candidates: most probable tokens that are looked at first.
    """
    shares = torch.full(logprobs.shape[:1], top_p, device=logprobs.device, dtype=torch.float64)
    ids, inside, wider = _inside(logprobs, shares, candidates)
    kept = inside.log_softmax(dim=-1).to(logprobs.dtype)
    found = torch.full_like(logprobs, -torch.inf).scatter_(1, ids, kept)
    again = wider.nonzero()[:, 0]
    if len(again):
        found[again] = nucleus(logprobs[again], top_p, candidates * 16)
    return found


def _widened(
    logprobs: torch.Tensor,
    keys: torch.Tensor,
    top_p: torch.Tensor,
    candidates: int,
    *,
    told: bool,
) -> _Drawn:
    """`_nucleus`, done again with more candidates for the rows that need them."""
    drawn, wider = _nucleus(logprobs, keys, top_p, candidates, told=told)
    again = wider.nonzero()[:, 0]
    if len(again):
        more = _widened(logprobs[again], keys[again], top_p[again], candidates * 16, told=told)
        drawn.tokens[again] = more.tokens
        if told:
            drawn.logprobs[again] = more.logprobs
    return drawn


def gumbel(keys: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Standard Gumbel noise for token `ids` under `keys`, both int64; float64, broadcast."""
    x = _mixed(keys + (ids + 1) * _signed(_GAMMA))
    # 52 bits and a half are exact in a double, so that 0 < uniform < 1 and the noise is finite.
    uniform = (_shifted(x, 12).double() + 0.5) * 2.0**-52
    return -(-uniform.log()).log()


def seed_state(seed: int) -> int:
    """What `step_keys` takes of a seed, an int64."""
    return _signed(_mix(seed * _GAMMA))


def step_keys(states: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """Where the generator of each (seed, step) starts, int64, shape (rows, 1).

    Args:
        states: `seed_state` of each row's seed, int64, shape (rows,).
        steps: int64, shape (rows,).
    """
    return _mixed(states + steps * _signed(_GAMMA))[:, None]


def _key(seed: int, step: int) -> int:
    """The state that (seed, step) starts from: SplitMix64 seeded by a SplitMix64 of the seed."""
    return _signed(_mix(_mix(seed * _GAMMA) + step * _GAMMA))


def _mix(x: int) -> int:
    x &= _MASK
    x = (x ^ x >> 30) * _MIX_1 & _MASK
    x = (x ^ x >> 27) * _MIX_2 & _MASK
    return x ^ x >> 31


def _mixed(x: torch.Tensor) -> torch.Tensor:
    """`_mix` of int64 tensors."""
    # int64 arithmetic wraps around, as SplitMix64's does; only the shifts must be made logical.
    x = (x ^ _shifted(x, 30)) * _signed(_MIX_1)
    x = (x ^ _shifted(x, 27)) * _signed(_MIX_2)
    return x ^ _shifted(x, 31)


def _signed(x: int) -> int:
    """The int64 with the bits of `x`, an unsigned one."""
    x &= _MASK
    return x - (1 << 64) if x >> 63 else x


def _shifted(x: torch.Tensor, bits: int) -> torch.Tensor:
    """Logical right shift; torch's is arithmetic."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)
