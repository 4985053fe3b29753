"""Readings, as runs keep them: see `lrmtest.models.reading`, where engines have them from."""

from __future__ import annotations

from dataclasses import dataclass

from lrmtest.models.reading import FIGURES as FIGURES
from lrmtest.models.reading import Reading as Reading
from lrmtest.runs.reading_manifest import ReadingManifest


@dataclass(frozen=True, slots=True)
class ReadingHead:
    """What a reading of a run's traces is of, its figures apart.

    Attributes:
        reading_id: names it in the store.
        run_id: the run whose traces are read; it need not be in this store.
        reader: the name of the model that reads.
        identity: equal for readings that continue each other.
        created: when it began, ISO 8601.
        finished: when all that was planned had been read; None before.
        manifest: its settings.
    """

    reading_id: str
    run_id: str
    reader: str
    identity: str
    created: str
    finished: str | None
    manifest: ReadingManifest
