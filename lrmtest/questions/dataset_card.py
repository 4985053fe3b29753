"""A dataset's card on the hub: which files it says its configurations and splits are.

The card is the repository's README.md. Its front matter, which is YAML, may have a list
``configs``, with a ``config_name`` each and its ``data_files``: glob patterns, or a list of splits
with a ``path`` each. Where a card says it, the hub goes by nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

CARD = "README.md"
"""The card's name in its repository."""
CARD_BYTES = 1 << 20
"""What is read of it at most; a front matter that is longer is none."""

_ONLY_SPLIT = "train"  # of files that stand in a card without a split, as on the hub
_DEFAULT = "default"
_MOST = 2_000
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class CardFiles:
    """Files that a card says are a split of a configuration.

    Attributes:
        config: the configuration's name.
        split: the split's.
        patterns: which files; ``*`` stands for a part of a name, ``**`` for any folders.
        is_default: whether the configuration is meant where none is named.
    """

    config: str
    split: str
    patterns: tuple[str, ...]
    is_default: bool

    def files(self, names: Sequence[str]) -> tuple[str, ...]:
        """Those of `names` that are meant, in the order of the patterns."""
        found = (name for each in self.patterns for name in sorted(names) if _fits(name, each))
        return tuple(dict.fromkeys(found))


def files_told(content: bytes) -> tuple[CardFiles, ...]:
    """What a card says of files; nothing where it says nothing that can be read.

    Args:
        content: of the card, `CARD_BYTES` of it at most.
    """
    found = []
    for config in _items(_fields(_front_matter(content)).get("configs")):
        fields = _fields(config)
        name = _text(fields.get("config_name")) or _DEFAULT
        is_default = name == _DEFAULT or _text(fields.get("default")).casefold() == "true"
        folder = _text(fields.get("data_dir")).strip("/")
        splits: dict[str, list[str]] = {}
        for split, pattern in _patterns(fields.get("data_files")):
            splits.setdefault(split, []).append(f"{folder}/{pattern}" if folder else pattern)
        found += [
            CardFiles(name, split, tuple(patterns), is_default)
            for split, patterns in splits.items()
        ]
    return tuple(found[:_MOST])


def _patterns(node: Any) -> Iterator[tuple[str, str]]:
    """Each split with a pattern of its files."""
    for each in _items(node) or [node]:
        fields = _fields(each)
        split = _text(fields.get("split")) or _ONLY_SPLIT
        path = fields.get("path", each)
        for pattern in _items(path) or [path]:
            if told := _text(pattern).removeprefix("./"):
                yield split, told


def _front_matter(content: bytes) -> Any:
    # Imported here because most suites never need it.
    import yaml

    lines = content[:CARD_BYTES].decode("utf-8-sig", "replace").splitlines()
    if not lines or lines[0].rstrip() != "---":
        return None
    end = next((n for n, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), 0)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        # Nodes alone: what they would be as numbers, dates and merged mappings has no bounds.
        return yaml.compose("\n".join(lines[1:end]), loader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def _fields(node: Any) -> dict[str, Any]:
    """The fields of a mapping by their names; none of anything else."""
    if getattr(node, "id", "") != "mapping":
        return {}
    return {_text(name): value for name, value in node.value}


def _items(node: Any) -> list[Any]:
    """The items of a list; none of anything else."""
    return node.value[:_MOST] if getattr(node, "id", "") == "sequence" else []


def _text(node: Any) -> str:
    """A scalar as it is written; empty for anything else, and for what nobody would name so."""
    if getattr(node, "id", "") != "scalar" or len(node.value) > _LONGEST:
        return ""
    return str(node.value)


def _fits(name: str, pattern: str) -> bool:
    """Whether a file's name has the form of a glob pattern, folder by folder."""
    reached = {0}  # how many of the pattern's parts may have been used up
    parts = pattern.split("/")
    for part in name.split("/"):
        reached = _past_any(reached, parts)
        stays = {n for n in reached if n < len(parts) and parts[n] == "**"}
        reached = stays | {n + 1 for n in reached if n < len(parts) and fnmatchcase(part, parts[n])}
    return len(parts) in reached


def _past_any(reached: set[int], parts: Sequence[str]) -> set[int]:
    """Those places, and those that no folder at all leads to."""
    places = set(reached)
    for place in sorted(reached):
        while place < len(parts) and parts[place] == "**":
            place += 1
            places.add(place)
    return places
