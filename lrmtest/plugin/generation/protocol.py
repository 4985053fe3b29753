"""The protocols of generation: its plan, where completions come from, and when it may stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lrmtest.errors import EngineError
from lrmtest.grading.completion import Completion
from lrmtest.grading.verdict import Verdict
from lrmtest.models.engines.base import Request
from lrmtest.models.spec import ModelSpec
from lrmtest.plugin.generation.planned_grader import PlannedGrader
from lrmtest.progress import Tell
from lrmtest.questions import Question
from lrmtest.runs.manifest import Manifest


@dataclass(frozen=True, slots=True)
class PromptedQuestion:
    """A question as it is put to a model, for the store.

    Attributes:
        suite: its suite; empty for a test's own prompt.
        question_id: its id, or the test's.
        question: the question; None for a test's own prompt.
        messages: the conversation, as (role, content).
    """

    suite: str
    question_id: str
    question: Question | None
    messages: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class GenerationPlan:
    """What one model is to generate, before any of it is.

    Attributes:
        spec: the model, its files on disk.
        manifest: what all completions share, and per suite.
        questions: what is asked, for the store.
        requests: one per sample.
        graders: by suite and answer kind.
        notices: what the user should know of it before it is generated, one line each.
        later: samples of the same selection that are planned once these are there.
    """

    spec: ModelSpec
    manifest: Manifest
    questions: Sequence[PromptedQuestion]
    requests: Sequence[Request]
    graders: Mapping[tuple[str, str], PlannedGrader]
    notices: Sequence[str] = ()
    later: int = 0


@dataclass(frozen=True, slots=True)
class SampleStatus:
    """What is known of some samples, by their completion keys.

    Attributes:
        errors: engine errors by key.
        fresh: keys that this session generates, or tried to.
        dropped: keys that are not generated any more, because they are not needed.
        why: they are not, as their tests say it; empty where none are.
        verdicts: by key, of those that were graded as they arrived in this session.
    """

    errors: Mapping[str, EngineError] = field(default_factory=dict)
    fresh: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset()
    why: str = ""
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)


class CompletionSource(Protocol):
    """Where one model's completions come from: a `Generation`, or the way to one elsewhere."""

    @property
    def run_id(self) -> str:
        """The run's id in the store."""
        ...

    def status_of(self, keys: Sequence[str]) -> SampleStatus:
        """What is known of `keys`, none of which is still being generated."""
        ...

    def taken(self, key: str) -> Completion | None:
        """A completion as it is in the store; None if it must be read there."""
        ...

    def generate_now(
        self, requests: Sequence[Request], questions: Sequence[PromptedQuestion]
    ) -> SampleStatus:
        """Generate what the store lacks of `requests`; returns when all is there or failed."""
        ...


class CompletionSources(Protocol):
    """Where every model's completions come from: this process, or another that generates."""

    def source_of(self, model: str) -> CompletionSource:
        """The source of a model under test; raises what kept the model from being started."""
        ...

    def opened(self, model: str, plan: GenerationPlan, say: Tell) -> CompletionSource:
        """The source of a model that is not under test; its run is opened on first use."""
        ...


class StoppingRule(Protocol):
    """Orders the requests, looks at completions as they arrive, and says when to stop."""

    @property
    def decided(self) -> bool:
        """Whether no more samples are needed, before any has arrived or since."""
        ...

    @property
    def not_needed(self) -> str:
        """Why samples are not generated once it has decided, as their tests say it."""
        ...

    def verdict_of(self, key: str) -> Verdict | None:
        """The verdict on a completion, by its key; None if it has not been graded here."""
        ...

    def in_order(self, requests: Sequence[Request]) -> list[Request]:
        """The order in which requests go to the engine."""
        ...

    def arrived(self, key: str, completion: Completion | None) -> bool:
        """Told of every planned sample, None for an engine error; True: no more are needed."""
        ...
