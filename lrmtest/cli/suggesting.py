"""`lrmtest locate --suggest`: from place to remedy, a file of what to protect and what to run."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

from lrmtest.analysis.suggestion import Suggestion
from lrmtest.cli.output import say
from lrmtest.compress.protect_file import ListedModule, protect_file_text
from lrmtest.compress.variant import read_record
from lrmtest.models.spec import ModelSpec
from lrmtest.options.common import AddOption
from lrmtest.reports.suggestion import remarks_of, suggestion_lines
from lrmtest.runs.files import write_whole

_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,15})?|\.\d{1,15})\s*(%?)")
_PARTS = ("lrmtest", "compress")
_CALIBRATED = " # calibrated on"


def percent_or_share(text: str) -> float:
    """An argparse type: ``2%`` or ``0.02``, in (0, 1]."""
    match = _PERCENT.fullmatch(text.strip())
    share = float(match[1]) / (100 if match[2] else 1) if match else 0.0
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share such as 2% or 0.02")
    return share


def add_suggest_options(add: AddOption) -> None:
    """Add ``--suggest`` and ``--suggest-file``."""
    add(
        "--suggest",
        type=percent_or_share,
        metavar="SHARE",
        help="write what to protect with so much of the bits that compression has saved, such as "
        "2%%, for lrmtest compress --protect @FILE",
    )
    add(
        "--suggest-file",
        type=Path,
        metavar="FILE",
        help="where it is written (default: locate/VARIANT.protect.toml in the reports folder)",
    )


def suggestion_text(found: Suggestion, variant: str, parent: str, run_id: str) -> str:
    """The file of what to protect.

    Args:
        found: what.
        variant, parent: the models' names.
        run_id: of the traces.
    """
    modules = [
        ListedModule(one.name, one.weights, one.type, remark)
        for one, remark in zip(found.modules, remarks_of(found.modules), strict=True)
    ]
    head = [
        f"What to keep of {parent}, so that {variant} loses less; found on the traces {run_id}.",
        *suggestion_lines(found)[:2],
        "For lrmtest compress --protect @FILE. A [[module]] can be taken out.",
    ]
    return protect_file_text(modules, head)


def write_suggestion(
    found: Suggestion, path: Path, variant: ModelSpec, parent: str, run_id: str
) -> None:
    """Write a suggestion, and say what it is and what to run next.

    Raises:
        LrmtestError: it cannot be written.
    """
    text = suggestion_text(found, variant.name, parent, run_id)
    write_whole(path, text, what="what to protect")
    say("")
    for line in suggestion_lines(found):
        say(line)
    say(f"written: {path}")
    say(f"next: {next_command(variant, parent, path)}")


def next_command(variant: ModelSpec, parent: str, path: Path) -> str:
    """The command that makes the variant anew with what a file protects.

    Args:
        variant: which; where it was made here, its record has the command that made it.
        parent: the name of what it was made from.
        path: of the file.
    """
    place = Path(variant.location)
    folder = place if place.is_dir() else place.parent
    record = read_record(folder)
    recipe = record.get("recipe") if record else None
    words = _words(recipe) if isinstance(recipe, str) else None
    kept = folder.parent / f"{folder.name}-kept" if words else Path(f"{variant.name}-kept")
    if kept.is_absolute() and kept.is_relative_to(Path.cwd()):
        kept = kept.relative_to(Path.cwd())
    ending = ["--protect", f"@{path}"]
    if words is None:
        start = shlex.join([*_PARTS, parent, "-o", str(kept)])
        return f"{start} --method ... {shlex.join(ending)}, with the options of {variant.name}"
    output = words.index("-o") + 1
    return shlex.join([*words[:output], str(kept), *words[output + 1 :], *ending])


def _words(recipe: str) -> list[str] | None:
    """The words of the command that made a variant; None where the record has another text."""
    try:
        words = shlex.split(recipe.partition(_CALIBRATED)[0])
    except ValueError:
        return None
    made = tuple(words[:2]) == _PARTS and "-o" in words[:-1] and recipe.isprintable()
    return words if made else None
