"""Masks over a matrix: True where a weight is to become zero."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from lrmtest.compress.pruning.sparsity import Sparsity


def smallest(scores: Tensor, count: int) -> Tensor:
    """Exactly `count` entries of `scores`, the smallest; of equal ones, any."""
    mask = torch.zeros(scores.numel(), dtype=torch.bool, device=scores.device)
    mask[scores.flatten().topk(count, largest=False, sorted=False).indices] = True
    return mask.view(scores.shape)


def smallest_of_groups(scores: Tensor, sparsity: Sparsity) -> Tensor:
    """The smallest in every group of consecutive columns of each row, as many as are wanted.

    Args:
        scores: (rows, columns); the columns are a multiple of the group.
        sparsity: has a group.
    """
    groups = scores.reshape(scores.shape[0], -1, sparsity.group)
    indices = groups.topk(sparsity.count(sparsity.group), dim=2, largest=False).indices
    return torch.zeros_like(groups, dtype=torch.bool).scatter_(2, indices, True).view(scores.shape)


def shares_of(total: int, parts: int) -> list[int]:
    """`total` divided as evenly as whole numbers can be, in a fixed order."""
    ends = [total * part // parts for part in range(parts + 1)]
    return [end - begin for begin, end in pairwise(ends)]
