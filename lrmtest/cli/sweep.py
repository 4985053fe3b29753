"""`lrmtest sweep`: make variants of a model, test all of them, compare them with the model."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from lrmtest.analysis.sweep import SweepRun, sweep
from lrmtest.cli.compress import (
    add_making_options,
    add_method_options,
    attribute_of,
    make,
    read_request,
)
from lrmtest.cli.output import complain, say, show
from lrmtest.cli.session import add_asked_options, asked_words, run_session, split_words
from lrmtest.cli.sweep_protections import (
    ProtectionSweep,
    add_protection_options,
    refuse_protection_options,
    varies_protection,
)
from lrmtest.compress.make import VariantRequest
from lrmtest.compress.methods import options_of_methods
from lrmtest.compress.options import Option
from lrmtest.errors import UsageError
from lrmtest.models.card import ModelCard
from lrmtest.models.resolve import resolve
from lrmtest.options.common import (
    add_cards_option,
    add_threshold_option,
    number,
    read_cards,
)
from lrmtest.options.gate import add_difference_options, add_margin_options, read_gate
from lrmtest.reports.data_text import csv_text, json_text
from lrmtest.reports.html import write_report
from lrmtest.reports.sweep import sweep_markdown, sweep_view
from lrmtest.reports.sweep_data import LEVEL_COLUMNS, level_cells, sweep_document
from lrmtest.runs.files import write_whole
from lrmtest.runs.records import RunRecord
from lrmtest.runs.reference import load_run
from lrmtest.runs.store import STORE_NAME


@dataclass(frozen=True, slots=True)
class _Level:
    """One model of the sweep.

    Attributes:
        label: its value, as the user gave it; empty for the model itself.
        model: what ``--model`` is to be.
        folder: where the variant is made; None for the model itself.
        request: how; None for the model itself.
    """

    label: str
    model: str
    folder: Path | None = None
    request: VariantRequest | None = None


def add_commands(commands: Any, store: argparse.ArgumentParser) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser(
        "sweep",
        parents=[store],
        help="compress a model more and more, test every variant, find where it collapses",
        description=f"Give {_listed('or')} several values with commas between them. "
        "The model itself is tested too. The same command goes on where it was stopped.",
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="a card's name, a model's folder or a GGUF file")
    add("-o", "--output", type=Path, required=True, metavar="DIR", help="folder of the variants")
    add_asked_options(add)
    add(
        "--pytest",
        action="append",
        default=[],
        metavar="OPTIONS",
        help="further options for pytest: --pytest='--samples 4 --temperature 0.6'; repeat it",
    )
    add(
        "--lost",
        type=number(float, "a share above 0, at most 1", lambda share: 0 < share <= 1),
        default=0.5,
        metavar="SHARE",
        help="share of the pass rate whose loss is collapse (default: %(default)s)",
    )
    add_making_options(parser)
    add_protection_options(add)
    add_cards_option(add)
    add_threshold_option(add)
    add_difference_options(add)
    add_margin_options(add)
    add_method_options(parser, sweep=True)
    parser.set_defaults(run=_sweep)


def _sweep(arguments: argparse.Namespace) -> int:
    gate = read_gate(arguments, allow_missing=arguments.allow_missing)
    cards = read_cards(arguments)
    asked = asked_words(arguments)
    more = [word for text in arguments.pytest for word in split_words(text)]
    if varies_protection(arguments):
        option = _varied(arguments)
        text = vars(arguments)[attribute_of(option)]
        if "," in text:
            raise UsageError(
                f"where ways of protecting vary, {option.flag} has one value",
                hint="give one of them, or one --protect",
            )
        setattr(arguments, attribute_of(option), _single(option, text))
        ProtectionSweep(arguments, option.axis, cards, asked, more).run(gate)
        return 0
    refuse_protection_options(arguments)
    axis, levels = _levels(arguments, cards)
    store = arguments.reports_dir / STORE_NAME
    shown: dict[str, RunRecord] = {}
    runs = []
    for place, level in enumerate(levels, start=1):
        complain(f"{place} of {len(levels)}: {level.model}")
        if level.folder is not None and level.request is not None:
            make(level.request, level.folder, arguments, cards)
        tested = run_session(
            level.model, asked, more, arguments.reports_dir, arguments.cards, cards
        )
        run = load_run(tested.run_id, store, tested.extent)
        shown[run.run_id] = run
        runs.append(SweepRun(*_degree(level, axis, cards), run))
    runs = [runs[0], *sorted(runs[1:], key=lambda run: run.degree)]
    _refuse_equal(runs, axis)
    found = sweep(
        runs,
        gate=gate,
        allowed=arguments.allow_different,
        threshold=arguments.pass_threshold,
        lost=arguments.lost,
    )
    show(sweep_view(found, axis), crop=False)
    text = sweep_markdown(found, axis, f"{runs[0].run.model}, {arguments.method}")
    for ending, content in (
        ("md", text),
        ("json", json_text(sweep_document(found, axis)) + "\n"),
        ("csv", csv_text(LEVEL_COLUMNS, level_cells(found))),
    ):
        write_whole(arguments.output / f"sweep.{ending}", content, what="the sweep's table")
    page = arguments.output / "sweep.html"
    write_report(
        page,
        [shown[run.run.run_id] for run in runs],
        {level.of.run.run_id: level.compared for level in found.levels if level.compared},
        threshold=arguments.pass_threshold,
    )
    say(f"written: {arguments.output / 'sweep.md'}, {page}, and as data sweep.json, sweep.csv")
    return 0


def _levels(
    arguments: argparse.Namespace, cards: Mapping[str, ModelCard]
) -> tuple[str, list[_Level]]:
    """What is varied, and the models, the one to start from first.

    Raises:
        UsageError: nothing is varied, or the options make no variant.
    """
    option = _varied(arguments)
    parent = resolve(arguments.model, cards).name
    levels = [_Level("", arguments.model)]
    texts = vars(arguments)[attribute_of(option)].split(",")
    for text in dict.fromkeys(text.strip() for text in texts):
        value = _single(option, text)
        if option.axis == "sparsity" and value == 0:
            continue  # the model itself
        one = copy.copy(arguments)
        setattr(one, attribute_of(option), value)
        folder = arguments.output / f"{parent}-{arguments.method}-{text}"
        levels.append(_Level(text, str(folder), folder, read_request(one)))
    if len(levels) < 2:
        raise UsageError(
            f"{option.flag} has no value to compress with", hint=f"{option.flag} {option.levels}"
        )
    return option.axis, levels


def _varied(arguments: argparse.Namespace) -> Option:
    """The option that says how strongly to compress.

    Raises:
        UsageError: none or several of them were given.
    """
    parsed = vars(arguments)
    given = [option for option in _sweepable() if parsed.get(attribute_of(option)) is not None]
    if len(given) != 1:
        raise UsageError(
            f"a sweep varies one of {_listed('and')}",
            hint=", or ".join(f"{option.flag} {option.levels}" for option in _sweepable()),
        )
    return given[0]


def _sweepable() -> list[Option]:
    """The options that may have several values."""
    return [option for option, _ in options_of_methods() if option.axis]


def _listed(last: str) -> str:
    """Their flags, in words."""
    *flags, final = (option.flag for option in _sweepable())
    return f"{', '.join(flags)} {last} {final}"


def _single(option: Option, text: str) -> Any:
    try:
        return option.type(text)
    except ValueError as error:
        raise UsageError(
            f"{option.flag}: {text!r} is no number", hint="commas between numbers"
        ) from error


def _degree(level: _Level, axis: str, cards: Mapping[str, ModelCard]) -> tuple[str, float]:
    """A level's label in the table, and how strongly it is compressed."""
    if axis == "sparsity":
        return level.label or "0", float(level.label or 0)
    bits = resolve(level.model, cards).card.compression.bits_per_weight
    # Without compression a card need not say it.
    bits = 16.0 if bits is None else bits
    return f"{bits:.2f}", -bits


def _refuse_equal(runs: Sequence[SweepRun], axis: str) -> None:
    for left, right in pairwise(runs):
        if left.degree >= right.degree:
            raise UsageError(
                f"{right.run.model} is no more compressed than {left.run.model}: "
                f"{axis} {right.label} and {left.label}",
                hint="leave one of them out of the sweep",
            )
