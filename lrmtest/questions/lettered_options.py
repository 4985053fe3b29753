"""Options that a question names by letter: (A), (B), ..."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

OPTION_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def lettered(options: Sequence[str]) -> str:
    """The options a line each, lettered: ``(A) 6pm to 9pm``."""
    return "\n".join(
        f"({letter}) {text}"
        for letter, text in zip(OPTION_LETTERS[: len(options)], options, strict=True)
    )


def story_with_options(story: str, question: str, options: list[str]) -> dict[str, Any]:
    """The material of a question about a story that has lettered options."""
    return {
        "story": story,
        "question": question,
        "options": options,
        "options_text": lettered(options),
    }
