"""Text that every file, database and terminal can take."""

from __future__ import annotations


def well_formed(text: str) -> str:
    """`text` with split surrogate pairs joined and lone surrogates replaced by U+FFFD.

    JSON can spell both, and servers that cut a character in two do.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
