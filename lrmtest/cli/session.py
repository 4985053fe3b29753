"""A session of pytest that a command runs: suites with one model, in a process of its own."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lrmtest.errors import LrmtestError, UsageError
from lrmtest.models.card import ModelCard
from lrmtest.models.programs.foreground import run_in_foreground
from lrmtest.models.resolve import resolve
from lrmtest.options.common import AddOption, add_set_option, read_set
from lrmtest.runs.command import is_packaged
from lrmtest.runs.extent import Extent, selected
from lrmtest.runs.manifest import Manifest
from lrmtest.suites.packaged import packaged_name

TESTED = (0, 1)
"""Exit statuses with which pytest says that all tests ran."""
_REFUSED = 4
"""That with which it says that it was not to be done as it was asked."""


@dataclass(frozen=True, slots=True)
class SessionRun:
    """The run of a session, as the session itself tells it.

    Attributes:
        run_id: its id. Another session may have made a newer one of a model with this name.
        extent: what the session asked of it, whatever others have asked since.
    """

    run_id: str
    extent: Extent


def split_words(text: str) -> list[str]:
    """The words of `--pytest`, as a shell would split them.

    Raises:
        UsageError: it does not end.
    """
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--pytest {text!r}: {error}", hint="close the quotes") from error


def suite_path(name: str) -> str:
    """What pytest is given for a suite's name or path: the package's tests if none are here."""
    path = Path(name.partition("::")[0])
    known = Path("suites") / name
    if path.exists():
        return name
    if known.exists():
        return str(known)
    packaged = packaged_name(name)
    if packaged is not None:
        return packaged
    raise UsageError(
        f"there is no suite {name!r} here",
        hint="give a file or folder of tests, or what `lrmtest suites` lists",
    )


def add_asked_options(add: AddOption) -> None:
    """Add ``--suite`` and ``--set``, for `asked_words`."""
    add(
        "--suite",
        action="append",
        default=[],
        metavar="SUITE",
        help="what to ask, a name or a path: aime, suites/fresh/test_fresh_temporal.py; repeat it",
    )
    add_set_option(add, "ask this set, of `lrmtest suites --sets`; with --suite what is in both")


def asked_words(option: argparse.Namespace) -> list[str]:
    """What pytest is given to ask what ``--suite`` and ``--set`` name.

    Raises:
        UsageError: neither is given, or there is no such suite or set.
    """
    if not option.suite and option.set is None:
        raise UsageError(
            "nothing is asked", hint="name suites or a set: --suite aime, or --set quick"
        )
    suites = [suite_path(name) for name in option.suite]
    asked = read_set(option)
    # By its long name, which is nobody else's.
    chosen = [] if asked is None else [f"--lrmtest-set={asked.name}"]
    return [*["--pyargs"] * any(map(is_packaged, suites)), *suites, *chosen]


def run_session(
    model: str,
    asked: Sequence[str],
    more: Sequence[str],
    reports_dir: Path,
    card_files: Sequence[Path],
    cards: Mapping[str, ModelCard],
) -> SessionRun:
    """Run suites in a pytest of their own, so that one model is in memory at a time.

    Args:
        model: what ``--model`` is to be.
        asked: from `asked_words`.
        more: further words for pytest.
        reports_dir: folder of the store.
        card_files, cards: further card files, and all cards.

    Raises:
        UsageError: pytest refused what it was to do; the model cannot be tested.
        LrmtestError: not all tests ran.
    """
    command = [sys.executable, "-m", "pytest", *asked, f"--model={model}"]
    command += ["--reports-dir", str(reports_dir)]
    command += [word for path in card_files for word in ("--cards", str(path))]
    command += ["-q", "--tb=no", "-rN", "--lrmtest-no-next-steps", *more]
    alone = shlex.join(command[1:])
    with tempfile.TemporaryDirectory(prefix="lrmtest-") as folder:
        summary = _summary_asked_for(more)
        if summary is None:
            summary = Path(folder) / "summary.json"
            command += ["--summary-json", str(summary)]
        summary.unlink(missing_ok=True)
        status = run_in_foreground(command)
        runs = _runs(summary)
    name = resolve(model, cards).name
    if status not in TESTED or name not in runs:
        raise (UsageError if status == _REFUSED else LrmtestError)(
            f"testing {model} ended with exit status {status}",
            hint="see above; the same command goes on from here, nothing generated is lost. "
            f"Alone: {alone}",
        )
    return runs[name]


def _summary_asked_for(more: Sequence[str]) -> Path | None:
    """The file that the user wants pytest's summary in."""
    found = None
    for word, following in zip(more, [*more, ""][1:], strict=True):
        flag, equals, value = word.partition("=")
        if flag == "--summary-json":
            found = Path(value if equals else following)
    return found


def _runs(summary: Path) -> dict[str, SessionRun]:
    """The runs of a pytest, by their models' names; none if it did not come to its end."""
    try:
        runs = json.loads(summary.read_text(encoding="utf-8"))["runs"]
        return {
            run["model"]: SessionRun(run["run_id"], selected(Manifest.from_json(run["manifest"])))
            for run in runs
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}
