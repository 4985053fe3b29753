"""Whose fixture a test's `model` is: lrmtest's, or one of the project's own.

Many projects have a `model` of their own, as a fixture or as a parameter. A test is lrmtest's if
it is a suite's, or if the `model` it takes is defined by nobody else.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any

import pytest

MODEL = "model"
OUR_MODEL = "lrmtest_model"
"""The fixture's other name, for projects that have a `model`."""
MARK = "lrmtest_suite"
"""The mark of a suite's tests."""


def is_ours(item: pytest.Item) -> bool:
    """Whether a test is lrmtest's: a suite's, or one that takes lrmtest's `model`."""
    return item.get_closest_marker(MARK) is not None or our_name(item) is not None


def our_name(item: pytest.Item) -> str | None:
    """The name by which a test takes lrmtest's model, by itself or through another fixture."""
    names = getattr(item, "fixturenames", ())
    for name in (OUR_MODEL, MODEL):
        if name in names and _reaches_ours(_definitions(item).get(name, ()), name):
            return name
    return None


def holds_ours(item: pytest.Item) -> bool:
    """Whether a test's `model` is lrmtest's own fixture, and none that is made of it."""
    definitions = _definitions(item).get(MODEL, ())
    return bool(definitions) and _is_ours(definitions[-1])


def claim_model(function: pytest.Item) -> None:
    """Give a suite's test lrmtest's `model`, though a fixture of its project has that name.

    Args:
        function: the test function, before it is parametrized.
    """
    definitions = _definitions(function)
    found = definitions.get(MODEL, ())
    ours = [each for each in found if _is_ours(each)]
    if ours and not _reaches_ours(found, MODEL):
        definitions[MODEL] = ours
        # Without what the other one would have needed.
        function._fixtureinfo.prune_dependency_tree()  # type: ignore[attr-defined]


def _definitions(item: pytest.Item) -> MutableMapping[str, Sequence[pytest.FixtureDef[Any]]]:
    """The fixtures of each name that a test sees, the one that holds last."""
    info = getattr(item, "_fixtureinfo", None)
    found: MutableMapping[str, Sequence[pytest.FixtureDef[Any]]] = (
        {} if info is None else info.name2fixturedefs
    )
    return found


def _reaches_ours(definitions: Sequence[pytest.FixtureDef[Any]], name: str) -> bool:
    """Whether the fixture that holds by this name is lrmtest's, or is made of it."""
    for definition in reversed(definitions):
        if _is_ours(definition):
            return True
        if name not in definition.argnames:
            return False
    return False


def _is_ours(definition: pytest.FixtureDef[Any]) -> bool:
    return str(getattr(definition.func, "__module__", "")).startswith("lrmtest.")
