"""One model's schedule: which samples each selected question has, and their grading.

What generates them is behind a `Desk`, in this process or in another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lrmtest.errors import EngineError, StoreError, UsageError
from lrmtest.grading import grade
from lrmtest.grading.completion import Completion
from lrmtest.grading.verdict import Verdict
from lrmtest.models.engines.base import Message, Request
from lrmtest.models.fetch.files import fetch
from lrmtest.models.spec import ModelSpec
from lrmtest.options.settings import Settings
from lrmtest.plugin.attempt import Attempt
from lrmtest.plugin.generation.protocol import AskedQuestion, Desk, GenerationPlan, Status
from lrmtest.plugin.generation.requests import Requests
from lrmtest.plugin.suites import Asked
from lrmtest.questions import Question
from lrmtest.runs.records import SampleRecord
from lrmtest.runs.store import Store

QuestionName = tuple[str, str]
"""Suite and question id."""

ENDPOINTS = ("openai", "recorded")
"""Engines whose model has no files to fetch."""


_VERDICTS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class _Asking:
    asked: Asked
    requests: tuple[Request, ...]

    @property
    def keys(self) -> list[str]:
        return [request.key for request in self.requests]


class Schedule:
    """The samples that one model owes to the selected tests.

    Args:
        spec: the model.
        settings: what the user asked for.
        store: where completions are read.
        say: prints one line for the user, for slow steps.
    """

    def __init__(
        self, spec: ModelSpec, settings: Settings, store: Store, say: Callable[[str], None]
    ) -> None:
        self.spec = spec
        self._settings = settings
        self._store = store
        self._say = say
        self._requests: Requests | None = None
        self._asking: dict[QuestionName, _Asking] = {}
        self._verdicts: list[tuple[str, Verdict]] = []
        self._run_id = ""

    def plan(self, asked: Sequence[Asked]) -> GenerationPlan:
        """Fix the requests of every selected question.

        Raises:
            ModelError: the model's files cannot be found or read.
            UsageError: a prompt or a setting that cannot be used.
        """
        for one in asked:
            self.add(one)
        requests = self._the_requests
        return GenerationPlan(
            spec=self.spec,
            manifest=requests.manifest([one.asked for one in self._asking.values()]),
            questions=[_asked_question(asking) for asking in self._asking.values()],
            requests=[request for one in self._asking.values() for request in one.requests],
        )

    def add(self, asked: Asked) -> None:
        """Fix the requests of one question, which is planned here or in another process.

        Raises:
            ModelError: the model's files cannot be found or read.
            UsageError: a prompt that cannot be used, or another one for the same question.
        """
        asking = _Asking(asked, self._the_requests.for_question(asked))
        before = self._asking.setdefault(asked.name, asking)
        if before.requests != asking.requests:
            raise UsageError(
                f"two tests ask question {asked.question.id!r} of suite {asked.suite.name!r} "
                "with different prompts or budgets",
                hint="give one of the suites a name of its own",
            )

    def keys_of(self, name: QuestionName) -> list[str]:
        """The completion keys of a planned question's samples."""
        return self._asking[name].keys

    def check(self, asked: Asked, desk: Desk) -> bool:
        """Whether a planned question's samples are there; False when they are not needed.

        Raises:
            EngineError: at least one of its samples could not be generated.
        """
        if asked.name not in self._asking:
            self.add(asked)  # It was planned by another of xdist's workers.
        status = desk.status_of(self.keys_of(asked.name))
        _raise_first(status)
        return not status.dropped

    def solve(self, asked: Asked, desk: Desk, prompt: str | None = None) -> Attempt:
        """The graded samples of a question.

        A planned question has been generated already. Any other, or one with its own prompt,
        is generated now, all its samples together.

        Raises:
            EngineError: a sample could not be generated.
        """
        asking = self._asking.get(asked.name)
        if asking is None or prompt is not None:
            if prompt is not None:
                asked = replace(asked, suite=replace(asked.suite, prompt=prompt))
            asking = _Asking(asked, self._the_requests.for_question(asked))
            status = desk.generate_now(asking.requests, [_asked_question(asking)])
        else:
            status = desk.status_of(asking.keys)
        _raise_first(status)
        attempt = self._attempt(asking, status, desk)
        self._run_id = desk.run_id
        self._verdicts += zip(asking.keys, attempt.verdicts, strict=True)
        if len(self._verdicts) >= _VERDICTS_AT_ONCE:
            self.flush()
        return attempt

    def solve_aside(
        self, asked: Sequence[Asked], desk: Desk, *, first: int = 0
    ) -> list[Attempt | EngineError]:
        """The graded samples of questions that count in no pass rate, all generated together.

        In the store they are of no suite and have no verdicts, as with a test's own prompts.

        Args:
            asked: the questions.
            desk: what generates.
            first: index of each question's first sample; another one asks anew.

        Returns:
            For each its attempt, or what kept one of its samples from being generated.
        """
        asking = [
            _Asking(
                replace(one, suite=replace(one.suite, name="")),
                tuple(
                    replace(request, place=replace(request.place, suite=""))
                    for request in self._the_requests.for_question(one, first=first)
                ),
            )
            for one in asked
        ]
        status = desk.generate_now(
            [request for one in asking for request in one.requests],
            [_asked_question(one) for one in asking],
        )
        return [
            next((status.errors[key] for key in one.keys if key in status.errors), None)
            or self._attempt(one, status, desk)
            for one in asking
        ]

    def prompt_of(self, asked: Asked) -> str:
        """The user message that asks a question."""
        return self._the_requests.for_question(asked)[0].messages[-1].content

    def flush(self) -> None:
        """Write the verdicts that have gathered. They could be had again by grading."""
        verdicts, self._verdicts = self._verdicts, []
        if verdicts:
            self._store.set_verdicts(self._run_id, verdicts)

    def _attempt(self, asking: _Asking, status: Status, desk: Desk) -> Attempt:
        """The graded samples of a question, all of which are in the store."""
        question = asking.asked.question
        graded = [self._graded(request, question, desk) for request in asking.requests]
        return Attempt(
            question=question,
            completions=tuple(completion for completion, _ in graded),
            verdicts=tuple(verdict for _, verdict in graded),
            pass_threshold=self._settings.pass_threshold,
            reused=tuple(key not in status.fresh for key in asking.keys),
            places=tuple(request.place for request in asking.requests),
        )

    def _graded(
        self, request: Request, question: Question, desk: Desk
    ) -> tuple[Completion, Verdict]:
        completion = self._stored(request, desk)
        return completion, grade(question, completion, self.spec.card.reasoning_tags)

    def _stored(self, request: Request, desk: Desk) -> Completion:
        stored = self._store.completion(desk.run_id, request.key)
        if stored is None:
            raise StoreError(
                f"the completion of {request.place.question_id} is gone from {self._store.path}",
                hint="do not change the store while a run is using it",
            )
        return stored.completion

    def generate(
        self,
        messages: Sequence[Message],
        desk: Desk,
        *,
        test_id: str,
        max_tokens: int,
        sample: int = 0,
    ) -> Completion:
        """One completion of a test's own conversation.

        Args:
            messages: the conversation.
            desk: what generates.
            test_id: names the completion in the store.
            max_tokens: the budget, unless the user or the card sets one.
            sample: index among equal conversations of one test; each has its own seed.

        Raises:
            EngineError: the engine failed.
        """
        request = self._the_requests.for_prompt(messages, test_id, max_tokens, sample)
        _raise_first(desk.generate_now([request], [("", test_id, None, _pairs(messages))]))
        return self._stored(request, desk)

    def records(self, attempt: Attempt) -> list[SampleRecord]:
        """One record per sample of an attempt, without texts."""
        return [
            SampleRecord.of(self.spec.name, place, completion, verdict, reused=reused)
            for place, completion, verdict, reused in zip(
                attempt.places,
                attempt.completions,
                attempt.verdicts,
                attempt.reused,
                strict=True,
            )
        ]

    def error_records(self, asked: Asked, desk: Desk) -> list[SampleRecord]:
        """One record per sample of a planned question that the engine failed."""
        asking = self._asking.get(asked.name)
        if asking is None:
            return []
        errors = desk.status_of(asking.keys).errors
        return [
            SampleRecord(self.spec.name, request.place, error=str(errors[request.key]))
            for request in asking.requests
            if request.key in errors
        ]

    @property
    def _the_requests(self) -> Requests:
        """What makes requests; the model's files are fetched on first use."""
        if self._requests is None:
            if self.spec.engine not in ENDPOINTS:
                self.spec = replace(self.spec, location=str(fetch(self.spec, tell=self._say)))
            self._requests = Requests(self.spec, self._settings)
        return self._requests


def _raise_first(status: Status) -> None:
    error: EngineError | None = next(iter(status.errors.values()), None)
    if error is not None:
        raise error


def _asked_question(asking: _Asking) -> AskedQuestion:
    asked = asking.asked
    return (*asked.name, asked.question, _pairs(asking.requests[0].messages))


def _pairs(messages: Sequence[Message]) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in messages]
