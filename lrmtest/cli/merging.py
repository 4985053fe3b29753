"""`lrmtest merge`: runs that were made in several places as one."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lrmtest.cli.output import complain, say
from lrmtest.counted import counted
from lrmtest.errors import UsageError
from lrmtest.reports.escape import one_line
from lrmtest.runs.formats.jsonl import import_run
from lrmtest.runs.merging import MergedRun, merge_run
from lrmtest.runs.store import STORE_NAME, Store

_MOST_NAMED = 10
_NAME = 120


def add_commands(commands: Any) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser(
        "merge",
        help="take runs that were made elsewhere over, those of the same settings as one",
        description="Takes every run of FROM over into the store of INTO. Runs with the same "
        "model, settings and prompts become one: what both have is there once, and a sample of "
        "which they have different texts is named and stays as it is in INTO.",
    )
    parser.add_argument(
        "into", metavar="INTO", type=Path, help="a reports folder, which is made if it is not there"
    )
    parser.add_argument(
        "sources",
        metavar="FROM",
        type=Path,
        nargs="+",
        help="reports folders, stores, or files that `lrmtest export` wrote",
    )
    parser.set_defaults(run=_merge)


def _merge(arguments: argparse.Namespace) -> int:
    own = _store_path(arguments.into)
    for source in arguments.sources:
        if not source.exists():
            raise UsageError(f"there is nothing at {source}", hint="give a reports folder")
        if _store_path(source).resolve() == own.resolve():
            raise UsageError(f"{source} is merged with itself", hint="name it once, as the first")
    with Store(own, tell=complain) as into:
        for source in arguments.sources:
            with _opened(source) as store:
                # The oldest first, so that the newest of an id's runs is the newest here, too.
                for run in reversed(store.runs()):
                    for line in _said(merge_run(into, store, run), source):
                        say(line)
    return 0


def _store_path(path: Path) -> Path:
    return path / STORE_NAME if path.is_dir() or not path.suffix else path


@contextmanager
def _opened(source: Path) -> Iterator[Store]:
    """The store there, or one with the run of an exported file."""
    if source.suffix == ".jsonl":
        with (
            TemporaryDirectory(prefix="lrmtest-merge-") as folder,
            Store(Path(folder) / STORE_NAME) as store,
        ):
            import_run(store, source)
            yield store
        return
    with Store(_store_path(source), create=False, read_only=True) as store:
        yield store


def _said(merged: MergedRun, source: Path) -> Iterator[str]:
    run = one_line(merged.run.run_id, _NAME)
    what = counted(merged.added, "completion")
    if merged.joined:
        what = f"{what} joined {one_line(merged.into, _NAME)}"
    if merged.known:
        what += f", {merged.known:,} were there"
    yield f"{source}: {run}: {what}"
    if merged.apart:
        yield f"  a run of its own: {merged.apart} than in the run of {merged.run.model} there"
    if conflicts := merged.conflicts:
        named = [f"{one.suite} {one.question_id}/{one.sample}" for one in conflicts[:_MOST_NAMED]]
        more = f", and {len(conflicts) - len(named):,} more" if len(conflicts) > len(named) else ""
        yield (
            f"  {counted(len(conflicts), 'sample')} with another text there, which stays: "
            f"{one_line(', '.join(named), 400)}{more}"
        )
