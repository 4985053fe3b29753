"""`lrmtest compress`: make a compressed variant of a model."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from lrmtest.cli.output import show
from lrmtest.compress.make import (
    GgufQuantization,
    How,
    Made,
    Pruning,
    Request,
    WeightQuantization,
    make_variant,
)
from lrmtest.compress.protect import parse_protect
from lrmtest.compress.pruning.figures import KindFigures, Pruned
from lrmtest.compress.pruning.sparsity import read_sparsity
from lrmtest.errors import UsageError
from lrmtest.models.card import ModelCard
from lrmtest.options.common import add_cards_option, at_least_1, number, read_cards
from lrmtest.progress import LayersDone, Tell
from lrmtest.reports.escape import one_line
from lrmtest.reports.numbers import count
from lrmtest.reports.tables import open_table
from lrmtest.runs.store import STORE_NAME

PRUNING = ("sparsegpt", "wanda", "magnitude")
WEIGHTS = ("gptq", "awq")
METHODS = (*PRUNING, "gguf", *WEIGHTS)

_OF = {
    "sparsity": PRUNING,
    "pattern": PRUNING,
    "type": ("gguf",),
    "tensor": ("gguf",),
    "recipe": ("gguf",),
    "imatrix": ("gguf",),
    "bits": WEIGHTS,
    "group_size": WEIGHTS,
}
"""Options that are not every method's."""
_CALIBRATION = ("calibration", "calibration_samples", "calibration_tokens")
_GROUP_SIZE, _SAMPLES, _TOKENS = 128, 128, 2048


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
    parser.set_defaults(run=_compress)


def add_making_options(parser: argparse.ArgumentParser, *, several: Collection[str] = ()) -> None:
    """Add the options that say how a variant is made, for `read_request`.

    Args:
        parser: takes them.
        several: names of options, of ``sparsity``, ``type`` and ``bits``, that are to be left as
            text, for a caller that takes several values of one.
    """

    def kind(name: str, convert: Callable[[str], object]) -> dict[str, Any]:
        return {"metavar": "A,B,..."} if name in several else {"type": convert}

    add = parser.add_argument
    add("--method", required=True, metavar="METHOD", help=", ".join(METHODS))
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

    add = parser.add_argument_group(f"pruning: {', '.join(PRUNING)}").add_argument
    add(
        "--sparsity",
        **{"metavar": "SHARE", **kind("sparsity", float)},
        help="share of each matrix that becomes zero",
    )
    add("--pattern", metavar="N:M", help="2:4 or 4:8, in place of --sparsity")

    add = parser.add_argument_group("quantization to GGUF: gguf").add_argument
    add(
        "--type",
        **{"metavar": "TYPE", **kind("type", str)},
        help="llama-quantize's type, such as Q4_K_M or IQ2_XXS",
    )
    add(
        "--tensor",
        action="append",
        metavar="PATTERN=TYPE",
        help="another type for some tensors; repeat it: the first that matches decides",
    )
    add("--recipe", metavar="NAME", help="a named set of types, such as dynamic-1.58")
    add(
        "--imatrix",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="compute an importance matrix on the calibration texts (default: yes)",
    )

    add = parser.add_argument_group(f"quantization of weights: {', '.join(WEIGHTS)}").add_argument
    add("--bits", **{"metavar": "N", **kind("bits", at_least_1)}, help="bits of a weight")
    add(
        "--group-size",
        type=number(int, "an integer of at least 1, or -1", lambda n: n >= 1 or n == -1),
        metavar="N",
        help=f"weights that share a scale, -1 for a whole row (default: {_GROUP_SIZE})",
    )


def read_request(arguments: argparse.Namespace) -> Request:
    """What the options ask for.

    Raises:
        UsageError: an option is missing, has an impossible value, or is another method's.
    """
    method = _method(arguments)
    random = parse_protect(arguments.protect, 0).draws
    if arguments.seed is not None and not random:
        raise UsageError(
            "--seed has nothing to draw: nothing is protected at random",
            hint="--protect random:2%, or leave --seed out",
        )
    if arguments.imatrix is False:
        for name in _CALIBRATION:
            if getattr(arguments, name) is not None:
                raise UsageError(
                    f"{_option(name)} has no use without an importance matrix",
                    hint="leave out one of it and --no-imatrix",
                )
    return Request(
        model=arguments.model,
        how=_how(method, arguments),
        protect=tuple(arguments.protect),
        seed=arguments.seed or 0,
        calibration=arguments.calibration or "fresh",
        samples=arguments.calibration_samples or _SAMPLES,
        tokens=arguments.calibration_tokens or _TOKENS,
    )


def _method(arguments: argparse.Namespace) -> str:
    method: str = arguments.method
    if method not in METHODS:
        close = get_close_matches(method, METHODS, n=1)
        guess = f"did you mean {close[0]}? " if close else ""
        raise UsageError(
            f"there is no method {method!r}", hint=f"{guess}there are {', '.join(METHODS)}"
        )
    for name, methods in _OF.items():
        if getattr(arguments, name) is not None and method not in methods:
            raise UsageError(
                f"{_option(name)} is an option of {', '.join(methods)}, and not of {method}",
                hint="leave it out, or choose another --method",
            )
    return method


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _how(method: str, arguments: argparse.Namespace) -> How:
    if method in PRUNING:
        sparsity = read_sparsity(arguments.sparsity, arguments.pattern)
        return Pruning(method, sparsity, arguments.pattern or "")
    if method in WEIGHTS:
        if arguments.bits is None:
            raise UsageError(f"--method {method} needs --bits", hint="--bits 4")
        return WeightQuantization(method, arguments.bits, arguments.group_size or _GROUP_SIZE)
    if not (arguments.type or arguments.recipe):
        raise UsageError("--method gguf needs --type or --recipe", hint="--type Q4_K_M")
    return GgufQuantization(
        kind=arguments.type or "",
        tensors=tuple(_tensor(text) for text in arguments.tensor or ()),
        recipe=arguments.recipe or "",
        imatrix=arguments.imatrix is not False,
    )


def _tensor(text: str) -> tuple[str, str]:
    pattern, _, kind = text.rpartition("=")
    if not (pattern and kind):
        raise UsageError(
            f"--tensor {text!r} is not PATTERN=TYPE", hint="--tensor 'blk.*.attn_v=Q6_K'"
        )
    return pattern, kind


def _compress(arguments: argparse.Namespace) -> int:
    request = read_request(arguments)
    cards = read_cards(arguments)
    made = make(request, arguments.output, arguments, cards)
    if not made.new:
        print(f"{made.folder} holds this variant already: nothing was done (--force makes it anew)")
        return 0
    _show(made)
    return 0


def make(
    request: Request, folder: Path, arguments: argparse.Namespace, cards: Mapping[str, ModelCard]
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
    print(f"{made.name}{bits}, in {made.folder}")
    for note in made.notes:
        print(f"note: {one_line(note, 500)}")
    print(f"test it: pytest suites/... --model {made.folder}")


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
