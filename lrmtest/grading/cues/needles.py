r"""Needles: strings of which one is in whatever a pattern matches.

Python's `re` tries a pattern of cues at every character, which takes a fifth of a microsecond each;
a string is found a hundred times as fast. So a text is first searched for a pattern's needles,
which are worked out from the pattern itself, and the pattern is tried in front of those only. It
matches the same.

Only what the tables use of regular expressions is understood. A pattern with anything else in it
has no needles, and is searched for in the whole text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from heapq import merge

_MOST_VARIANTS = 8
"""Strings that a part of a pattern is written out to; where there are more, the string ends."""
_WIDEST = 1000
_TOKEN = re.compile(
    r"(?P<look>\(\?(?:[=!]|<[=!]))|(?P<open>\((?:\?(?:-?i?:|P<\w+>))?(?!\?))|(?P<close>\))|(?P<bar>\|)"
    r"|(?P<class>\[\^?\]?(?:\\.|[^\]\\])*\])|(?P<edge>\\[bBAZ]|[\^$])|(?P<escape>\\.)"
    r"|(?P<quantifier>[?*+]\??|\{\d*,?\d*\}\??)|(?P<any>[^(])",
    re.DOTALL,
)
# Without regard to case these are i, s and k, too; the first is two characters in lower case.
_FOLDED = (("\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}", "i"), ("ı", "i"), ("ſ", "s"), ("\n", " "))

Needles = Mapping[str, int]
"""Each needle, with how many characters of a match may be before it at most."""


def folded(text: str) -> str:
    """`text` as needles are looked for in it: in lower case, on one line, of the same length."""
    for character, plain in _FOLDED:
        text = text.replace(character, plain)
    return text.lower()


@dataclass(frozen=True, slots=True)
class _Part:
    """What is known of a part of a pattern.

    Attributes:
        width: the most characters that it matches.
        strings: all that it matches, where these are few.
        needles: those of its matches, where it has any.
        first: the characters that a match may begin with; None for any.
        empty: whether it matches the empty string.
    """

    width: int
    strings: tuple[str, ...] = ()
    needles: Needles | None = None
    first: frozenset[str] | None = None
    empty: bool = False


def _written_out(width: int, strings: tuple[str, ...]) -> _Part:
    first = frozenset(string[0] for string in strings if string)
    return _Part(width, strings, first=first, empty="" in strings)


_NO_WIDTH = _written_out(0, ("",))
_CHARACTER = _Part(1)


def _cost(needles: Needles) -> float:
    """What a search costs for each character of a text, roughly, in places that are tried.

    A letter is guessed to be the next one in every sixth place, and a character of Chinese,
    Japanese or Korean as rare as three letters. To look for a needle is as a place in 500.
    """
    return sum(
        (before + 2) / 6 ** sum(1 if ord(char) < 0x2E80 else 3 for char in needle.strip()) + 2e-3
        for needle, before in needles.items()
    )


def _in_a_row(parts: list[_Part]) -> _Part:
    """Parts one behind the other: strings that follow each other grow together."""
    offers: list[Needles] = []
    before, start = 0, 0
    run: tuple[str, ...] = ("",)
    whole = True
    for part in parts:
        if len(part.strings) > 1:
            offers += [dict.fromkeys(run, start), dict.fromkeys(part.strings, before)]
        if part.strings and len(run) * len(part.strings) <= _MOST_VARIANTS:
            run = tuple(head + tail for head in run for tail in part.strings)
        else:
            offers.append(dict.fromkeys(run, start))
            offers.append({each: before + own for each, own in (part.needles or {}).items()})
            start = before if part.strings else before + part.width
            run, whole = part.strings or ("",), False
        before = min(_WIDEST, before + part.width)
    offers.append(dict.fromkeys(run, start))
    found = [needles for needles in offers if needles and all(map(str.strip, needles))]
    first: frozenset[str] | None = frozenset()
    for part in parts:
        first = None if first is None or part.first is None else first | part.first
        if not part.empty:
            break
    return _Part(
        before,
        run if whole else (),
        min(found, key=_cost) if found else None,
        first,
        all(part.empty for part in parts),
    )


def _one_of(branches: list[_Part]) -> _Part:
    """Alternatives: each has to have needles, for the whole to have them all."""
    needles: dict[str, int] = {}
    for branch in branches:
        for needle, before in (branch.needles or {}).items():
            needles[needle] = max(before, needles.get(needle, 0))
    strings = tuple(string for branch in branches for string in branch.strings)
    known = all(branch.strings for branch in branches) and len(strings) <= _MOST_VARIANTS
    firsts = [branch.first for branch in branches if branch.first is not None]
    return _Part(
        max(branch.width for branch in branches),
        strings if known else (),
        needles if all(branch.needles for branch in branches) else None,
        frozenset().union(*firsts) if len(firsts) == len(branches) else None,
        any(branch.empty for branch in branches),
    )


def _class(text: str) -> _Part:
    inner = text[1:-1].replace(r"\s", " ")
    if inner.startswith("^") or re.search(r"[^\\]-.|\\[^\W_]", inner):
        return _CHARACTER
    strings = tuple({char.lower(): "" for char in re.sub(r"\\(.)", r"\1", inner)})
    return _written_out(1, strings) if len(strings) <= _MOST_VARIANTS else _CHARACTER


def _repeated(part: _Part, quantifier: str) -> _Part:
    bounds = re.fullmatch(r"\{(\d*)(,?)(\d*)\}\??", quantifier)
    if bounds is None:
        least, most = int(quantifier[0] == "+"), 1 if quantifier[0] == "?" else _WIDEST
    else:
        least = int(bounds[1] or 0)
        most = int(bounds[3] or _WIDEST) if bounds[2] else least
    if least == most == 1:
        return part
    return _Part(
        min(_WIDEST, part.width * most),
        needles=(part.needles or dict.fromkeys(part.strings, 0) or None) if least else None,
        first=part.first,
        empty=part.empty or not least,
    )


def _parsed(pattern: str) -> _Part | None:
    """What is known of a pattern; None where it has something that is not understood."""
    stack: list[tuple[list[list[_Part]], bool]] = [([[]], False)]
    end = 0
    for token in _TOKEN.finditer(pattern):
        if token.start() != end:
            return None
        end = token.end()
        kind, text = token.lastgroup, token[0]
        branches, looks = stack[-1]
        row = branches[-1]
        if kind in ("look", "open"):
            stack.append(([[]], kind == "look"))
        elif kind == "bar":
            branches.append([])
        elif kind == "close":
            stack.pop()
            if not stack:
                return None
            group = _one_of([_in_a_row(branch) for branch in branches])
            stack[-1][0][-1].append(_NO_WIDTH if looks else group)
        elif kind == "quantifier":
            row.append(_repeated(row.pop(), text))
        elif kind == "class":
            row.append(_class(text))
        elif kind == "edge":
            row.append(_NO_WIDTH)
        elif kind == "escape" and text[1].isalnum():
            if text[1] not in "swdSWDn":
                return None
            row.append(_written_out(1, (" ",)) if text[1] in "sn" else _CHARACTER)
        else:
            row.append(_CHARACTER if text == "." else _written_out(1, (text[-1].lower(),)))
    if end != len(pattern) or len(stack) != 1:
        return None
    return _one_of([_in_a_row(branch) for branch in stack[0][0]])


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a pattern is searched for: its needles, and where a match may begin."""

    needles: Needles
    starts: re.Pattern[str]


@lru_cache(maxsize=1024)
def _plan(pattern: str, words: bool) -> _Plan | None:
    part = _parsed(pattern)
    if part is None or part.needles is None:
        return None
    if part.first is None:
        starts = "."
    else:
        edge = r"(?<!\w)" if words else ""
        letters = re.escape("".join(sorted(filter(str.isalnum, part.first))))
        signs = re.escape("".join(char for char in sorted(part.first) if not char.isalnum()))
        starts = f"{edge}[{letters}]" if letters else "(?!)"
        starts += (f"|[{signs}]" if signs else "") + ("|n't" if words else "")
    return _Plan(part.needles, re.compile(starts, re.DOTALL))


def found(
    pattern: re.Pattern[str], text: str, haystack: str, *, words: bool
) -> Iterator[re.Match[str]]:
    """The matches of a pattern, as its `finditer` has them, in time linear in the text.

    Args:
        pattern: matches no empty string; without regard to case.
        text: to be searched.
        haystack: `text` folded.
        words: each match begins with a word, or with "n't".
    """
    plan = _plan(pattern.pattern, words)
    if plan is None:
        yield from pattern.finditer(text)
        return
    there = [needle for needle in plan.needles.items() if needle[0] in haystack]
    if not there:
        return
    end = 0
    for first, last in _regions(there, haystack):
        for start in plan.starts.finditer(haystack, max(first, end), last + 1):
            if start.start() >= end and (match := pattern.match(text, start.start())) is not None:
                yield match
                end = match.end()


def _hits(needle: str, before: int, haystack: str) -> Iterator[tuple[int, int]]:
    """Where a needle is, each with the first place at which a match may start."""
    place = haystack.find(needle)
    while place != -1:
        yield max(0, place - before), place
        place = haystack.find(needle, place + 1)


def _regions(needles: Sequence[tuple[str, int]], haystack: str) -> Iterator[tuple[int, int]]:
    """First and last place at which a match may start, region by region."""
    first, last = 0, -1
    # Merged as they are found: a text may be nothing but needles. One alone, as most texts have,
    # needs no merging.
    hits = [_hits(*needle, haystack) for needle in needles]
    for start, place in merge(*hits) if len(hits) > 1 else hits[0]:
        if last < 0:
            first = start
        elif start > last + 1:
            yield first, last
            first = start
        last = max(last, place)
    if last >= 0:
        yield first, last
