"""Tensors of GGUF files and modules of transformers: the same weights under two names."""

import pytest
import tiny_checkpoint
from tensor_lists import deepseek_r1, llama

from lrmtest.compress.gguf.names import is_matrix, is_tied, layer_of, module_of, names_of
from lrmtest.models.gguf_header import GgufTensor, read_gguf_header
from lrmtest.models.local import tensor_shapes


@pytest.mark.parametrize(
    ("tensor", "module"),
    [
        ("token_embd.weight", "model.embed_tokens"),
        ("output.weight", "lm_head"),
        ("blk.3.ffn_down.weight", "model.layers.3.mlp.down_proj"),
        ("blk.12.attn_output.weight", "model.layers.12.self_attn.o_proj"),
        ("blk.5.ffn_gate_exps.weight", "model.layers.5.mlp.experts.gate_proj"),
        ("blk.5.ffn_up_shexp.weight", "model.layers.5.mlp.shared_experts.up_proj"),
        ("blk.0.attn_kv_a_mqa.weight", "model.layers.0.self_attn.kv_a_proj_with_mqa"),
        ("blk.0.ssm_in.weight", "blk.0.ssm_in"),
    ],
)
def test_modules_are_those_of_transformers(tensor, module):
    assert module_of(tensor) == module


def test_halves_of_a_matrix_are_one_module():
    assert module_of("blk.7.attn_k_b.weight") == module_of("blk.7.attn_v_b.weight")


@pytest.mark.parametrize("tied", [True, False])
def test_the_modules_are_those_that_a_checkpoint_has(tmp_path, tied):
    """The table, against the files that transformers and the conversion to GGUF write."""
    pytest.importorskip("gguf")
    from lrmtest.models.gguf.from_safetensors import safetensors_to_gguf

    folder = tiny_checkpoint.save(tmp_path / "model", tie_word_embeddings=tied)
    header = read_gguf_header(safetensors_to_gguf(folder, tmp_path / "model.gguf"))
    modules = {module_of(tensor.name) for tensor in header.tensors if is_matrix(tensor)}
    shapes = tensor_shapes(folder / "model.safetensors")
    assert modules == {name.removesuffix(".weight") for name in shapes if len(shapes[name]) == 2}
    assert is_tied(header.tensors) == tied
    assert [t.name for t in header.tensors if not is_matrix(t)] == [
        t.name for t in header.tensors if len(t.shape) == 1
    ]


def test_a_tied_embedding_is_the_head_too():
    assert "lm_head" in names_of("token_embd.weight", tied=True)
    assert "lm_head" not in names_of("token_embd.weight")
    assert names_of("output.weight") == ("output", "lm_head")
    assert is_tied(llama(1, tied=True))
    assert not is_tied(llama(1))


def test_no_two_modules_share_a_name():
    modules = [module_of(tensor.name) for tensor in deepseek_r1()]
    assert len(set(modules)) == len(modules)


def test_layers():
    assert layer_of("blk.61.ffn_down.weight") == 61
    assert layer_of("token_embd.weight") is None


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("blk.0.ffn_up.weight", (64, 32), True),
        ("blk.0.ffn_up_exps.weight", (64, 1, 8), True),
        ("blk.0.ffn_up.weight", (64, 1), False),
        ("blk.0.attn_norm.weight", (64,), False),
        ("blk.0.attn_q_norm.weight", (64, 8), False),
        ("blk.0.ffn_gate_inp.weight", (64, 8), False),
        ("blk.0.attn_q.bias", (64, 8), False),
    ],
)
def test_what_can_be_quantized(name, shape, expected):
    assert is_matrix(GgufTensor(name, shape, "F32")) == expected
