from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.analysis.betting import Capital

figures = st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), max_size=200)


def capital_after(seen, mean):
    capital = Capital(mean)
    for figure in seen:
        capital.observe(figure)
    return capital.log


@given(figures, st.floats(-0.9, 0.9))
def test_the_order_of_figures_does_not_matter(seen, mean):
    assert capital_after(seen, mean) == pytest.approx(capital_after(sorted(seen), mean), abs=1e-6)


@pytest.mark.parametrize("mean", [-0.5, 0.0, 0.05, 0.3])
def test_the_game_is_fair(mean):
    """The expected capital after one figure with that mean is the capital before."""
    for spread in (0.1, 0.6):
        high, low = min(1.0, mean + spread), max(-1.0, mean - spread)
        chance = (mean - low) / (high - low)
        expected = sum(
            p * np.exp(capital_after([figure], mean))
            for p, figure in ((chance, high), (1 - chance, low))
        )
        assert expected == pytest.approx(1)


@given(figures)
def test_it_is_never_ruined_nor_paid_for_nothing(seen):
    assert np.isfinite(capital_after([-1.0] * 500 + seen, 0.0))
    assert capital_after([0.0] * 20, 0.0) == pytest.approx(0)


def test_the_chance_of_ever_reaching_the_level():
    """Looked at after each of 300 coin tosses; binomial error of 1,000 runs is 0.7 points."""
    rng = np.random.default_rng(4)
    reached = 0
    for tosses in rng.choice([-1.0, 0.0, 1.0], (1000, 300), p=[0.15, 0.7, 0.15]):
        capital = Capital(0.0)
        for toss in tosses:
            capital.observe(toss)
            if capital.log >= log(20):
                reached += 1
                break
    assert reached / 1000 <= 0.06


def test_a_figure_out_of_bounds_is_refused():
    with pytest.raises(ValueError, match="not in"):
        Capital(0.0).observe(1.5)
