"""The reading of a run's traces: what is there already, what is left, kept as it comes.

What was read is committed trace by trace, under the identity of reader, writer and traces, so that
whoever reads the same again goes on where it ended. Behind an endpoint's URL another model may be
loaded: what was read there is gone on with only by the model that is known again, as completions
are, by what its server tells and by its probe's answers.
"""

from __future__ import annotations

import secrets
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from lrmtest.errors import UsageError
from lrmtest.masking import masked_values
from lrmtest.models.description import describe_model
from lrmtest.models.engines.kinds import create_reader, kind_of, served_model
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.trace_reader import RendersPrompts
from lrmtest.models.reading import Reading, Written
from lrmtest.models.spec import ModelSpec
from lrmtest.runs.kept_texts import with_texts
from lrmtest.runs.keys import fingerprint
from lrmtest.runs.reading_manifest import ReadingEngineSection, ReadingManifest
from lrmtest.runs.readings import ReadingHead
from lrmtest.runs.same_prompts import (
    Conversations,
    PromptsCompared,
    PromptTable,
    conversations_for,
)
from lrmtest.runs.seen_model import SeenModel
from lrmtest.runs.store import Store

TokensRead = Callable[[int], None]
"""Receives how many tokens of traces were read just now."""


@dataclass(frozen=True, slots=True)
class ReadingModel:
    """A model that reads, its files on disk, and how its engine is to work."""

    spec: ModelSpec
    options: EngineOptions

    def identity(self, run_id: str, beside: ReadingModel | None) -> str:
        """Equal for readings of a run's traces that continue each other.

        Of an endpoint's model only what was asked for is in it: which model that was is known by
        what the readings keep of it, as in `SeenModel`.
        """
        return fingerprint(
            {
                "traces": run_id,
                "reader": self._described(),
                "beside": None if beside is None else beside._described(),
            }
        )

    def _described(self) -> dict[str, Any]:
        described = describe_model(self.spec, self.options)
        described.pop("name")
        if kind_of(self.spec).served_model:
            described["known by"] = "its probe"
        return described

    @property
    def pairs(self) -> bool:
        """Whether its engine takes a second model beside it."""
        return kind_of(self.spec).reads_pairs


@dataclass(frozen=True, slots=True)
class TracesRead:
    """What of some traces has been read.

    Attributes:
        reading: the reader's.
        floor: the writer's reading of its own traces; None where it did not read.
        read_now: how many traces were read in this session, by the reader.
        prompts: their prompts, compared with those that the reader would be given.
    """

    reading: ReadingHead
    floor: ReadingHead | None
    read_now: int
    prompts: PromptsCompared


def read_traces(
    store: Store,
    run_id: str,
    written: Sequence[Written],
    reader: ReadingModel,
    writer: ReadingModel | None,
    tokens_read: TokensRead = lambda count: None,
    *,
    asked: Conversations | None = None,
    only_same_prompts: bool = False,
) -> TracesRead:
    """Read what of some traces has not been read yet.

    Args:
        store: keeps what is read.
        run_id: of the traces.
        written: the traces; at least one.
        reader: what reads.
        writer: the model that wrote them, which reads them as well; None without it.
        tokens_read: is told how far it is.
        asked: what the traces' questions were asked with, as far as it is known, so that the
            prompts that the reader would be given can be compared with theirs.
        only_same_prompts: read nothing where one of these is another than the traces'.

    Raises:
        UsageError, ModelError: as of a `TraceReader`; what was read is kept.
        StoreError: it cannot be written.
    """
    paired = writer is not None and reader.pairs and writer.pairs
    work = _Work(store, run_id, tokens_read)
    floor = None
    if writer is not None:
        floor = work.head(writer, None)
        if not paired:
            work.read(floor, writer, None, _with_nothing_lacking(written))
            written = _filled(written, store, floor)
    head = work.head(reader, writer if paired else None)
    head = work.with_texts(head, written, [each for each in (reader, writer) if each is not None])
    prompts = PromptTable(
        written, conversations_for(reader.spec, asked or {}), head.manifest.prompts
    )
    read_now = work.read(
        head,
        reader,
        writer if paired else None,
        written,
        floor,
        prompts=prompts,
        only_same_prompts=only_same_prompts,
    )
    return TracesRead(head, floor, read_now, prompts.summary())


@dataclass(frozen=True, slots=True)
class _Work:
    """Readings of one run's traces in one store."""

    store: Store
    run_id: str
    tokens_read: TokensRead

    def head(self, reader: ReadingModel, beside: ReadingModel | None) -> ReadingHead:
        """The head to go on under, begun if there is none."""
        identity = reader.identity(self.run_id, beside)
        table = self.store.readings
        found = table.heads(run_id=self.run_id, identity=identity)
        asked = served_model(reader.spec, reader.options)
        seen = None
        if asked is None and found:
            return found[0]
        if asked is not None:
            told = asked.told()
            same = (head for head in found if not _seen(head).difference(asked))
            if head := next(same, None):
                return head
            seen = SeenModel.measured(asked, told, lambda why: self._tell_unknown(reader, why))
        name = reader.spec.name
        reading_id = f"read-{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        models = {"reader": reader, "beside": beside}
        manifest: dict[str, Any] = {
            role: None if model is None else describe_model(model.spec, model.options)
            for role, model in models.items()
        }
        if seen is not None:
            manifest |= {"served": dict(seen.served), "probe": seen.probe}
        known = ReadingManifest.from_json(masked_values(manifest))
        return table.begin(reading_id, self.run_id, name, identity, known)

    def _tell_unknown(self, reader: ReadingModel, why: str) -> None:
        reader.options.tell(
            f"{reader.spec.name}: {why}; without the probe's answers nobody can see later that the "
            "model is the same, and what is read now is read again"
        )

    def read(
        self,
        head: ReadingHead,
        reader: ReadingModel,
        beside: ReadingModel | None,
        written: Sequence[Written],
        floor: ReadingHead | None = None,
        *,
        prompts: PromptTable | None = None,
        only_same_prompts: bool = False,
    ) -> int:
        """Read what is missing; how many traces that were.

        Args:
            head: under which the reader's readings are kept.
            reader, beside: the models, the second for an engine that takes two.
            written: the traces.
            floor: under which the second model's are kept.
            prompts: what was found of the reader's own prompts, and takes what is.
            only_same_prompts: as in `read_traces`.
        """
        table = self.store.readings
        there = table.keys(head.reading_id)
        left = [one for one in written if one.place.key not in there]
        to_compare = prompts is not None and bool(prompts.left)
        if only_same_prompts and prompts is not None and prompts.summary().different:
            return 0
        if not left and not to_compare:
            return 0

        def keep(reading: Reading, of_writer: Reading | None) -> None:
            with self.store.transaction():
                if floor is not None and of_writer is not None:
                    table.add(floor.reading_id, [of_writer])
                table.add(head.reading_id, [reading])
            self.tokens_read(len(reading.written))

        options = replace(reader.options, model_difference=_difference_from(head, reader))
        engine = create_reader(reader.spec, options, None if beside is None else beside.spec)
        try:
            if not left and not isinstance(engine, RendersPrompts):
                return 0
            info = engine.start(left or written)
            manifest = head.manifest
            if left:
                engine_told = masked_values(info.engine.details) | {
                    "engine": info.engine.engine,
                    "version": info.engine.version,
                }
                manifest = replace(
                    manifest,
                    engine=ReadingEngineSection.from_json(engine_told),
                    limits=tuple(info.limits),
                    written="kept" if all(one.trace.logprobs for one in left) else "read again",
                )
            if prompts is not None and to_compare and isinstance(engine, RendersPrompts):
                prompts.compare(engine, reader.spec)
                manifest = replace(manifest, prompts=prompts.to_json())
            table.note(head.reading_id, manifest)
            differ = prompts is not None and prompts.summary().different > 0
            if not left or (only_same_prompts and differ):
                return 0
            if floor is not None and beside is not None:
                table.note(floor.reading_id, replace(floor.manifest, engine=manifest.engine))
            engine.read(left, keep)
        finally:
            engine.close()
        table.finish(head.reading_id)
        return len(left)

    def with_texts(
        self, head: ReadingHead, written: Sequence[Written], models: Sequence[ReadingModel]
    ) -> ReadingHead:
        """The head, with what the traces' tokens stand for if the models' files tell it."""
        manifest = with_texts(head.manifest, written, [model.spec for model in models])
        if manifest is not head.manifest:
            self.store.readings.note(head.reading_id, manifest)
        return replace(head, manifest=manifest)


def _seen(head: ReadingHead) -> SeenModel:
    """The endpoint's model of a reading, as it was seen; of one that keeps nothing, unlike any."""
    return SeenModel(head.manifest.served or {}, head.manifest.probe)


def _difference_from(head: ReadingHead, reader: ReadingModel) -> Callable[[str], str] | None:
    """What tells whether an endpoint serves the model that reads; None of one of files."""
    if served_model(reader.spec, reader.options) is None:
        return None

    def difference(url: str) -> str:
        asked = served_model(replace(reader.spec, location=url), reader.options)
        assert asked is not None
        return _seen(head).difference_as_far_as_known(asked)

    return difference


def _with_nothing_lacking(written: Sequence[Written]) -> list[Written]:
    """Traces with log-probabilities for a reader that asks for some; 0 where they are lacking."""
    return [
        one
        if one.trace.logprobs or one.shaping.greedy
        else replace(
            one, trace=replace(one.trace, logprobs=array("f", bytes(4 * len(one.trace.tokens))))
        )
        for one in written
    ]


def _filled(written: Sequence[Written], store: Store, floor: ReadingHead) -> list[Written]:
    """Traces with the log-probabilities that they lack, as their writer has read them.

    Raises:
        UsageError: its engine only bounds them.
    """
    lacking = {one.place.key for one in written if not (one.trace.logprobs or one.shaping.greedy)}
    if not lacking:
        return list(written)
    again: dict[str, array[float]] = {}
    for reading in store.readings.each(floor.reading_id):
        if reading.place.key not in lacking:
            continue
        if reading.lowest != reading.highest:
            raise UsageError(
                f"the traces have no log-probabilities, and {floor.reader} as it was read only "
                "bounds them",
                hint="read both with --engine transformers",
            )
        again[reading.place.key] = reading.lowest
    return [
        replace(one, trace=replace(one.trace, logprobs=again[one.place.key]))
        if one.place.key in again
        else one
        for one in written
    ]
