"""The manifests of a report's runs: what they have in common once, and where they differ.

A manifest may be of any shape and size, since files and other tools write them. So what is shown
has a bound in depth, in fields and in every text, and what is left out is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from math import isfinite
from typing import Any

from lrmtest.reports.escape import one_line

_DEPTH = 12
_TEXT, _NAME = 2000, 200
_MOST_ROWS, _MOST_PARTS = 1000, 500
"""Rows of the table of differences; entries of one list or object."""
_FIRST, _LAST = ("model", "size"), ("suites", "selection", "environment")
"""Sections in which a reader looks first, and last; the others come between, as they were read."""


def settings(manifests: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What some manifests have in common and where they differ, as JSON values.

    Returns:
        ``same``, one manifest of all that is equal in every run; ``same_count``, how many values
        that are; ``differ``, per field that is not, its ``path`` of names and its ``values`` by
        run, as texts, None where a run does not have it; ``left_out``, how many more such fields
        there are.
    """
    found = _Found()
    same = found.common(manifests, ()) if manifests else {}
    return {
        "same": same,
        "same_count": found.same,
        "differ": _merged(found.differ),
        "left_out": found.left_out,
    }


def shown(value: Any, depth: int = 0, most: int | None = None) -> Any:
    """JSON values made safe to show, their texts and their depth bounded.

    Args:
        value: JSON values.
        depth: in which they are.
        most: parts of one list or object that are shown; None for all.
    """
    if depth > _DEPTH:
        return "…"
    if isinstance(value, Mapping):
        parts = islice(value.items(), most)
        given = {one_line(str(name), _NAME): shown(part, depth + 1, most) for name, part in parts}
        return given | ({"…": _more(value, most)} if _more(value, most) else {})
    if isinstance(value, list | tuple):
        given_list = [shown(part, depth + 1, most) for part in value[:most]]
        return given_list + ([_more(value, most)] if _more(value, most) else [])
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    return one_line(str(value), _TEXT)


def _more(value: Sequence[Any] | Mapping[str, Any], most: int | None) -> str:
    """How many parts are not shown; empty for none."""
    return f"… and {len(value) - most} more" if most is not None and len(value) > most else ""


class _Found:
    """What a walk through some manifests has met."""

    def __init__(self) -> None:
        self.same = 0
        self.left_out = 0
        self.differ: list[dict[str, Any]] = []

    def common(self, values: Sequence[Mapping[str, Any]], path: tuple[str, ...]) -> dict[str, Any]:
        """What objects at one place have in common; where they differ is noted."""
        given: dict[str, Any] = {}
        names = list(dict.fromkeys(name for value in values for name in value))
        if not path:
            names.sort(key=lambda name: (name in _LAST, name not in _FIRST))
        for name in names[:_MOST_PARTS]:
            parts = [value.get(name, _ABSENT) for value in values]
            here = (*path, one_line(str(name), _NAME))
            if _all_equal(parts):
                given[here[-1]] = shown(parts[0], len(here), _MOST_PARTS)
                self.same += _count(parts[0])
            elif len(here) <= _DEPTH and any(map(_is_object, parts)) and all(map(_opens, parts)):
                objects = [part if _is_object(part) else {} for part in parts]
                if within := self.common(objects, here):
                    given[here[-1]] = within
            else:
                self._note(here, parts)
        self.left_out += max(0, len(names) - _MOST_PARTS)
        return given

    def _note(self, path: tuple[str, ...], parts: Sequence[Any]) -> None:
        if len(self.differ) >= _MOST_ROWS:
            self.left_out += 1
            return
        self.differ.append(
            {"path": list(path), "values": [None if it is _ABSENT else _said(it) for it in parts]}
        )


def _merged(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows, those of several suites as one where they say the same of each."""
    alike: dict[Any, list[dict[str, Any]]] = {}
    for number, row in enumerate(rows):
        section, *rest = row["path"]
        of_suite = section == "suites" and len(rest) > 1
        same = (*rest[1:], None, *row["values"]) if of_suite else number
        alike.setdefault(same, []).append(row)
    return [
        {**first, "path": [first["path"][0], _names(first, *others), *first["path"][2:]]}
        if others
        else first
        for first, *others in alike.values()
    ]


def _names(*rows: dict[str, Any]) -> str:
    return one_line(", ".join(row["path"][1] for row in rows), _TEXT)


_ABSENT = object()
"""Stands where a manifest does not have a field."""


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping)


def _opens(value: Any) -> bool:
    """Whether a value may be looked into beside an object."""
    return _is_object(value) or value is _ABSENT or value is None


def _all_equal(parts: Sequence[Any]) -> bool:
    # By their texts: 1, 1.0 and true are equal to Python and no less different settings.
    first = repr(parts[0])
    return all(repr(part) == first for part in parts[1:])


def _count(value: Any, depth: int = 0) -> int:
    """How many values there are in a value."""
    if not isinstance(value, Mapping) or depth > _DEPTH:
        return 1
    return sum(_count(part, depth + 1) for part in value.values())


def _said(value: Any, depth: int = 0) -> str:
    """A value as one line."""
    if depth > _DEPTH:
        return "…"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        parts = (
            f"{name}: {_said(part, depth + 1)}" for name, part in islice(value.items(), _MOST_PARTS)
        )
        return one_line("; ".join(parts) or "none", _TEXT)
    if isinstance(value, list | tuple):
        said = [_said(part, depth + 1) for part in value[:_MOST_PARTS]]
        # Arguments of a command stand as they were typed.
        between = " " if any(part.startswith("--") for part in said) else ", "
        return one_line(between.join(said) or "none", _TEXT)
    if isinstance(value, float):
        return f"{value:.12g}"
    return one_line(str(value), _TEXT)
