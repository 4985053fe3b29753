"""The manifest of a reading: which models read a run's traces, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lrmtest.runs.manifest import ModelSection, Section


@dataclass(frozen=True, slots=True)
class ReadingEngineSection(Section):
    """What the engine said of itself once it read; details of its own beside these."""

    engine: str | None = None
    version: str | None = None
    device: str | None = None
    dtype: str | None = None


@dataclass(frozen=True, slots=True)
class ReadingManifest(Section):
    """A reading's manifest; as a run's, it keeps what it does not know.

    Attributes:
        reader: the model that reads.
        beside: the model that wrote the traces, where it reads in the same pass; else empty.
        served: what an endpoint told of its model; None of one of files.
        probe: the endpoint's answers to a few questions, by which its model is known again.
        engine: what reads; empty until it runs.
        limits: what its figures cannot say, in words.
        written: whether the writer's probabilities were ``kept`` with the traces or ``read again``.
        prompts: which of the reader's own prompts differ from the traces', see
            `lrmtest.runs.same_prompts`.
        token_texts: what the traces' tokens stand for, see `lrmtest.runs.kept_texts`.
    """

    reader: ModelSection = field(default_factory=ModelSection)
    beside: ModelSection = field(default_factory=ModelSection)
    served: Mapping[str, Any] | None = None
    probe: Mapping[str, Any] | None = None
    engine: ReadingEngineSection = field(default_factory=ReadingEngineSection)
    limits: tuple[str, ...] | None = None
    written: str | None = None
    prompts: Mapping[str, Any] | None = None
    token_texts: str | None = None
