"""The pruning methods: SparseGPT, Wanda and magnitude."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lrmtest.compress.figures import KindFigures
from lrmtest.compress.method import CompressionMethod, CompressionResult, CompressionTask
from lrmtest.compress.options import PATTERN, SPARSITY
from lrmtest.compress.pruning.sparsity import Sparsity, read_sparsity
from lrmtest.models.local import measure


def _sparsity(options: Mapping[str, Any]) -> Sparsity:
    return read_sparsity(options["sparsity"], options["pattern"])


def _check(options: Mapping[str, Any]) -> None:
    _sparsity(options)


def _make(task: CompressionTask) -> CompressionResult:
    from lrmtest.compress.pruning.prune import Job, prune

    pruned = prune(
        task.safetensors(),
        task.folder,
        Job(task.method, _sparsity(task.options), task.protection),
        task.sequences(),
        task.progress,
    )
    measured, total = measure(task.folder), pruned.total
    return CompressionResult(
        note=_note(total, measured.parameters),
        bits_per_weight=measured.compression.bits_per_weight,
        sparsity=total.sparsity,
        pruned=pruned,
    )


def _note(total: KindFigures, parameters: float | None) -> str:
    note = f"{100 * total.sparsity:.3g} % zeros in the layers' matrices"
    if parameters:
        note += f", {100 * total.zeros / (parameters * 1e9):.3g} % of all weights"
    if total.protected:
        note += f"; {100 * total.protected_share:.3g} % of the matrices protected"
    return note


METHODS = tuple(
    CompressionMethod(name, family="pruning", make=_make, options=(SPARSITY, PATTERN), check=_check)
    for name in ("sparsegpt", "wanda", "magnitude")
)
