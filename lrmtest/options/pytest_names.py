"""The names of lrmtest's options in pytest, which clash with nobody's.

Each option has a long name, ``--lrmtest-seed``, always, and is a setting of the configuration
file, ``lrmtest_seed``. The short name, ``--seed``, is added once the initial conftests have added
theirs, if the command line or addopts uses it, and unless somebody else has it by then.

This is loaded in every session of pytest: values are kept as they were typed, and read when
lrmtest has something to do (`lrmtest.options.declared`).
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from lrmtest.options.names import GROUP, NAMES, OptionName, OptionShape

_TITLE = "lrmtest: does a compressed reasoning model still reason?"
_ACTIONS: Mapping[OptionShape, str] = {"value": "store", "list": "append", "switch": "store_true"}
_KINDS: Mapping[OptionShape, Any] = {"value": "string", "list": "linelist", "switch": "bool"}


def asks_for_help(config: pytest.Config) -> bool:
    """Whether pytest is to show what options there are."""
    return any(word in ("-h", "--help") for word in config.invocation_params.args)


def add_long_names(parser: pytest.Parser, helps: Mapping[str, Mapping[str, Any]]) -> None:
    """Add the names that nobody else can have, and the settings of the configuration file.

    Args:
        parser: pytest's.
        helps: by its short name, each option's ``help`` and ``metavar``; empty unless they are
            to be shown.
    """
    for name in NAMES:
        shown = helps.get(name.short, {"help": argparse.SUPPRESS})
        _add(parser, name, name.long, **shown)
        parser.addini(name.key, f"as {name.long}", type=_KINDS[name.shape], default=None)


def add_short_names(parser: pytest.Parser, args: Sequence[str]) -> None:
    """Add the short names that `args` use and nobody else has."""
    for name in _used(parser, _expanded(args)):
        _add(parser, name, name.short, help=argparse.SUPPRESS)


def parse_early(config: pytest.Config, parser: pytest.Parser, args: Sequence[str]) -> None:
    """Let pytest's first look at `args` pass over the short names, before conftests are loaded.

    Else the value behind one would be taken for a path of tests: the conftest.py of a model's
    folder, which is a stranger's, would be run for ``--model FOLDER``.

    Raises:
        pytest.UsageError: pytest has taken such a value's folder for the project's, and reads its
            configuration from there.
    """
    expanded = _expanded(args)
    used = {name.short: name for name in _used(parser, expanded)}
    if not used:
        return
    words: list[str] = []
    values: dict[str, str] = {}
    waiting = iter(expanded)
    for word in waiting:
        if word == "--":
            words += [word, *waiting]
            break
        name, equals, _ = word.partition("=")
        if name not in used:
            words.append(word)
        elif not equals and used[name].shape != "switch":
            values[name] = next(waiting, "")
    _refuse_configuration_of(values, config)
    before = config.known_args_namespace
    config.known_args_namespace = parser.parse_known_args(words, namespace=copy.copy(config.option))
    # What pytest has worked out for itself, between parsing and this.
    config.known_args_namespace.confcutdir = before.confcutdir


def early_set(config: pytest.Config, args: Sequence[str]) -> str:
    """The set that a session seems to ask, before all options are known; empty for none."""
    words = _expanded(args)
    for word, following in zip(words, [*words, ""][1:], strict=True):
        name, equals, value = word.partition("=")
        if word == "--":
            break
        if name in ("--set", f"--{GROUP}-set"):
            return value if equals else following
    return str(setting(config, "set") or "")


def setting(config: pytest.Config, dest: str) -> object:
    """A setting of the configuration file, before options are read; None where it has none.

    One of a wrong type is told by `given`, later.
    """
    with suppress(TypeError, ValueError, pytest.UsageError):
        return config.getini(f"{GROUP}_{dest}")
    return None


def _refuse_configuration_of(values: Mapping[str, str], config: pytest.Config) -> None:
    """Refuse a configuration file that lies where only an option's value has led pytest."""
    if config.inipath is None or config.known_args_namespace.inifilename:
        return
    here, folder = config.invocation_params.dir, config.inipath.parent
    if folder == here or folder in here.parents:
        return
    for name, value in values.items():
        place = (here / value).resolve()
        if place.exists() and folder.resolve() in (place, *place.parents):
            raise pytest.UsageError(
                f"pytest took {config.inipath} for this project's configuration, for the sake of "
                f"{name} {value}\n  -> write it in one word: {name}={value}"
            )


def given(config: pytest.Config, name: OptionName) -> tuple[str, object]:
    """Where an option's value was given, by the name used there, and the value as it was typed.

    None where nobody gave one. The command line goes before the configuration file.

    Raises:
        pytest.UsageError: a setting of the configuration file of another type than pytest wants.
    """
    value = getattr(config.option, name.key, None)
    if value is not None:
        return name.short, value
    try:
        value = config.getini(name.key)
    except (TypeError, ValueError, pytest.UsageError) as error:
        where = "" if name.key in str(error) else f"{name.key} in the configuration: "
        raise pytest.UsageError(f"{where}{error}") from None
    return name.key, None if value in ("", []) else value


def any_given(config: pytest.Config) -> bool:
    """Whether any option of lrmtest's was given, on the command line or in the configuration.

    Raises:
        pytest.UsageError: as `given`.
    """
    return any(given(config, name)[1] is not None for name in NAMES)


def _add(parser: pytest.Parser, name: OptionName, spelled: str, **shown: Any) -> None:
    parser.getgroup(GROUP, _TITLE).addoption(
        spelled, action=_ACTIONS[name.shape], dest=name.key, default=None, **shown
    )


def _used(parser: pytest.Parser, args: Sequence[str]) -> Iterator[OptionName]:
    """The options whose short names are in `args` and belong to nobody."""
    words = args[: args.index("--")] if "--" in args else args
    names = {word.partition("=")[0] for word in words}
    for name in NAMES:
        if name.short in names and not _is_known(parser, name.short):
            yield name


def _expanded(args: Sequence[str]) -> list[str]:
    """The words with those that a file holds, one a line, in place of its ``@FILE``."""
    words: list[str] = []
    for word in args:
        if word.startswith("@"):
            with suppress(OSError, UnicodeError):  # pytest says it better
                words += _expanded(Path(word[1:]).read_text().splitlines())
                continue
        words.append(word)
    return words


def _is_known(parser: pytest.Parser, name: str) -> bool:
    """Whether somebody has added an option of this name."""
    try:
        _, unknown = parser.parse_known_and_unknown_args([name])
    except (pytest.UsageError, SystemExit):
        return True  # it wants a value
    return name not in unknown
