"""Options as they are declared, for argparse and for pytest, and the values that were given."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from lrmtest.errors import UsageError
from lrmtest.options.common import AddOption
from lrmtest.options.names import OptionName, OptionShape
from lrmtest.options.pytest_names import given

_SHAPES: Mapping[object, OptionShape] = {"append": "list", "store_true": "switch"}


@dataclass(frozen=True, slots=True)
class DeclaredOption(OptionName):
    """One option, as `AddOption` is told of it.

    Attributes:
        settings: what argparse takes beside the name.
    """

    settings: Mapping[str, Any]

    @property
    def default(self) -> object:
        """Its value where nobody gives one."""
        return copy.copy(self.settings.get("default", False if self.shape == "switch" else None))

    @property
    def shown(self) -> dict[str, str]:
        """Its ``help`` and ``metavar`` in pytest, where its default is not argparse's to know."""
        text = str(self.settings["help"]) % {"default": self.default}
        found = {"help": f"{text} (short: {self.short})".replace("%", "%%")}
        if "metavar" in self.settings:
            found["metavar"] = self.settings["metavar"]
        elif "choices" in self.settings:
            found["metavar"] = f"{{{','.join(map(str, self.settings['choices']))}}}"
        return found

    def read(self, text: str) -> object:
        """The value that a word means.

        Raises:
            ValueError: it means none; the message says why.
        """
        convert: Callable[[str], object] = self.settings.get("type", str)
        try:
            value = convert(text)
        except argparse.ArgumentTypeError as error:
            raise ValueError(str(error)) from None
        except ValueError:
            raise ValueError(f"{text!r} is not an integer") from None
        choices = self.settings.get("choices")
        if choices is not None and value not in choices:
            raise ValueError(f"invalid choice: {text!r} is none of {', '.join(map(str, choices))}")
        return value


def declared(add_options: Iterable[Callable[[AddOption], None]]) -> tuple[DeclaredOption, ...]:
    """The options that functions like `add_data_options` add."""
    found: list[DeclaredOption] = []

    def add(*names: str, **settings: Any) -> None:
        found.append(
            DeclaredOption(names[0], _SHAPES.get(settings.get("action"), "value"), settings)
        )

    for each in add_options:
        each(add)
    return tuple(found)


def read_options(config: pytest.Config, options: Sequence[DeclaredOption]) -> argparse.Namespace:
    """The options' values: from the command line, else the configuration file, else the default.

    Raises:
        UsageError: a value that cannot be.
    """
    found = argparse.Namespace()
    for option in options:
        setattr(found, option.dest, _value(config, option))
    return found


def _value(config: pytest.Config, option: DeclaredOption) -> object:
    where, value = given(config, option)
    if value is None:
        return option.default
    try:
        if isinstance(value, list):
            return [option.read(str(word)) for word in value]
        return value if isinstance(value, bool) else option.read(str(value))
    except ValueError as error:
        if where == option.key:
            where = f"{option.key} in {config.inipath or 'the configuration'}"
        raise UsageError(
            f"{where}: {error}",
            hint=f"`pytest --help` says what {option.short} takes",
        ) from None
