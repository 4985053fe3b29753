"""The description of a model in a manifest: all of it that could change an outcome."""

from __future__ import annotations

from typing import Any

from lrmtest.models.engines.kinds import kind_of
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.spec import ModelSpec


def describe_model(spec: ModelSpec, options: EngineOptions) -> dict[str, Any]:
    """JSON values that are equal for two models only if both give the same outcomes.

    Args:
        spec: the model, its files on disk.
        options: what the user chose about its engine.

    Raises:
        ModelError: a file of it is missing or cannot be read.
        UsageError: there is no such engine, or the package that offers it is broken.
    """
    card, kind = spec.card, kind_of(spec)
    return {
        "name": spec.name,
        "engine": spec.engine,
        "repo": card.checkpoint.repo,
        "revision": card.checkpoint.revision,
        "files": kind.file_hashes(spec),
        "compression": {
            "method": card.compression.method,
            "bits_per_weight": card.compression.bits_per_weight,
            "sparsity": card.compression.sparsity,
        },
        "reasoning_tags": list(card.reasoning_tags),
        "system_prompt": card.system_prompt,
        **kind.settings(spec, options),
    }
