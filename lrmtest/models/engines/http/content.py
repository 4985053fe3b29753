"""Content: the text in a message of a chat completion, in whatever form a server puts it there.

A server with a reasoning parser sends reasoning and answer apart, in fields of their own, or as
parts of one list, which may be nested. What is text in any of these is read; a part that can
never be text is refused.
"""

from __future__ import annotations

from typing import Any

from lrmtest.models.engines.http.failures import BrokenAnswerError, RefusedError
from lrmtest.unicode import quote

REASONING_FIELDS = (
    "reasoning_content",
    "reasoning",
    "thinking",
    "reasoning_text",
    "reasoning_details",
)
"""Fields of a message that hold its reasoning apart from the answer."""
REASONING_PARTS = ("thinking", "reasoning", "reasoning.text", "reasoning.summary", "thought")
"""Types of the parts of a message that are reasoning."""
_SILENT_PARTS = ("redacted_thinking", "reasoning.encrypted", "tool_use", "tool_call", "function")
_TEXT_KEYS = ("text", "content", "thinking", "reasoning", "summary", "refusal", "value")
_MOST_NESTED = 8


def texts_of(message: dict[str, Any]) -> tuple[str, str]:
    """The reasoning and the answer in a message or in a delta of one; either may be empty.

    Where several fields hold the reasoning they hold the same, and the first one counts. A model's
    refusal in a field of its own is its answer.

    Raises:
        BrokenAnswerError: a field is of a form that no text has.
        RefusedError: a part of the answer is an image, a sound or the like.
    """
    content = message.get("content")
    answer, inner = (content, "") if isinstance(content, str) else _read(content, "content")
    if not answer:
        answer = _read(message.get("refusal"), "refusal")[0]
    for field in REASONING_FIELDS:
        value = message.get(field)
        if value and (reasoning := "".join(_read(value, field))):
            return reasoning + inner, answer
    return inner, answer


def text_of_part(part: object) -> str:
    """All the text in a part of a message, in a log; what can be none is left out."""
    try:
        return "".join(reversed(_read(part, "part")))
    except (BrokenAnswerError, RefusedError):
        return ""


def _read(value: object, field: str, depth: int = 0) -> tuple[str, str]:
    """The answer's text and the reasoning's in the value of a field."""
    if value is None:
        return "", ""
    if isinstance(value, str):
        return value, ""
    if depth > _MOST_NESTED:
        raise _malformed(f"{field!r} is nested too deeply")
    if isinstance(value, list):
        read = [_read(part, field, depth + 1) for part in value]
        return "".join(text for text, _ in read), "".join(thought for _, thought in read)
    if not isinstance(value, dict):
        raise _malformed(f"{field!r} is not a string")
    kind = value.get("type")
    if kind in _SILENT_PARTS:
        return "", ""
    for key in _TEXT_KEYS:
        if isinstance(inside := value.get(key), str | list | dict):
            text, thought = _read(inside, field, depth + 1)
            return ("", text + thought) if kind in REASONING_PARTS else (text, thought)
    if isinstance(kind, str) and "text" not in kind and kind not in REASONING_PARTS:
        raise RefusedError(
            f"the server answers with a part of type {quote(kind, 40)!r}, which is no text",
            hint="serve a model that writes text, or have the server send nothing else",
        )
    if value and not isinstance(kind, str):
        raise _malformed(f"{field!r} is not a string")
    return "", ""


def _malformed(words: str) -> BrokenAnswerError:
    return BrokenAnswerError(f"malformed answer: {words}", shape=words)
