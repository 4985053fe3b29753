"""Which tensors patterns mean, which of several decides, and what llama-quantize is told of it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensor_lists import deepseek_r1, llama

from lrmtest.compress.gguf.names import layer_of, names_of
from lrmtest.compress.gguf.patterns import assign, options
from lrmtest.errors import UsageError

TYPES = ("Q2_K", "Q4_K", "Q6_K", "IQ1_S", "BF16")
PATTERNS = (
    "*",
    "attn_v",
    "attn_*",
    "blk.*.ffn_down",
    "blk.[1-2].ffn_*",
    "blk.[:2].*",
    "blk.[-1:]",
    "blk.[:1/3]",
    "first:ffn_gate",
    "last:mlp",
    "model.layers.1.mlp.down_proj",
    "self_attn.q_proj.weight",
    "output",
    "lm_head",
    "token_embd.weight",
    "model.embed_tokens",
    "nothing",
)


def matched(pattern, tensors):
    return {name.removesuffix(".weight") for name in assign(tensors, [(pattern, "Q8_0")]).types}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("attn_v", {"blk.0.attn_v", "blk.1.attn_v", "blk.2.attn_v"}),
        ("blk.1.attn_v", {"blk.1.attn_v"}),
        ("blk.1.attn_v.weight", {"blk.1.attn_v"}),
        ("model.layers.1.self_attn.v_proj", {"blk.1.attn_v"}),
        ("layers.1.self_attn.v_proj", {"blk.1.attn_v"}),
        ("v_proj", {"blk.0.attn_v", "blk.1.attn_v", "blk.2.attn_v"}),
        ("blk.[1:].attn_v", {"blk.1.attn_v", "blk.2.attn_v"}),
        ("blk.[:-1].attn_v", {"blk.0.attn_v", "blk.1.attn_v"}),
        ("blk.[:1/20].attn_v", {"blk.0.attn_v"}),
        ("model.layers.[:2/3].self_attn.v_proj", {"blk.0.attn_v", "blk.1.attn_v"}),
        ("blk.[02].attn_v", {"blk.0.attn_v", "blk.2.attn_v"}),
        ("last:self_attn.v_proj", {"blk.2.attn_v"}),
        ("first:attn_v", {"blk.0.attn_v"}),
        ("layers.2.mlp", {"blk.2.ffn_gate", "blk.2.ffn_up", "blk.2.ffn_down"}),
        ("output", {"output"}),
        ("lm_head", {"output"}),
        ("embed_tokens", {"token_embd"}),
        ("ttn_v", set()),
    ],
)
def test_what_a_pattern_means(pattern, expected):
    assert matched(pattern, llama(3)) == expected


def test_all_experts_of_a_layer_are_one_tensor():
    experts = {f"blk.{number}.ffn_down_exps" for number in range(3, 61)}
    tensors = deepseek_r1()
    for pattern in ("ffn_down_exps", "mlp.experts.*.down_proj", "model.layers.*.experts.down_proj"):
        assert matched(pattern, tensors) == experts
    assert matched("ffn_down", tensors) == {f"blk.{number}.ffn_down" for number in range(3)}


def test_the_head_of_a_tied_model_is_its_embedding():
    assert matched("output", llama(1, tied=True)) == {"token_embd"}
    both = assign(llama(1, tied=True), [("lm_head", "Q6_K"), ("token_embd", "Q4_K")])
    assert both.types == {"token_embd.weight": "Q6_K"}


def test_patterns_that_match_nothing_are_named():
    assert assign(llama(1), [("ffn_donw", "Q4_K"), ("*", "Q2_K")]).idle == ("ffn_donw",)
    # One that others leave nothing to has matched all the same.
    assert assign(llama(1), [("*", "Q2_K"), ("attn_q", "Q4_K")]).idle == ()


@pytest.mark.parametrize("pattern", ["blk.[a:].ffn_up", "blk.[:1/0].ffn_up", "blk.[:1.5].ffn_up"])
def test_a_slice_that_is_none_is_refused(pattern):
    with pytest.raises(UsageError, match="no number of a layer"):
        assign(llama(2), [(pattern, "Q4_K")])


@given(st.integers(1, 9), st.integers(-10, 10) | st.none(), st.integers(-10, 10) | st.none())
def test_slices_are_those_of_python(layers, begin, end):
    pattern = f"blk.[{'' if begin is None else begin}:{'' if end is None else end}].attn_q"
    numbers = {layer_of(f"{name}.weight") for name in matched(pattern, llama(layers))}
    assert numbers == set(range(layers)[begin:end])


@given(st.sampled_from(deepseek_r1()), st.booleans())
def test_a_name_in_full_means_that_tensor(tensor, suffix):
    for name in names_of(tensor.name):
        if "experts.*" not in name:
            assert matched(name + ".weight" * suffix, deepseek_r1()) == {
                tensor.name.removesuffix(".weight")
            }


wishes = st.lists(st.tuples(st.sampled_from(PATTERNS), st.sampled_from(TYPES)), max_size=6)


@given(st.integers(1, 12), st.booleans(), wishes)
def test_the_first_pattern_that_matches_decides(layers, tied, wanted):
    tensors = llama(layers, tied=tied)
    expected = {}
    for pattern, type_ in reversed(wanted):
        expected |= dict.fromkeys(assign(tensors, [(pattern, type_)]).types, type_)
    assert assign(tensors, wanted).types == expected


@given(st.integers(1, 12), st.booleans(), wishes)
def test_llama_quantize_reads_the_same_from_its_options(layers, tied, wanted):
    """It searches each name for the regular expressions, in order, and takes the first."""
    tensors = llama(layers, tied=tied)
    types = assign(tensors, wanted).types
    words = options(types)
    assert words[::2] == ["--tensor-type"] * (len(words) // 2)
    rules = [word.rpartition("=") for word in words[1::2]]
    for tensor in tensors:
        found = [type_.upper() for rule, _, type_ in rules if re.search(rule, tensor.name)]
        assert found == ([types[tensor.name]] if tensor.name in types else [])
