"""A suite: a named set of questions with its prompt, its grader and its token budget."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lrmtest.errors import UsageError
from lrmtest.questions.question import Question

if TYPE_CHECKING:
    from lrmtest.questions.fresh.draft import Family


@dataclass(frozen=True, slots=True)
class DataOptions:
    """Where questions come from, as the user chose it.

    Attributes:
        data_dir: local folder with the benchmarks' files; the hub is asked when it is None.
        fresh_count: how many questions a generated suite has.
        fresh_seed: seed of the generated questions.
        fresh_difficulty: from 1 to 5.
    """

    data_dir: Path | None = None
    fresh_count: int = 20
    fresh_seed: int = 0
    fresh_difficulty: int = 1


@dataclass(frozen=True, slots=True)
class Source:
    """Where a set of questions came from, for the run's manifest.

    Attributes:
        kind: ``local``, ``hub``, ``generated`` or ``inline`` (given in the test file).
        name: file name, hub repository or generator.
        revision: hub commit, release or generator version; empty when there is none.
        sha256: hash of the bytes that were read, hex; empty for generated questions.
    """

    kind: str
    name: str
    revision: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """Loaded questions and their source."""

    questions: tuple[Question, ...]
    source: Source


@dataclass(frozen=True, slots=True)
class Suite:
    """A named set of questions with its prompt and its token budget.

    Attributes:
        name: the suite's name, as in reports: ``aime``, ``folio``, ...
        load: reads or makes the questions; raises DataError.
        prompt: template of the user message. ``{field}`` is replaced by the question's
            material; any other brace stays as it is, so LaTeX needs no escaping.
        max_tokens: the budget: the most tokens one completion may have, reasoning included.
        family: makes further questions of draws and a difficulty; None for a suite whose
            questions are fixed. With one, ``--property`` can search for a failing question.
    """

    name: str
    load: Callable[[DataOptions], QuestionSet] = field(repr=False)
    prompt: str = field(repr=False)
    max_tokens: int
    family: Family | None = field(default=None, repr=False)


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
