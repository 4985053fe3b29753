"""Importances, shares and their shifts, from segments' scores."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrmtest.analysis.behaviour_scores import ScoredSegment, importances

NAMES = ["model.layers.0.mlp.up_proj", "model.layers.0.mlp.down_proj", "model.layers.1.mlp.up_proj"]


def scored(values, parents=None, *, question=0, behaviour="backtracking", other=None):
    def named(numbers):
        return dict(zip(NAMES, numbers, strict=True))

    return ScoredSegment(
        ("sums", f"q{question}"),
        behaviour,
        4,
        named(values),
        named(other or values),
        None if parents is None else named(parents),
    )


def by_name(found):
    return {one.name: one for one in found.modules}


def test_shares_are_of_means_without_signs():
    """Two segments of one question, whose signs do not cancel, and one of another."""
    segments = [scored([2, -1, 0]), scored([-2, 1, 0]), scored([1, 0, 3], question=1)]
    (found,) = importances(segments).behaviours
    assert (found.segments, found.tokens, found.questions) == (3, 12, 2)
    sizes = [by_name(found)[name] for name in NAMES]
    assert [one.importance for one in sizes] == pytest.approx([5 / 3, 2 / 3, 1])
    assert [one.share.value for one in sizes] == pytest.approx([0.5, 0.2, 0.3])
    assert [one.name for one in found.modules] == [NAMES[0], NAMES[2], NAMES[1]]
    assert all(one.parents is None and one.shift is None for one in sizes)
    # Drawn alone, the questions give 4 : 2 : 0 and 1 : 0 : 3.
    assert (sizes[0].share.interval.low, sizes[0].share.interval.high) == pytest.approx(
        (1 / 4, 2 / 3)
    )


def test_a_shift_is_the_share_less_the_parents_and_ranks_by_its_size():
    segments = [scored([1, 1, 2], [1, 2, 1], question=n) for n in range(3)]
    (found,) = importances(segments).behaviours
    one = by_name(found)[NAMES[2]]
    assert (one.share.value, one.parents.value, one.shift.value) == pytest.approx((0.5, 0.25, 0.25))
    assert one.shift.interval.low == pytest.approx(0.25)
    assert [each.name for each in found.modules][-1] == NAMES[0]
    assert found.parents_ranks == pytest.approx(-0.5)


def test_forms_and_behaviours_are_compared_by_ranks():
    segments = [
        scored([1, 2, 3], other=[3, 2, 1]),
        scored([3, 1, 2], behaviour="adding-knowledge"),
    ]
    found = importances(segments)
    backtracking, knowledge = found.behaviours
    assert (backtracking.forms, knowledge.forms) == (-1, 1)
    assert found.alike == {("backtracking", "adding-knowledge"): pytest.approx(-0.5)}
    assert found.lacking == ("uncertainty-estimation", "example-testing")


def test_where_nothing_has_importance_no_share_is_made_up():
    (found,) = importances([scored([0, 0, 0], [0, 0, 0])]).behaviours
    assert all(one.share.value == one.shift.value == 0 for one in found.modules)
    assert found.forms is None


@settings(max_examples=15)
@given(
    st.lists(
        st.tuples(*[st.lists(st.floats(-9, 9), min_size=3, max_size=3)] * 2, st.integers(0, 3)),
        min_size=1,
        max_size=8,
    )
)
def test_shares_add_up_to_1_and_shifts_to_0(rows):
    segments = [scored(own, parents, question=n) for own, parents, n in rows]
    (found,) = importances(segments).behaviours
    whole = sum(one.importance for one in found.modules)
    assert sum(one.share.value for one in found.modules) == pytest.approx(1 if whole else 0)
    theirs = sum(one.parents.value for one in found.modules)
    assert sum(one.shift.value for one in found.modules) == pytest.approx(
        (1 if whole else 0) - theirs
    )
