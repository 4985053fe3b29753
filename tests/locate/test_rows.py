"""Sets of rows: of the right size, drawn from all, and what is all of a module is the module."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from hypothesis import given
from hypothesis import strategies as st

from lrmtest.analysis.units import ROW, row_name, rows_by_module
from lrmtest.locate.sets import set_name, sets_of, unit_weights, whole_modules
from lrmtest.locate.suggesting.facts import ModuleFacts
from lrmtest.locate.task import LocateTask
from lrmtest.models.engines.options import EngineOptions

KINDS = ("self_attn.q_proj", "mlp.up_proj", "mlp.down_proj")


@st.composite
def models(draw):
    """Facts of some modules, and their rows in some order."""
    facts = {
        f"model.layers.{layer}.{kind}": ModuleFacts(
            draw(st.integers(1, 9)), draw(st.integers(1, 9)), 0, 0, differs=True
        )
        for layer in range(2)
        for kind in KINDS
    }
    return facts, draw(st.permutations([*unit_weights(ROW, facts)]))


def task(share, curve=()):
    options = EngineOptions()
    return LocateTask(None, None, options, "run", [], 0, share, curve=curve, unit=ROW)


@given(st.dictionaries(st.sampled_from(["a", "b[c]", "layers.0.q"]), st.sets(st.integers(0, 99))))
def test_rows_are_found_again_by_their_names(rows):
    units = [row_name(name, row) for name, each in rows.items() for row in each]
    found = {name: tuple(sorted(each)) for name, each in rows.items() if each}
    assert rows_by_module(units) == found
    assert rows_by_module([*units, *rows]) == dict.fromkeys(rows)


@given(models(), st.floats(0.01, 1))
def test_sets_are_within_the_share_and_random_ones_have_as_many_weights(given_models, share):
    facts, order = given_models
    weights = unit_weights(ROW, facts)
    total = sum(weights.values())
    assert total == sum(each.weights for each in facts.values())
    sets, units = sets_of(task(share, (share / 2,)), [], order, facts)
    size = sum(weights[row] for row in sets.top)
    assert sets.top_share == pytest.approx(size / total)
    assert size <= share * total or sets.top == (order[0],)
    assert units[sets.top_set] == whole_modules(sets.top, facts)
    most = max(each.columns for each in facts.values())
    for name in sets.random:
        drawn = rows_by_module(units[name])
        has = sum(
            facts[module].columns * (facts[module].rows if rows is None else len(rows))
            for module, rows in drawn.items()
        )
        assert size - most < has <= size
    # The whole is what it is for modules, and so is the last layer's MLP.
    assert sets.whole == set_name(facts)
    mlp = [name for name in facts if "layers.1.mlp" in name]
    assert sets.curve.last_mlp.name == set_name(mlp)
    assert sets.curve.unit == sets.unit == ROW


@given(models())
def test_all_rows_of_a_module_are_the_module(given_models):
    facts, order = given_models
    first = next(iter(facts))
    rows = [row for row in order if row.startswith(f"{first}[")]
    assert whole_modules(rows, facts) == {first}
    assert whole_modules(order, facts) == facts.keys()
    assert whole_modules(rows[1:], facts) == frozenset(rows[1:])
