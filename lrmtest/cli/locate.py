"""`lrmtest locate`: which of a variant's weights lost what its parent can."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lrmtest.analysis.units import MODULE, ROW
from lrmtest.cli.layer_progress import layers_shown, looking_into_models
from lrmtest.cli.output import complain, say, show
from lrmtest.cli.reading_models import notes_on_tokens, parent_model, reading_model
from lrmtest.cli.suggesting import add_suggest_options, write_suggestion
from lrmtest.errors import UsageError
from lrmtest.locate.generating.traced_questions import TracedQuestions, traced_questions
from lrmtest.locate.task import LocateTask
from lrmtest.models.card import ModelCard
from lrmtest.models.engines.kinds import DEFAULT_ENGINE
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.spec import ModelSpec
from lrmtest.options.common import (
    add_cards_option,
    at_least_0,
    at_least_1,
    read_cards,
    share_above_0,
)
from lrmtest.options.engine import add_weights_options, read_weights_options
from lrmtest.reports.data_text import json_text
from lrmtest.reports.html.location import location_page
from lrmtest.reports.location import (
    LocationHeading,
    location_csv,
    location_document,
    location_markdown,
    location_view,
)
from lrmtest.reports.restoring import curve_csv
from lrmtest.reports.suggestion import suggestion_document
from lrmtest.runs.files import write_whole
from lrmtest.runs.formats.traces_file import KeptTrace
from lrmtest.runs.outcomes import QuestionKey
from lrmtest.runs.readable_traces import ReadableTraces, traces_to_read
from lrmtest.runs.reference import load_run
from lrmtest.runs.store import STORE_NAME

LOCATE_FOLDER = "locate"
"""Of the reports folder: where what is computed is kept."""


def add_commands(commands: Any, store: argparse.ArgumentParser) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser(
        "locate",
        parents=[store],
        help="rank a variant's modules by what restoring their parent's weights would mend",
        description="Reads the parent's passing traces with VARIANT and asks of every linear "
        "module by how much the parent's weights in it would mend the loss: by attribution, and "
        "for the first ranks by really restoring them. What was computed is kept; the same "
        "command goes on where it was stopped.",
    )
    add = parser.add_argument
    add("variant", metavar="VARIANT", help="a card's name, a model's folder or a GGUF file")
    add(
        "--traces",
        required=True,
        metavar="RUN|FILE",
        help="the parent's traces: a run's id, its beginning, `last` or `last:MODEL`; a file of "
        "traces; or a baseline with one beside it",
    )
    add(
        "--parent",
        metavar="MODEL",
        help="what the variant was made from (default: the model that the traces name)",
    )
    add("--suite", action="append", default=[], help="only this suite; repeat it")
    add(
        "--broken",
        metavar="RUN",
        help="only questions that RUN, the variant's, does not pass: a run or a baseline's file",
    )
    add(
        "--confirm",
        type=at_least_0,
        default=5,
        metavar="N",
        help="really restore the first N modules, and as many weights at random, and measure the "
        "loss; 0 for attribution alone (default: %(default)s)",
    )
    add(
        "--through",
        type=at_least_1,
        default=1,
        metavar="LAYERS",
        help="run so many layers with each module restored, its own and those behind it, before "
        "gradients say what comes of it: closer, and as many times as long (default: %(default)s)",
    )
    add(
        "--share",
        type=share_above_0,
        default=0.02,
        metavar="SHARE",
        help="share of the weights that the first ranks restored together may have "
        "(default: %(default)s)",
    )
    add(
        "--unit",
        choices=(MODULE, ROW),
        default=MODULE,
        help="what --share and --curve restore together: whole modules, or rows of all modules, "
        "which make one output each; modules are ranked and confirmed in either case (default: "
        "%(default)s)",
    )
    add(
        "--generate",
        type=at_least_0,
        default=0,
        metavar="K",
        help="generate K samples of each of the traces' questions with the variant, with the "
        "units of --share really restored and with as many random ones, and compare what "
        "passes; 0 for nothing generated (default: %(default)s)",
    )
    add(
        "--curve",
        type=_shares,
        default=(),
        metavar="SHARE,...",
        help="restore these shares of the weights, by rank and at random, and measure the loss, "
        "with --generate also what passes: 0.01,0.02,0.05,0.1,0.2,0.5",
    )
    add(
        "--curve-draws",
        type=at_least_1,
        default=5,
        metavar="N",
        help="random orders that the curve is compared with (default: %(default)s)",
    )
    add(
        "--modules",
        type=at_least_0,
        default=10,
        metavar="N",
        help="list so many modules (default: %(default)s)",
    )
    add(
        "--questions",
        type=at_least_0,
        default=5,
        metavar="N",
        help="list so many questions, those that lost most (default: %(default)s)",
    )
    add_suggest_options(add)
    add("--json", type=Path, metavar="FILE", help="write all figures")
    add("--markdown", type=Path, metavar="FILE", help="write the tables as Markdown")
    add(
        "--csv",
        type=Path,
        metavar="FILE",
        help="write a line for each module; with --curve also FILE's name with -curve, a line "
        "for each of its points",
    )
    add("--html", type=Path, metavar="FILE", help="write map and curve as a page to look at")
    add_cards_option(add)
    add_weights_options(add)
    parser.set_defaults(run=_locate)


def _locate(arguments: argparse.Namespace) -> int:
    if arguments.suggest_file is not None and arguments.suggest is None:
        raise UsageError("--suggest-file has nothing to write", hint="--suggest 2%")
    if arguments.suggest is not None and arguments.unit == ROW:
        raise UsageError(
            "--suggest protects whole modules: a file of what to protect names no rows",
            hint="leave out --unit row, or --suggest",
        )
    cards = read_cards(arguments)
    options = replace(read_weights_options(arguments), tell=complain)
    store = arguments.reports_dir / STORE_NAME
    broken = None if arguments.broken is None else _broken(arguments.broken, store)

    def wanted(trace: KeptTrace) -> bool:
        asked = broken is None or trace.place.question in broken
        return asked and trace.outcome.passed and len(trace.trace.tokens) > 0

    which = "passing traces"
    if broken is not None:
        which += f" of questions that {arguments.broken} does not pass"
    traces = traces_to_read(
        arguments.traces, store, suites=arguments.suite, wanted=wanted, which=which
    )
    variant, parent = models_of(arguments.variant, arguments.parent, traces, cards, options)
    task = LocateTask(
        variant,
        parent,
        options,
        traces.run_id,
        traces.written,
        arguments.confirm,
        arguments.share,
        budget=arguments.suggest,
        asked=_asked(arguments, store, traces),
        curve=arguments.curve,
        curve_draws=arguments.curve_draws,
        through_layers=arguments.through,
        unit=arguments.unit,
    )
    with looking_into_models():
        from lrmtest.locate.job import locate_and_suggest
    with layers_shown() as done:
        found, suggestion = locate_and_suggest(task, arguments.reports_dir / LOCATE_FOLDER, done)
    heading = LocationHeading(
        variant.name,
        parent.name,
        traces.run_id,
        traces.left,
    )
    written: list[tuple[Path, str]] = []
    if arguments.json is not None:
        document = location_document(found, heading)
        document["suggestion"] = None if suggestion is None else suggestion_document(suggestion)
        written.append((arguments.json, json_text(document) + "\n"))
    if arguments.markdown is not None:
        written.append((arguments.markdown, location_markdown(found, heading)))
    if arguments.csv is not None:
        written.append((arguments.csv, location_csv(found)))
        if found.curve is not None:
            path = arguments.csv.with_stem(f"{arguments.csv.stem}-curve")
            written.append((path, curve_csv(found.curve)))
    if arguments.html is not None:
        written.append((arguments.html, location_page(found, heading)))
    # Files first: whoever looks at the terminal through `head` closes it early.
    for path, text in written:
        write_whole(path, text, what="what was located")
    show(location_view(found, heading, arguments.modules, arguments.questions), crop=False)
    if found.passes is not None:
        generated = arguments.reports_dir / LOCATE_FOLDER / task.kept_name
        say(f"what was generated: lrmtest runs --reports-dir {shlex.quote(str(generated))}")
    for path, _ in written:
        say(f"written: {path}")
    if suggestion is not None:
        file = arguments.suggest_file or (
            arguments.reports_dir / LOCATE_FOLDER / f"{variant.name}.protect.toml"
        )
        write_suggestion(suggestion, file, variant, parent.name, traces.run_id)
    return 0


def _shares(text: str) -> tuple[float, ...]:
    """The shares of ``--curve``."""
    return tuple(share_above_0(part.strip()) for part in text.split(","))


def _asked(
    arguments: argparse.Namespace, store: Path, traces: ReadableTraces
) -> TracedQuestions | None:
    """What is to be generated again; None for nothing."""
    if not arguments.generate:
        return None
    questions = {one.place.question for one in traces.written}
    return traced_questions(store, traces.run_id, questions, arguments.generate)


def models_of(
    variant: str,
    parent: str | None,
    traces: ReadableTraces,
    cards: Mapping[str, ModelCard],
    options: EngineOptions,
) -> tuple[ModelSpec, ModelSpec]:
    """A variant and its parent, their files on disk.

    Args:
        variant: as for ``--model``.
        parent: the same; None for the model that wrote the traces.
        traces: the parent's.
        cards: the model cards there are.
        options: of the engine.

    Raises:
        UsageError: they are the same files, or the traces' tokens mean others to one of them.
        ModelError: their files cannot be had.
    """
    own = reading_model(variant, cards, DEFAULT_ENGINE, options)
    its = parent_model(parent or traces.model, cards, own, options)
    if Path(own.spec.location).resolve() == Path(its.spec.location).resolve():
        raise UsageError(
            f"{own.spec.name} and its parent are the same files: nothing differs",
            hint="--parent MODEL, what the variant was made from",
        )
    for line in notes_on_tokens(own, its, traces, cards):
        complain(line)
    return own.spec, its.spec


def _broken(reference: str, store: Path) -> set[QuestionKey]:
    """The questions that a run does not pass."""
    outcomes = load_run(reference, store).outcomes
    return {key for key, outcome in outcomes.items() if outcome.count and not outcome.passed()}
