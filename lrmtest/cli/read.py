"""`lrmtest read`: what a model says of another's traces, without generating a token."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lrmtest.analysis.divergence import floor_of, token_shortfalls
from lrmtest.analysis.reading_summary import summarize_reading
from lrmtest.analysis.shaded_trace import text_pieces
from lrmtest.analysis.token_kinds import VariationByKind, counted_variation
from lrmtest.cli.output import complain, say, show
from lrmtest.cli.reading_models import (
    notes_on_tokens,
    parent_model,
    read_shown,
    reading_model,
)
from lrmtest.errors import UsageError
from lrmtest.models.card import ModelCard
from lrmtest.models.engines.kinds import kind_of
from lrmtest.models.engines.options import EngineOptions
from lrmtest.options.common import add_model_options, at_least_0, read_cards
from lrmtest.options.engine import add_reader_options, read_reader_options
from lrmtest.reports.reading import (
    ReadingHeading,
    reading_csv,
    reading_document,
    reading_markdown,
    reading_view,
    token_document,
)
from lrmtest.runs.files import write_whole
from lrmtest.runs.kept_texts import texts_of
from lrmtest.runs.readable_traces import ReadableTraces, traces_to_read
from lrmtest.runs.reading_manifest import ReadingEngineSection
from lrmtest.runs.store import STORE_NAME, Store
from lrmtest.runs.trace_reading import ReadingModel, TracesRead

_TRACES_MODEL = ""
"""What ``--parent`` without a name means: the model that the traces say they are of."""


def add_commands(commands: Any, store: argparse.ArgumentParser) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser(
        "read",
        parents=[store],
        help="read a run's traces with another model: how far it is from the one that wrote them",
        description="Reads finished traces with MODEL, which generates nothing: a prefill each. "
        "What was read stays in the store; the same command goes on where it was stopped.",
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="what reads, as for pytest's --model")
    add(
        "--traces",
        required=True,
        metavar="RUN|FILE",
        help="a run's id, its beginning, `last` or `last:MODEL`; a file of traces; or a baseline "
        "with one beside it",
    )
    add(
        "--parent",
        nargs="?",
        const=_TRACES_MODEL,
        metavar="MODEL",
        help="the model that wrote the traces, to read them too: exact figures on transformers, "
        "and the floor of all (without a name: the one that the traces name)",
    )
    add("--suite", action="append", default=[], help="only this suite; repeat it")
    add(
        "--questions",
        type=at_least_0,
        default=10,
        metavar="N",
        help="list so many questions, those that diverge most (default: %(default)s)",
    )
    add("--json", type=Path, metavar="FILE", help="write all figures, down to each trace")
    add("--markdown", type=Path, metavar="FILE", help="write the tables as Markdown")
    add("--csv", type=Path, metavar="FILE", help="write a line for each trace")
    add(
        "--tokens",
        type=Path,
        metavar="FILE",
        help="write each token's figures, a JSON line a trace",
    )
    add_model_options(add)
    add_reader_options(add)
    parser.set_defaults(run=_read)


def _read(arguments: argparse.Namespace) -> int:
    cards = read_cards(arguments)
    options = replace(read_reader_options(arguments), tell=complain)
    traces = traces_to_read(
        arguments.traces, arguments.reports_dir / STORE_NAME, suites=arguments.suite
    )
    reader = reading_model(arguments.model, cards, arguments.engine, options)
    parent = _parent(arguments.parent, traces, cards, reader, options)
    for line in _checked(traces, reader, parent, cards):
        complain(line)
    with Store(arguments.reports_dir / STORE_NAME, tell=complain) as store:
        done = read_shown(store, traces, reader, parent)
        if words := done.prompts.said():
            complain(f"{reader.spec.name}: {words}; what it says is of the traces' own prompts")
        _report(store, traces, done, arguments)
    return 0


def _parent(
    name: str | None,
    traces: ReadableTraces,
    cards: Mapping[str, ModelCard],
    reader: ReadingModel,
    options: EngineOptions,
) -> ReadingModel | None:
    """The model that wrote the traces, on the reader's engine; None where it is not to read.

    Raises:
        UsageError: the traces lack what only it can tell.
    """
    if name is None:
        if traces.lacks_logprobs:
            raise UsageError(
                "the traces do not tell how probable their tokens were, so that the model which "
                "wrote them has to read them too",
                hint=f"--parent {traces.model}, or the folder or file that it is",
            )
        return None
    return parent_model(name or traces.model, cards, reader, options)


def _checked(
    traces: ReadableTraces,
    reader: ReadingModel,
    parent: ReadingModel | None,
    cards: Mapping[str, ModelCard],
) -> Iterator[str]:
    """What the user should know of the models before they read; refuses those that cannot."""
    yield from notes_on_tokens(reader, parent, traces, cards)
    if parent is not None and traces.files:
        files = kind_of(parent.spec).file_hashes(parent.spec)
        if files and set(files.values()).isdisjoint(traces.files.values()):
            yield (
                f"{parent.spec.name}: its files are not those that wrote the traces; the floor "
                "says how much that is"
            )


def _report(
    store: Store, traces: ReadableTraces, done: TracesRead, arguments: argparse.Namespace
) -> None:
    shapings = {one.place.key: one.shaping for one in traces.written}
    summary = summarize_reading(store.readings.each(done.reading.reading_id), shapings)
    if summary is None:
        raise UsageError("nothing was read", hint="the run's traces are of no question")
    floor = None
    if done.floor is not None:
        floors = store.readings.each(done.floor.reading_id)
        floor = floor_of(
            one for one in floors if one.place.key in shapings and traces.tells(one.place.key)
        )
    head = store.readings.head(done.reading.reading_id) or done.reading
    texts = texts_of(head)
    heading = ReadingHeading(
        reader=head.reader,
        writer=traces.model,
        run_id=traces.run_id,
        reading_id=head.reading_id,
        engine=_engine_words(head.manifest.engine),
        limits=head.manifest.limits or (),
        greedy=all(shaping.greedy for shaping in shapings.values()),
        reread=traces.lacks_logprobs,
        left=traces.left,
        kinds=_kinds(store, traces, head.reading_id, texts),
        texts=bool(texts),
    )
    written: list[tuple[Path, str]] = []
    if arguments.json is not None:
        document = reading_document(summary, heading, floor)
        written.append((arguments.json, json.dumps(document, indent=1, allow_nan=False) + "\n"))
    if arguments.markdown is not None:
        written.append((arguments.markdown, reading_markdown(summary, heading, floor)))
    if arguments.csv is not None:
        written.append((arguments.csv, reading_csv(summary)))
    if arguments.tokens is not None:
        written.append((arguments.tokens, "".join(_token_lines(store, traces, head.reading_id))))
    # Files first: whoever looks at the terminal through `head` closes it early.
    for path, text in written:
        write_whole(path, text, what="what was read")
    show(reading_view(summary, heading, floor, arguments.questions), crop=False)
    for path, _ in written:
        say(f"written: {path}")


def _kinds(
    store: Store, traces: ReadableTraces, reading_id: str, texts: Mapping[int, bytes]
) -> VariationByKind | None:
    """Where the total variation lies; None where the tokens' texts are not known."""
    if not texts:
        return None
    by_key = {one.place.key: one.trace for one in traces.written}
    return counted_variation(
        (one.place.question, text_pieces(trace.tokens, texts), token_shortfalls(one))
        for one in store.readings.each(reading_id)
        if (trace := by_key.get(one.place.key)) is not None
    )


def _engine_words(engine: ReadingEngineSection) -> str:
    told = (engine.engine, engine.version, engine.device, engine.dtype)
    return ", ".join(filter(None, told)) or "an engine that is not told"


def _token_lines(store: Store, traces: ReadableTraces, reading_id: str) -> Iterator[str]:
    """Each trace's tokens with their figures, as lines of JSON; what is infinite is null."""
    by_key = {one.place.key: one for one in traces.written}
    for reading in store.readings.each(reading_id):
        if (one := by_key.get(reading.place.key)) is not None:
            yield json.dumps(token_document(reading, one.trace), allow_nan=False) + "\n"
