"""The names of lrmtest's options in pytest, which clash with nobody's.

Each option has a long name, ``--lrmtest-seed``, always, and is a setting of the configuration
file, ``lrmtest_seed``. The short name, ``--seed``, is added once the initial conftests have added
theirs, if the command line or addopts uses it, and unless somebody else has it by then.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from lrmtest.errors import UsageError
from lrmtest.options.common import AddOption

GROUP = "lrmtest"
_TITLE = "lrmtest: does a compressed reasoning model still reason?"


@dataclass(frozen=True, slots=True)
class DeclaredOption:
    """One option, as `AddOption` is told of it.

    Attributes:
        short: its name on lrmtest's own command line, such as ``--max-tokens``.
        settings: what argparse takes beside the name.
    """

    short: str
    settings: Mapping[str, Any]

    @property
    def dest(self) -> str:
        """The attribute that holds its value, without a prefix."""
        return self.short.removeprefix("--").replace("-", "_")

    @property
    def long(self) -> str:
        """Its name in any session of pytest."""
        return f"--{GROUP}-{self.short.removeprefix('--')}"

    @property
    def key(self) -> str:
        """Its name in configuration files, and the attribute of pytest's that holds its value."""
        return f"{GROUP}_{self.dest}"

    @property
    def is_switch(self) -> bool:
        """Whether it is given without a value."""
        return self.settings.get("action") == "store_true"

    @property
    def repeats(self) -> bool:
        """Whether it may be given several times."""
        return self.settings.get("action") == "append"

    @property
    def default(self) -> object:
        """Its value where nobody gives one."""
        return copy.copy(self.settings.get("default", False if self.is_switch else None))

    def read(self, text: str) -> object:
        """The value that a word of the configuration file means.

        Raises:
            ValueError, argparse.ArgumentTypeError: it means none.
        """
        convert: Callable[[str], object] = self.settings.get("type", str)
        value = convert(text)
        choices = self.settings.get("choices")
        if choices is not None and value not in choices:
            raise ValueError(f"{text!r} is none of {', '.join(map(str, choices))}")
        return value


def declared(add_options: Iterable[Callable[[AddOption], None]]) -> tuple[DeclaredOption, ...]:
    """The options that functions like `add_data_options` add."""
    found: list[DeclaredOption] = []

    def add(*names: str, **settings: Any) -> None:
        found.append(DeclaredOption(names[0], settings))

    for each in add_options:
        each(add)
    return tuple(found)


def add_long_names(parser: pytest.Parser, options: Sequence[DeclaredOption]) -> None:
    """Add the names that nobody else can have, and the settings of the configuration file."""
    for option in options:
        _add(parser, option, option.long, help=f"{option.settings['help']} (short: {option.short})")
        kind: Any = "bool" if option.is_switch else "linelist" if option.repeats else "string"
        parser.addini(option.key, f"as {option.long}", type=kind, default=None)


def add_short_names(
    parser: pytest.Parser, options: Sequence[DeclaredOption], args: Sequence[str]
) -> None:
    """Add the short names that `args` use and nobody else has."""
    for option in _used(parser, options, args):
        _add(parser, option, option.short, help=argparse.SUPPRESS)


def parse_early(
    config: pytest.Config,
    parser: pytest.Parser,
    options: Sequence[DeclaredOption],
    args: Sequence[str],
) -> None:
    """Let pytest's first look at `args` pass over the short names, before conftests are loaded.

    Else the value behind one would be taken for a path of tests: the conftest.py of a model's
    folder, which is a stranger's, would be run for ``--model FOLDER``.
    """
    used = {option.short: option for option in _used(parser, options, args)}
    if not used:
        return
    words: list[str] = []
    waiting = iter(args)
    for word in waiting:
        if word == "--":
            words += [word, *waiting]
            break
        name, equals, _ = word.partition("=")
        if name not in used:
            words.append(word)
        elif not (equals or used[name].is_switch):
            next(waiting, None)  # its value
    before = config.known_args_namespace
    config.known_args_namespace = parser.parse_known_args(words, namespace=copy.copy(config.option))
    # What pytest has worked out for itself, between parsing and this.
    config.known_args_namespace.confcutdir = before.confcutdir


def given_options(config: pytest.Config, options: Sequence[DeclaredOption]) -> argparse.Namespace:
    """The options' values: from the command line, else the configuration file, else the default.

    Raises:
        UsageError: a setting of the configuration file that cannot be.
    """
    found = argparse.Namespace()
    for option in options:
        value = getattr(config.option, option.key, None)
        if value is None:
            value = _from_file(config, option)
        setattr(found, option.dest, option.default if value is None else value)
    return found


def _from_file(config: pytest.Config, option: DeclaredOption) -> object:
    value: Any = config.getini(option.key)
    if value is None or value == [] or value == "":
        return None
    try:
        if option.is_switch:
            return bool(value)
        if option.repeats:
            return [option.read(word) for word in value]
        return option.read(value)
    except (ValueError, argparse.ArgumentTypeError) as error:
        raise UsageError(
            f"{option.key} in {config.inipath or 'the configuration'}: {error}",
            hint=f"it is read as {option.short}, and {option.short} on the command line goes "
            "before it",
        ) from None


def _add(parser: pytest.Parser, option: DeclaredOption, name: str, *, help: str) -> None:
    settings = {**option.settings, "dest": option.key, "default": None, "help": help}
    parser.getgroup(GROUP, _TITLE).addoption(name, **settings)


def _used(
    parser: pytest.Parser, options: Sequence[DeclaredOption], args: Sequence[str]
) -> Iterator[DeclaredOption]:
    """The options whose short names are in `args` and belong to nobody."""
    words = args[: args.index("--")] if "--" in args else args
    names = {word.partition("=")[0] for word in words}
    for option in options:
        if option.short in names and not _is_known(parser, option.short):
            yield option


def _is_known(parser: pytest.Parser, name: str) -> bool:
    """Whether somebody has added an option of this name."""
    try:
        _, unknown = parser.parse_known_and_unknown_args([name])
    except (pytest.UsageError, SystemExit):
        return True  # it wants a value
    return name not in unknown
