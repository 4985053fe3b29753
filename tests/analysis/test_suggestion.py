"""What to protect within a budget: against all subsets."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.analysis.suggestion import Candidate, proposals, taken_in_turn

MENDS = st.integers(-3, 12).map(float)


@st.composite
def tasks(draw):
    """Candidates with the mends of three traces, what these lost, and a budget."""
    count = draw(st.integers(1, 7))
    candidates = [
        Candidate(f"m{n}", float(draw(st.integers(1, 9))), tuple(draw(MENDS) for _ in range(3)))
        for n in range(count)
    ]
    lost = [float(draw(st.integers(-1, 12))) for _ in range(3)]
    return candidates, lost, float(draw(st.integers(1, 25)))


def subsets(candidates, budget):
    for size in range(len(candidates) + 1):
        for some in combinations(candidates, size):
            if sum(one.cost for one in some) <= budget:
                yield some


def covered(some, lost):
    return sum(
        min(sum(one.mends[n] for one in some), max(most, 0.0)) for n, most in enumerate(lost)
    )


@given(tasks())
def test_the_sets_are_within_the_budget_and_one_is_the_best_where_gains_add_up(task):
    candidates, lost, budget = task
    found = proposals(candidates, lost, [1 / 3] * 3, budget)
    costs = {one.name: one.cost for one in candidates}
    gains = {one.name: sum(one.mends) / 3 for one in candidates}
    assert len(found) == len(set(found)) <= 3
    assert all(each and sum(costs[name] for name in each) <= budget for each in found)
    best = max(sum(gains[one.name] for one in some) for some in subsets(candidates, budget))
    reached = max((sum(gains[name] for name in each) for each in found), default=0.0)
    assert reached == pytest.approx(best)


@given(tasks())
def test_one_set_covers_at_least_as_much_as_the_best_single_module(task):
    candidates, lost, budget = task
    found = proposals(candidates, lost, [1 / 3] * 3, budget)
    by_name = {one.name: one for one in candidates}
    single = max(
        (covered((one,), lost) for one in candidates if one.cost <= budget and sum(one.mends) > 0),
        default=0.0,
    )
    reached = max((covered([by_name[name] for name in each], lost) for each in found), default=0.0)
    assert reached >= single - 1e-9


def test_what_mends_the_same_traces_is_not_taken_twice():
    """Two modules mend the first trace wholly, a third one the second: the sum misleads."""
    candidates = [
        Candidate("q", 1.0, (10.0, 0.0)),
        Candidate("k", 1.0, (9.0, 0.0)),
        Candidate("up", 1.0, (0.0, 5.0)),
    ]
    found = proposals(candidates, [10.0, 6.0], [0.5, 0.5], 2.0)
    assert found == [frozenset({"q", "k"}), frozenset({"q", "up"})]


def test_a_module_as_large_as_the_budget_fits_and_a_larger_one_does_not():
    three = [Candidate(f"m{n}", 0.1, (1.0,)) for n in range(3)]
    assert proposals(three, [9.0], [1.0], 0.3) == [frozenset({"m0", "m1", "m2"})]
    assert proposals([Candidate("m", 1.0, (1.0,))], [1.0], [1.0], 0.9) == []


def test_many_modules_take_little_time_and_leave_next_to_nothing():
    """560 modules, as many as 70B has: within 1 % of what fractions of modules would mend."""
    candidates = [
        Candidate(f"m{n}", 1.0 + (n * 37 % 101) / 7, ((n * 53 % 97) / 10 + 0.01,))
        for n in range(560)
    ]
    budget, left, most = 90.0, 90.0, 0.0
    for one in sorted(candidates, key=lambda one: -one.mends[0] / one.cost):
        part = min(1.0, left / one.cost)
        most, left = most + part * one.mends[0], left - part * one.cost
    found = proposals(candidates, [1e9], [1.0], budget)
    gains = {one.name: one.mends[0] for one in candidates}
    assert max(sum(gains[name] for name in each) for each in found) > 0.99 * most


@given(tasks(), st.booleans())
def test_modules_are_taken_by_what_they_mend_beside_the_ones_before(task, by_cost):
    """Where a trace gets back no more than it lost, as restoring does."""
    candidates, lost, budget = task
    by_name = {one.name: one for one in candidates}
    costs = {one.name: one.cost for one in candidates}
    looks = []

    def beside(taken):
        looks.append(taken)
        before = [by_name[name] for name in taken]
        return {
            one.name: covered((*before, one), lost) - covered(before, lost) for one in candidates
        }

    first = beside(frozenset())
    looks.clear()
    taken = taken_in_turn(first, costs, budget, beside, by_cost=by_cost)
    assert len(set(taken)) == len(taken)
    assert sum(costs[name] for name in taken) <= budget
    assert all(one <= two for one, two in pairwise(looks))
    # The first two, of which each had a look of its own, are the best of all that had room.
    gains, room, before = first, budget, []
    for name in taken[:2]:
        worth = {
            other: gains[other] / (costs[other] if by_cost else 1)
            for other in costs
            if other not in before and costs[other] <= room
        }
        assert worth[name] == pytest.approx(max(worth.values()))
        room -= costs[name]
        before.append(name)
        gains = beside(frozenset(before))
    if not taken:
        assert all(first[name] <= 0 for name in costs if costs[name] <= budget)
