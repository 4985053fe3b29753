"""Kinds of tokens: whether a reader disagrees about numbers, operators, connectives or words.

A trace's text is cut into words, and a token belongs to the word in which its first character
that is no space stands, so that tokens which make up a word together are counted as that word.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import fsum, isfinite
from typing import Literal, get_args

from lrmtest.analysis.bootstrap import bootstrap_together
from lrmtest.analysis.intervals import Interval
from lrmtest.runs.outcomes import QuestionKey

TokenKind = Literal[
    "numbers", "operators", "connectives", "other words", "punctuation", "structure"
]
"""What a token can be. Operators are mathematical signs and TeX commands; connectives the English
words by which reasoning goes on, turns or ends; structure is line ends, indentation, tags (of
reasoning, of a turn's end) and Markdown's marks."""

TOKEN_KINDS: tuple[TokenKind, ...] = get_args(TokenKind)

CONNECTIVES = frozenset(
    word
    for line in (
        "wait hmm oh no yes ok okay alright well actually now still yet again let",
        "so therefore thus hence then consequently means implies because since given as",
        "but however although though while whereas unless otherwise instead else",
        "alternatively maybe perhaps if suppose assume",
        "first second next finally also moreover furthermore similarly meanwhile",
    )
    for word in line.split()
)
"""In small letters. Words that mostly join parts of a sentence ("and", "or", "that") are not among
them."""

LINE_END, BLANKS = "line end", "spaces"
"""What tokens are called that nothing can be seen of."""

_LONGEST = 40
"""Characters of a word that are kept: a text without spaces is one word, however long."""

# Every alternative takes what it can and gives nothing back: linear time, whatever the text.
_WORDS = re.compile(
    r"""
      (?P<tag> <[/|\uff5c]?[A-Za-z][\w\u2581|\uff5c]{0,60}+> )
    | (?P<number> \d++ (?: [.,]\d++ )*+ )
    | (?P<tex> \\[A-Za-z]++ )
    | (?P<mark> \*{2,}+ | `{3,}+ | \#++ | -{3,}+ )
    | (?P<one> [\u3040-\u30ff\u3400-\u9fff] )
    | (?P<word> [^\W\d_]++ (?: ['\u2019-][^\W\d_]++ )*+ )
    | (?P<other> \S )
    """,
    re.VERBOSE,
)
_OPERATORS = frozenset("-*/^%\u00b7\u2026=")


@dataclass(frozen=True, slots=True)
class Part:
    """What some tokens have of the total variation.

    Attributes:
        name: of a kind, or a word in small letters.
        kind: which kind it is.
        share: of all total variation, in [0, 1].
        interval: of that share, over questions like these.
        token_share: of all tokens.
        tokens: how many there are.
        per_token: total variation, mean over them.
    """

    name: str
    kind: TokenKind
    share: float
    interval: Interval
    token_share: float
    tokens: int
    per_token: float


@dataclass(frozen=True, slots=True)
class VariationByKind:
    """Where the total variation of some traces lies.

    Attributes:
        kinds: of all kinds that there are, in the order of `TOKEN_KINDS`.
        words: those that have most of it, most first.
        tokens: how many there are in all.
        variation: summed over all of them.
    """

    kinds: tuple[Part, ...]
    words: tuple[Part, ...]
    tokens: int
    variation: float


@dataclass(slots=True)
class VariationCount:
    """Counts tokens and their total variation by word and question, a trace at a time."""

    _found: dict[QuestionKey, dict[tuple[TokenKind, str], list[float]]] = field(
        default_factory=dict
    )

    def add(
        self, question: QuestionKey, pieces: Sequence[str], variations: Iterable[float]
    ) -> None:
        """Count a trace.

        Args:
            question: whose it is.
            pieces: its tokens' texts, as `lrmtest.analysis.shaded_trace.text_pieces` gives them.
            variations: total variation at each; what is no figure counts as none.
        """
        held = self._found.setdefault(question, {})
        for word, value in zip(words_of(pieces), variations, strict=True):
            sums = held.setdefault(word, [0.0, 0])
            sums[0] += value if isfinite(value) else 0.0
            sums[1] += 1

    def result(self, most: int = 10, level: float = 0.95) -> VariationByKind | None:
        """What was counted; None where nothing was, or nothing differs at all.

        Args:
            most: how many words are named.
            level: nominal coverage of the intervals.

        Raises:
            UsageError: `level` is not between 0 and 1.
        """
        words: dict[tuple[TokenKind, str], list[float]] = {}
        for held in self._found.values():
            for word, (variation, tokens) in held.items():
                sums = words.setdefault(word, [0.0, 0])
                sums[0] += variation
                sums[1] += tokens
        total = fsum(variation for variation, _ in words.values())
        if not total > 0:
            return None
        kinds = [kind for kind in TOKEN_KINDS if any(word[0] == kind for word in words)]
        first = sorted(words, key=lambda word: (-words[word][0], word))[:most]
        first = [word for word in first if words[word][0] > 0]
        groups: list[tuple[TokenKind, str, list[tuple[TokenKind, str]]]] = [
            *((kind, kind, [word for word in words if word[0] == kind]) for kind in kinds),
            *((word[0], word[1], [word]) for word in first),
        ]
        intervals = self._intervals([set(group) for _, _, group in groups], level)
        tokens = int(fsum(count for _, count in words.values()))
        parts = []
        for (kind, name, group), interval in zip(groups, intervals, strict=True):
            variation = fsum(words[word][0] for word in group)
            count = int(fsum(words[word][1] for word in group))
            share = min(1.0, variation / total)
            parts.append(
                Part(name, kind, share, interval, count / tokens, count, variation / count)
            )
        return VariationByKind(
            tuple(parts[: len(kinds)]), tuple(parts[len(kinds) :]), tokens, total
        )

    def _intervals(
        self, groups: Sequence[set[tuple[TokenKind, str]]], level: float
    ) -> list[Interval]:
        """Of the groups' shares. A draw without any variation has none: 0 to 1."""
        rows = [
            [
                fsum(sums[0] for sums in held.values()),
                *(fsum(held[word][0] for word in group & held.keys()) for group in groups),
            ]
            for held in self._found.values()
        ]

        def shares(drawn: Sequence[list[float]]) -> list[float]:
            whole, *parts = map(sum, zip(*drawn, strict=True))
            if whole > 0:
                found = [min(1.0, part / whole) for part in parts]
                return [*found, *found]
            return [*([0.0] * len(parts)), *([1.0] * len(parts))]

        found = bootstrap_together(rows, shares, level)
        lows, highs = found[: len(groups)], found[len(groups) :]
        return [
            Interval(low.low, high.high, level, low.method)
            for low, high in zip(lows, highs, strict=True)
        ]


def words_of(pieces: Sequence[str]) -> list[tuple[TokenKind, str]]:
    """Of each token the kind and the word that it belongs to, in small letters."""
    text = "".join(pieces)
    starts: list[int] = []
    words: list[tuple[TokenKind, str]] = []
    for match in _WORDS.finditer(text):
        starts.append(match.start())
        words.append(_word(match))
    found: list[tuple[TokenKind, str]] = []
    at = 0
    for piece in pieces:
        blanks = len(piece) - len(piece.lstrip())
        if piece and blanks == len(piece):
            ends = any(mark in piece for mark in "\n\r\u2028\u2029\x85\v\f")
            found.append(("structure", LINE_END if ends else BLANKS))
        else:
            number = bisect_right(starts, at + blanks) - 1
            # Of a text that is nothing but blanks and tokens without a text.
            found.append(words[number] if number >= 0 else ("structure", BLANKS))
        at += len(piece)
    return found


def _word(match: re.Match[str]) -> tuple[TokenKind, str]:
    group, text = match.lastgroup, match.group()[:_LONGEST].lower()
    if group in ("tag", "mark"):
        return "structure", text
    category = unicodedata.category(text[:1])
    if group == "number" or category[0] == "N":
        return "numbers", text
    if group == "tex":
        return "operators", match.group()[:_LONGEST]
    if group in ("one", "word"):
        return ("connectives" if text in CONNECTIVES else "other words"), text
    if text in _OPERATORS or category == "Sm":
        return "operators", text
    if category[0] in "LM":
        return "other words", text
    return "punctuation", text


def counted_variation(
    traces: Iterable[tuple[QuestionKey, Sequence[str], Iterable[float]]],
    most: int = 10,
    level: float = 0.95,
) -> VariationByKind | None:
    """`VariationCount` of some traces: of each its question, its tokens' texts and figures."""
    counting = VariationCount()
    for question, pieces, variations in traces:
        counting.add(question, pieces, variations)
    return counting.result(most, level)
