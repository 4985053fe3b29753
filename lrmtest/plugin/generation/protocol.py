"""What generation is asked for, and what those who wait for it are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lrmtest.errors import EngineError
from lrmtest.grading.completion import Completion
from lrmtest.models.engines.base import Request
from lrmtest.models.spec import ModelSpec
from lrmtest.questions import Question
from lrmtest.runs.manifest import Manifest

AskedQuestion = tuple[str, str, Question | None, Sequence[tuple[str, str]]]
"""Suite, question id, question (None for a test's own prompt) and conversation."""


@dataclass(frozen=True, slots=True)
class GenerationPlan:
    """All that one model is to generate, before any of it is.

    Attributes:
        spec: the model, its files on disk.
        manifest: what all completions share, and per suite.
        questions: what is asked, for the store.
        requests: one per sample.
    """

    spec: ModelSpec
    manifest: Manifest
    questions: Sequence[AskedQuestion]
    requests: Sequence[Request]


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of some completion keys.

    Attributes:
        errors: engine errors by key.
        fresh: keys that this session generates, or tried to.
        dropped: keys that are not generated any more, because they are not needed.
    """

    errors: Mapping[str, EngineError] = field(default_factory=dict)
    fresh: frozenset[str] = frozenset()
    dropped: frozenset[str] = frozenset()


class Desk(Protocol):
    """Where tests ask for completions: a `Generation`, or the way to one in another process."""

    @property
    def run_id(self) -> str:
        """The run's id in the store."""
        ...

    def status_of(self, keys: Sequence[str]) -> Status:
        """What is known of `keys`, none of which is still being generated."""
        ...

    def generate_now(
        self, requests: Sequence[Request], questions: Sequence[AskedQuestion]
    ) -> Status:
        """Generate what the store lacks of `requests`; returns when all is there or failed."""
        ...


class Watcher(Protocol):
    """Looks at completions as they arrive, and says when no more are needed."""

    def in_order(self, requests: Sequence[Request]) -> list[Request]:
        """The order in which requests go to the engine."""
        ...

    def arrived(self, key: str, completion: Completion | None) -> bool:
        """Told of every planned sample, None for an engine error; True: no more are needed."""
        ...
