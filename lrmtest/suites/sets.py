"""Named sets: groups of suites, or of parts of them, that are asked by one word, ``--set NAME``.

They are in a data file, ``sets.toml``, and in a project's own ``pyproject.toml``. A part of a suite
is a list of ids, or a share that is drawn by a hash of each question's id. So whether a question is
in a set can be told by its id alone, with no data at hand, and is the same on every machine.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

from lrmtest.bounded import read_toml
from lrmtest.errors import UsageError
from lrmtest.suites.registry import ALIASES
from lrmtest.unicode import harmless, quote

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_MOST_TOKENS = 1_000_000_000
_MOST_SAMPLES = 10_000
_MOST_QUESTIONS = 100_000
_LONGEST = 2_000
"""Characters of a text in a set."""
_LONGEST_ID = 500
_NAMED = 5
"""Ids and names in a message."""


@dataclass(frozen=True, slots=True)
class SetPart:
    """What a set asks of one suite.

    Attributes:
        suite: the suite's name.
        questions: the ids; none for all, or for a share of them.
        share: of all questions, in (0, 1]; 1 where ids are given.
        max_tokens: budget of one completion; None for the usual one.
        samples: samples per question; None for the usual number.
    """

    suite: str
    questions: tuple[str, ...] = ()
    share: float = 1.0
    max_tokens: int | None = None
    samples: int | None = None

    def among(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Those of some of the suite's questions that are asked, in their order."""
        if self.questions:
            asked = frozenset(self.questions)
            return tuple(each for each in ids if each in asked)
        if self.share >= 1:
            return tuple(ids)
        return tuple(each for each in ids if _draw(self.suite, each) < self.share)

    def chosen(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Of all the suite's questions those that are asked.

        Raises:
            UsageError: the suite lacks one that the set names, or has none of the share.
        """
        there = tuple(ids)
        known = frozenset(there)
        if lacking := [each for each in self.questions if each not in known]:
            raise UsageError(
                f"{len(lacking):,} of the {len(self.questions):,} questions named are not in the "
                f"data: {_listed(lacking)}",
                hint="is it another release? `lrmtest suites` says which is read",
            )
        found = self.among(there)
        if not found:
            raise UsageError(f"a share of {self.share:g} of {len(there):,} questions has none")
        return found


@dataclass(frozen=True, slots=True)
class NamedSet:
    """A group of suites, or of parts of them.

    Attributes:
        name: what is given to ``--set``.
        title: what it is, in one line without a full stop.
        why: why it is so.
        parts: what it asks, in its order; at least one.
        file: where it is from; empty for lrmtest's own.
    """

    name: str
    title: str
    why: str
    parts: tuple[SetPart, ...]
    file: str = ""

    @property
    def suites(self) -> tuple[str, ...]:
        """Its suites' names."""
        return tuple(part.suite for part in self.parts)

    def part(self, suite: str) -> SetPart | None:
        """What it asks of a suite; None for nothing."""
        return next((part for part in self.parts if part.suite == suite), None)

    def among(self, keys: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Those of some questions that it asks, each a suite's name and an id, by suite."""
        by_suite: dict[str, list[str]] = {}
        for suite, question_id in keys:
            by_suite.setdefault(suite, []).append(question_id)
        return [
            (part.suite, question_id)
            for part in self.parts
            for question_id in part.among(by_suite.get(part.suite, ()))
        ]


def load_sets(pyproject: Path | None = None) -> dict[str, NamedSet]:
    """Every set there is, by name: lrmtest's own, and those of a ``pyproject.toml`` over them.

    Raises:
        UsageError: a file that cannot be read or is no TOML, or a set that cannot be meant.
    """
    sets = read_sets(_packaged()["sets"], "")
    if pyproject is not None and pyproject.is_file():
        section: Any = read_toml(pyproject, what="sets from ", error=UsageError)
        for key in ("tool", "lrmtest", "sets"):
            section = section.get(key, {}) if isinstance(section, dict) else {}
        sets |= read_sets(section, str(pyproject))
    return sets


def set_named(name: str, sets: Mapping[str, NamedSet]) -> NamedSet:
    """The set called `name`.

    Raises:
        UsageError: there is none; the hint has those that there are.
    """
    if name not in sets:
        raise UsageError(
            f"there is no set {quote(name, 60)!r}",
            hint=_guess(name, sets) or f"there are {', '.join(sets)}; `lrmtest suites --sets`",
        )
    return sets[name]


@dataclass(frozen=True, slots=True)
class SeenSuite:
    """What one sample of each question took and gave where it was seen.

    Attributes:
        tokens: per completion, a mean.
        rate: share that passed.
    """

    tokens: float
    rate: float


def seen_suites() -> dict[str, SeenSuite]:
    """By suite, what recorded outputs of one model show; see ``sets.toml`` for which."""
    return {
        name: SeenSuite(float(table["tokens"]), float(table["rate"]))
        for name, table in _packaged().get("seen", {}).items()
    }


def _packaged() -> dict[str, Any]:
    text = files("lrmtest.suites").joinpath("sets.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def read_sets(section: object, file: str) -> dict[str, NamedSet]:
    """The sets of a TOML table of sets by name.

    Args:
        section: the table.
        file: where it is from, for messages; empty for lrmtest's own.

    Raises:
        UsageError: an unknown key, a value of a wrong type or out of range, a suite named twice,
            or a set without any.
    """
    where = f"{file}: " if file else ""
    if not isinstance(section, dict):
        raise UsageError(f"{where}sets: expected a table of sets, got {_show(section)}")
    return {name: _read_set(name, table, where, file) for name, table in section.items()}


def _read_set(name: str, table: object, place: str, file: str) -> NamedSet:
    where = f"{place}set {_show(name)}"
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{where}: not usable as a name",
            hint="letters, digits, '.', '_' and '-', the first a letter or a digit",
        )
    if not isinstance(table, dict):
        raise UsageError(f"{where}: expected a table, got {_show(table)}")
    _check_keys(table, ("title", "why", "suites"), where)
    parts = _read_parts(table.get("suites"), where)
    counts = Counter(part.suite for part in parts)
    if twice := [suite for suite, number in counts.items() if number > 1]:
        raise UsageError(
            f"{where}: suite {_listed(twice)} is there twice",
            hint="one of the names may be another name of the same suite: keep one",
        )
    title, why = (_read_text(table, key, where) for key in ("title", "why"))
    return NamedSet(name, title, why, parts, file)


def _read_parts(suites: object, where: str) -> tuple[SetPart, ...]:
    """The parts, of a list of suites or of a table for each."""
    if isinstance(suites, list) and all(isinstance(each, str) for each in suites):
        given: list[tuple[str, object]] = [(each, {}) for each in suites]
    elif isinstance(suites, dict):
        given = list(suites.items())
    else:
        raise UsageError(
            f"{where}: suites: expected a list of names or a table, got {_show(suites)}",
            hint='suites = ["aime", "folio"]',
        )
    if not given:
        raise UsageError(f"{where}: suites: there is none", hint='suites = ["aime", "folio"]')
    return tuple(_read_part(name, table, f"{where}: suite {_show(name)}") for name, table in given)


def _read_part(name: str, table: object, where: str) -> SetPart:
    if not isinstance(table, dict):
        raise UsageError(f"{where}: expected a table, got {_show(table)}", hint="{} for all of it")
    if not _is_text(name) or not name.strip():
        raise UsageError(f"{where}: this is no suite's name")
    _check_keys(table, tuple(_RULES), where)
    for key, value in table.items():
        wanted, fits = _RULES[key]
        if not fits(value):
            raise UsageError(f"{where}: {key}: expected {wanted}, got {_show(value)}")
    if "questions" in table and "share" in table:
        raise UsageError(
            f"{where}: questions and share", hint="name the questions, or draw a share of them"
        )
    questions = tuple(table.get("questions", ()))
    if twice := [each for each, number in Counter(questions).items() if number > 1]:
        raise UsageError(f"{where}: questions: twice the same: {_listed(twice)}")
    return SetPart(
        suite=ALIASES.get(name, name),
        questions=questions,
        share=float(table.get("share", 1.0)),
        max_tokens=table.get("max_tokens"),
        samples=table.get("samples"),
    )


def _is_count(most: int) -> Callable[[object], bool]:
    return lambda value: (
        isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most
    )


def _is_share(value: object) -> bool:
    # A comparison with NaN is False.
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1


def _is_ids(value: object) -> bool:
    if not isinstance(value, list) or not 1 <= len(value) <= _MOST_QUESTIONS:
        return False
    return all(_is_text(each) and 0 < len(each) <= _LONGEST_ID for each in value)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST and harmless(value) == value


_RULES: dict[str, tuple[str, Callable[[object], bool]]] = {
    "questions": ("a list of ids, which are strings", _is_ids),
    "share": ("a number above 0, at most 1", _is_share),
    "max_tokens": ("an integer of at least 1", _is_count(_MOST_TOKENS)),
    "samples": (f"an integer from 1 to {_MOST_SAMPLES:,}", _is_count(_MOST_SAMPLES)),
}
"""What a part may say, how to say it, and how it is recognized."""


def _read_text(table: Mapping[str, Any], key: str, where: str) -> str:
    text = table.get(key, "")
    if not _is_text(text):
        raise UsageError(
            f"{where}: {key}: expected a line of at most {_LONGEST:,} characters, got {_show(text)}"
        )
    return str(text)


def _check_keys(table: Collection[str], known: Sequence[str], where: str) -> None:
    for key in table:
        if key not in known:
            hint = _guess(key, known) or f"known keys: {', '.join(known)}"
            raise UsageError(f"{where}: unknown key {_show(key)}", hint=hint)


def _draw(suite: str, question_id: str) -> float:
    """A number in [0, 1) that is a question's own."""
    text = f"{suite}\n{question_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(text).digest()[:6]) / (1 << 48)


def _guess(name: str, known: Iterable[str]) -> str | None:
    close = get_close_matches(name[:100], list(known), n=1)
    return f"did you mean {close[0]}?" if close else None


def _listed(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > _NAMED else ""
    return ", ".join(quote(each, 60) for each in names[:_NAMED]) + more


def _show(value: object) -> str:
    try:
        return quote(repr(value[:200] if isinstance(value, str) else value), 60)
    except ValueError:
        return "a number of many digits"  # Python prints none of more than 4,300
