"""Ranking modules: order, means over questions, what counts as confirmed."""

from __future__ import annotations

from math import fsum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrmtest.analysis.location import (
    LITTLE,
    Sets,
    TraceLocation,
    fitting,
    gains,
    locate,
)

NAMES = [f"model.layers.{layer}.{kind}" for layer in (0, 1) for kind in ("attn.q", "mlp.up")]
NATS = st.floats(-5, 5)


def trace(question, lost, mends, restored=None, slopes=None):
    return TraceLocation(
        ("suite", question),
        {"numbers": 1 + lost, "prompt": 0.5},
        {"numbers": 1.0, "prompt": 0.5},
        dict(zip(NAMES, mends, strict=True)),
        slopes or {},
        restored or {},
    )


TRACES = st.lists(
    st.builds(trace, st.sampled_from("abcd"), NATS, st.lists(NATS, min_size=4, max_size=4)),
    min_size=1,
    max_size=10,
)
WEIGHTS = dict(zip(NAMES, (10, 20, 30, 40), strict=True))


@settings(max_examples=25)
@given(TRACES)
def test_ranks_are_by_the_mean_over_questions_of_the_mean_over_traces(traces):
    found = locate(traces, WEIGHTS, None)
    questions = {one.question for one in traces}
    for module in found.modules:
        means = []
        for question in questions:
            its = [one.mends[module.name] for one in traces if one.question == question]
            means.append(fsum(its) / len(its))
        assert module.predicted.value == pytest.approx(fsum(means) / len(means), abs=1e-12)
        interval = module.predicted.interval
        assert interval.low <= interval.high
    values = [module.predicted.value for module in found.modules]
    assert values == sorted(values, reverse=True)
    assert [module.rank for module in found.modules] == [1, 2, 3, 4]
    assert [module.name for module in found.modules] == [*gains(traces)]
    assert (found.questions, found.traces) == (len(questions), len(traces))
    assert sum(one.traces for one in found.per_question) == len(traces)


def test_what_was_measured_ranks_before_what_was_predicted():
    """The second was to mend most, and mends less than nothing; both of one question count once."""
    traces = [
        trace("a", 4, (1.0, 3.0, 0.5, 0.0), {"first": 4.5, "second": 6.0}),
        trace("a", 4, (1.0, 5.0, 0.5, 0.0), {"first": 3.5, "second": 6.0}),
        trace("b", 2, (0.5, 2.0, 0.5, 0.0), {"first": 2.0, "second": 3.5}),
    ]
    alone = {NAMES[0]: "first", NAMES[1]: "second"}
    assert gains(traces, alone) == pytest.approx(
        {NAMES[0]: 1.5, NAMES[2]: 0.5, NAMES[3]: 0.0, NAMES[1]: -0.25}
    )
    assert [*gains(traces, alone)] == [NAMES[0], NAMES[2], NAMES[3], NAMES[1]]
    assert [*gains(traces)] == [NAMES[1], NAMES[0], NAMES[2], NAMES[3]]
    sets = Sets(alone, ["first"], (NAMES[0],), "first", [], "second")
    first, *_, last = locate(traces, WEIGHTS, sets).modules
    assert (first.name, first.rank, first.share) == (NAMES[0], 1, pytest.approx(1.5 / 3))
    assert (last.name, last.rank, last.share) == (NAMES[1], 4, pytest.approx(-0.25 / 3))
    assert last.predicted.value == pytest.approx(3.0)


@settings(max_examples=25)
@given(TRACES)
def test_shares_are_of_what_was_lost(traces):
    found = locate(traces, WEIGHTS, None)
    if found.lost.value > 0:
        assert sum(one.share for one in found.kinds) == pytest.approx(1)
        for module in found.modules:
            assert module.share * found.lost.value == pytest.approx(module.predicted.value)
    else:
        assert found.kinds == ()
        assert all(module.share is None for module in found.modules)
        assert found.little


@given(st.floats(0.01, 1))
def test_a_budget_is_kept_unless_the_first_alone_exceeds_it(share):
    found = fitting(NAMES, WEIGHTS, share)
    assert found == (NAMES[0],) or sum(WEIGHTS[name] for name in found) <= 100 * share


def test_what_does_not_fit_is_passed_over():
    assert fitting(NAMES[::-1], WEIGHTS, 0.35) == (NAMES[2],)
    assert fitting(NAMES, WEIGHTS, 0.5) == (NAMES[0], NAMES[1])


SETS = Sets(
    alone={NAMES[0]: "first", NAMES[1]: "second"},
    singles=[f"r{n}" for n in range(20)],
    top=(NAMES[0],),
    top_set="first",
    random=["r0", "r1"],
    whole="all",
)


def restored_traces(beaten, first=lambda number: 2.0):
    """Twenty questions that lost 3; the first module mends more than so many of the others."""
    traces = []
    for number in range(20):
        left = {"first": 4.5 - first(number), "second": 4.5 + 0.1, "all": 1.5}
        left |= {f"r{n}": 4.5 - (1.0 if n < beaten else 2.5) for n in range(20)}
        traces.append(trace(f"q{number}", 3.0, [2, 1, 0, -1], left))
    return traces


@pytest.mark.parametrize(("beaten", "confirmed"), [(20, True), (19, True), (18, False)])
def test_a_rank_is_confirmed_against_nineteen_of_twenty(beaten, confirmed):
    found = locate(restored_traces(beaten), WEIGHTS, SETS)
    first, other, second, last = found.modules
    assert first.restored.mend.value == pytest.approx(2)
    assert (first.restored.beaten, first.restored.draws) == (beaten, 20)
    assert first.restored.confirmed is confirmed
    assert second.restored.mend.value == pytest.approx(-0.1)
    assert not second.restored.confirmed
    assert (second.name, other.restored, last.restored) == (NAMES[1], None, None)
    assert found.all_restored == pytest.approx(1.5)
    names, top = found.top
    assert (names, top.beaten, top.draws) == ((NAMES[0],), 2, 2)


def test_a_mend_of_some_questions_only_is_not_confirmed():
    found = locate(restored_traces(20, lambda n: 60.0 if n == 0 else 0.0), WEIGHTS, SETS)
    first = found.modules[0].restored
    assert first.beaten == 20
    assert first.mend.interval.low <= 0
    assert not first.confirmed


def test_of_next_to_nothing_it_is_said():
    assert locate(
        [trace("a", LITTLE / 2, [0] * 4), trace("b", LITTLE / 2, [0] * 4)], WEIGHTS, None
    ).little
    assert not locate([trace("a", 1, [0] * 4), trace("b", 1, [0] * 4)], WEIGHTS, None).little


def test_what_tokens_a_module_works_on_is_summed_over_traces():
    slopes = [{NAMES[0]: {"prompt": 1.0, "numbers": 2.0}}, {NAMES[0]: {"numbers": 1.0}}]
    found = locate([trace("a", 1, [3, 0, 0, 0], slopes=each) for each in slopes], WEIGHTS, None)
    assert found.modules[0].by_kind == {"prompt": 0.25, "numbers": 0.75}
    assert found.modules[1].by_kind == {}
    assert (found.modules[0].layer, found.modules[0].kind) == (0, "attn.q")
    assert found.layout == ("attn.q", "mlp.up")
