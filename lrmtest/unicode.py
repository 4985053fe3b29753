"""Text that every file, database and terminal can take."""

from __future__ import annotations

import re

# Control characters, line and paragraph separators, and what turns the direction of a text.
_STEERING = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]"
)


def harmless(text: str) -> str:
    """`text` with a space for every character that steers a terminal or a line's direction."""
    return _STEERING.sub(" ", text)


def well_formed(text: str) -> str:
    """`text` with split surrogate pairs joined and lone surrogates replaced by U+FFFD.

    JSON can spell both, and servers that cut a character in two do.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def quote(text: str, limit: int = 300) -> str:
    """Foreign text as one short line without control characters."""
    head = text[: 4 * limit]
    line = " ".join("".join(char if char.isprintable() else " " for char in head).split())
    return line if len(line) <= limit and len(head) == len(text) else line[: limit - 1] + "…"
