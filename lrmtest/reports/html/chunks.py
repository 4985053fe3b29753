"""Texts packed into compressed chunks, of which the page opens one at a time."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lrmtest.reports.escape import one_line
from lrmtest.reports.html.texts import QuestionTexts
from lrmtest.runs.outcomes import QuestionKey

_CHUNK = 200_000
"""Characters of JSON from which on a chunk is full: large enough to share what neighbours have in
common, small enough to open at once."""
_BRIEF, _EXPECTED = 160, 80

TextSlot = tuple[int, int]
"""A chunk's number and a question's place in it."""


def packed(content: Any) -> str:
    """JSON values, compressed, in base64: ASCII without any character that HTML knows."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    data = zlib.compress(text.encode("utf-8", "backslashreplace"))
    return base64.b64encode(data).decode("ascii")


def chunked(
    texts: Iterable[QuestionTexts], keys: Sequence[QuestionKey]
) -> tuple[list[str], Mapping[QuestionKey, TextSlot], Mapping[QuestionKey, tuple[str, str]]]:
    """Pack texts into chunks.

    Args:
        texts: of the questions, one at a time.
        keys: the questions that the report shows; others are left out.

    Returns:
        The chunks; where each question is; and per question the beginning of what was asked and
        the expected answer, for the table.
    """
    wanted = frozenset(keys)
    chunks: list[str] = []
    places: dict[QuestionKey, TextSlot] = {}
    brief: dict[QuestionKey, tuple[str, str]] = {}
    waiting: list[dict[str, Any]] = []
    size = 0
    for question in texts:
        if question.key not in wanted:
            continue
        places[question.key] = (len(chunks), len(waiting))
        brief[question.key] = (
            one_line(question.brief[: 4 * _BRIEF], _BRIEF),
            one_line(question.expected, _EXPECTED),
        )
        waiting.append(question.content)
        size += _size(question.content)
        if size >= _CHUNK:
            chunks.append(packed(waiting))
            waiting, size = [], 0
    if waiting:
        chunks.append(packed(waiting))
    return chunks, places, brief


def _size(content: dict[str, Any]) -> int:
    """About the characters of a question's texts."""
    return (
        sum(len(text) for _, text in content["prompt"])
        + sum(
            len(sample[part]["text"])
            for run in content["runs"]
            if run is not None
            for sample in run["samples"]
            for part in ("reasoning", "answer")
            if part in sample
        )
        + sum(
            len(sample["read"]["text"]) + sum(5 * len(each["n"]) for each in sample["read"]["by"])
            for run in content["runs"]
            if run is not None
            for sample in run["samples"]
            if "read" in sample
        )
    )
