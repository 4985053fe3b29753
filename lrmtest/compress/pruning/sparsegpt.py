"""SparseGPT: one-shot pruning by layer-wise reconstruction (Frantar & Alistarh 2023).

arXiv 2301.00774, Algorithm 1, with its names: W is pruned column by column from left to right;
what a pruned weight contributed to the output is made up for by the weights to its right, after
the optimal brain surgeon (Hassibi & Stork 1993). The rows of the upper Cholesky factor of H^-1
are all that these updates need: row c of it is row c of the inverse of H restricted to the columns
from c on, over the root of that inverse's diagonal entry.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lrmtest.compress.pruning.masks import smallest, smallest_of_groups
from lrmtest.compress.pruning.sparsity import Sparsity
from lrmtest.errors import ModelError

BLOCKSIZE = 128
"""B, columns that are pruned before the rest of the matrix hears of it; the mask is chosen anew
for each block, B_s = B."""
PERCDAMP = 0.01
"""Lambda, as a share of the mean of H's diagonal."""
_TRIES = 4


def sparsegpt(
    W: Tensor,
    H: Tensor,
    sparsity: Sparsity,
    *,
    blocksize: int = BLOCKSIZE,
    percdamp: float = PERCDAMP,
) -> Tensor:
    """`W` pruned by SparseGPT.

    Without a pattern a block gets the zeros that bring the columns up to its end to the wanted
    sparsity, rounded, so that the matrix as a whole has exactly what it should have. Weights whose
    input is always zero, whose columns of H are, go first: the output does not depend on them.

    Args:
        W: weights, float32, (rows, columns).
        H: 2 X X^T, float32, (columns, columns).
        sparsity: how many weights become zero.
        blocksize: columns in a block; a multiple of the pattern's group, if there is one.
        percdamp: lambda, as a share of the mean of H's diagonal.

    Raises:
        ModelError: H is so ill-conditioned that no damping helps.
    """
    W = W.clone()
    rows, columns = W.shape
    dead = H.diagonal() == 0
    Hinv = _inverse_factor(H, dead, percdamp)

    for i1 in range(0, columns, blocksize):
        i2 = min(i1 + blocksize, columns)
        # Transposed, so that a column is one run of memory. The loop does two things per column,
        # as on a GPU what it costs is to launch them, thousands of times for a matrix.
        W1, Hinv1 = W[:, i1:i2].T.contiguous(), Hinv[i1:i2, i1:i2]
        E = torch.zeros_like(W1)
        d = Hinv1.diagonal()
        M = torch.zeros_like(W1, dtype=torch.bool)
        if not sparsity.group:
            count = sparsity.count(rows * i2) - sparsity.count(rows * i1)
            M = smallest(_errors(W1.T, d, dead[i1:i2]), count).T
        to_error = M / d[:, None]

        for j in range(i2 - i1):
            if sparsity.group and j % sparsity.group == 0:
                group = slice(j, j + sparsity.group)
                scores = _errors(W1[group].T, d[group], dead[i1:i2][group])
                M[group] = smallest_of_groups(scores, sparsity).T
                to_error[group] = M[group] / d[group, None]
            torch.mul(W1[j], to_error[j], out=E[j])
            W1[j + 1 :].addr_(Hinv1[j, j + 1 :], E[j], alpha=-1)

        W[:, i1:i2] = W1.masked_fill_(M, 0).T
        W[:, i2:] -= E.T @ Hinv[i1:i2, i2:]
    return W


def _errors(W: Tensor, d: Tensor, dead: Tensor) -> Tensor:
    """What pruning each weight costs, w_c^2 / [H^-1]_cc; of dead ones less than of any other.

    `d` is the diagonal of H^-1's factor: d_c^2 = [H^-1]_cc for the H of the columns from c on.
    """
    return torch.where(dead, -1 / (1 + W**2), W**2 / d**2)


def _inverse_factor(H: Tensor, dead: Tensor, percdamp: float) -> Tensor:
    """The upper Cholesky factor of (H + lambda I)^-1."""
    damp = percdamp * H.diagonal().mean()
    for _ in range(_TRIES):
        damped = H.clone()
        damped.diagonal().add_(damp)
        damped.diagonal()[dead] = 1
        try:
            inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
            return torch.linalg.cholesky(inverse, upper=True)
        except torch.linalg.LinAlgError:
            # In float32 the least eigenvalues of a nearly singular H are lost to rounding.
            damp = 10 * damp if damp > 0 else 1e-6 * H.diagonal().mean()
    raise ModelError(
        "the Hessian of the calibration inputs cannot be inverted",
        hint="calibrate on more, and more varied, text: --calibration-samples",
    )
