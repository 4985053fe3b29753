"""A dataset's files of questions: which of a repository's hold a configuration and a split."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from lrmtest.errors import DataError
from lrmtest.questions.dataset_card import CardFiles
from lrmtest.unicode import quote

ENDINGS = (".parquet", ".jsonl", ".json", ".csv")
"""What can be read."""
_ABOUT = frozenset({"dataset_infos.json", "dataset_info.json", "dataset_dict.json", "state.json"})
_MOST_FILES = 20_000
_NAMED = 12
_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})(?:-[0-9a-f]{16})?(\.[a-z]+)")
_WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a dataset is asked for.

    Attributes:
        config: a configuration, which the hub calls subset, too; empty for a dataset of one.
        split: a split, such as ``test``; empty for a dataset of one.
        file: a file by its name in the repository, which needs neither; empty for none.
    """

    config: str = ""
    split: str = ""
    file: str = ""


def files_in(folder: Path) -> tuple[str, ...]:
    """The names of the files in a folder and below it, hidden ones left out."""
    names = []
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        if not any(part.startswith(".") for part in name.parts) and path.is_file():
            names.append(name.as_posix())
        if len(names) >= _MOST_FILES:
            break
    return tuple(sorted(names))


def choose_files(
    names: Sequence[str], wanted: Wanted, *, place: str, told: Sequence[CardFiles] = ()
) -> tuple[str, ...]:
    """The files that hold what is asked for, in their order.

    They are those that the dataset's card says. Where it says nothing, or nothing of what is asked
    for, a configuration and a split are known by the files' and folders' names, as on the hub, and
    must be one file, or all parts of one. A name that is nothing else goes before one that has
    further words: of ``test.jsonl`` and ``test_hard.jsonl`` the split ``test`` is the first.

    Args:
        names: all files of the repository.
        wanted: what is asked for.
        place: the dataset, for messages.
        told: what its card says.

    Raises:
        DataError: nothing fits, or several files do, or parts are missing; names what is there.
    """
    readable = [name for name in names if _is_readable(name)]
    if wanted.file:
        if wanted.file in names:
            return (wanted.file,)
        raise DataError(
            f"{place} has no file {wanted.file!r}{near(wanted.file, names)}",
            hint=f"there are {_readable(readable)}",
        )
    if not readable:
        raise DataError(
            f"{place} has no file of questions", hint=f"{', '.join(ENDINGS)} can be read"
        )
    if by_card := _by_card(readable, wanted, told):
        for name, shards in _parts(by_card).items():
            _check_parts(name, shards, place)
        return by_card
    parts = _parts(sorted(readable))
    found = _of(_of(list(parts), wanted.config), wanted.split)
    said = " and ".join(
        f"{word} {value!r}"
        for word, value in (("config", wanted.config), ("split", wanted.split))
        if value
    )
    if not found:
        raise DataError(
            f"{place} has no files of {said}",
            hint=f"there are {_readable(list(parts))}{_said_by_card(told)}",
        )
    if len(found) > 1:
        raise DataError(
            f"{place} has several files{f' of {said}' if said else ''}: {listed(found, _NAMED)}",
            hint=f"say which with config=, split= or file={_said_by_card(told)}",
        )
    chosen = parts[found[0]]
    _check_parts(found[0], chosen, place)
    return tuple(chosen)


def _by_card(names: Sequence[str], wanted: Wanted, told: Sequence[CardFiles]) -> tuple[str, ...]:
    """The files that the card says; none where it does not say which."""
    of_config = [one for one in told if one.config == wanted.config]
    if not wanted.config:
        of_config = [one for one in told if one.is_default] or list(told)
    if len({one.config for one in of_config}) > 1:
        return ()
    of_split = [one for one in of_config if wanted.split in ("", one.split)]
    return of_split[0].files(names) if len(of_split) == 1 else ()


def _said_by_card(told: Sequence[CardFiles]) -> str:
    splits: dict[str, list[str]] = {}
    for one in told:
        splits.setdefault(one.config, []).append(one.split)
    said = [f"{config} ({listed(of, _NAMED)})" for config, of in splits.items()]
    return f"; its card has {listed(said, _NAMED)}" if said else ""


def _parts(names: Sequence[str]) -> dict[str, list[str]]:
    """Files by their names, those that are parts of one together under the name it would have."""
    parts: dict[str, list[str]] = {}
    for name in names:
        shard = _SHARD.fullmatch(name)
        parts.setdefault(shard[1] + shard[4] if shard else name, []).append(name)
    return parts


def _check_parts(name: str, parts: Sequence[str], place: str) -> None:
    shard = _SHARD.fullmatch(parts[0])
    if shard and len(parts) != int(shard[3]):
        raise DataError(
            f"{place}: {quote(name, 80)} has {int(shard[3])} parts, {len(parts)} are there",
            hint="get the others, too",
        )


def _is_readable(name: str) -> bool:
    path = Path(name)
    return (
        path.suffix in ENDINGS
        and path.name not in _ABOUT
        and not any(part.startswith(".") for part in path.parts)
    )


def _of(names: list[str], value: str) -> list[str]:
    """The names in which `value` stands, as a whole folder or file if there is one."""
    if not value:
        return names
    whole = [name for name in names if value in (*Path(name).parts[:-1], Path(name).stem)]
    wanted = _words(value)
    return whole or [name for name in names if wanted and wanted in _words(name)]


def _words(text: str) -> str:
    words = _WORD.findall(text.casefold())
    return f" {' '.join(words)} " if words else ""


def _readable(names: Sequence[str]) -> str:
    return listed(names, _NAMED) or "none that can be read"


def listed(names: Sequence[str], most: int) -> str:
    """Names of a dataset's for a message: the first ones, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(quote(name, 80) for name in names[:most]) + more


def near(name: str, names: Sequence[str]) -> str:
    """The question whether one of a dataset's names was meant; empty where none is near."""
    close = get_close_matches(name, names, n=1)
    return f"; did you mean {quote(close[0], 80)!r}?" if close else ""
