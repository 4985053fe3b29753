"""The texts of every question: prompt, expected answer, and what each run said.

Texts are made safe to show as for a terminal: control characters, direction overrides and the like
are written out. A loop is given once, with how often it came.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from lrmtest.errors import UsageError
from lrmtest.grading.loops import find_loop
from lrmtest.grading.split import Tags, split, told_apart
from lrmtest.grading.unknown_end import all_reasoning
from lrmtest.questions.question import Question
from lrmtest.reports.escape import one_line, plain, size_of
from lrmtest.reports.fold import how_graded
from lrmtest.reports.html.place import answer_place
from lrmtest.runs.command import rerun_arguments
from lrmtest.runs.outcomes import QuestionKey
from lrmtest.runs.records import RunRecord, StoredCompletion, StoredQuestion
from lrmtest.runs.store import Store

_HEAD, _TAIL = 300_000, 100_000
"""Of one text, in characters; far more than any budget allows, far less than a page can take."""
_PROMPT = 200_000
_ANSWER = 2_000
_WORD = 80
_ERROR = 4_000
_COMMAND = 4_000


@dataclass(slots=True)
class QuestionTexts:
    """What a report says of one question.

    Attributes:
        key: suite and id.
        content: for its view, JSON values.
        brief: the beginning of what was asked, for the table; empty when nothing has a text.
        expected: the reference answer.
    """

    key: QuestionKey
    content: dict[str, Any]
    brief: str = ""
    expected: str = ""


@dataclass(slots=True)
class _Found:
    """One run's part of a question."""

    question: StoredQuestion | None = None
    completions: list[StoredCompletion] = field(default_factory=list)


TracesShaded = Callable[[int, QuestionKey], Mapping[int, dict[str, Any]]]
"""Gives the traces of a run, by its place, and a question as its readers see them, by sample."""


def question_texts(
    runs: Sequence[RunRecord], shaded: TracesShaded = lambda run, key: {}
) -> Iterator[QuestionTexts]:
    """Every question that some run has texts of, one at a time, in order of suite and id.

    Args:
        runs: of the report.
        shaded: has what was read of them.

    Raises:
        StoreError: a store cannot be read.
    """
    with ExitStack() as stack:
        stores = {
            path: stack.enter_context(Store(path, create=False))
            for path in {run.store for run in runs if run.store is not None}
        }
        walks = [_Walk(stores[run.store], run) if run.store is not None else None for run in runs]
        errors = [_errors(stores[run.store], run) if run.store else {} for run in runs]
        while True:
            waiting = [walk.key for walk in walks if walk is not None and walk.key is not None]
            if not waiting:
                return
            key = min(waiting)
            found = [walk.take(key) if walk is not None else None for walk in walks]
            texts = _texts(key, runs, found, [of_run.get(key, []) for of_run in errors])
            for place, of_run in enumerate(texts.content["runs"]):
                read = shaded(place, key) if of_run is not None else {}
                for sample in of_run["samples"] if read else ():
                    if sample["sample"] in read and "error" not in sample:
                        sample["read"] = read[sample["sample"]]
            yield texts


class _Walk:
    """Goes through a run's questions in order, with their completions, within its extent."""

    def __init__(self, store: Store, run: RunRecord) -> None:
        asked = (
            (suite, question_id, question)
            for suite, question_id, question in store.questions(run.run_id, extent=run.extent)
            if suite
        )
        self._questions = asked
        self._completions = groupby(
            (one for one in store.completions(run.run_id, extent=run.extent) if one.place.suite),
            key=lambda one: one.place.question,
        )
        self._next_completions = next(self._completions, None)
        self._next = next(self._questions, None)

    @property
    def key(self) -> QuestionKey | None:
        """The next question; None at the end."""
        return self._next[:2] if self._next is not None else None

    def take(self, key: QuestionKey) -> _Found | None:
        """The question `key` if it is next, and move on."""
        if self._next is None or self._next[:2] != key:
            return None
        found = _Found(self._next[2])
        # A completion without its question, as in a run that was imported in part, is passed over.
        while self._next_completions is not None and self._next_completions[0] <= key:
            if self._next_completions[0] == key:
                found.completions = list(self._next_completions[1])
            self._next_completions = next(self._completions, None)
        self._next = next(self._questions, None)
        return found


def _errors(store: Store, run: RunRecord) -> dict[QuestionKey, list[dict[str, Any]]]:
    found: dict[QuestionKey, list[dict[str, Any]]] = {}
    for error in store.errors(run.run_id, extent=run.extent):
        entry = {"sample": error.place.sample, "error": plain(error.message, _ERROR)}
        found.setdefault(error.place.question, []).append(entry)
    return found


def _texts(
    key: QuestionKey,
    runs: Sequence[RunRecord],
    found: Sequence[_Found | None],
    errors: Sequence[list[dict[str, Any]]],
) -> QuestionTexts:
    prompts = [_prompt(part.question) if part and part.question else None for part in found]
    asked = next((part.question for part in found if part and part.question), None)
    question = asked.question if asked is not None else None
    prompt = next((each for each in prompts if each is not None), [])
    content: dict[str, Any] = {
        "prompt": prompt,
        "references": [plain(text, _ANSWER) for text in question.references] if question else [],
        "kind": question.kind if question else "",
        "runs": [],
    }
    for run, part, of_run, asked_so in zip(runs, found, errors, prompts, strict=True):
        if part is None:
            content["runs"].append(None)
            continue
        samples = [_sample(stored, run.manifest.reasoning_tags) for stored in part.completions]
        shown: dict[str, Any] = {
            "samples": sorted([*samples, *of_run], key=lambda sample: sample["sample"]),
            "commands": _commands(run, key),
        }
        if asked_so != prompt:
            shown["prompt"] = asked_so
        content["runs"].append(shown)
    expected = question.expected if question is not None else ""
    return QuestionTexts(key, content, _brief(question, prompt), expected)


def _brief(question: Question | None, prompt: list[list[str]]) -> str:
    """What tells a question from its neighbours: its own texts, without what all prompts share."""
    own = question.material.values() if question is not None else ()
    return " ".join(value for value in own if isinstance(value, str)) or (
        prompt[-1][1] if prompt else ""
    )


def _commands(run: RunRecord, key: QuestionKey) -> list[str]:
    """What asks the question again, as a shell takes it; else why nothing does, as a comment."""
    try:
        arguments = rerun_arguments(run.run_id, run.manifest, [key])
    except UsageError as error:
        hint = f"; {error.hint}" if error.hint else ""
        return [one_line(f"# {error.message}{hint}", _COMMAND)]
    return [one_line(shlex.join(["pytest", *words]), _COMMAND) for words in arguments]


def _prompt(stored: StoredQuestion) -> list[list[str]]:
    return [[plain(role, 40), plain(text, _PROMPT)] for role, text in stored.prompt]


def _sample(stored: StoredCompletion, tags: Tags) -> dict[str, Any]:
    completion, verdict = stored.completion, stored.verdict
    reasoning, answer = told_apart(
        completion.text, tags, ran_out=all_reasoning(completion.text, completion.finish_reason)
    )
    parts = split(completion.text, tags)
    if parts.opened and not parts.closed:
        # What opened it is no word of it, nor one that tells it from a reasoning that was closed.
        reasoning = parts.reasoning
    sample: dict[str, Any] = {
        "sample": stored.place.sample,
        "reasoning": _part(reasoning),
        "answer": _part(answer, how_graded(answer)),
        "finish": completion.finish_reason,
        "finish_word": plain(completion.finish_word, _WORD),
        "reasoning_tokens": completion.reasoning_tokens,
        "answer_tokens": completion.answer_tokens,
        "estimated": completion.tokens_estimated,
        "seconds": round(completion.seconds, 2),
        "seed": completion.seed,
    }
    if parts.form is not None:
        sample["closed"] = plain(parts.form.tags[1], _WORD) if parts.closed else None
    if verdict is not None:
        given = verdict.extracted or verdict.provisional
        if given and (found := _graded(sample, given)):
            sample["graded"] = found
        sample["result"] = "correct" if verdict.correct else verdict.failure or "wrong"
        sample["score"] = verdict.score
        for name in ("extracted", "provisional"):
            given = getattr(verdict, name)
            sample[name] = None if given is None else plain(given, _ANSWER)
        sample["metrics"] = dict(verdict.metrics)
        sample["lenient"] = verdict.lenient_correct
    return sample


def _graded(sample: dict[str, Any], given: str) -> dict[str, Any] | None:
    """Where what was graded stands, in the answer, else in the reasoning where that is all."""
    name = "answer" if sample["answer"]["text"] else "reasoning"
    text = sample[name]["text"]
    found = answer_place(text, plain(given, _ANSWER))
    if found is None:
        return None
    return {"part": name, "from": _utf16(text, found[0]), "to": _utf16(text, found[1])}


def _utf16(text: str, offset: int) -> int:
    """An offset as JavaScript counts."""
    return offset + sum(character > "\uffff" for character in text[:offset])


def _part(text: str, note: str = "") -> dict[str, Any]:
    """A text; `loop` is what it ends in, given once, and `times` how often that came."""
    text = text.strip("\n")
    loop = find_loop(text)
    if loop is None:
        return {"text": note + _bounded(text)}
    return {
        "text": note + _bounded(text[: loop.start]),
        "loop": plain(text[loop.start : loop.start + loop.period], _HEAD),
        "times": int(loop.repeats),
        "length": loop.end - loop.start,
    }


def _bounded(text: str) -> str:
    if len(text) <= _HEAD + _TAIL:
        return plain(text, 10 * (_HEAD + _TAIL))
    left_out = size_of(text[_HEAD:-_TAIL])
    return (
        f"{plain(text[:_HEAD], 10 * _HEAD)}\n[{left_out} left out of this report]\n"
        f"{plain(text[-_TAIL:], 10 * _TAIL)}"
    )
