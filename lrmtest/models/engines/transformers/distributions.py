"""Next-token distributions as the sampler draws from them, and how far two of them are apart."""

from __future__ import annotations

import torch

from lrmtest.models.engines.transformers.gumbel import Cut, nucleus
from lrmtest.models.reading import Shaping


def processed(logits: torch.Tensor, shaping: Shaping) -> torch.Tensor:
    """Log-probabilities of the processed distribution, ``-inf`` for what is cut off.

    The functions are those of `gumbel.pick`, so that a model which reads what it has itself drawn
    finds what it drew from.

    Args:
        logits: shape (places, vocabulary), float32.
        shaping: of the distribution; not greedy.

    Returns:
        Shape (places, vocabulary), float32, normalized.
    """
    cut = Cut(top_k=shaping.top_k, min_p=shaping.min_p)
    logprobs = cut.of((logits / shaping.temperature).log_softmax(dim=-1))
    return nucleus(logprobs, shaping.top_p) if shaping.top_p < 1 else logprobs


def of_tokens(logprobs: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """The log-probability of one token at each place, shape (places,)."""
    return logprobs.gather(1, tokens[:, None])[:, 0]


def total_variation(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Half the sum of absolute differences, at each place; float64, in [0, 1].

    Args:
        a, b: log-probabilities, shape (places, vocabulary); as `same_width` makes them.
    """
    total = (a.exp() - b.exp()).abs().sum(dim=-1, dtype=torch.float64)
    return (total / 2).clamp(0.0, 1.0)


def divergence(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """KL(a || b) in nats at each place, float64, at least 0; arguments as in `total_variation`."""
    # Where a is 0 a term is 0, whatever b is: padding of a larger vocabulary has -inf in both.
    terms = torch.where(a > -torch.inf, a.exp() * (a - b), 0.0)
    return terms.sum(dim=-1, dtype=torch.float64).clamp_min(0.0)


def same_width(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both with logits for as many tokens: those that a model lacks it cannot say (``-inf``).

    Checkpoints pad their vocabulary to sizes that suit a GPU, and not all alike.
    """
    width = max(a.shape[-1], b.shape[-1])

    def padded(x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pad(x, (0, width - x.shape[-1]), value=-torch.inf)

    return padded(a), padded(b)
