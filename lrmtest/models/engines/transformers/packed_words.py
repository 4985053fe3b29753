"""Integers of few bits out of words of 32, and what is said of those that are damaged."""

from __future__ import annotations

import torch
from torch import Tensor

from lrmtest.errors import ModelError
from lrmtest.unicode import quote

_WORD = 32


def spread(words: Tensor, bits: int) -> Tensor:
    """Each word's integers, beside one another, the lowest bits first: (rows, words x integers).

    Args:
        words: (rows, words), int32.
        bits: of an integer; a divisor of 32.
    """
    shifts = torch.arange(0, _WORD, bits, dtype=torch.int32)
    integers = (words.contiguous()[:, :, None] >> shifts) & ((1 << bits) - 1)
    return integers.reshape(len(words), -1)


def damaged(where: str, why: str) -> ModelError:
    """The error for packed weights that cannot be what they are said to be."""
    return ModelError(
        f"{quote(where, 300)} is damaged: {why}", hint="copy or download the model again"
    )
