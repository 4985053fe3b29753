"""Recipes by name, and what they make of models with experts and without."""

import pytest
from tensor_lists import deepseek_r1, llama

from lrmtest.compress.gguf.patterns import assign
from lrmtest.compress.gguf.recipes import RECIPES, recipe_named
from lrmtest.errors import UsageError
from lrmtest.models.cards import load_cards
from lrmtest.models.gguf_header import TYPE_BLOCKS

# The cards' figures are those of the files that Unsloth published.
PUBLISHED = {
    "dynamic-1.58": "r1-1.58bit",
    "dynamic-1.73": "r1-1.73bit",
    "dynamic-2.22": "r1-2.22bit",
    "dynamic-2.51": "r1-2.51bit",
}


def bits(types, tensors):
    def per_weight(type_):
        weights, size = TYPE_BLOCKS[type_]
        return 8 * size / weights

    total = sum(tensor.weights for tensor in tensors)
    return sum(per_weight(types[tensor.name]) * tensor.weights for tensor in tensors) / total


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_an_r1_becomes_as_large_as_the_published_one(recipe):
    tensors = deepseek_r1()
    assert sum(tensor.weights for tensor in tensors) == pytest.approx(671e9, rel=0.001)
    types = assign(tensors, recipe.tensors).types
    assert set(types) == {tensor.name for tensor in tensors}
    card = load_cards()[PUBLISHED[recipe.name]]
    assert bits(types, tensors) == pytest.approx(card.compression.bits_per_weight, rel=0.05)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_what_is_kept_higher(recipe):
    types = {
        name.removesuffix(".weight"): TYPE_BLOCKS[type_][1] / TYPE_BLOCKS[type_][0]
        for name, type_ in assign(deepseek_r1(), recipe.tensors).types.items()
    }
    experts = types["blk.30.ffn_gate_exps"]
    for spared in ("blk.30.attn_q_b", "blk.30.ffn_down_shexp", "blk.0.ffn_down", "output"):
        assert types[spared] > experts
    assert types["blk.3.ffn_down_exps"] > experts
    assert types["blk.3.ffn_down_exps"] >= types["blk.30.ffn_down_exps"] >= experts


@pytest.mark.parametrize("layers", [1, 2, 4, 32, 80])
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_dense_model_has_its_ends_spared(recipe, layers):
    tensors = llama(layers)
    types = assign(tensors, recipe.tensors).types
    assert set(types) == {tensor.name for tensor in tensors}
    assert types["blk.0.ffn_gate.weight"] == "Q4_K"
    assert types["blk.0.ffn_down.weight"] == "Q6_K"
    if layers > 1:
        assert types[f"blk.{layers - 1}.ffn_down.weight"] == "Q4_K"
    if layers > 4:
        assert types[f"blk.{layers // 2}.ffn_gate.weight"] == recipe.kind


def test_recipes_have_names():
    assert recipe_named("dynamic-1.58").kind == "IQ1_S"
    with pytest.raises(UsageError, match=r"dynamic-1\.58"):
        recipe_named("dynamic-1.5")
    with pytest.raises(UsageError, match=r"dynamic-2\.51"):
        recipe_named("?")
