"""Weights that stay as they are: named ones, and their control, as many drawn at random.

"Protecting these 2 % of the weights helps" says little unless it helps more than protecting any
2 %. So a random draw must be able to meet the budget of a named protection. Whole matrices cannot:
of a small model a single one may be more than 2 %. Pruning therefore draws rows of matrices,
every row of all with the same chance, and misses the budget by less than one row. The formats that
quantize a tensor as a whole get whole tensors, and miss it by less than the smallest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from random import Random
from typing import TypeVar

from lrmtest.compress.dotted_names import matches
from lrmtest.errors import UsageError

Thing = TypeVar("Thing")

_LAYER = re.compile(r"(?:^|\.)layers\.(\d+)\.")
_END = re.compile(r"(first|last):(.+)")
_RANDOM = "random:"
_PERCENT = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*%")
_LIKE = "like:"
_HOW = "a pattern such as 'layers.3.mlp', 'last:mlp', 'random:2%' or 'random:like:last:mlp'"


@dataclass(frozen=True, slots=True)
class Protection:
    """What is to stay as it is. Made by `parse_protect`.

    Attributes:
        patterns: of modules' names; every module that one of them matches stays.
        share: of all weights to draw on top, in (0, 1]; 0 for none.
        like: patterns; as many weights as these match are drawn on top, from all others.
        seed: of the draws.
    """

    patterns: tuple[str, ...] = ()
    share: float = 0.0
    like: tuple[str, ...] = ()
    seed: int = 0

    @property
    def draws(self) -> bool:
        """Whether anything is left to chance."""
        return self.share > 0 or bool(self.like)

    def chosen(self, sizes: Mapping[str, int]) -> frozenset[str]:
        """Whole modules that stay.

        Random ones are taken in an order that the seed fixes; one that would exceed the budget
        is passed over, and a smaller one behind it may still fit.

        Args:
            sizes: every module that could be compressed, by dotted name, with its number of
                weights.

        Raises:
            UsageError: a pattern matches nothing, or no module is small enough to be drawn.
        """
        named = self._named(sizes)
        if not self.draws:
            return frozenset(named)
        budget, free = self._budget(sizes, named)
        drawn = _drawn(free, [sizes[name] for name in free], budget, self.seed)
        if not drawn:
            least = min(sizes[name] for name in free)
            raise UsageError(
                f"--protect: {budget:,} weights are to be drawn, and the smallest tensor has "
                f"{least:,}",
                hint=f"protect at least {100 * least / sum(sizes.values()):.2g} %, or prune: its "
                "random control draws rows",
            )
        return frozenset((*named, *drawn))

    def rows(self, shapes: Mapping[str, tuple[int, int]]) -> dict[str, Sequence[int]]:
        """Rows that stay, by module; all of them where a pattern matches the module.

        Rows are drawn as `chosen` draws modules. Each has the same chance, and so has each weight.

        Args:
            shapes: every matrix that could be pruned: its number of rows (outputs) and columns.

        Returns:
            Ascending row numbers of each module that has any.

        Raises:
            UsageError: a pattern matches nothing, or nothing is small enough to be drawn.
        """
        sizes = {name: rows * columns for name, (rows, columns) in shapes.items()}
        named = self._named(sizes)
        kept: dict[str, Sequence[int]] = {name: range(shapes[name][0]) for name in named}
        if not self.draws:
            return kept
        budget, free = self._budget(sizes, named)
        every = [(name, row) for name in free for row in range(shapes[name][0])]
        drawn = _drawn(every, [shapes[name][1] for name, _ in every], budget, self.seed)
        if not drawn:
            raise UsageError(
                f"--protect: {budget:,} weights are to be drawn, which is less than any row has",
                hint="protect more",
            )
        by_module: dict[str, list[int]] = {}
        for name, row in drawn:
            by_module.setdefault(name, []).append(row)
        return kept | {name: sorted(rows) for name, rows in by_module.items()}

    def _named(self, sizes: Mapping[str, int]) -> list[str]:
        return _matching(self.patterns, sizes)

    def _budget(self, sizes: Mapping[str, int], named: Sequence[str]) -> tuple[int, list[str]]:
        """How many weights to draw, and the modules to draw from."""
        like = _matching(self.like, sizes)
        budget = int(self.share * sum(sizes.values())) + sum(sizes[name] for name in like)
        # What a control is the control of must not be in it.
        free = sorted(set(sizes) - set(named) - set(like))
        left = sum(sizes[name] for name in free)
        if budget > left:
            raise UsageError(
                f"--protect: {budget:,} weights are to be drawn at random, and only {left:,} are "
                "not named",
                hint="protect less",
            )
        return budget, free


def parse_protect(texts: Sequence[str], seed: int) -> Protection:
    """What ``--protect`` says, each time it was given.

    Args:
        texts: patterns, ``random:P%`` or ``random:like:PATTERN``.
        seed: of random draws.

    Raises:
        UsageError: one of them cannot be read.
    """
    patterns, like, share = [], [], 0.0
    for text in texts:
        if not text.startswith(_RANDOM):
            patterns.append(_pattern(text, text))
            continue
        rest = text.removeprefix(_RANDOM)
        if rest.startswith(_LIKE):
            like.append(_pattern(rest.removeprefix(_LIKE), text))
        else:
            share += _share(rest, text)
    if share > 1:
        raise UsageError(f"--protect: {100 * share:g} % of the weights are more than there are")
    return Protection(tuple(patterns), share, tuple(like), seed)


def _pattern(pattern: str, text: str) -> str:
    if not pattern.strip() or pattern.startswith(_RANDOM):
        raise UsageError(f"--protect {text!r} names nothing", hint=f"give {_HOW}")
    return pattern


def _share(text: str, whole: str) -> float:
    match = _PERCENT.fullmatch(text)
    share = float(match[1]) / 100 if match else 0.0
    if not 0 < share <= 1:
        raise UsageError(
            f"--protect {whole!r} is no share of the weights above 0 and at most 100 %",
            hint=f"give {_HOW}",
        )
    return share


def _matching(patterns: Iterable[str], names: Iterable[str]) -> list[str]:
    """The names that at least one pattern matches, sorted.

    Raises:
        UsageError: a pattern matches none.
    """
    names = sorted(names)
    found: set[str] = set()
    for pattern in patterns:
        plain = _numbered(pattern, names)
        matched = [name for name in names if matches(plain, name)]
        if not matched:
            raise UsageError(
                f"--protect {pattern!r} matches none of the {len(names)} modules that could be "
                "compressed",
                hint=_near(plain, names),
            )
        found.update(matched)
    return sorted(found)


def _numbered(pattern: str, names: Sequence[str]) -> str:
    """``last:mlp`` with the layer's number in place of the word."""
    match = _END.fullmatch(pattern)
    layers = {int(found[1]) for name in names if (found := _LAYER.search(name))}
    if match is None or not layers:
        return pattern
    return f"layers.{max(layers) if match[1] == 'last' else min(layers)}.{match[2]}"


def _near(pattern: str, names: Sequence[str]) -> str:
    runs = {
        ".".join(parts[begin:end])
        for parts in (name.split(".") for name in names)
        for begin in range(len(parts))
        for end in range(begin + 1, len(parts) + 1)
    }
    close = get_close_matches(pattern, sorted(runs), n=3, cutoff=0.5)
    examples = close or names[:2]
    lead = "did you mean" if close else "they are called, for example,"
    return f"{lead} {' or '.join(examples)}{'?' if close else ''}"


def _drawn(things: Sequence[Thing], sizes: Sequence[int], budget: int, seed: int) -> list[Thing]:
    """Things in random order, each that still fits into the budget."""
    # Python promises that `random()` gives the same numbers for ever, and not that `shuffle` does.
    coins = Random(seed)
    marks = [coins.random() for _ in things]
    taken, left = [], budget
    for index in sorted(range(len(things)), key=marks.__getitem__):
        if sizes[index] <= left:
            taken.append(things[index])
            left -= sizes[index]
    return taken
