"""The models that a command has traces read with, and how far they are."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from lrmtest.cli.output import complain
from lrmtest.models.card import ModelCard
from lrmtest.models.engines.kinds import kind_of
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.replicas.places import endpoints_of
from lrmtest.models.fetch.files import fetch
from lrmtest.models.resolve import resolve
from lrmtest.reports.numbers import count
from lrmtest.runs.baseline_traces import files_of_writer
from lrmtest.runs.readable_traces import ReadableTraces
from lrmtest.runs.same_tokens import refuse_other_tokens
from lrmtest.runs.store import Store
from lrmtest.runs.trace_reading import (
    ReadingModel,
    TokensRead,
    TracesRead,
    read_traces,
)


def reading_model(
    name: str, cards: Mapping[str, ModelCard], engine: str | None, options: EngineOptions
) -> ReadingModel:
    """The model of this name, its files on disk.

    Args:
        name: as for ``--model``.
        cards: the model cards there are.
        engine: the user's choice; None for the model's own.
        options: of the engine.

    Raises:
        UsageError, ModelError: there is no such model, or its files cannot be had.
    """
    spec = resolve(name, cards, engine=engine)
    for notice in spec.notices:
        complain(notice)
    if kind_of(spec).has_files:
        spec = replace(spec, location=str(fetch(spec, tell=complain)))
    elif not options.endpoints:
        options = replace(options, endpoints=endpoints_of(spec))
    return ReadingModel(spec, options)


def parent_model(
    name: str, cards: Mapping[str, ModelCard], reader: ReadingModel, options: EngineOptions
) -> ReadingModel:
    """The model that wrote the traces, on the reader's engine; as `reading_model` else."""
    engine = reader.spec.engine if kind_of(reader.spec).has_files else None
    return reading_model(name, cards, engine, options)


def notes_on_tokens(
    reader: ReadingModel,
    parent: ReadingModel | None,
    traces: ReadableTraces,
    cards: Mapping[str, ModelCard],
) -> Iterator[str]:
    """Refuse models to whom the traces' ids mean other tokens than to their writer.

    Args:
        reader, parent: the models that are to read.
        traces: what they are to read.
        cards: the model cards there are.

    Yields:
        What the user should know of it.

    Raises:
        UsageError: they are others, or nothing here tells that they are the same.
        ModelError: a file cannot be read.
    """
    if parent is not None and kind_of(parent.spec).has_files:
        places: tuple[str, ...] = (parent.spec.location,)
    else:
        places = files_of_writer(traces.model, cards)
    for model in (reader, parent):
        if model is not None:
            note = refuse_other_tokens(model.spec, traces.written, traces.tokenizer, places)
            if note:
                yield note


def read_shown(
    store: Store,
    traces: ReadableTraces,
    reader: ReadingModel,
    parent: ReadingModel | None,
    *,
    only_same_prompts: bool = False,
) -> TracesRead:
    """`read_traces`, which the user sees the progress of."""
    with _progress(traces.tokens) as tokens_read:
        return read_traces(
            store,
            traces.run_id,
            traces.written,
            reader,
            parent,
            tokens_read,
            asked=traces.asked,
            only_same_prompts=only_same_prompts,
        )


@contextmanager
def _progress(tokens: int) -> Iterator[TokensRead]:
    """What tells the user, on stderr, how many tokens were read."""
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield lambda _: None
        return
    columns = (
        TextColumn("reading"),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task("", total=tokens)
        done = 0

        def read(more: int) -> None:
            nonlocal done
            done += more
            words = f"{count(done)} of {count(tokens)} tokens"
            bars.update(task, completed=done, description=words)

        yield read
