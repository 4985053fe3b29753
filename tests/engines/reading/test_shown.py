"""Bounds from the likeliest tokens hold whatever is not shown, and close when all is."""

from __future__ import annotations

from math import exp, fsum, inf, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.models.engines.reading.shown import Shown, bounds
from lrmtest.models.reading import Shaping

SHAPINGS = st.builds(
    Shaping,
    temperature=st.sampled_from((0.0, 0.3, 0.6, 1.0, 1.5)),
    top_p=st.sampled_from((0.3, 0.8, 0.95, 1.0)),
    top_k=st.sampled_from((0, 0, 1, 3, 20)),
    min_p=st.sampled_from((0.0, 0.0, 0.05, 0.5)),
)
SCORES = st.lists(st.integers(-60, 60), min_size=1, max_size=12, unique=True)


def logprobs(scores):
    values = [score / 7 for score in scores]
    mass = log(fsum(map(exp, values)))
    return [value - mass for value in values]


def processed(own, shaping):
    """All processed log-probabilities, by the definition."""
    order = sorted(range(len(own)), key=lambda i: -own[i])
    if shaping.greedy:
        return [0.0 if i == order[0] else -inf for i in range(len(own))]
    weights = [exp(value / shaping.temperature) for value in own]
    kept = order[: shaping.top_k] if shaping.top_k else order
    kept = [i for i in kept if weights[i] >= shaping.min_p * weights[order[0]]]
    mass, before, nucleus = fsum(weights[i] for i in kept), 0.0, []
    for i in kept:
        if shaping.top_p < 1 and before >= shaping.top_p * mass:
            break
        nucleus.append(i)
        before += weights[i]
    return [log(weights[i] / before) if i in nucleus else -inf for i in range(len(own))]


@given(SCORES, SHAPINGS, st.data())
def test_the_truth_is_between_the_bounds(scores, shaping, data):
    own = logprobs(scores)
    count = data.draw(st.integers(0, len(own)), label="shown")
    token = data.draw(st.integers(0, len(own) - 1), label="token")
    order = sorted(own, reverse=True)
    rank = order.index(own[token]) + 1
    told = data.draw(st.booleans(), label="rank told")
    extra = data.draw(st.integers(0, 5), label="tokens that there might be")
    shown = Shown(own[token], order[:count], rank if told else None, len(own) + extra)
    low, high = bounds(shown, shaping)
    truth = processed(own, shaping)[token]
    assert low <= truth + 1e-4 or low == truth
    assert truth <= high + 1e-4
    assert high <= 0


@given(SCORES, SHAPINGS, st.data())
def test_all_shown_is_exact(scores, shaping, data):
    own = logprobs(scores)
    token = data.draw(st.integers(0, len(own) - 1))
    shown = Shown(own[token], sorted(own, reverse=True), None, len(own))
    low, high = bounds(shown, shaping)
    truth = processed(own, shaping)[token]
    # At the nucleus' very edge the servers' rounding leaves it open whether a token is inside.
    if low != high:
        assert low <= truth + 1e-4
        assert truth <= high + 1e-4
    elif truth == -inf:
        assert low == -inf
    else:
        assert low == pytest.approx(truth, abs=1e-4)


def test_the_unprocessed_distribution_needs_nothing_but_the_token():
    assert bounds(Shown(-3.5, [], None, 1000), Shaping(1.0)) == (-3.5, -3.5)


def test_a_nucleus_that_is_shown_whole_is_exact():
    own = [log(0.6), log(0.3), log(0.06)]  # and a rest of 0.04
    low, high = bounds(Shown(own[1], own, 2, 50_000), Shaping(1.0, 0.8))
    assert low == high == pytest.approx(log(1 / 3))
    assert bounds(Shown(own[2], own, 3, 50_000), Shaping(1.0, 0.8)) == (-inf, -inf)


def test_what_may_be_cut_off_has_no_lower_bound():
    own = [log(0.4), log(0.2)]  # the nucleus of 0.9 ends somewhere in what is not shown
    low, high = bounds(Shown(log(0.01), own, None, 50_000), Shaping(1.0, 0.9))
    assert low == -inf
    assert high == pytest.approx(log(0.01 / 0.9), abs=1e-3)
    # The rank says that it comes too early to be cut off.
    low, high = bounds(Shown(log(0.01), own, 4, 50_000), Shaping(1.0, 0.9))
    assert low == pytest.approx(log(0.01 / 1.0), abs=0.11)
