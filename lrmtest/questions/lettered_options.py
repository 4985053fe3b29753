"""Options that a question names by letter: (A), (B), ..."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

OPTION_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def lettered(options: Sequence[str]) -> str:
    """The options a line each, lettered: ``(A) 6pm to 9pm``."""
    return "\n".join(
        f"({letter}) {text}"
        for letter, text in zip(OPTION_LETTERS[: len(options)], options, strict=True)
    )


def drawn_order(question_id: str, names: Sequence[str]) -> list[str]:
    """The names of a question's options in an order that follows from its id alone.

    Drawn by a hash, which is the same everywhere, while generators of random numbers change from
    version to version: for data that have the right option first.
    """

    def draw(name: str) -> bytes:
        text = f"{question_id}/{name}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()

    return sorted(names, key=draw)


def story_with_options(story: str, question: str, options: list[str]) -> dict[str, Any]:
    """The material of a question about a story that has lettered options."""
    return {
        "story": story,
        "question": question,
        "options": options,
        "options_text": lettered(options),
    }
