"""The GGUF method: blocks of few bits, by llama-quantize."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lrmtest.compress.gguf.quantize import quantize_gguf
from lrmtest.compress.gguf.recipes import recipe_named
from lrmtest.compress.method import CompressionMethod, CompressionResult, CompressionTask
from lrmtest.compress.options import IMATRIX, RECIPE, TENSOR, TYPE
from lrmtest.errors import UsageError


def _check(options: Mapping[str, Any]) -> None:
    if not (options["type"] or options["recipe"]):
        raise UsageError("--method gguf needs --type or --recipe", hint="--type Q4_K_M")
    list(_tensors(options))


def _tensors(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Patterns with types, of ``--tensor``.

    Raises:
        UsageError: one is not ``PATTERN=TYPE``.
    """
    for text in options["tensor"] or ():
        pattern, _, kind = text.rpartition("=")
        if not (pattern and kind):
            raise UsageError(
                f"--tensor {text!r} is not PATTERN=TYPE", hint="--tensor 'blk.*.attn_v=Q6_K'"
            )
        yield pattern, kind


def _make(task: CompressionTask) -> CompressionResult:
    options = task.options
    recipe = recipe_named(options["recipe"]) if options["recipe"] else None
    tensors = (*_tensors(options), *(recipe.tensors if recipe else ()))
    mixed = tensors or task.protection.patterns or task.protection.draws
    variant = quantize_gguf(
        Path(task.parent.location),
        task.folder,
        kind=options["type"] or (recipe.kind if recipe else ""),
        tensors=tensors,
        protection=task.protection,
        texts=task.texts,
        tell=task.tell,
    )
    return CompressionResult(
        note="importance matrix" if variant.imatrix else "no importance matrix",
        bits_per_weight=variant.bits_per_weight,
        label="dynamic-gguf" if mixed else "gguf",
        notes=variant.notes,
    )


METHOD = CompressionMethod(
    "gguf",
    family="quantization to GGUF",
    make=_make,
    options=(TYPE, TENSOR, RECIPE, IMATRIX),
    check=_check,
    calibration_switch=IMATRIX.name,
    makes="gguf",
    engine="llamacpp",
)
