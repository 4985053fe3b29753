"""The pruning algorithms against brute force, each other, and what their papers say of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from lrmtest.compress.pruning.magnitude import magnitude  # noqa: E402
from lrmtest.compress.pruning.masks import shares_of  # noqa: E402
from lrmtest.compress.pruning.sparsegpt import sparsegpt  # noqa: E402
from lrmtest.compress.pruning.sparsity import Sparsity  # noqa: E402
from lrmtest.compress.pruning.wanda import wanda  # noqa: E402
from lrmtest.errors import ModelError  # noqa: E402

ALGORITHMS = {
    "sparsegpt": sparsegpt,
    "wanda": wanda,
    "magnitude": lambda W, H, sparsity: magnitude(W, sparsity),
}

seeds = st.integers(0, 10**6)
shares = st.floats(0.01, 0.99)


def made(seed, rows=24, columns=48, samples=200, dtype=torch.float64):
    """Weights and the H of inputs that are correlated and of unlike size."""
    random = torch.Generator().manual_seed(seed)
    W = torch.randn(rows, columns, generator=random, dtype=dtype)
    mixing = torch.randn(columns, columns, generator=random, dtype=dtype)
    scale = torch.rand(columns, generator=random, dtype=dtype) * 3 + 0.05
    X = (torch.randn(samples, columns, generator=random, dtype=dtype) @ mixing) * scale
    return W, 2 * X.T @ X


def error(W, pruned, H):
    return float(((W - pruned) @ H * (W - pruned)).sum() / 2)


def zeros(matrix):
    return int((matrix == 0).sum())


@pytest.mark.parametrize("method", ALGORITHMS)
@given(seed=seeds, share=shares, rows=st.integers(1, 40), columns=st.integers(1, 60))
def test_there_are_exactly_as_many_zeros_as_asked_for(method, seed, share, rows, columns):
    W, H = made(seed, rows, columns)
    pruned = ALGORITHMS[method](W, H, Sparsity(share))
    assert zeros(pruned) == round(share * rows * columns)
    assert zeros(W) == 0


@given(seed=seeds, share=shares, blocksize=st.integers(1, 60))
def test_blocks_share_the_zeros(seed, share, blocksize):
    W, H = made(seed)
    pruned = sparsegpt(W, H, Sparsity(share), blocksize=blocksize)
    rows, columns = W.shape
    for end in [*range(blocksize, columns, blocksize), columns]:
        assert zeros(pruned[:, :end]) == round(share * rows * end)


@pytest.mark.parametrize("method", ALGORITHMS)
@pytest.mark.parametrize("group", [4, 8])
@given(seed=seeds, columns=st.integers(1, 40))
def test_a_pattern_holds_in_every_group(method, group, seed, columns):
    W, H = made(seed, rows=5, columns=group * columns)
    pruned = ALGORITHMS[method](W, H, Sparsity(0.5, group))
    groups = (pruned.reshape(5, -1, group) == 0).sum(dim=2)
    assert (groups == group // 2).all()


@given(seed=seeds, share=shares)
def test_wanda_and_magnitude_leave_what_they_keep(seed, share):
    W, H = made(seed)
    for method in ("wanda", "magnitude"):
        pruned = ALGORITHMS[method](W, H, Sparsity(share))
        assert torch.equal(pruned[pruned != 0], W[pruned != 0])


@given(seed=seeds, share=shares)
def test_magnitude_prunes_the_smallest(seed, share):
    W, _ = made(seed)
    pruned = magnitude(W, Sparsity(share))
    gone, left = W[pruned == 0].abs(), W[pruned != 0].abs()
    assert not len(gone) or not len(left) or gone.max() <= left.min()


@given(seed=seeds, share=shares)
def test_wanda_prunes_each_row_by_weight_times_input(seed, share):
    W, H = made(seed, rows=6, columns=20)
    pruned = wanda(W, H, Sparsity(share))
    total = round(share * W.numel())
    for row in range(6):
        scores = [float(W[row, c].abs() * (H[c, c] / 2) ** 0.5) for c in range(20)]
        gone = {c for c in range(20) if pruned[row, c] == 0}
        assert len(gone) in (total // 6, total // 6 + 1)
        assert gone == set(sorted(range(20), key=scores.__getitem__)[: len(gone)])


@given(seed=seeds, share=shares)
def test_with_uncorrelated_inputs_sparsegpt_is_magnitude_pruning(seed, share):
    W, _ = made(seed)
    pruned = sparsegpt(W, torch.eye(48, dtype=W.dtype), Sparsity(share))
    torch.testing.assert_close(pruned, magnitude(W, Sparsity(share)), rtol=0, atol=1e-12)


@given(seed=seeds, sparsity=st.sampled_from([*map(Sparsity, (0.3, 0.5, 0.7)), Sparsity(0.5, 4)]))
def test_sparsegpt_loses_least(seed, sparsity):
    """On inputs whose directions differ in strength as a layer's do. It is greedy as the others
    are, and nothing promises this of inputs that are bad enough."""
    random = torch.Generator().manual_seed(seed)
    W = torch.randn(64, 128, generator=random, dtype=torch.float64)
    mixing = torch.randn(128, 128, generator=random, dtype=torch.float64)
    strength = torch.logspace(0, -2, 128, dtype=torch.float64)
    X = (torch.randn(1024, 128, generator=random, dtype=torch.float64) * strength) @ mixing
    H = 2 * X.T @ X
    lost = {name: error(W, algorithm(W, H, sparsity), H) for name, algorithm in ALGORITHMS.items()}
    assert lost["sparsegpt"] < lost["wanda"]
    assert lost["sparsegpt"] < lost["magnitude"]


def best(row, H, fixed, free):
    """`row` with the entries `free` chosen so that the output changes least, by least squares."""
    result = row.clone()
    for column, value in fixed.items():
        result[column] = value
    if free:
        # Least squares over the free ones: H_FF d_F = -H_FD d_D, D what has been changed.
        changed = list(fixed)
        delta = result[changed] - row[changed]
        result[free] = row[free] + torch.linalg.solve(
            H[free][:, free], -H[free][:, changed] @ delta
        )
    return result


@given(seed=seeds, blocksize=st.integers(1, 8))
def test_every_step_is_the_optimal_brain_surgeons(seed, blocksize):
    """Column by column, solved anew by least squares over the weights to the right of it."""
    W, H = made(seed, rows=3, columns=8)
    pruned = sparsegpt(W, H, Sparsity(0.5), blocksize=blocksize, percdamp=0)
    for row in range(3):
        now = W[row].clone()
        for column in range(8):
            if pruned[row, column] == 0:
                later = list(range(column + 1, 8))
                step = best(now, H, {column: 0.0}, later)
                now[column], now[later] = 0.0, step[later]
        torch.testing.assert_close(pruned[row], now, rtol=1e-6, atol=1e-8)


@given(seed=seeds)
def test_the_one_weight_that_goes_is_the_cheapest_of_all(seed):
    """One weight of a row: the choice, and the loss w^2 / (2 [H^-1]_cc), by trying all."""
    W, H = made(seed, rows=1, columns=6)
    costs = []
    for column in range(6):
        later = list(range(column + 1, 6))
        candidate = best(W[0], H, {column: 0.0}, later)
        # Weights to the left are done with: what they add is the same for all.
        costs.append(error(W[0], candidate, H))
        tail = list(range(column, 6))
        inverse = torch.linalg.inv(H[tail][:, tail])[0, 0]
        assert costs[-1] == pytest.approx(float(W[0, column] ** 2 / inverse / 2), rel=1e-6)
    pruned = sparsegpt(W, H, Sparsity(1 / 6), percdamp=0)
    assert int((pruned[0] == 0).nonzero()) == min(range(6), key=costs.__getitem__)
    assert error(W, pruned, H) == pytest.approx(min(costs), rel=1e-6)


@given(seed=seeds)
def test_inputs_that_are_always_zero_go_first(seed):
    W, H = made(seed, rows=10, columns=20)
    dead = [2, 3, 11, 19]
    H[dead] = H[:, dead] = 0
    pruned = sparsegpt(W, H, Sparsity(0.2))  # just the four of twenty
    assert (pruned[:, dead] == 0).all()
    assert zeros(pruned) == 40
    assert error(W, pruned, H) == 0
    fewer = sparsegpt(W, H, Sparsity(0.1))
    alive = [column for column in range(20) if column not in dead]
    assert torch.equal(fewer[:, alive], W[:, alive])


def test_inputs_that_are_all_zero_leave_magnitude_pruning():
    W, _ = made(0)
    pruned = sparsegpt(W, torch.zeros(48, 48, dtype=W.dtype), Sparsity(0.5))
    assert torch.equal(pruned, magnitude(W, Sparsity(0.5)))


def test_too_few_inputs_are_helped_by_damping():
    W, H = made(1, columns=64, samples=5, dtype=torch.float32)
    pruned = sparsegpt(W, H, Sparsity(0.5))
    assert zeros(pruned) == W.numel() // 2
    assert torch.isfinite(pruned).all()
    assert error(W, pruned, H) < error(W, wanda(W, H, Sparsity(0.5)), H)


def test_a_matrix_that_is_no_hessian_is_refused():
    with pytest.raises(ModelError, match="cannot be inverted"):
        sparsegpt(torch.ones(2, 2), torch.tensor([[1.0, 9e9], [9e9, 1.0]]), Sparsity(0.5))


@given(total=st.integers(0, 10**6), parts=st.integers(1, 1000))
def test_shares_are_even(total, parts):
    shares = shares_of(total, parts)
    assert sum(shares) == total
    assert len(shares) == parts
    assert max(shares) - min(shares) <= 1
