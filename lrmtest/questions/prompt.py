"""Prompt templates: text with a question's fields in braces."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lrmtest.errors import UsageError
from lrmtest.questions.question import Question

_FIELD = re.compile(r"\{([a-z_]+)\}")


def fields_of(template: str) -> tuple[str, ...]:
    """The names of the fields that a prompt template may be filled with, in order."""
    return tuple(dict.fromkeys(_FIELD.findall(template)))


def render_prompt(template: str, question: Question) -> str:
    """The user message for `question`.

    Raises:
        UsageError: the template names a field that the question does not have, or none of
            its fields, so that every question would read the same.
    """
    used = 0

    def fill(match: re.Match[str]) -> str:
        nonlocal used
        name = match.group(1)
        if name not in question.material:
            return match.group(0)
        used += 1
        value = question.material[name]
        if isinstance(value, str):
            return value
        if isinstance(value, Sequence):
            return "\n".join(str(part) for part in value)
        return str(value)

    text = _FIELD.sub(fill, template)
    if not used:
        known = ", ".join("{" + name + "}" for name in question.material)
        raise UsageError(
            f"the prompt for suite {question.suite!r} uses no field of its questions",
            hint=f"put at least one of these in it: {known}",
        )
    return text
