"""Speculative sampling along a trace: its law is the follower's own, exactly."""

from array import array
from itertools import pairwise, product
from math import exp, fsum, inf, log, nextafter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.models import rejection
from lrmtest.models.reading import Shaping
from lrmtest.models.rejection import (
    Distribution,
    Walk,
    acceptance,
    drawn,
    residual,
    seed_behind,
    uniform,
)
from lrmtest.models.trace import Trace

SIZE = 5


@st.composite
def distributions(draw):
    """Over some of a few tokens: others are cut off."""
    weights = draw(
        st.lists(st.sampled_from((0, 1e-6, 0.3, 1, 2, 50)), min_size=SIZE, max_size=SIZE)
    )
    if not any(weights):
        weights[draw(st.integers(0, SIZE - 1))] = 1
    total = fsum(weights)
    return Distribution.of((i, log(one / total)) for i, one in enumerate(weights) if one)


def chance(one, token):
    return exp(one.logprob(token))


def law(writers, own):
    """Of each token, the probability that it comes out; over all that the writer may have drawn."""
    weights = residual(own, writers)
    left = fsum(weights)
    found = [0.0] * SIZE
    for token in writers.tokens:
        taken = acceptance(writers.logprob(token), own.logprob(token))
        found[token] += chance(writers, token) * taken
        for other, weight in zip(own.tokens, weights, strict=True):
            found[other] += chance(writers, token) * (1 - taken) * weight / left
    return found


@given(distributions(), distributions())
def test_what_comes_out_has_the_follower_s_law(writers, own):
    assert law(writers, own) == pytest.approx([chance(own, i) for i in range(SIZE)], abs=1e-9)


@given(st.data())
def test_so_have_texts_of_two_tokens(data):
    """Every text that can come out of every trace; behind a turn the follower goes on alone."""
    places = [(), *((i,) for i in range(SIZE))]
    writers = {place: data.draw(distributions()) for place in places}
    own = {place: data.draw(distributions()) for place in places}
    found = dict.fromkeys(product(range(SIZE), repeat=2), 0.0)
    weights = {place: residual(own[place], writers[place]) for place in places}
    for trace in product(range(SIZE), repeat=2):
        probability = chance(writers[()], trace[0]) * chance(writers[trace[:1]], trace[1])
        for place in ((), trace[:1]):
            token = trace[len(place)]
            taken = (
                acceptance(writers[place].logprob(token), own[place].logprob(token))
                if probability
                else 0.0
            )
            left = fsum(weights[place])
            for other, weight in zip(own[place].tokens, weights[place], strict=True):
                turned = probability * (1 - taken) * weight / left
                if place:
                    found[*place, other] += turned
                else:
                    for second in own[other,].tokens:
                        found[other, second] += turned * chance(own[other,], second)
            probability *= taken
        found[trace] += probability
    for first, second in found:
        expected = chance(own[()], first) * chance(own[first,], second)
        assert found[first, second] == pytest.approx(expected, abs=1e-9)


@given(distributions(), st.floats(0, 1, exclude_max=True))
def test_a_token_is_drawn_by_its_share(own, number):
    weights = [exp(one) for one in own.logprobs]
    token = drawn(own.tokens, weights, number)
    index = own.tokens.index(token)
    total = fsum(weights)
    assert fsum(weights[:index]) / total <= number + 1e-12
    assert number <= fsum(weights[: index + 1]) / total + 1e-12


def test_what_has_no_weight_is_never_drawn():
    tokens = array("I", [3, 7, 9, 11])
    ends = [drawn(tokens, [0.0, 0.5, 0.5, 0.0], one) for one in (0.0, 0.5, nextafter(1, 0))]
    assert ends == [7, 9, 9]


def test_models_that_are_the_same_as_far_as_was_told_leave_the_follower_s_own():
    one = Distribution.of([(0, log(0.25)), (4, log(0.75))])
    assert residual(one, one) == pytest.approx([0.25, 0.75])


def test_a_token_that_is_cut_off_is_never_taken():
    assert acceptance(-0.5, -inf) == 0
    assert acceptance(-0.5, -0.25) == 1
    assert acceptance(log(0.5), log(0.25)) == pytest.approx(0.5)


def test_decisions_are_hashes_and_none_is_another():
    seen = {
        uniform(seed, place, purpose)
        for seed in range(40)
        for place in range(40)
        for purpose in ("take", "draw", "go on")
    }
    assert len(seen) == 40 * 40 * 3
    assert all(0 <= one < 1 for one in seen)
    assert uniform(7, 3, "take") == uniform(7, 3, "take")
    behind = [seed_behind(seed) for seed in range(1000)]
    assert len(set(behind)) == 1000
    assert all(0 <= one < 2**31 for one in behind)
    # As far as can be seen of so many: the mean of uniform numbers, six standard deviations.
    assert abs(sum(seen) / len(seen) - 0.5) < 6 * (1 / 12 / len(seen)) ** 0.5


def trace_of(tokens, logprobs, *, ended=False):
    return Trace(array("I", [90, 91]), array("I", tokens), array("f", logprobs), ended)


def bounds_around(values, slack):
    low = array("f", [value - one for value, one in zip(values, slack, strict=True)])
    high = array("f", [min(0.0, value + one) for value, one in zip(values, slack, strict=True)])
    return low, high


@given(st.data())
def test_bounds_change_no_decision(data):
    """However much of the probabilities is seen at first, tokens are taken by min(1, p / q)."""
    length = data.draw(st.integers(1, 6))
    numbers = data.draw(st.lists(st.floats(0, 0.999), min_size=length, max_size=length))
    logs = st.lists(st.sampled_from((-3.0, -1.0, -0.5, 0.0)), min_size=length, max_size=length)
    written, own = data.draw(logs), data.draw(logs)
    wide = data.draw(st.lists(st.sampled_from((0.0, 0.5, 4.0)), min_size=length, max_size=length))
    tokens = list(range(length))
    trace = trace_of(tokens, written)
    low, high = bounds_around(own, wide)
    asked = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rejection, "uniform", lambda _, place, __: numbers[place])
        walk = Walk(trace, Shaping(1.0), low, high, array("f", own), 1, 99)
        while walk.asks:
            asked.append(walk.place)
            # The token's own probability is all that decides whether it is taken.
            walk.told(Distribution.of([(walk.token, own[walk.place])]))
    expected = next(
        (i for i in range(length) if not numbers[i] < acceptance(trace.logprobs[i], own[i])),
        length,
    )
    assert walk.place == expected
    assert walk.turns == (expected < length)
    assert all(one <= two for one, two in pairwise(asked))
    turning = walk.turning(frozenset(), 77 if walk.turns else None, -0.25)
    assert turning.taken == expected
    assert turning.tokens.tolist() == tokens[:expected] + ([77] if walk.turns else [])
    if turning.logprobs:
        told = own[:expected] + ([-0.25] if walk.turns else [])
        assert turning.logprobs.tolist() == pytest.approx(told)
    else:
        assert not turning.tokens or any(wide[:expected])


def exact(tokens, own, *, shaping, most=99, ended=False, seed=5):
    values = array("f", own)
    trace = trace_of(tokens, [-0.5] * len(tokens), ended=ended)
    return Walk(trace, shaping, values, values, values, seed, most)


def test_a_greedy_sample_goes_on_where_the_likeliest_is_another():
    walk = exact([4, 5, 6], [0.0, 0.0, -inf], shaping=Shaping(0.0))
    assert not walk.asks
    assert not walk.turns
    turning = walk.turning(frozenset({5, 6}))
    assert (turning.tokens.tolist(), turning.taken, turning.may_end) == ([4, 5], 2, False)
    assert turning.silent == {5}
    assert walk.prefix.tolist() == [90, 91, 4, 5]


@pytest.mark.parametrize(("most", "may_end"), [(1, False), (2, True), (99, True)])
def test_a_budget_is_the_sample_s_own_and_an_end_is_asked_for(most, may_end):
    walk = exact([4, 5], [0.0, 0.0], shaping=Shaping(1.0), most=most, ended=True)
    turning = walk.turning(frozenset())
    assert not walk.asks
    assert turning.taken == min(most, 2)
    assert turning.may_end == may_end
    assert len(turning.logprobs) == turning.taken
