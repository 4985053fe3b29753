"""Options that pytest and the command line have in common, and the types of their values."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from lrmtest.errors import UsageError
from lrmtest.models.card import ModelCard
from lrmtest.models.cards import load_cards
from lrmtest.models.engines.kinds import engine_names
from lrmtest.questions import DataOptions
from lrmtest.questions.fresh import DIFFICULTIES
from lrmtest.suites.sets import NamedSet, load_sets, set_named

Number = TypeVar("Number", int, float)


class AddOption(Protocol):
    """argparse's ``add_argument``, or pytest's ``addoption``, which takes the same."""

    def __call__(self, *names: str, **settings: Any) -> object:
        """Add one option."""
        ...


def number(
    convert: Callable[[str], Number], wanted: str, valid: Callable[[Number], bool]
) -> Callable[[str], Number]:
    """An argparse type for numbers in a range."""

    def read(text: str) -> Number:
        try:
            value = convert(text)
        except ValueError:
            value = None
        if value is None or not valid(value):
            raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
        return value

    return read


at_least_0 = number(int, "an integer of at least 0", lambda n: n >= 0)
at_least_1 = number(int, "an integer of at least 1", lambda n: n >= 1)
share_above_0 = number(float, "in (0, 1]", lambda share: 0 < share <= 1)


def add_model_options(add: AddOption) -> None:
    """Add what says how ``--model`` is understood: ``--engine`` and ``--cards``."""
    add("--engine", choices=engine_names(), help="engine, in place of the model card's own")
    add_cards_option(add)


def add_cards_option(add: AddOption) -> None:
    """Add ``--cards``, for `read_cards`."""
    add(
        "--cards",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="further model cards (TOML)",
    )


def read_cards(option: argparse.Namespace) -> dict[str, ModelCard]:
    """The model cards there are: packaged ones, this folder's ``pyproject.toml``, ``--cards``.

    Raises:
        UsageError: as `load_cards`.
    """
    return cards_here(option.cards)


def cards_here(files: Sequence[Path]) -> dict[str, ModelCard]:
    """The same, with these files of ``--cards``."""
    pyproject = Path("pyproject.toml")
    return load_cards(files, pyproject if pyproject.is_file() else None)


def add_set_option(add: AddOption, text: str) -> None:
    """Add ``--set``, with what it does there."""
    add("--set", metavar="NAME", help=text)


def read_set(option: argparse.Namespace) -> NamedSet | None:
    """The named set that is asked for, lrmtest's or one of this folder's ``pyproject.toml``.

    Raises:
        UsageError: there is no such set, or as `load_sets`.
    """
    if option.set is None:
        return None
    return set_named(option.set, load_sets(Path("pyproject.toml")))


def add_threshold_option(add: AddOption) -> None:
    """Add ``--pass-threshold``."""
    add(
        "--pass-threshold",
        type=share_above_0,
        default=0.5,
        metavar="SHARE",
        help="share of a question's samples that must be correct for its test to pass "
        "(default: 0.5)",
    )


def add_data_options(add: AddOption) -> None:
    """Add what says where questions come from, for `read_data_options`."""
    add(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="folder with the benchmarks' files (default: $LRMTEST_DATA_DIR, else the hub)",
    )
    add(
        "--fresh-count",
        type=at_least_1,
        default=20,
        metavar="N",
        help="questions in a generated suite (default: 20)",
    )
    add("--fresh-seed", type=int, default=0, metavar="S", help="seed of generated questions")
    add(
        "--fresh-difficulty",
        type=int,
        choices=DIFFICULTIES,
        default=1,
        metavar="D",
        help="difficulty of generated questions, from 1 to 5 (default: 1)",
    )


def read_data_options(option: argparse.Namespace) -> DataOptions:
    """Where questions come from.

    Raises:
        UsageError: there is no such folder.
    """
    data_dir = option.data_dir
    if data_dir is None and (named := os.environ.get("LRMTEST_DATA_DIR")):
        data_dir = Path(named)
    if data_dir is not None and not data_dir.is_dir():
        raise UsageError(
            f"the data folder {data_dir} does not exist",
            hint="check --data-dir or LRMTEST_DATA_DIR; without either the hub is asked",
        )
    return DataOptions(
        data_dir=data_dir,
        fresh_count=option.fresh_count,
        fresh_seed=option.fresh_seed,
        fresh_difficulty=option.fresh_difficulty,
    )
