"""Magnitude pruning: the smallest weights of each matrix become zero (Zhu & Gupta 2017).

Every matrix is pruned to the same sparsity, its weights compared with one another whatever their
row: the layer-wise uniform baseline of the SparseGPT paper (arXiv 2301.00774). arXiv 1710.01878.
"""

from __future__ import annotations

from torch import Tensor

from lrmtest.compress.pruning.masks import smallest, smallest_of_groups
from lrmtest.compress.pruning.sparsity import Sparsity


def magnitude(W: Tensor, sparsity: Sparsity) -> Tensor:
    """`W`, (rows, columns), with the weights of least magnitude set to zero; the rest as it was."""
    S = W.abs()
    mask = (
        smallest_of_groups(S, sparsity)
        if sparsity.group
        else smallest(S, sparsity.count(W.numel()))
    )
    return W.masked_fill(mask, 0)
