"""Python literals in logs: tools that write a list as its text leave ``['a', "b"]`` behind.

Read without Python's own parser, which runs out of stack on what a stranger may have written.
"""

from __future__ import annotations

import re
from typing import Any

_MOST_TEXT = 64 * 2**20
_MOST_DEPTH = 20
_TOKEN = re.compile(
    r"""\s*(?:(?P<open>[\[({])|(?P<close>[\])}])|(?P<comma>,)|(?P<colon>:)
    |(?P<text>'[^'\\]*+(?:\\.[^'\\]*+)*+'|"[^"\\]*+(?:\\.[^"\\]*+)*+")
    |(?P<word>True|False|None|nan|inf|-inf)\b|(?P<number>-?\d{1,30}(?:\.\d{0,30})?(?:[eE][-+]?\d{1,3})?))
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "\n": ""}
_WORDS = {
    "True": True,
    "False": False,
    "None": None,
    "nan": float("nan"),
    "inf": float("inf"),
    "-inf": float("-inf"),
}
_CLOSING = {"[": "]", "(": ")", "{": "}"}


def list_or_dict(text: str) -> list[Any] | dict[Any, Any] | None:
    """The list, tuple (as a list) or dict that `text` is as a Python literal; else None.

    In time linear in the text. Sets, byte strings, complex numbers and expressions are none.
    """
    if len(text) > _MOST_TEXT or text[:1] not in ("[", "(", "{"):
        return None
    stack: list[tuple[str, list[Any]]] = []
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            return None
        at = token.end()
        kind = token.lastgroup
        if kind == "open":
            if len(stack) == _MOST_DEPTH:
                return None
            stack.append((token["open"], []))
            continue
        if not stack:
            return None
        bracket, items = stack[-1]
        if kind == "close":
            value = _closed(bracket, items) if token["close"] == _CLOSING[bracket] else None
            if value is None:
                return None
            stack.pop()
            if not stack:
                return None if text[at:].strip() else value
            stack[-1][1].append(("value", value))
        elif kind in ("comma", "colon"):
            items.append((kind, None))
        else:
            items.append(("value", _scalar(token)))
    return None


def _closed(bracket: str, items: list[Any]) -> list[Any] | dict[Any, Any] | None:
    """What stands between two brackets; None when it is malformed."""
    if len(items) > 1 and items[-1][0] == "comma":
        items = items[:-1]
    kinds = [kind for kind, _ in items]
    values = [value for _, value in items]
    if bracket != "{":
        if kinds != (["value", "comma"] * len(kinds))[: len(kinds)] or kinds[-1:] == ["comma"]:
            return None
        return values[::2]
    pattern = ["value", "colon", "value", "comma"]
    if kinds != (pattern * len(kinds))[: len(kinds)] or (kinds and len(kinds) % 4 != 3):
        return None
    keys = values[::4]
    if not all(isinstance(key, str | int | float | None) for key in keys):
        return None
    return dict(zip(keys, values[2::4], strict=True))


def _scalar(token: re.Match[str]) -> Any:
    if token["word"] is not None:
        return _WORDS[token["word"]]
    if token["number"] is not None:
        number = token["number"]
        return int(number) if number.lstrip("-").isdigit() else float(number)
    return _ESCAPE.sub(_unescaped, token["text"][1:-1])


def _unescaped(escape: re.Match[str]) -> str:
    code = escape[1]
    if code[0] in "xuU" and len(code) > 1:
        number = int(code[1:], 16)
        return chr(number) if number < 0x110000 else "\N{REPLACEMENT CHARACTER}"
    return _ESCAPES.get(code, code)
