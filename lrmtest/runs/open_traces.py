"""Traces by what people call them: a file of them, a baseline that was saved with one, or a run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from lrmtest.errors import DataError, UsageError
from lrmtest.models.hashes import sha256_of
from lrmtest.models.reading import Written
from lrmtest.models.request_fields import SAMPLING_FIELDS
from lrmtest.models.shaping import shaping_of
from lrmtest.runs.adapted import changes_left_out
from lrmtest.runs.extent import Extent
from lrmtest.runs.formats.baseline import read_baseline
from lrmtest.runs.formats.traces_file import (
    KeptTrace,
    TracesHead,
    TracesReader,
    head_of,
    is_traces_file,
    no_traces,
    traces_of,
)
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.records import RunRecord
from lrmtest.runs.reference import is_file
from lrmtest.runs.store import Store


@dataclass(frozen=True, slots=True)
class OpenTraces:
    """Some traces, to be read one at a time; closes what they are in when it is left.

    Attributes:
        name: where they are, for messages.
        head: what they have in common.
        path: their file; None for those of a store.
    """

    name: str
    head: TracesHead
    path: Path | None
    _each: Callable[[Collection[str]], Iterator[KeptTrace]]
    _close: Callable[[], None]

    def each(self, but: Collection[str] = ()) -> Iterator[KeptTrace]:
        """All of them, in a stable order, but for those with these keys.

        Raises:
            DataError, StoreError: one is not as it was written.
        """
        return self._each(but)

    def __iter__(self) -> Iterator[KeptTrace]:
        return self._each(())

    def written(self) -> Iterator[tuple[KeptTrace, Written]]:
        """All of them, each also as a reader takes it.

        Raises:
            UsageError: they were drawn in a way that reading cannot repeat.
            DataError, StoreError: one is not as it was written.
        """
        manifest = self.head.run.manifest
        _refuse_unknown_draws(manifest)
        for one in self:
            shaping = shaping_of(one.sampling, manifest.model.request)
            yield one, Written(one.place, one.trace, shaping)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._close()

    def refuse_others(self, baseline: RunRecord, called: str) -> None:
        """Refuse traces that are not those of a baseline.

        Args:
            baseline: the baseline.
            called: its name, for the message.

        Raises:
            DataError: they are of another run, or not those that it was saved with.
        """
        if self.head.run.run_id != baseline.run_id:
            raise DataError(
                f"{self.name}: traces of run {self.head.run.run_id}, but {called} is of run "
                f"{baseline.run_id}",
                hint="name the traces that were saved with this baseline",
            )
        mark = baseline.traces
        if (
            mark is not None
            and self.path is not None
            and sha256_of(self.path, DataError) != mark.sha256
        ):
            raise DataError(
                f"{self.name}: not the traces that {called} was saved with: their hash differs",
                hint=f"it was saved with {mark.kept:,} traces in {mark.file}: take that file, or "
                "save both again",
            )


def open_traces(reference: str, store: Path, extent: Extent | None = None) -> OpenTraces:
    """Traces by their name.

    Args:
        reference: a file of traces; a baseline's file, for those that it was saved with, which lie
            beside it; or a run as in `Store.run`.
        store: the SQLite file that runs are looked up in.
        extent: what of a run in the store; None for what its last session selected. A file has
            what it has.

    Raises:
        DataError: the file is missing or malformed, or not the one that the baseline knows.
        UsageError: no run or several runs answer to the name, or it has no traces.
        StoreError: the store is not there or cannot be read.
    """
    path = Path(reference)
    if is_traces_file(path):
        return _of_file(path)
    if is_file(reference):
        baseline = read_baseline(path)
        if baseline.traces is None:
            raise UsageError(
                f"baseline {reference} was saved without traces",
                hint="save it again with --save-traces FILE, from a run that was generated with "
                "--traces",
            )
        found = _of_file(path.with_name(baseline.traces.file))
        found.refuse_others(baseline, reference)
        return found
    opened = Store(store, create=False)
    try:
        run = opened.record(opened.run(reference), extent)
        traced = opened.traced(run.run_id)
        head = head_of(run, traced)
        if not head.kept:
            raise no_traces(run.run_id, UsageError)
    except BaseException:
        opened.close()
        raise
    return OpenTraces(
        f"run {run.run_id}",
        head,
        None,
        lambda but: traces_of(opened, run, traced, but),
        opened.close,
    )


def _of_file(path: Path) -> OpenTraces:
    reader = TracesReader(path)
    return OpenTraces(str(path), reader.head, path, reader.each, lambda: None)


def _refuse_unknown_draws(manifest: Manifest) -> None:
    """Refuse traces of a server that refused to be told how to draw.

    Raises:
        UsageError: names what it refused.
    """
    drawing = ("temperature", "top_p", *SAMPLING_FIELDS)
    refused = [name for name in changes_left_out(manifest) if name in drawing]
    if refused:
        raise UsageError(
            f"how the traces were drawn is not known: their server takes no {', '.join(refused)}",
            hint="generate them with a server that does, or on this machine",
        )
