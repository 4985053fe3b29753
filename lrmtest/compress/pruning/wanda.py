"""Wanda: pruning by weights and activations (Sun et al. 2023, arXiv 2306.11695).

A weight's score is its magnitude times the norm of the input that it is multiplied with (their
equation 1), S_ij = |W_ij| ||X_j||_2. Weights are compared within one output, a row of W, and no
weight is changed but to zero.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lrmtest.compress.pruning.masks import shares_of, smallest_of_groups
from lrmtest.compress.pruning.sparsity import Sparsity


def wanda(W: Tensor, H: Tensor, sparsity: Sparsity) -> Tensor:
    """`W` pruned by Wanda.

    Every row has the same number of zeros, give or take one where the sparsity divides no row
    evenly, so that the matrix as a whole has exactly the zeros that it should have.

    Args:
        W: weights, (rows, columns).
        H: X X^T times any constant, (columns, columns): only its diagonal counts, the squared
            norm of each input.
        sparsity: how many weights become zero.
    """
    S = W.abs() * H.diagonal().sqrt()
    if sparsity.group:
        return W.masked_fill(smallest_of_groups(S, sparsity), 0)
    rows, columns = W.shape
    counts = torch.tensor(shares_of(sparsity.count(W.numel()), rows), device=W.device)
    first = torch.arange(columns, device=W.device) < counts[:, None]
    mask = torch.zeros_like(first).scatter_(1, S.argsort(dim=1), first)
    return W.masked_fill(mask, 0)
