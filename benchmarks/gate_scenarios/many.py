"""The p-values of `Pairs` for many simulated runs at once, checked against `Pairs` itself."""

from __future__ import annotations

import numpy as np

from lrmtest.analysis.pairs import Pairs

_AT_ONCE = 2048
_STEP, _NODES, _BLOCK = 0.05, 1000, 40
_MOST_FOR, _SAME_FOR_HALF = 0.75, 2.0


def p_above(worse: np.ndarray, better: np.ndarray, total: float, worsening: float) -> np.ndarray:
    """`Pairs(worse, better, total, ...).p_above(worsening)` for every run.

    Args:
        worse, better: of every run, shape (runs,).
        total: pairs, the same in all.
        worsening: the hypothetical one.
    """
    rows, back = np.unique(np.column_stack([worse, better]).round(9), axis=0, return_inverse=True)
    found = [
        _p_at_most(part[:, 0], part[:, 1], total, worsening)
        for part in np.array_split(rows, -(-len(rows) // _AT_ONCE))
    ]
    return np.concatenate(found)[back.reshape(-1)]


def p_below(worse: np.ndarray, better: np.ndarray, total: float, worsening: float) -> np.ndarray:
    """The same of `Pairs.p_below`."""
    return p_above(better, worse, total, -worsening)


def agrees(random: np.random.Generator, cases: int = 400) -> bool:
    """Whether the p-values are those of `Pairs`, at random places."""
    for _ in range(cases):
        total = float(random.choice([12, 30, 120, 480, 4000]))
        differ = total * random.random() * random.choice([0.02, 0.2, 1.0])
        worse = float(np.round(differ * random.random(), int(random.integers(0, 4))))
        better = float(np.round(max(0.0, differ - worse), int(random.integers(0, 4))))
        if worse + better > total:
            continue
        worsening = float(random.choice([-0.2, -0.1, 0.0, 0.05, 0.1, 0.3]))
        exact = Pairs(worse, better, total, int(total)).p_above(worsening)
        ours = p_above(np.array([worse]), np.array([better]), total, worsening)[0]
        if abs(ours - exact) > 1e-7:
            return False
    return True


def _p_at_most(favouring: np.ndarray, against: np.ndarray, total: float, mean: float) -> np.ndarray:
    """`Pairs._p_at_most`, with one pair that is added against the claim and steps of 1."""
    same = np.maximum(0.0, total - favouring - against)
    added = _MOST_FOR * same / (same + _SAME_FOR_HALF) * favouring / (favouring + 1)
    shapes = np.column_stack([favouring, against + 1, same, added * (1 - abs(mean)) ** 2])
    slopes = np.where(shapes > 0, np.array([1.0, -1.0, 0.0, 1.0]) - mean, 0.0)
    slopes[np.abs(slopes) <= 1e-12] = 0.0
    result = np.ones(len(shapes))
    some = (slopes > 0).any(1)
    upper = some & ((slopes * shapes).sum(1) < 0)
    lower = some & ~upper
    result[lower] = _below_zero(slopes[lower], shapes[lower])
    result[upper] = 1 - _below_zero(-slopes[upper], shapes[upper])
    return result


def _below_zero(slopes: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """`lrmtest.analysis.bounded_mean._below_zero`, row by row."""
    low, high = 1 / slopes.min(1), np.zeros(len(slopes))
    for _ in range(24):
        point = (low + high) / 2
        gradient = (shapes * slopes / (1 - slopes * point[:, None])).sum(1)
        below = gradient - 1 / point < 0
        low, high = np.where(below, point, low), np.where(below, high, point)
    point = (low + high) / 2
    curvature = (shapes * (slopes / (1 - slopes * point[:, None])) ** 2).sum(1)
    width = 1 / np.sqrt(curvature + 1 / point**2)

    def integrand(rows: np.ndarray, nodes: np.ndarray) -> np.ndarray:
        heights = width[rows, None] * np.sinh(_STEP * nodes)
        z = point[rows, None] + 1j * heights
        exponent = np.zeros_like(z)
        for group in range(slopes.shape[1]):
            exponent -= shapes[rows, group, None] * np.log(1 - slopes[rows, group, None] * z)
        return np.exp(exponent) / z * np.cosh(_STEP * nodes)

    active = np.arange(len(slopes))
    first = integrand(active, np.zeros(1))[:, 0]
    total = first.real / 2
    for start in range(1, _NODES, _BLOCK):
        if not len(active):
            break
        terms = integrand(active, np.arange(start, start + _BLOCK))
        total[active] += terms.real.sum(1)
        active = active[np.abs(terms[:, -1]) >= np.abs(first[active]) * 1e-12]
    return np.clip(-total * _STEP * width / np.pi, 0.0, 1.0)
