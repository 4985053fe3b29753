"""`lrmtest compress`: make a compressed variant of a model."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from lrmtest.cli.output import say, show
from lrmtest.compress.figures import KindFigures, Pruned
from lrmtest.compress.make import Made, VariantRequest, make_variant
from lrmtest.compress.method import CompressionMethod
from lrmtest.compress.methods import (
    compression_methods,
    method_named,
    options_of_methods,
    refuse_foreign_options,
)
from lrmtest.compress.options import Option
from lrmtest.compress.protect import parse_protect
from lrmtest.errors import UsageError
from lrmtest.models.card import ModelCard
from lrmtest.options.common import add_cards_option, at_least_1, number, read_cards
from lrmtest.progress import LayersDone, Tell
from lrmtest.reports.escape import one_line
from lrmtest.reports.numbers import count
from lrmtest.reports.tables import open_table
from lrmtest.runs.store import STORE_NAME

_CALIBRATION = ("calibration", "calibration_samples", "calibration_tokens")
_SAMPLES, _TOKENS = 128, 2048


def add_commands(commands: Any, store: argparse.ArgumentParser) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser(
        "compress",
        parents=[store],
        help="make a compressed variant of a model, with the card that says what it is",
        description="Prune or quantize a model into a folder that `pytest --model FOLDER` takes.",
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="a card's name, a model's folder or a GGUF file")
    add("-o", "--output", type=Path, required=True, metavar="DIR", help="folder of the variant")
    add_cards_option(add)
    add_making_options(parser)
    add_method_options(parser)
    parser.set_defaults(run=_compress)


def add_making_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of every method, for `read_request`."""
    names = ", ".join(method.name for method in compression_methods())
    add = parser.add_argument
    add("--method", required=True, metavar="METHOD", help=names)
    add("--force", action="store_true", help="replace another variant that is there")

    add = parser.add_argument_group("what stays as it is").add_argument
    add(
        "--protect",
        action="append",
        default=[],
        metavar="PATTERN",
        help="modules by name (layers.3.mlp, last:mlp, *.o_proj), random:P%% of all weights, or "
        "random:like:PATTERN, as many as PATTERN protects; repeat it",
    )
    add("--seed", type=int, metavar="N", help="of what is protected at random (default: 0)")

    add = parser.add_argument_group("calibration").add_argument
    add(
        "--calibration",
        metavar="TEXTS",
        help="fresh: generated questions (default); traces:RUN: a run's prompts with what the "
        "model answered; or a text file",
    )
    add(
        "--calibration-samples",
        type=at_least_1,
        metavar="N",
        help=f"most sequences (default: {_SAMPLES})",
    )
    add(
        "--calibration-tokens",
        type=at_least_1,
        metavar="N",
        help=f"most tokens of a sequence (default: {_TOKENS}, or the model's context)",
    )


def add_method_options(parser: argparse.ArgumentParser, *, sweep: bool = False) -> None:
    """Add the options of single methods, for `read_request`, as the last ones of the parser.

    Args:
        parser: takes them.
        sweep: leave those that can be swept as text, for a caller that takes several values.
    """
    groups: dict[str, argparse._ArgumentGroup] = {}
    for option, methods in options_of_methods():
        title = f"{methods[0].family}: {', '.join(method.name for method in methods)}"
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        # A method from outside may call an option like one of lrmtest's own: `_given` tells.
        with suppress(argparse.ArgumentError):
            groups[title].add_argument(
                option.flag, dest=attribute_of(option), help=option.help, **_parsing(option, sweep)
            )


def attribute_of(option: Option) -> str:
    """Where the parsed arguments have a method's option; none of lrmtest's own is called so."""
    return f"option {option.name}"


def _parsing(option: Option, sweep: bool) -> dict[str, Any]:
    if option.type is bool:
        return {"action": argparse.BooleanOptionalAction, "default": None}
    if sweep and option.axis:
        return {"metavar": "A,B,..."}
    convert = option.type
    if option.allowed is not None:
        convert = number(option.type, option.wanted, option.allowed)
    action = "append" if option.repeated else "store"
    return {"metavar": option.metavar, "type": convert, "action": action}


def read_request(arguments: argparse.Namespace) -> VariantRequest:
    """What the options ask for.

    Raises:
        UsageError: an option is missing, has an impossible value, or is another method's.
    """
    method = method_named(arguments.method)
    given = _given(method, arguments)
    refuse_foreign_options(method, given)
    if arguments.protect and not method.protects:
        raise UsageError(f"--protect is of no use: {method.name} protects nothing")
    random = parse_protect(arguments.protect, 0).draws
    if arguments.seed is not None and not random:
        raise UsageError(
            "--seed has nothing to draw: nothing is protected at random",
            hint="--protect random:2%, or leave --seed out",
        )
    _refuse_calibration(method, given, arguments)
    return VariantRequest(
        model=arguments.model,
        method=method,
        options=method.checked(given),
        protect=tuple(arguments.protect),
        seed=arguments.seed or 0,
        calibration=arguments.calibration or "fresh",
        samples=arguments.calibration_samples or _SAMPLES,
        tokens=arguments.calibration_tokens or _TOKENS,
    )


def _given(method: CompressionMethod, arguments: argparse.Namespace) -> dict[str, Any]:
    """Options of methods by name, with their values; None for those that were not given."""
    parsed = vars(arguments)
    for option in method.options:
        if attribute_of(option) not in parsed:
            raise UsageError(
                f"{option.flag} of the method {method.name} is an option of lrmtest itself",
                hint="have the authors of its package rename the option",
            )
    return {option.name: parsed.get(attribute_of(option)) for option, _ in options_of_methods()}


def _refuse_calibration(
    method: CompressionMethod, given: Mapping[str, Any], arguments: argparse.Namespace
) -> None:
    """Refuse what says what to calibrate on where nothing is calibrated."""
    switch = next((o for o in method.options if o.name == method.calibration_switch), None)
    off = switch is not None and given[switch.name] is False
    if method.calibrated and not off:
        return
    for name in _CALIBRATION:
        if getattr(arguments, name) is not None:
            flag = f"--{name.replace('_', '-')}"
            if switch is None or not method.calibrated:
                raise UsageError(f"{flag} has no use: {method.name} reads no texts")
            raise UsageError(
                f"{flag} has no use without {switch.noun}",
                hint=f"leave out one of it and --no-{switch.setting}",
            )


def _compress(arguments: argparse.Namespace) -> int:
    request = read_request(arguments)
    cards = read_cards(arguments)
    made = make(request, arguments.output, arguments, cards)
    if not made.new:
        say(f"{made.folder} holds this variant already: nothing was done (--force makes it anew)")
        return 0
    _show(made)
    return 0


def make(
    request: VariantRequest,
    folder: Path,
    arguments: argparse.Namespace,
    cards: Mapping[str, ModelCard],
) -> Made:
    """Make a variant in `folder` with `make_variant`, and show how far it is.

    Args:
        request: what is wanted.
        folder: where it is to be.
        arguments: of the command, with the options of `add_making_options`.
        cards: the model cards there are.
    """
    with _progress() as (tell, progress):
        return make_variant(
            request,
            folder,
            cards=cards,
            store=arguments.reports_dir / STORE_NAME,
            force=arguments.force,
            tell=tell,
            progress=progress,
        )


@contextmanager
def _progress() -> Iterator[tuple[Tell, LayersDone]]:
    """What tells the user, on stderr, what is being done and which layer is at work."""
    console = Console(file=sys.stderr)

    def tell(line: str) -> None:
        console.print(Text(one_line(line, 500)), soft_wrap=True)

    if not console.is_terminal:
        yield tell, lambda done, total: tell(f"layer {done} of {total}")
        return
    columns = (TextColumn("layer"), MofNCompleteColumn(), BarColumn(), TimeElapsedColumn())
    with Bars(*columns, console=console, transient=True) as bars:

        def progress(done: int, total: int) -> None:
            if not bars.task_ids:
                bars.add_task("", total=total)
            bars.update(bars.task_ids[0], completed=done)

        yield tell, progress


def _show(made: Made) -> None:
    if made.pruned is not None:
        show(_table(made.pruned))
        print()
    bits = "" if made.bits_per_weight is None else f", {made.bits_per_weight:.3g} bits per weight"
    say(f"{made.name}{bits}, in {made.folder}")
    for note in made.notes:
        say(f"note: {one_line(note, 500)}")
    say(f"test it: pytest suites/... --model {made.folder}")


def _table(pruned: Pruned) -> Table:
    table = open_table()
    headers = ("matrices", "weights", "zeros", "protected", "error, mean", "worst", "in")
    for header in headers:
        table.add_column(header, justify="left" if header in ("matrices", "in") else "right")
    for figures in (*pruned.kinds(), pruned.total):
        table.add_row(*_row(figures))
    return table


def _row(figures: KindFigures) -> Iterator[str]:
    yield figures.kind
    yield count(figures.weights)
    yield _percent(figures.sparsity)
    yield _percent(figures.protected_share) if figures.protected else ""
    yield _percent(figures.mean_error)
    yield _percent(figures.worst_error)
    yield figures.worst


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
