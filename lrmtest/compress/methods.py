"""The table of compression methods: lrmtest's own, and those that other packages offer.

A package offers a method by an entry point of the group `METHOD_GROUP`, named as the method is,
whose object is a `CompressionMethod`. It is imported where the options of methods are needed; what
is slow to import belongs into the method's maker.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from lrmtest.compress.gguf.method import METHOD as GGUF
from lrmtest.compress.llmcompressor.method import METHODS as LLMCOMPRESSOR
from lrmtest.compress.method import CompressionMethod
from lrmtest.compress.options import Option
from lrmtest.compress.pruning.method import METHODS as PRUNING
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


@lru_cache(maxsize=1)  # a scan of all packages takes some 10 ms
def _found(_path: tuple[str, ...]) -> tuple[tuple[CompressionMethod, ...], dict[str, UsageError]]:
    """The methods as of the module path, and by name why others cannot be used."""
    methods = {method.name: method for method in _OWN}
    unusable: dict[str, UsageError] = {}
    offered: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=METHOD_GROUP):
        offered.setdefault(point.name, []).append(point)
    for name, offers in sorted(offered.items()):
        try:
            methods[name] = _loaded(name, offers, methods)
        except UsageError as error:
            unusable[name] = error
    return tuple(methods.values()), unusable


def _loaded(
    name: str, offers: Sequence[EntryPoint], methods: Mapping[str, CompressionMethod]
) -> CompressionMethod:
    """The method that an entry point names, if it is one that goes with the `methods`."""
    if len(offers) > 1 or name in methods:
        owners = [*(["lrmtest itself"] if name in methods else []), *map(_package, offers)]
        raise UsageError(
            f"the method {name!r} is offered more than once: by {' and '.join(owners)}",
            hint=f"uninstall {_package(offers[-1])}, or have its authors rename its method",
        )
    point = offers[0]
    try:
        method = point.load()
    except Exception as error:  # whatever a foreign package does when it is imported
        wrong = f"{type(error).__name__}: {error}".partition("\n")[0]
    else:
        if isinstance(method, CompressionMethod) and method.name == name:
            wrong = _misread(method, methods)
            if not wrong:
                return method
        else:
            wrong = f"{point.value} is not the CompressionMethod {name!r}"
    raise UsageError(
        f"the method {name!r} of package {_package(point)} cannot be used: {wrong}",
        hint=f"reinstall {_package(point)}, or tell its authors",
    )


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.module


def _misread(method: CompressionMethod, methods: Mapping[str, CompressionMethod]) -> str:
    """Which of its options other methods read in another way; empty for none."""
    known = {option.name: option for each in methods.values() for option in each.options}
    for option in method.options:
        if not option.reads_like(known.get(option.name, option)):
            return f"it reads {option.flag} in another way than other methods do"
    return ""
