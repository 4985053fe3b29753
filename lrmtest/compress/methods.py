"""The table of compression methods: lrmtest's own, and those that other packages offer.

A package offers a method by an entry point of the group `METHOD_GROUP`, named as the method is,
whose object is a `CompressionMethod`. It is imported where the options of methods are needed; what
is slow to import belongs into the method's maker.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from lrmtest.compress.gguf.method import METHOD as GGUF
from lrmtest.compress.llmcompressor.method import METHODS as LLMCOMPRESSOR
from lrmtest.compress.method import CompressionMethod
from lrmtest.compress.options import Option
from lrmtest.compress.pruning.method import METHODS as PRUNING
from lrmtest.entry_points import cannot_be_used, load_offer, offers_of
from lrmtest.errors import UsageError

METHOD_GROUP = "lrmtest.compression_methods"
"""The group of entry points by which packages offer methods."""

_OWN = (*PRUNING, GGUF, *LLMCOMPRESSOR)


def compression_methods() -> tuple[CompressionMethod, ...]:
    """All methods there are; those that packages offer last, without the unusable."""
    return _found(tuple(sys.path))[0]


def method_named(name: str) -> CompressionMethod:
    """The method called `name`.

    Raises:
        UsageError: there is none, more than one, or the package that offers it is broken.
    """
    methods, unusable = _found(tuple(sys.path))
    if name in unusable:
        raise unusable[name]
    known = {method.name: method for method in methods}
    if name not in known:
        close = get_close_matches(name, known, n=1)
        guess = f"did you mean {close[0]}? " if close else ""
        raise UsageError(
            f"there is no method {name!r}", hint=f"{guess}there are {', '.join(known)}"
        )
    return known[name]


def options_of_methods() -> list[tuple[Option, tuple[CompressionMethod, ...]]]:
    """Every option, with the methods that take it."""
    methods = compression_methods()
    options: dict[str, Option] = {}
    for method in methods:
        for option in method.options:
            options.setdefault(option.name, option)
    return [
        (option, tuple(m for m in methods if option.name in {o.name for o in m.options}))
        for option in options.values()
    ]


def refuse_foreign_options(method: CompressionMethod, given: Mapping[str, Any]) -> None:
    """Refuse what is an option of other methods alone.

    Args:
        method: the one that is asked for.
        given: values of options by name; None for those that were not given.

    Raises:
        UsageError: one was given that is not the method's.
    """
    for option, methods in options_of_methods():
        if given.get(option.name) is not None and method not in methods:
            names = ", ".join(each.name for each in methods)
            raise UsageError(
                f"{option.flag} is an option of {names}, and not of {method.name}",
                hint="leave it out, or choose another --method",
            )


@lru_cache(maxsize=1)
def _found(_path: tuple[str, ...]) -> tuple[tuple[CompressionMethod, ...], dict[str, UsageError]]:
    """The methods as of the module path, and by name why others cannot be used."""
    methods = {method.name: method for method in _OWN}
    unusable: dict[str, UsageError] = {}
    for name, offers in sorted(offers_of(METHOD_GROUP).items()):
        try:
            method = load_offer(
                offers, CompressionMethod, "compression method", is_ours=name in methods
            )
            if wrong := _misread(method, methods):
                raise cannot_be_used(offers[0], "compression method", wrong)
        except UsageError as error:
            unusable[name] = error
        else:
            methods[name] = method
    return tuple(methods.values()), unusable


def _misread(method: CompressionMethod, methods: Mapping[str, CompressionMethod]) -> str:
    """Which of its options other methods read in another way; empty for none."""
    known = {option.name: option for each in methods.values() for option in each.options}
    for option in method.options:
        if not option.reads_like(known.get(option.name, option)):
            return f"it reads {option.flag} in another way than other methods do"
    return ""
