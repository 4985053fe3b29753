"""Kinds of files and types of tensors: read from llama-quantize's help, and near names."""

from pathlib import Path

import pytest

from lrmtest.compress.gguf.kinds import block_of, known_kind, known_type, needs_matrix
from lrmtest.compress.gguf.tools import Tool
from lrmtest.errors import ModelError, UsageError
from lrmtest.models.gguf_header import TYPE_BLOCKS
from lrmtest.models.programs.llamacpp import LlamaProgram

USAGE = """usage: llama-quantize [--help] [--allow-requantize] [--pure] [--imatrix] [--tensor-type]
  --tensor-type tensor_name=ggml_type
                                      example: --tensor-type attn_q=q8_0
 allowed quantization types
   2  or  Q4_0    :  4.34G, +0.4685 ppl @ Llama-3-8B
  38  or  MXFP4_MOE :  MXFP4 MoE
  24  or  IQ1_S   :  1.56 bpw quantization
  15  or  Q4_K    : alias for Q4_K_M
  14  or  Q4_K_S  :  4.37G, +0.2689 ppl @ Llama-3-8B
  15  or  Q4_K_M  :  4.58G, +0.1754 ppl @ Llama-3-8B
  32  or  BF16    : 14.00G, -0.0050 ppl @ Mistral-7B
          COPY    : only copy tensors, no quantizing
"""
TOOL = Tool("llama-quantize", LlamaProgram(Path("llama-quantize"), {}), USAGE)


def test_kinds_are_read_from_the_help():
    assert TOOL.kinds == ("Q4_0", "MXFP4_MOE", "IQ1_S", "Q4_K", "Q4_K_S", "Q4_K_M", "BF16")
    assert known_kind("q4_k_m", TOOL) == "Q4_K_M"


@pytest.mark.parametrize(
    ("kind", "near"), [("Q4KM", "Q4_K_M"), ("COPY", "it makes Q4_0"), ("", "")]
)
def test_an_unknown_kind_is_refused_with_near_names(kind, near):
    with pytest.raises(UsageError, match="makes no") as refused:
        known_kind(kind, TOOL)
    assert near in refused.value.hint


def test_a_help_without_kinds_is_no_crash():
    with pytest.raises(ModelError, match="does not say"):
        known_kind("Q4_0", Tool("llama-quantize", TOOL.program, "usage: x"))


def test_options_are_looked_for_in_the_help():
    TOOL.require("--tensor-type", "--imatrix", "--allow-requantize")
    for absent in ("--tensor", "--tensor-type-file", "-c"):
        with pytest.raises(ModelError, match=f"no option {absent}\n"):
            TOOL.require("--imatrix", absent)


@pytest.mark.parametrize("type_", ["Q4_K", "q4_k", "BF16", "iq1_s", "TQ1_0", "F32"])
def test_types_of_tensors(type_):
    assert known_type("attn_q", type_) == type_.upper()


@pytest.mark.parametrize(
    ("type_", "message", "hint"),
    [
        ("Q4_K_M", "mixture", "did you mean Q4_K?"),
        ("Q4K", "no tensor can have", "Q4_K"),
        ("I32", "no tensor can have", "there is"),
        ("", "no tensor can have", "there is"),
    ],
)
def test_other_types_are_refused(type_, message, hint):
    with pytest.raises(UsageError, match=message) as refused:
        known_type("attn_q", type_)
    assert hint in refused.value.hint


@pytest.mark.parametrize(
    ("kind", "block"),
    [
        ("Q4_K_M", 256),
        ("Q4_K", 256),
        ("IQ2_M", 256),
        ("IQ3_XS", 256),
        ("Q3_K_L", 256),
        ("TQ1_0", 256),
        ("IQ4_NL", 32),
        ("Q8_0", 32),
        ("MXFP4_MOE", 32),
        ("Q2_0", 64),
        ("BF16", 1),
        ("NEW9_X", 1),
    ],
)
def test_blocks(kind, block):
    assert block_of(kind) == block


def test_which_need_an_importance_matrix():
    needing = {kind for kind in TYPE_BLOCKS if needs_matrix(kind)}
    assert needing == {"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S"}
    assert needs_matrix("IQ2_M")
