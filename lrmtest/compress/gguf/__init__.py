"""Quantization to GGUF: plans, patterns, recipes, and the programs of llama.cpp that do it."""
