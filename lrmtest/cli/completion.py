"""Completion in the shell, by argcomplete: commands, options, runs, models and suites."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from lrmtest.errors import LrmtestError
from lrmtest.natural_order import natural
from lrmtest.options.common import read_cards
from lrmtest.runs.store import STORE_NAME, Store
from lrmtest.suites.registry import ALIASES, SUITES

ASKED = "_ARGCOMPLETE"
"""A variable by which the shell asks for completions instead of a run."""

_PLAIN = re.compile(r"[\w.:/@+-]{1,120}")
"""What needs no quotes in any shell; a name of other characters is not offered."""

_Completer = Callable[..., Iterable[str]]


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell and end, where it asks; does nothing else.

    Args:
        parser: of all commands.
    """
    if ASKED not in os.environ:
        return
    with suppress(ImportError):
        argcomplete = import_module("argcomplete")
        for action in _actions(parser):
            if (
                completer := _completer(action, argcomplete.completers.FilesCompleter())
            ) is not None:
                action.completer = completer
        argcomplete.autocomplete(parser)


def _actions(parser: argparse.ArgumentParser) -> Iterator[Any]:
    """What may be given, of all commands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)


def _completer(action: argparse.Action, files: _Completer) -> _Completer | None:
    """What can stand in an argument's place, by what help calls it; None leaves it as it is."""

    def runs_and_files(prefix: str, **asked: Any) -> Iterable[str]:
        return [*_runs(prefix, **asked), *files(prefix, **asked)]

    if action.metavar == "RUN":
        return runs_and_files if "file" in (action.help or "") else _runs
    if action.metavar in ("RUN|FILE", "BASELINE"):
        return runs_and_files
    if action.metavar in ("MODEL", "WORD"):
        return _models
    if action.dest == "suite" or action.metavar == "SUITE":
        return lambda **_: _plain([*SUITES, *ALIASES])
    return None


def _runs(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """The ids of the store's runs, and `last` of each model's; nothing where it cannot be read."""
    path = Path(getattr(parsed_args, "reports_dir", "reports")) / STORE_NAME
    with suppress(LrmtestError), Store(path, create=False, read_only=True) as store:
        runs = list(store.runs())
        latest = dict.fromkeys(f"last:{run.model}" for run in runs)
        return ["last", *_plain(latest), *_plain(run.run_id for run in runs)]
    return []


def _models(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """The names of the model cards; nothing where one of their files cannot be read."""
    with suppress(LrmtestError):
        return _plain(read_cards(argparse.Namespace(cards=getattr(parsed_args, "cards", []))))
    return []


def _plain(names: Iterable[str]) -> list[str]:
    return sorted(filter(_PLAIN.fullmatch, names), key=natural)
