"""Entry points: what other packages offer by name, found by their metadata alone."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, TypeVar

from lrmtest.errors import UsageError


class Named(Protocol):
    """What is offered has the name of its entry point."""

    @property
    def name(self) -> str:
        """As in the entry point."""
        ...


Offered = TypeVar("Offered", bound=Named)


def offers_of(group: str) -> Mapping[str, Sequence[EntryPoint]]:
    """The entry points of a group by name; nothing is imported."""
    return _offers_of(group, tuple(sys.path))


@lru_cache(maxsize=4)  # a scan of all packages takes some 10 ms
def _offers_of(group: str, _path: tuple[str, ...]) -> dict[str, list[EntryPoint]]:
    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=group):
        found.setdefault(point.name, []).append(point)
    return found


def load_offer(
    offers: Sequence[EntryPoint], kind: type[Offered], word: str, *, is_ours: bool
) -> Offered:
    """The one object that is offered by a name; its package is imported.

    Args:
        offers: all entry points of the name, at least one.
        kind: the class that it must be of.
        word: what it is, for messages: engine, compression method.
        is_ours: whether lrmtest itself has one of the name.

    Raises:
        UsageError: it is offered more than once, or the package that offers it is broken.
    """
    point = offers[-1]
    if len(offers) + is_ours > 1:
        owners = [*["lrmtest itself"] * is_ours, *map(_package, offers)]
        raise UsageError(
            f"{word} {point.name!r} is offered more than once: by {' and '.join(owners)}",
            hint=f"uninstall {_package(point)}, or have its authors rename its {word}",
        )
    try:
        loaded = point.load()
    except Exception as error:  # whatever a foreign package does when it is imported
        raise cannot_be_used(
            point, word, f"{type(error).__name__}: {error}".partition("\n")[0]
        ) from error
    if isinstance(loaded, kind) and loaded.name == point.name:
        return loaded
    shown = f"{kind.__name__} {loaded.name!r}" if isinstance(loaded, kind) else repr(loaded)
    wrong = f"{point.value} is {shown}, not {kind.__name__} {point.name!r}"
    raise cannot_be_used(point, word, wrong)


def cannot_be_used(point: EntryPoint, word: str, wrong: str) -> UsageError:
    """The error of a package that offers something, and something is wrong with it."""
    return UsageError(
        f"{word} {point.name!r} of package {_package(point)} cannot be used: {wrong}",
        hint=f"reinstall {_package(point)}, or tell its authors",
    )


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.module
