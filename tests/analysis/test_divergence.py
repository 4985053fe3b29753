"""Figures of readings, against their definitions and against models whose truth is known."""

from __future__ import annotations

from array import array
from dataclasses import replace
from itertools import product
from math import exp, fsum, inf, log, prod
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.analysis.divergence import (
    diverge,
    floor_of,
    log_weight,
    token_shortfalls,
    trace_figures,
)
from lrmtest.analysis.reading_summary import summarize_reading
from lrmtest.models.reading import Reading, Shaping
from lrmtest.questions.place import Place

DRAWN = Shaping(1.0)


def reading(written, lowest, highest=None, question="q", sample=0, **arrays):
    floats = {name: array("f", values) for name, values in arrays.items()}
    low = array("f", lowest)
    return Reading(
        Place(f"{question}/{sample}", "sums", question, sample),
        array("f", written),
        low,
        low if highest is None else array("f", highest),
        floats.pop("variation", array("f")),
        floats.pop("divergence", array("f")),
        **floats,
    )


PROBABILITIES = st.floats(0.01, 1).map(log)
PAIRS = st.lists(st.tuples(PROBABILITIES, st.one_of(PROBABILITIES, st.just(-inf))), min_size=1)


@given(PAIRS)
def test_weights_are_products_of_ratios(pairs):
    one = reading(*zip(*pairs, strict=True))
    ratios = [exp(q - p) for p, q in zip(one.written, one.lowest, strict=True)]
    weight = prod(ratios)
    found = trace_figures(one, DRAWN)
    assert exp(log_weight(one).low) == pytest.approx(weight, rel=1e-3, abs=1e-12)
    assert found.own_share.low == pytest.approx(min(1.0, weight), abs=1e-4)
    assert found.kept.low == pytest.approx(prod(min(1.0, w) for w in ratios), abs=1e-4)
    assert found.variation.low == pytest.approx(fsum(max(0.0, 1 - w) for w in ratios), abs=1e-4)
    alive = [prod(min(1.0, w) for w in ratios[: i + 1]) for i in range(len(ratios))]
    assert found.leaves == pytest.approx(fsum(alive), abs=1e-4)
    assert found.weight.exact
    assert not found.exact
    halves = [i for i, each in enumerate(alive) if each < 0.5]
    near = any(abs(each - 0.5) < 1e-3 for each in alive)
    assert near or found.half == (halves[0] if halves else None)


@given(st.lists(st.tuples(PROBABILITIES, PROBABILITIES, PROBABILITIES), min_size=1))
def test_bounds_of_tokens_bound_the_figures(triples):
    written, first, second = zip(*triples, strict=True)
    low, high = map(min, first, second), map(max, first, second)
    one = reading(written, list(low), list(high))
    found = trace_figures(one, DRAWN)
    for end in ("lowest", "highest"):
        values = getattr(one, end)
        exact = trace_figures(replace(one, lowest=values, highest=values), DRAWN)
        for name in ("variation", "weight", "own_share", "kept"):
            inside, around = getattr(exact, name), getattr(found, name)
            assert around.low - 1e-9 <= inside.low <= around.high + 1e-9


def test_a_trace_without_tokens_is_what_anybody_would_write():
    found = trace_figures(reading([], []), DRAWN)
    assert (found.own_share.low, found.kept.low, found.leaves) == (1.0, 1.0, 0.0)
    assert found.half is None
    assert diverge([found]).loss is None


def test_whole_distributions_are_added_up_and_estimates_are_not():
    one = reading([-1, -1], [-2, -0.5], variation=[0.25, 0.5], divergence=[0.1, 0.3])
    found = trace_figures(one, DRAWN)
    assert found.exact
    assert found.variation.low == found.variation.high == 0.75
    assert found.divergence == pytest.approx(0.4)
    assert list(token_shortfalls(one)) == [0.25, 0.5]
    estimated = replace(one, variation=array("f"))
    assert list(token_shortfalls(estimated)) == pytest.approx([1 - exp(-1), 0.0])


def test_a_divergence_is_estimated_only_where_nothing_was_cut():
    one = reading([-1, -1], [-2, -0.5])
    assert trace_figures(one, DRAWN).estimated_divergence == pytest.approx(0.5)
    assert trace_figures(one, Shaping(0.6)).estimated_divergence is None
    assert diverge([trace_figures(one, DRAWN)]).divergence == pytest.approx(0.25)
    assert not diverge([trace_figures(one, DRAWN)]).divergence_exact


def test_a_greedy_trace_is_left_where_the_reader_says_another_token():
    one = reading([0, 0, 0], [0, -inf, 0], variation=[0, 1, 0])
    found = trace_figures(one, Shaping(0.0))
    assert (found.first, found.half, found.leaves) == (1, 1, 1.0)
    assert found.own_share.low == found.own_share.high == 0.0
    assert found.weight.low == -inf


def test_means_are_over_questions_and_their_traces():
    traces = [
        trace_figures(reading([-1], [-1], question="a", variation=[0.0]), DRAWN),
        trace_figures(reading([-1], [-1], question="b", variation=[0.2]), DRAWN),
        trace_figures(reading([-1], [-1], question="b", sample=1, variation=[0.6]), DRAWN),
    ]
    found = diverge(traces)
    assert (found.questions, found.traces, found.tokens) == (2, 3, 3)
    assert found.variation.low == pytest.approx(0.2)
    assert found.variation_per_token.low == pytest.approx(0.8 / 3)
    assert found.interval.low <= found.variation.low <= found.interval.high


def chains():
    """Two models of three tokens over two letters, by their first letter; their true distances."""
    writer = {"": [0.7, 0.3], "a": [0.6, 0.4], "b": [0.2, 0.8]}
    reader = {"": [0.6, 0.4], "a": [0.9, 0.1], "b": [0.2, 0.8]}
    return writer, reader


def chance(model, letters):
    return prod(model[letters[:i][:1]]["ab".index(c)] for i, c in enumerate(letters))


def test_estimates_have_the_mean_that_they_estimate():
    writer, reader = chains()
    texts = ["".join(each) for each in product("ab", repeat=3)]
    true_share = fsum(min(chance(writer, t), chance(reader, t)) for t in texts)

    def variation(state):
        return sum(abs(p - q) for p, q in zip(writer[state], reader[state], strict=True)) / 2

    true_s = fsum(chance(writer, t) * fsum(variation(t[:i][:1]) for i in range(3)) for t in texts)
    share = s = 0.0
    for text in texts:  # the expectation itself, so that nothing is left to luck
        steps = [
            (model[text[:i][:1]]["ab".index(c)])
            for i, c in enumerate(text)
            for model in (writer, reader)
        ]
        one = reading([log(p) for p in steps[::2]], [log(q) for q in steps[1::2]])
        found = trace_figures(one, DRAWN)
        share += chance(writer, text) * found.own_share.low
        s += chance(writer, text) * found.variation.low
    assert share == pytest.approx(true_share, abs=1e-5)
    assert s == pytest.approx(true_s, abs=1e-5)
    # What the reader would have written is at least what S leaves.
    assert share >= 1 - s - 1e-6


def test_the_floor_is_what_a_model_differs_from_itself():
    assert floor_of([]) is None
    random = Random(1)
    readings = [
        reading([-1.0] * 5, [-1 + random.gauss(0, 1e-3) for _ in range(5)], question=str(i))
        for i in range(20)
    ]
    found = floor_of(readings)
    assert found.tokens == 100
    assert 0 < found.variation < 0.01
    assert found.largest < 0.01
    assert found.cut == 0
    assert found.spread == pytest.approx(1e-3 * 5**0.5, rel=0.6)
    cut = floor_of([reading([-1.0], [-inf])])
    assert (cut.cut, cut.largest) == (1, inf)


def test_a_summary_leaves_out_what_was_not_asked():
    asked = {"a/0": DRAWN, "b/0": DRAWN}
    readings = [reading([-1], [-1 - d], question=q) for q, d in (("a", 0.1), ("b", 2), ("c", 3))]
    found = summarize_reading(readings, asked)
    assert [question for _, question in found.questions] == ["b", "a"]
    assert found.total.traces == 2
    assert summarize_reading(readings, {}) is None
