"""One model's schedule: which samples each selected question has, and their grading.

What generates them is behind a `CompletionSource`, in this process or in another.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lrmtest.errors import EngineError, StoreError, UsageError
from lrmtest.grading import Grader, grade
from lrmtest.grading.completion import Completion
from lrmtest.grading.verdict import Verdict
from lrmtest.models.engines.base import Message, Request
from lrmtest.models.engines.kinds import kind_of
from lrmtest.models.known_tags import known_tags
from lrmtest.models.spec import KnownTags, ModelSpec
from lrmtest.options.settings import Settings
from lrmtest.plugin.attempt import Attempt
from lrmtest.plugin.generation.planned_grader import PlannedGrader
from lrmtest.plugin.generation.protocol import (
    CompletionSource,
    GenerationPlan,
    PromptedQuestion,
    SampleStatus,
)
from lrmtest.plugin.generation.requests import Requests
from lrmtest.plugin.suites import SelectedQuestion
from lrmtest.progress import Tell
from lrmtest.questions import Question
from lrmtest.runs.outcomes import QuestionKey
from lrmtest.runs.reasoning import ReasoningSeen, known_of
from lrmtest.runs.records import SampleRecord
from lrmtest.runs.store import Store
from lrmtest.suites import Suite

_VERDICTS_AT_ONCE = 256
"""In one transaction. They could be had again by grading."""
_VERDICTS_WAIT = 0.25
"""Seconds for which those of a run that generates may wait to share one: others look at it."""


@dataclass(frozen=True, slots=True)
class QuestionRequests:
    """A question, and one request for each of its samples."""

    selected: SelectedQuestion
    requests: tuple[Request, ...]

    @property
    def keys(self) -> list[str]:
        """The completion keys of its samples."""
        return [request.key for request in self.requests]


class Schedule:
    """The samples that one model owes to the selected tests.

    Args:
        spec: the model.
        settings: what the user asked for.
        store: where completions are read.
        say: prints one line for the user, for slow steps.

    Attributes:
        flushed_when_idle: whoever runs the tests calls `flush` when it has to wait.
    """

    def __init__(self, spec: ModelSpec, settings: Settings, store: Store, say: Tell) -> None:
        self.spec = spec
        self._settings = settings
        self._store = store
        self._say = say
        self._requests: Requests | None = None
        self._planned: dict[QuestionKey, QuestionRequests] = {}
        self._verdicts: list[tuple[str, Verdict]] = []
        self._flushed_at = -math.inf
        self.flushed_when_idle = False
        self._graded_here: dict[str, tuple[Grader, Verdict]] = {}
        self._run_id = ""
        # What the test that runs now was told of its question before it ran.
        self._checked: tuple[QuestionKey, SampleStatus] | None = None
        self._seen: ReasoningSeen | None = None

    @property
    def seen(self) -> ReasoningSeen | None:
        """What the texts of a recording show that were graded here, of all of which it is told."""
        return self._seen

    def plan(
        self, selected: Sequence[SelectedQuestion], later: Sequence[SelectedQuestion] = ()
    ) -> GenerationPlan:
        """Fix the requests of every selected question.

        Args:
            selected: the questions.
            later: others, whose requests are fixed by `plan_more`; what all of them share is of
                these, too.

        Raises:
            ModelError: the model's files cannot be found or read.
            UsageError: a prompt or a setting that cannot be used.
        """
        questions, fixed = self.plan_more(selected)
        requests = self._the_requests
        whole = [*(one.selected for one in self._planned.values()), *later]
        return GenerationPlan(
            spec=self.spec,
            manifest=requests.manifest(whole),
            questions=questions,
            requests=fixed,
            graders=_graders_of(whole),
            notices=requests.notices(whole),
            later=sum(map(requests.samples_of, later)),
        )

    def plan_more(
        self, selected: Sequence[SelectedQuestion]
    ) -> tuple[list[PromptedQuestion], list[Request]]:
        """Fix the requests of questions: these, each once, and the requests of all samples.

        Raises:
            ModelError: the model's files cannot be found or read.
            UsageError: a prompt or a setting that cannot be used.
        """
        for one in selected:
            self.add(one)
        planned = [self._planned[key] for key in dict.fromkeys(one.key for one in selected)]
        return [_prompted(one) for one in planned], [
            request for one in planned for request in one.requests
        ]

    def add(self, selected: SelectedQuestion) -> None:
        """Fix the requests of one question, which is planned here or in another process.

        Raises:
            ModelError: the model's files cannot be found or read.
            UsageError: a prompt that cannot be used, or another one, or another grader, for the
                same question.
        """
        planned = QuestionRequests(selected, self._the_requests.for_question(selected))
        before = self._planned.setdefault(selected.key, planned)
        same = before.selected.suite.grader == selected.suite.grader
        if before.requests != planned.requests or not same:
            raise UsageError(
                f"two tests ask question {selected.question.id!r} of suite {selected.suite.name!r} "
                "with different prompts, budgets or graders",
                hint="give one of the suites a name of its own",
            )

    def keys_of(self, question: QuestionKey) -> list[str]:
        """The completion keys of a planned question's samples."""
        return self._planned[question].keys

    def check(self, selected: SelectedQuestion, source: CompletionSource) -> str:
        """Why a planned question's samples are not needed any more; empty where they are there.

        Raises:
            EngineError: at least one of its samples could not be generated.
        """
        if selected.key not in self._planned:
            self.add(selected)  # It was planned by another of xdist's workers.
        status = source.status_of(self.keys_of(selected.key))
        self._checked = selected.key, status
        _raise_first(status)
        return status.why if status.dropped else ""

    def solve(
        self, selected: SelectedQuestion, source: CompletionSource, prompt: str | None = None
    ) -> Attempt:
        """The graded samples of a question.

        A planned question has been generated already. Any other, or one with its own prompt,
        is generated now, all its samples together.

        Raises:
            EngineError: a sample could not be generated.
        """
        planned = self._planned.get(selected.key)
        if planned is None or prompt is not None:
            if prompt is not None:
                selected = replace(selected, suite=replace(selected.suite, prompt=prompt))
            planned = QuestionRequests(selected, self._the_requests.for_question(selected))
            status = source.generate_now(planned.requests, [_prompted(planned)])
        elif self._checked is not None and self._checked[0] == selected.key:
            status = self._checked[1]
        else:
            status = source.status_of(planned.keys)
        _raise_first(status)
        attempt = self._attempt(planned, status, source)
        self._run_id = source.run_id
        self._verdicts += zip(planned.keys, attempt.verdicts, strict=True)
        recently = time.monotonic() - self._flushed_at < _VERDICTS_WAIT
        if len(self._verdicts) >= _VERDICTS_AT_ONCE or (
            kind_of(self.spec).generates and not (recently and self.flushed_when_idle)
        ):
            self.flush()
        return attempt

    def solve_aside(
        self, selected: Sequence[SelectedQuestion], source: CompletionSource, *, first: int = 0
    ) -> list[Attempt | EngineError]:
        """The graded samples of questions that count in no pass rate, all generated together.

        In the store they are of no suite and have no verdicts, as with a test's own prompts.

        Args:
            selected: the questions.
            source: what generates.
            first: index of each question's first sample; another one asks anew.

        Returns:
            For each its attempt, or what kept one of its samples from being generated.
        """
        planned = [
            QuestionRequests(
                replace(one, suite=replace(one.suite, name="")),
                tuple(
                    replace(request, place=replace(request.place, suite=""))
                    for request in self._the_requests.for_question(one, first=first)
                ),
            )
            for one in selected
        ]
        status = source.generate_now(
            [request for one in planned for request in one.requests],
            [_prompted(one) for one in planned],
        )
        return [
            next((status.errors[key] for key in one.keys if key in status.errors), None)
            or self._attempt(one, status, source)
            for one in planned
        ]

    def prompt_of(self, selected: SelectedQuestion) -> str:
        """The user message that asks a question."""
        return self._the_requests.for_question(selected)[0].messages[-1].content

    def flush(self) -> None:
        """Write the verdicts that have gathered. They could be had again by grading."""
        self._flushed_at = time.monotonic()
        verdicts, self._verdicts = self._verdicts, []
        if verdicts:
            self._store.set_verdicts(self._run_id, verdicts)

    def _attempt(
        self, planned: QuestionRequests, status: SampleStatus, source: CompletionSource
    ) -> Attempt:
        """The graded samples of a question, all of which are in the store."""
        question, suite = planned.selected.question, planned.selected.suite
        graded = [
            self._graded(request, question, suite, status, source) for request in planned.requests
        ]
        return Attempt(
            question=question,
            completions=tuple(completion for completion, _ in graded),
            verdicts=tuple(verdict for _, verdict in graded),
            pass_threshold=self._settings.pass_threshold,
            reused=tuple(key not in status.fresh for key in planned.keys),
            places=tuple(request.place for request in planned.requests),
            tags=self.spec.reasoning_tags,
        )

    def _graded(
        self,
        request: Request,
        question: Question,
        suite: Suite,
        status: SampleStatus,
        source: CompletionSource,
    ) -> tuple[Completion, Verdict]:
        """A completion and its verdict, which is made once in a session.

        That of an earlier session does not count: graders change.
        """
        completion = self._stored(request, source)
        if request.key in status.verdicts:
            return completion, status.verdicts[request.key]
        grader = suite.grader_for(question.kind)
        before = self._graded_here.get(request.key)
        if before is None or before[0] != grader:
            verdict = grade(
                question,
                completion,
                self.spec.reasoning_tags,
                grader,
                opened=self.spec.opened_by_prompt,
            )
            if before is None and not kind_of(self.spec).generates:
                self._seen = self._seen or ReasoningSeen((self.spec.reasoning or KnownTags()).tags)
                self._seen.look_at(completion.text)
            before = self._graded_here[request.key] = (grader, verdict)
        return completion, before[1]

    def _stored(self, request: Request, source: CompletionSource) -> Completion:
        if (taken := source.taken(request.key)) is not None:
            return taken
        stored = self._store.completion(source.run_id, request.key)
        if stored is None:
            raise StoreError(
                f"the completion of {request.place.question_id} is gone from {self._store.path}",
                hint="do not change the store while a run is using it",
            )
        return stored.completion

    def generate(
        self,
        messages: Sequence[Message],
        source: CompletionSource,
        *,
        test_id: str,
        max_tokens: int | None = None,
        sample: int = 0,
    ) -> Completion:
        """One completion of a test's own conversation.

        Args:
            messages: the conversation.
            source: what generates.
            test_id: names the completion in the store.
            max_tokens: the budget, unless the user sets one; None for the card's, or the usual one.
            sample: index among equal conversations of one test; each has its own seed.

        Raises:
            EngineError: the engine failed.
        """
        request = self._the_requests.for_prompt(messages, test_id, max_tokens, sample)
        _raise_first(
            source.generate_now([request], [PromptedQuestion("", test_id, None, _pairs(messages))])
        )
        return self._stored(request, source)

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

    def error_records(
        self, selected: SelectedQuestion, source: CompletionSource
    ) -> list[SampleRecord]:
        """One record per sample of a planned question that the engine failed."""
        planned = self._planned.get(selected.key)
        if planned is None:
            return []
        errors = source.status_of(planned.keys).errors
        return [
            SampleRecord(self.spec.name, request.place, error=str(errors[request.key]))
            for request in planned.requests
            if request.key in errors
        ]

    @property
    def _the_requests(self) -> Requests:
        """What makes requests; the model's files are fetched on first use."""
        if self._requests is None:
            if kind_of(self.spec).has_files:
                from lrmtest.models.fetch.files import fetch  # and with it what asks a hub

                self.spec = replace(self.spec, location=str(fetch(self.spec, tell=self._say)))
            self.spec = replace(self.spec, reasoning=self._known_tags())
            self._requests = Requests(self.spec, self._settings, self._drafts())
        return self._requests

    def _drafts(self) -> dict[str, str]:
        """What of the drafts makes the samples what they are; empty for nothing."""
        if self._settings.comparison.drafts is None:
            return {}
        from lrmtest.plugin.generation.turning_drafts import drafts_identity

        return drafts_identity(self._settings, self._store, self.spec)

    def _known_tags(self) -> KnownTags:
        """What is known of the model's reasoning tags; an endpoint is asked, if it may be."""
        options = self._settings.engine_options
        given = options.reasoning_tags or self.spec.card.reasoning_tags
        if self._settings.reuse_unverified and not given:
            for run in self._store.runs():
                if run.manifest.model.name == self.spec.name and run.manifest.model.served:
                    return known_of(run.manifest.reasoning)
        return known_tags(self.spec, options)


def _raise_first(status: SampleStatus) -> None:
    error: EngineError | None = next(iter(status.errors.values()), None)
    if error is not None:
        raise error


def _graders_of(selected: Sequence[SelectedQuestion]) -> dict[tuple[str, str], PlannedGrader]:
    """The graders of questions, by suite and answer kind.

    Raises:
        UsageError: nobody registered one for an answer kind.
    """
    suites = {(one.suite.name, one.question.kind): one.suite for one in selected}
    return {
        (name, kind): PlannedGrader(suite.grader_for(kind))
        for (name, kind), suite in suites.items()
    }


def _prompted(planned: QuestionRequests) -> PromptedQuestion:
    selected = planned.selected
    return PromptedQuestion(*selected.key, selected.question, _pairs(planned.requests[0].messages))


def _pairs(messages: Sequence[Message]) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in messages]
