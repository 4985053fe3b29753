"""The rows of ``lrmtest models``: what there is, what it needs, whether it runs here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lrmtest.errors import UsageError
from lrmtest.models.card import Checkpoint, ModelCard
from lrmtest.models.hardware import Machine
from lrmtest.models.sizes import Fit, can_run, disk_gb, memory_needed_gb

Origin = Literal["hub", "wheel", "path", "endpoint", "recipe", "unknown"]
"""Where a model comes from. ``recipe``: not published, it has to be made first."""


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model, as a list shows it.

    Attributes:
        name, engine, parent, note: as in its card.
        parameters: in billions; None when not known.
        method, bits_per_weight, sparsity: how it was compressed.
        disk_gb, memory_gb: size of its files and memory it needs, 1e9 bytes; None: not known.
        origin: where its files come from.
        recipe: how to make it, when it is not published.
        fit: whether it runs on the machine in question.
    """

    name: str
    engine: str
    parent: str
    note: str
    parameters: float | None
    method: str
    bits_per_weight: float | None
    sparsity: float
    disk_gb: float | None
    memory_gb: float | None
    origin: Origin
    recipe: str
    fit: Fit


def model_rows(cards: Mapping[str, ModelCard], machine: Machine) -> tuple[ModelRow, ...]:
    """A row for every card, in the order of the cards."""
    return tuple(_row(card, machine) for card in cards.values())


def _row(card: ModelCard, machine: Machine) -> ModelRow:
    compression = card.compression
    try:
        memory_gb, fit = memory_needed_gb(card), can_run(card, machine)
    except UsageError as error:  # its engine's package is broken: of no concern to other models
        memory_gb, fit = card.memory_gb, Fit("no", error.message)
    return ModelRow(
        name=card.name,
        engine=card.engine,
        parent=card.parent,
        note=card.note,
        parameters=card.parameters,
        method=compression.method,
        bits_per_weight=compression.bits_per_weight,
        sparsity=compression.sparsity,
        disk_gb=disk_gb(card),
        memory_gb=memory_gb,
        origin=_origin(card.checkpoint, compression.recipe),
        recipe=compression.recipe,
        fit=fit,
    )


def _origin(checkpoint: Checkpoint, recipe: str) -> Origin:
    if checkpoint.path:
        return "path"
    if checkpoint.repo:
        return "hub"
    if checkpoint.wheel:
        return "wheel"
    if checkpoint.url:
        return "endpoint"
    return "recipe" if recipe else "unknown"
