"""How many questions really changed: the bound by hand, by brute force and by simulation."""

from __future__ import annotations

from itertools import product
from math import prod
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import question

from lrmtest.analysis.changed import at_least, changed
from lrmtest.analysis.flips import flips


def compared(pairs):
    """From pairs of (passes, samples) before and now."""
    before, after = {}, {}
    for number, (one, other) in enumerate(pairs):
        for outcomes, (passes, samples) in ((before, one), (after, other)):
            results = [None] * passes + ["wrong"] * (samples - passes)
            outcomes["s", str(number)] = question("s", str(number), results)
    return flips(before, after)


@pytest.mark.parametrize(("after", "kind"), [(1, "broken"), (2, "unstable"), (3, "unstable")])
def test_a_fall_of_all_is_never_flakiness(after, kind):
    found = changed(compared([((4, 4), (after, 4))] * 99 + [((4, 4), (4, 4))]))
    assert found.counts[kind] == 99
    assert (found.fell, found.rose, found.counts["unchanged"]) == (99, 0, 1)
    assert found.surely_worse >= 90
    assert found.surely_better == 0


def test_as_many_up_as_down_say_nothing():
    found = changed(compared([((1, 1), (0, 1))] * 40 + [((0, 1), (1, 1))] * 40))
    assert (found.fell, found.rose) == (40, 40)
    assert (found.surely_worse, found.surely_better) == (0, 0)


def test_one_sample_is_mcnemars_setting():
    # 10 of 11 changes for the worse: 12 in 2048 by chance; 9 of 10: 11 in 1024; 8 of 9: 10 in 512;
    # 7 of 8: 9 in 256, above 2.5 %.
    found = changed(compared([((1, 1), (0, 1))] * 10 + [((0, 1), (1, 1))]))
    assert found.surely_worse == 3


def exact(events, alpha):
    """By all outcomes: the most that must have another cause, whichever they are."""
    best = 0
    for size in range(1, len(events) + 1):
        worst = 0.0
        for left_out in product([False, True], repeat=len(events)):
            if sum(left_out) != size - 1:
                continue
            kept = [event for event, out in zip(events, left_out, strict=True) if not out]
            seen = sum(came for _, came in kept)
            tail = 0.0
            for outcome in product([False, True], repeat=len(kept)):
                if sum(outcome) >= seen:
                    tail += prod(
                        chance if came else 1 - chance
                        for (chance, _), came in zip(kept, outcome, strict=True)
                    )
            worst = max(worst, tail)
        if worst > alpha:
            break
        best = size
    return min(best, sum(came for _, came in events))


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.05, 0.2, 0.5, 0.7]), st.booleans()), min_size=1, max_size=6
    ),
    st.sampled_from([0.025, 0.2]),
)
def test_the_bound_is_never_above_the_exact_one(events, alpha):
    assert 0 <= at_least(events, alpha) <= exact(events, alpha)


def test_equal_chances_are_exact():
    events = [(0.5, True)] * 7 + [(0.5, False)]
    assert at_least(events, 0.2) == exact(events, 0.2) == 4


@pytest.mark.parametrize("samples", [1, 4])
def test_how_often_the_bounds_are_wrong(samples):
    """With 10 of 60 questions worse, no more than 5 % of the runs claim more than there are."""
    random, wrong = Random(samples), 0
    for _ in range(400):
        pairs = []
        for number in range(60):
            rate = random.random()
            later = 0.2 * rate if number < 10 else rate
            counts = [sum(random.random() < p for _ in range(samples)) for p in (rate, later)]
            pairs.append(tuple((count, samples) for count in counts))
        found = changed(compared(pairs))
        wrong += found.surely_worse > 10 or found.surely_better > 0
    assert wrong <= 30  # 5 % are 20; 30 or more have probability 0.02


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=30))
def test_the_counts_are_of_all_questions(passes):
    found = changed(compared([((one, 8), (other, 8)) for one, other in passes]))
    assert sum(found.counts.values()) == len(passes)
    assert found.fell == sum(other < one for one, other in passes)
    assert found.rose == sum(other > one for one, other in passes)
    assert found.counts["broken"] + found.counts["worse"] <= found.fell
    assert 0 <= found.surely_worse <= found.fell
    assert 0 <= found.surely_better <= found.rose
