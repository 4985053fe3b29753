"""The table of compression methods: lrmtest's own, and those that packages bring."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from lrmtest.compress.gguf.method import METHOD as GGUF
from lrmtest.compress.llmcompressor.method import METHODS as LLMCOMPRESSOR
from lrmtest.compress.method import METHOD_GROUP, CompressionMethod
from lrmtest.compress.options import Option
from lrmtest.compress.pruning.method import METHODS as PRUNING
from lrmtest.errors import LrmtestError, UsageError

_OWN = (*PRUNING, GGUF, *LLMCOMPRESSOR)


def compression_methods() -> tuple[CompressionMethod, ...]:
    """All methods there are; those of packages last, by name, without the unusable."""
    return _found(tuple(sys.path))[0]


def method_named(name: str) -> CompressionMethod:
    """The method called `name`.

    Raises:
        UsageError: there is none.
        LrmtestError: a package brings it, and it cannot be used.
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
def _found(path: tuple[str, ...]) -> tuple[tuple[CompressionMethod, ...], dict[str, LrmtestError]]:
    """The methods, and by name why others cannot be used.

    Args:
        path: where packages are looked for; is ``sys.path``, which must not change unnoticed.
    """
    methods, unusable = {method.name: method for method in _OWN}, {}
    entries: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=METHOD_GROUP):
        entries.setdefault(entry.name, []).append(entry)
    for name, rivals in sorted(entries.items()):
        try:
            methods[name] = _loaded(name, rivals, methods)
        except LrmtestError as error:
            unusable[name] = error
    return tuple(methods.values()), unusable


def _loaded(
    name: str, rivals: list[EntryPoint], methods: Mapping[str, CompressionMethod]
) -> CompressionMethod:
    packages = sorted({entry.dist.name if entry.dist else entry.value for entry in rivals})
    package = " and ".join(packages)
    if name in methods or len(packages) > 1:
        also = ", which lrmtest has already" if name in methods else ""
        raise LrmtestError(
            f"the compression method {name!r} is brought by {package}{also}",
            hint=f"uninstall {packages[-1]}",
        )
    try:
        method = rivals[0].load()
    except Exception as error:
        raise LrmtestError(
            f"the compression method {name!r} of {package} cannot be loaded: "
            f"{type(error).__name__}: {error}",
            hint=f"upgrade or uninstall {package}",
        ) from error
    if not isinstance(method, CompressionMethod) or method.name != name:
        raise LrmtestError(
            f"{rivals[0].value} of {package} is no CompressionMethod called {name!r}",
            hint=f"upgrade or uninstall {package}",
        )
    known = {option.name: option for each in methods.values() for option in each.options}
    for option in method.options:
        if not option.reads_like(known.get(option.name, option)):
            raise LrmtestError(
                f"the compression method {name!r} of {package} reads {option.flag} in another "
                "way than other methods do",
                hint=f"upgrade or uninstall {package}",
            )
    return method
