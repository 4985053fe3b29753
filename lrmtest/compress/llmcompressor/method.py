"""The methods of llmcompressor: GPTQ and AWQ."""

from __future__ import annotations

from lrmtest.compress.llmcompressor.quantize import METHODS as NAMES
from lrmtest.compress.llmcompressor.quantize import quantize_weights
from lrmtest.compress.method import CompressionMethod, CompressionResult, CompressionTask
from lrmtest.compress.options import BITS, GROUP_SIZE


def _make(task: CompressionTask) -> CompressionResult:
    bits, group_size = task.options["bits"], task.options["group_size"]
    variant = quantize_weights(
        task.safetensors(),
        task.folder,
        method=task.method,
        bits=bits,
        group_size=group_size,
        protection=task.protection,
        texts=task.texts or (),
        tokens=task.tokens,
        tell=task.tell,
    )
    return CompressionResult(
        note=f"{bits}-bit weights, group size {group_size}",
        bits_per_weight=variant.bits_per_weight,
        sparsity=variant.sparsity,
        notes=variant.notes,
    )


METHODS = tuple(
    CompressionMethod(
        name,
        family="quantization of weights",
        make=_make,
        options=(BITS, GROUP_SIZE),
        engine="vllm",
    )
    for name in NAMES
)
