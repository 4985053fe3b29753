"""The size of a model, the memory it needs, and whether a machine has that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lrmtest.counted import three_digits
from lrmtest.models.card import ModelCard
from lrmtest.models.engines.kinds import EngineKind, engine_kind
from lrmtest.models.hardware import Machine

_UNKNOWN_BITS = 16.0  # a checkpoint that was not compressed


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a model runs on a machine, and why.

    ``yes``; ``offload``: slowly, with layers on the processor; ``fetch``: once its files are
    there; ``no``.
    """

    verdict: Literal["yes", "offload", "fetch", "no"]
    why: str


def disk_gb(card: ModelCard) -> float | None:
    """About the size of the model's weight files in 1e9 bytes; None when not known."""
    if card.parameters is None:
        return None
    return card.parameters * (card.compression.bits_per_weight or _UNKNOWN_BITS) / 8


def memory_needed_gb(card: ModelCard, engine: str | None = None) -> float | None:
    """Memory, in 1e9 bytes, that weights and a working context take; None when not known.

    The card's own `memory_gb` if it has one, else parameters x bits / 8, and on top 20 % and
    0.5 GB: room for the key-value cache of some long completions and for buffers. It is a rule
    of thumb; the context and how many requests are in flight can need much more.

    Args:
        card: the model.
        engine: the engine it is to run on; the card's own when None.

    Raises:
        UsageError: the engine is not known, or the package that offers it is broken.
    """
    if card.memory_gb is not None:
        return card.memory_gb
    if card.parameters is None:
        return None
    bits = card.compression.bits_per_weight or _UNKNOWN_BITS
    if card.checkpoint.gguf and _kind(card, engine).unpacks_gguf:
        bits = max(bits, 16.0)
    return card.parameters * bits / 8 * 1.2 + 0.5


def known_sizes(card: ModelCard, engine: str) -> dict[str, float]:
    """What is known of a model's size, for its run's manifest: what its answers cost to have.

    ``parameters`` in billions, ``disk_gb`` and ``memory_gb`` in 1e9 bytes; unknown ones are absent.
    """
    sizes = {
        "parameters": card.parameters,
        "disk_gb": disk_gb(card),
        "memory_gb": memory_needed_gb(card, engine),
    }
    return {name: round(size, 4) for name, size in sizes.items() if size is not None}


def can_run(card: ModelCard, machine: Machine, engine: str | None = None) -> Fit:
    """Whether `machine` has the memory for the model.

    Raises:
        UsageError: as `memory_needed_gb`.
    """
    if not _kind(card, engine).has_files:
        return Fit("yes", "generated elsewhere")
    needed = memory_needed_gb(card, engine)
    if needed is None:
        return Fit("no", "its size is not known: set parameters in its card")
    gpu_gb = sum(gpu.memory_gb for gpu in machine.gpus)
    have = f"{three_digits(machine.available_gb)} GB of memory free"
    if machine.gpus:
        have = f"{three_digits(gpu_gb)} GB on {len(machine.gpus)} GPU(s), {have}"
    if needed <= gpu_gb:
        return Fit("yes", f"needs {three_digits(needed)} GB; {have}")
    if needed <= gpu_gb + machine.available_gb:
        if machine.gpus:
            return Fit("offload", f"needs {three_digits(needed)} GB, partly off the GPU; {have}")
        return Fit("yes", f"needs {three_digits(needed)} GB, on the CPU; {have}")
    return Fit("no", f"needs {three_digits(needed)} GB; {have}")


def _kind(card: ModelCard, engine: str | None) -> EngineKind:
    return engine_kind(engine or card.engine, where=f"model {card.name!r}")
