"""The protocol between the run loop and whatever generates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from lrmtest.errors import EngineError
from lrmtest.grading.completion import Completion
from lrmtest.models.draft import TraceDraft
from lrmtest.models.trace import Trace
from lrmtest.questions.place import Place


def is_greedy(temperature: float | None) -> bool:
    """Whether the likeliest token is always taken, so that every sample is a copy of the first."""
    return temperature == 0


def fits_context(prompt_tokens: int, budget: int, context: int) -> bool:
    """Whether a prompt and all of its budget fit a context of so many tokens."""
    return prompt_tokens + budget <= context


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn, and how many there may be.

    Attributes:
        max_tokens: the budget: tokens generated at most, reasoning included.
        temperature: 0 is greedy.
        top_p: nucleus mass in (0, 1].
    """

    max_tokens: int
    temperature: float
    top_p: float

    @property
    def greedy(self) -> bool:
        """Whether nothing is drawn."""
        return is_greedy(self.temperature)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation: role ``system``, ``user`` or ``assistant``."""

    role: str
    content: str


Conversation = tuple[Message, ...]
"""The turns that a prompt is made of."""


@dataclass(frozen=True, slots=True)
class Request:
    """One sample to generate.

    Attributes:
        place: where the completion belongs; comes back with the delivery.
        messages: the conversation, to be put through the model's chat template.
        sampling: how to draw.
        seed: per-sample seed, 31 bits.
        draft: a trace that the completion may begin with; None for none. Only an engine whose kind
            has the draft's way among its `drafts` is given one.
    """

    place: Place
    messages: tuple[Message, ...]
    sampling: Sampling
    seed: int
    draft: TraceDraft | None = None

    @property
    def key(self) -> str:
        """Identifies the completion in the store."""
        return self.place.key


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a request: exactly one of `completion` and `error` is set.

    Attributes:
        request: what was asked for.
        completion: what was generated.
        error: why nothing was.
        trace: the completion token by token; None where that was not asked for, or where the
            engine does not tell all of it.
    """

    request: Request
    completion: Completion | None = None
    error: EngineError | None = None
    trace: Trace | None = None


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What the engine says of itself once it runs, for the manifest.

    Attributes:
        engine: ``transformers``, ``openai``, ...
        version: the engine's own version; empty when it does not tell.
        details: anything else that could change an outcome (device, dtype, server's model name).
        seeded: whether equal seeds promise equal text at equal batch.
    """

    engine: str
    version: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    seeded: bool = True


@dataclass(slots=True)
class Progress:
    """Counters an engine keeps while it works; read from another thread, only ever growing.

    Attributes:
        tokens: tokens generated so far, unfinished completions included.
        running: requests being generated right now.
        drafted: tokens taken from drafts so far, which are not among `tokens`.
    """

    tokens: int = 0
    running: int = 0
    drafted: int = 0


class ServedModel(Protocol):
    """The model behind an endpoint, which others may change: asked of the endpoint at each call."""

    def told(self) -> dict[str, Any]:
        """What the endpoint tells of its model, JSON values that are equal at every start of it.

        Raises:
            ModelError: the endpoint cannot be asked.
        """
        ...

    def measure(self) -> dict[str, Any]:
        """What its answers are to be known again by, JSON values.

        Raises:
            ModelError: it does not answer.
        """
        ...

    def difference(self, told: Mapping[str, Any], reference: Mapping[str, Any]) -> str:
        """In what it differs from a model that `told` and `measure` described; empty: in nothing.

        Raises:
            ModelError: the endpoint cannot be asked.
        """
        ...


@runtime_checkable
class TellsTemplate(Protocol):
    """A `ServedModel` whose endpoint may tell its chat template."""

    def chat_template(self) -> str:
        """The text of the template; empty where the endpoint does not tell it.

        Raises:
            ModelError: the endpoint cannot be asked.
        """
        ...


@runtime_checkable
class HasLog(Protocol):
    """An engine whose program writes a log."""

    @property
    def log_line(self) -> str:
        """The last line of it, as the program wrote it, cut; empty while there is none."""
        ...


ReplicaPhase = Literal["joining", "working", "draining", "away", "refused", "gone"]
"""A replica is looked at, asked, asked no more but heard to the end; it is not there, it serves
another model, or it is not named any more."""


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """One of several servers that an engine asks.

    Attributes:
        url: where it is, as it may be shown.
        phase: whether it is asked.
        reason: why it is not; hostile, in one line. Empty while it is.
        running: requests that it works on.
        completions: how many came from it.
        tokens: tokens that it has generated, unfinished and lost completions included.
        seconds: for how long it has worked.
        tokens_per_second: in the last seconds.
    """

    url: str
    phase: ReplicaPhase
    reason: str = ""
    running: int = 0
    completions: int = 0
    tokens: int = 0
    seconds: float = 0.0
    tokens_per_second: float = 0.0


@runtime_checkable
class HasReplicas(Protocol):
    """An engine that asks several servers of one model."""

    @property
    def replicas(self) -> tuple[ReplicaState, ...]:
        """Each of them that there was."""
        ...


Deliver = Callable[[Delivery], None]
"""Receives each delivery the moment it exists, on the engine's own thread."""


class Engine(Protocol):
    """What generates. Implementations are one file each.

    The order of calls is `start`, then any number of `submit`, then `close`; `close` may come
    at any time, from any state, twice, and leaves no process or thread behind.
    """

    @property
    def progress(self) -> Progress:
        """Live counters."""
        ...

    def start(self, planned: Sequence[Request], deliver: Deliver) -> EngineInfo:
        """Make ready to generate.

        Args:
            planned: what will be submitted first; lets the engine size its context and refuse
                a budget that does not fit before any weight is loaded.
            deliver: called once for every submitted request.

        Raises:
            UsageError: a request cannot fit the model's context.
            ModelError: the model cannot be read, reached or started.
        """
        ...

    def submit(self, requests: Sequence[Request]) -> None:
        """Queue requests; returns at once. All of them are in flight together."""
        ...

    def close(self) -> None:
        """Stop generating and release everything.

        Completions that have arrived are delivered before it returns, but where `deliver` calls
        it; unfinished requests are not delivered.
        """
        ...
