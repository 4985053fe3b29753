"""Readings beside the traces that they are of: who has read a run, and what of each question."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrmtest.models.reading import Reading, Shaping
from lrmtest.models.shaping import shaping_of
from lrmtest.models.trace import Trace
from lrmtest.questions.place import Place
from lrmtest.runs.formats.traces_file import TracesHead
from lrmtest.runs.kept_texts import texts_of
from lrmtest.runs.open_traces import open_traces
from lrmtest.runs.outcomes import QuestionKey
from lrmtest.runs.readings import ReadingHead
from lrmtest.runs.records import RunHead
from lrmtest.runs.seen_model import SeenModel
from lrmtest.runs.store import Store


def readers_of(store: Store, run: RunHead) -> list[ReadingHead]:
    """The readings of a run's traces by other models, one for each, the best of it first known.

    Of several by one model the finished one, the one with exact figures, the newest goes.
    """
    found: dict[str, ReadingHead] = {}
    for head in sorted(store.readings.heads(run_id=run.run_id), key=_worth, reverse=True):
        if not _is_by(head, run):
            found.setdefault(_reader_of(head), head)
    return sorted(found.values(), key=lambda head: (head.created, head.reading_id))


def reading_by(store: Store, writer: RunHead, reader: RunHead) -> ReadingHead | None:
    """The reading of a run's traces by another run's model; None where there is none."""
    return next((head for head in readers_of(store, writer) if _is_by(head, reader)), None)


def readings_by(store: Store, reader: RunHead) -> list[tuple[RunHead, ReadingHead]]:
    """What a run's model has read of other runs of the store, with those; the newest first."""
    found = []
    for run_id in dict.fromkeys(head.run_id for head in store.readings.heads()):
        writer = store.head(run_id) if run_id != reader.run_id else None
        head = reading_by(store, writer, reader) if writer is not None else None
        if writer is not None and head is not None:
            found.append((writer, head))
    return found


def shapings_of(writer: RunHead, places: Iterable[Place]) -> Mapping[str, Shaping]:
    """How a run's traces were drawn, by the key of each.

    Raises:
        DataError: the run does not say it.
        UsageError: they were drawn in a way that reading cannot repeat.
    """
    head, request = TracesHead(writer, 0, 0), writer.manifest.model.request
    by_suite: dict[str, Shaping] = {}
    found = {}
    for place in places:
        if place.suite not in by_suite:
            by_suite[place.suite] = shaping_of(head.sampling(place.suite), request)
        found[place.key] = by_suite[place.suite]
    return found


@dataclass(frozen=True, slots=True)
class ReadTrace:
    """One trace, as it was read.

    Attributes:
        reading: what was read.
        shaping: how the trace was drawn.
        trace: the trace; None where it is not at hand.
    """

    reading: Reading
    shaping: Shaping
    trace: Trace | None


class ReadTraces:
    """One reading with the traces that it is of, a trace at a time.

    Args:
        store: has the reading.
        head: of the reading.
        writer: the run whose traces they are.
        file: traces that are not in the store; None for those that are.

    Attributes:
        head: of the reading.
        texts: what the traces' tokens stand for; empty where nobody kept it.

    Raises:
        DataError, UsageError: as `shapings_of`.
    """

    def __init__(
        self, store: Store, head: ReadingHead, writer: RunHead, file: Path | None = None
    ) -> None:
        self.head = head
        self.texts = texts_of(head)
        self._store = store
        self._file = file
        self._numbers: dict[QuestionKey, list[tuple[int, Place]]] = {}
        places = store.readings.places(head.reading_id)
        for number, place in places:
            self._numbers.setdefault(place.question, []).append((number, place))
        self.shapings = shapings_of(writer, (place for _, place in places))

    def readings(self) -> Iterator[Reading]:
        """All that was read, in order."""
        return self._store.readings.each(self.head.reading_id)

    def of_question(self, key: QuestionKey) -> list[ReadTrace]:
        """What was read of a question, by sample.

        Raises:
            DataError, StoreError: something cannot be read.
        """
        found = self._numbers.get(key, [])
        traces = self._traces({place.key for _, place in found})
        return [
            ReadTrace(self._store.readings.at(number), self.shapings[place.key], traces(place))
            for number, place in found
        ]

    def traces(self) -> Iterator[ReadTrace]:
        """All that was read, in order, beside its traces."""
        for key in self._numbers:
            yield from self.of_question(key)

    def _traces(self, keys: set[str]) -> _Lookup:
        if self._file is None or not keys:
            return _Lookup(self._store, self.head.run_id, {})
        others = {place.key for each in self._numbers.values() for _, place in each} - keys
        with open_traces(str(self._file), self._store.path) as opened:
            if opened.head.run.run_id != self.head.run_id:
                return _Lookup(self._store, self.head.run_id, {})
            kept = {one.place.key: one.trace for one in opened.each(others)}
        return _Lookup(self._store, self.head.run_id, kept)


@dataclass(frozen=True, slots=True)
class _Lookup:
    """Traces by their place: of a file, else of the store."""

    store: Store
    run_id: str
    kept: Mapping[str, Trace]

    def __call__(self, place: Place) -> Trace | None:
        return self.kept.get(place.key) or self.store.trace(self.run_id, place.key)


def _is_by(head: ReadingHead, run: RunHead) -> bool:
    """Whether a reading is by a run's model.

    By the files that both tell of; else by name, and by what an endpoint told of its model where
    both are of one: behind one URL and name there may have been two.
    """
    files, own = _files(head), run.manifest.model.files or {}
    # Engines do not all look at the same files of a folder.
    both = files.keys() & own.keys()
    if both:
        return all(files[name] == own[name] for name in both)
    told, now = _told(head.manifest.served), _told(run.manifest.model.served)
    return head.reader == run.model and (not told or not now or told == now)


def _reader_of(head: ReadingHead) -> str:
    if files := _files(head):
        return repr(sorted(files.items()))
    return repr((head.reader, sorted(_told(head.manifest.served).items())))


def _told(served: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a server told of its model; empty where none did."""
    return {} if served is None else SeenModel(served, None).told


def _files(head: ReadingHead) -> dict[str, str]:
    files = head.manifest.reader.files or {}
    return {str(name): str(mark) for name, mark in files.items()}


def _worth(head: ReadingHead) -> tuple[bool, bool, str]:
    return head.finished is not None, bool(head.manifest.beside.to_json()), head.created
