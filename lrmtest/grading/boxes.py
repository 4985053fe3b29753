r"""Boxes: ``\boxed{...}`` in a text, in whatever state their braces are."""

from __future__ import annotations

import re
from collections import deque

MOST = 1000
"""Boxes that are kept of a text: the last ones."""

# A box's brace must be told from any other, so all braces are visited, each once.
_BRACES = re.compile(
    r"\\{1,2}(?:boxed|fbox|framebox)\s{0,8}"
    r"(?:(?P<open>\{)|(?P<token>\d[\d,]{0,12}|[A-Z](?![A-Za-z])))"
    r"|(?<![A-Za-z\\])boxed(?P<plain>\{)|\\.|[{}]",
    re.DOTALL,
)
_TO_LINE_END = re.compile(r"[^\n{}]{1,200}")
_COMMANDS = ("boxed", "fbox", "framebox")


def _before_the_first(text: str) -> int:
    """A place before the first box, and behind most braces: none that opened there is a box's."""
    first = min(
        (at for command in _COMMANDS if (at := text.find(command)) != -1), default=len(text)
    )
    while first and text[first - 1] == "\\":
        first -= 1
    return first


def boxes(text: str) -> list[tuple[int, int, int]]:
    """Where command and content of each box start and where it ends, in the order of their ends.

    Only the last ones are kept. The very last may have been left open.
    """
    found: deque[tuple[int, int, int]] = deque(maxlen=MOST)
    opened: list[tuple[int, int] | None] = []
    last_open: tuple[int, int] | None = None
    for mark in _BRACES.finditer(text, _before_the_first(text)):
        if mark["open"] or mark["plain"]:
            opened.append((mark.start(), mark.end()))
        elif mark["token"]:
            found.append((mark.start(), *mark.span("token")))
        elif mark.group() == "{":
            opened.append(None)
        elif mark.group() == "}" and opened:
            box = opened.pop()
            if box is not None:
                found.append((*box, mark.start()))
    while opened and last_open is None:
        last_open = opened.pop()
    if last_open is not None and (rest := _TO_LINE_END.match(text, last_open[1])):
        # Closed by the end of the line, when nothing in it needs a brace.
        line_end = rest.end() == len(text) or text[rest.end()] == "\n"
        if line_end and rest[0].strip(" $.*\\)]"):
            content = rest[0].rstrip(" $.*\\)]")
            found.append((*last_open, last_open[1] + len(content)))
    return sorted(found, key=lambda box: box[2])
