"""The model that is compressed, and the engine that its variant runs on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from lrmtest.errors import UsageError
from lrmtest.models.card import ModelCard
from lrmtest.models.engines.kinds import DEFAULT_ENGINE, engine_kind, kind_of
from lrmtest.models.fetch.files import fetch
from lrmtest.models.gguf.from_safetensors import can_convert
from lrmtest.models.resolve import resolve
from lrmtest.models.spec import ModelSpec
from lrmtest.progress import Tell, silent

_WITHOUT_WEIGHTS = {"endpoint": "an endpoint", "recording": "a recording"}


def parent_of(model: str, cards: Mapping[str, ModelCard], *, tell: Tell = silent) -> ModelSpec:
    """The model to be compressed, its files on disk as they were published.

    Raises:
        UsageError: there is no such model, or it has no files.
        ModelError: its files cannot be had.
    """
    spec = resolve(model, cards)
    for notice in spec.notices:
        tell(notice)
    source = kind_of(spec).source
    if source in _WITHOUT_WEIGHTS:
        try:
            # A card may name files beside its endpoint.
            spec = resolve(model, cards, engine=DEFAULT_ENGINE)
        except UsageError:
            raise UsageError(
                f"{model} is {_WITHOUT_WEIGHTS[source]}: there are no weights to compress",
                hint="give a model card, a model's folder or a GGUF file",
            ) from None
    # Not the copy that another engine would get.
    location = fetch(replace(spec, engine=DEFAULT_ENGINE), tell=tell)
    return replace(spec, location=str(location))


def engine_of_variant(parent: ModelCard, folder: Path) -> str:
    """The engine that a variant with safetensors in `folder` runs on: its parent's if it can."""
    kind = engine_kind(parent.engine, where=f"model {parent.name!r}")
    runs = "safetensors" in kind.reads or ("gguf" in kind.reads and can_convert(folder))
    return kind.name if runs else DEFAULT_ENGINE
