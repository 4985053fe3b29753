"""Making model output safe to show: it may hold anything, and megabytes of it.

A terminal obeys escape sequences, so output that is printed as it came can clear the screen,
rename the window or pretend to be a passed test. What these functions return holds no control
character but the line feed. It may still hold ``[bold]``, which rich reads as markup in a
string; `safe` gives the `Text` that keeps it literal.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lrmtest.reports.numbers import size

if TYPE_CHECKING:
    from rich.text import Text

# Each alternative is possessive or ends at an excluded character: scanning takes linear time.
_UNSAFE = re.compile(
    r"""
      (?P<drop>
          (?: \x1b\[ | \x9b ) [0-?]*+ [ -/]*+ [@-~]      # CSI: colour, cursor, erase
        | (?: \x1b[\]PX^_] | [\x90\x98\x9d-\x9f] )       # OSC, DCS: window title, link, ...
          [^\x07\x1b\x9c]*+ (?: \x07 | \x1b\\ | \x9c )
        | \x1b [ -/]*+ [0-~]                             # any other escape sequence
        | \r (?=\n)
      )
    | (?P<tab> \t )
    | (?P<command> \# (?= \# (?i: vso | teamcity )? \[ ) )   # obeyed wherever it stands in a CI log
    | (?P<escape>
          [\x00-\x08\x0b-\x1f\x7f-\x9f]                  # C0 but tab and line feed, DEL, C1
        | [\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069] # direction marks and overrides
        | [\u2028\u2029\ufeff\ufff9-\ufffb]              # other line ends, BOM, annotations
        | [\ud800-\udfff]                                # lone surrogates cannot be encoded
        | [\U000e0000-\U000e0fff]                        # invisible tag characters
      )
    """,
    re.VERBOSE,
)

_COMMANDS = ("##[", "##vso[", "##teamcity[")
_BEYOND = 16
"""Characters; a command that begins within a limit shows itself within so many more."""


def plain(text: str, limit: int) -> str:
    """The first `limit` characters of `text`, without anything that a terminal would obey.

    Escape sequences are dropped; other control characters, direction overrides and lone
    surrogates are written out, as ``\\x07``; what a continuous integration service would obey
    wherever it stands, ``##vso[...]``, gets a backslash. A note of what was left out comes on top
    of `limit`: ``… (1.2 MB more)``.
    """
    if _is_harmless(text[: limit + _BEYOND]):
        return text if len(text) <= limit else f"{text[:limit]}… ({size_of(text[limit:])} more)"
    parts: list[str] = []
    room = limit
    position = 0
    for match in _UNSAFE.finditer(text):
        kept = text[position : min(match.start(), position + room)]
        parts.append(kept)
        room -= len(kept)
        position += len(kept)
        shown = _shown(match)
        if position < match.start() or len(shown) > room:
            break
        parts.append(shown)
        room -= len(shown)
        position = match.end()
    else:
        parts.append(text[position : position + room])
        position += len(parts[-1])
    if position < len(text):
        parts.append(f"… ({size_of(text[position:])} more)")
    return "".join(parts)


def _is_harmless(text: str) -> bool:
    """Whether nothing in it needs escaping: true of most texts, and found many times faster."""
    # Of all unsafe characters only variation selectors among the tags count as printable.
    printable = text.replace("\n", "").isprintable() and b"\xf3\xa0" not in text.encode()
    return printable and not ("##" in text and any(map(text.lower().__contains__, _COMMANDS)))


def plain_tail(text: str, limit: int) -> str:
    """The last `limit` characters of `text`, made safe as by `plain`.

    A note of what was left out comes first and on top of `limit`: ``(1.2 MB before) …``.
    """
    start = max(0, len(text) - limit)
    # A character written out takes up to ten.
    end = plain(text[start:], 10 * limit)
    if start == 0 and len(end) <= limit:
        return end
    return f"({size_of(text[:start])} before) …{end[len(end) - limit :] if limit else ''}"


def one_line(text: str, limit: int) -> str:
    """`plain` with every run of white space as one space, for a table cell."""
    head = text[: 100 * limit]
    words = " ".join(head.split())
    if len(words) <= limit:  # as always but for what is blank almost all through
        return plain(" ".join(text.split()), limit)
    return plain(words + text[len(head) :], limit)


def safe(text: str, limit: int, style: str = "") -> Text:
    """`plain` as a rich `Text`: what looks like markup stays as it is."""
    from rich.text import Text  # most of what is made safe is no Text

    return Text(plain(text, limit), style=style)


def _shown(match: re.Match[str]) -> str:
    if match.lastgroup == "drop":
        return ""
    if match.lastgroup == "tab":
        return "    "
    if match.lastgroup == "command":
        return "#\\"
    code = ord(match.group())
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def size_of(text: str) -> str:
    """How large `text` is in UTF-8: ``1.2 MB``."""
    return size(len(text.encode("utf-8", "surrogatepass")))
