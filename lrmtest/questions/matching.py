"""The search for a question in a text: logs of other tools name questions in their own way."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from lrmtest.questions.prompt import fields_of
from lrmtest.questions.question import Question

# Logs differ in how they write mathematics: a dollar sign or a backslash makes no other question.
_WORD = re.compile(r"\w+|[^\w\s$\\]")
_KEY_WORDS = 8


class QuestionFinder:
    """Finds questions in texts that contain them, whatever else these contain.

    A question is found in a text that has every part of it that their prompt shows, word for
    word; case, white space, dollar signs and backslashes do not count. Of several, the one with
    the most words wins, so that a question is not taken for another that it contains. The time is
    linear in the text.

    Args:
        prompt: the template, which says what of a question's material is asked.
        questions: the questions.
    """

    def __init__(self, prompt: str, questions: Sequence[Question]) -> None:
        self._by_id = {question.id: question for question in questions}
        self._by_key: dict[tuple[str, ...], list[tuple[Question, list[str]]]] = {}
        for question in questions:
            parts = [_words(part) for part in _asked(prompt, question)]
            parts = [part for part in parts if part]
            if parts:
                key = tuple(max(parts, key=len)[:_KEY_WORDS])
                needles = [_joined(part) for part in parts]
                self._by_key.setdefault(key, []).append((question, needles))
        self._lengths = sorted({len(key) for key in self._by_key})

    def in_text(self, text: str) -> Question | None:
        """The question that `text` contains; None without one, or if two are as good."""
        found = self.match(text)
        return None if found is None else found[0]

    def match(self, text: str) -> tuple[Question, int] | None:
        """As `in_text`, with how much of the text is the question's: in characters of its words."""
        words = _words(text)
        haystack = _joined(words)
        found: dict[str, int] = {}
        for length in self._lengths:
            keys = {tuple(words[at : at + length]) for at in range(len(words) - length + 1)}
            for key in keys & self._by_key.keys():
                for question, needles in self._by_key[key]:
                    if all(needle in haystack for needle in needles):
                        found[question.id] = sum(map(len, needles))
        best = max(found.values(), default=0)
        winners = [id_ for id_, size in found.items() if size == best]
        return (self._by_id[winners[0]], best) if len(winners) == 1 else None

    def named(self, name: str) -> Question | None:
        """The question of this id, if the id says something: ``2024-I-4``, not ``17``."""
        return None if name.isdigit() else self._by_id.get(name)


def _asked(prompt: str, question: Question) -> Iterator[str]:
    """The parts of a question's material that the prompt shows, as they are in the data."""
    for name in fields_of(prompt):
        # ``options_text`` is made of ``options``, which another tool letters in its own way.
        source = name.removesuffix("_text")
        if name in question.material:
            yield from _texts(question.material.get(source, question.material[name]))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str | int | float):
        yield str(value)
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, Sequence):
        for part in value:
            yield from _texts(part)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _joined(words: Sequence[str]) -> str:
    return f" {' '.join(words)} "
