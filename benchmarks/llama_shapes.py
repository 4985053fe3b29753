"""Sizes of Llamas whose weights are made up: all that time and memory depend on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """A Llama's sizes, under config.json's names."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int


LLAMA_8B = Shape(128_256, 4096, 14_336, 32, 32, 8)  # Llama-3.1-8B's
SMOLLM2_135M = Shape(49_152, 576, 1536, 30, 9, 3)
