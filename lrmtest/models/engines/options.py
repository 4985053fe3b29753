"""The options of an engine: what a user may choose about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from lrmtest.grading.completion import FinishReason
from lrmtest.grading.forms import Tags
from lrmtest.models.request_fields import RequestField
from lrmtest.progress import Tell, silent

Note = Callable[[str, object], None]
"""Receives, by its name in the engine's details, what turned out of an engine while it ran."""


def noted_nowhere(name: str, value: object) -> None:
    """A `Note` that keeps nothing."""


COLUMN = "column:"
"""What stands before a column's name where a finish reason could stand as well."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Settings that an engine takes beside its card.

    Attributes:
        concurrency: most requests in flight at once; None leaves it to the engine.
        request_timeout: seconds an HTTP request may go without progress.
        request_deadline: seconds an HTTP request may take in all, its retries included; None
            takes them from its budget and `request_timeout`.
        max_retries: tries after the first for 429, 5xx and broken connections.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``; for in-process engines.
        dtype: ``auto``, ``float32``, ``bfloat16``, ``float16``; for in-process engines and vLLM.
        tokenizer: folder, GGUF file or hub repository whose tokenizer counts tokens where
            the engine does not.
        budget: tokens that a completion may have, where the user says it; for recordings.
        finish_reason: how recorded texts ended of which nothing else says it; None for unknown.
        finish_column: the field of each recorded line that says it; empty for none.
        served_model: the model's name on an endpoint; None asks the endpoint.
        reasoning_tags: the model's, in place of what its card or its files say; empty for those.
        request_fields: what requests carry by the user's word, in its order.
        trust_remote_code: run Python code that comes with a checkpoint; off unless asked for.
        stop_loops: stop a streamed completion whose tail has provably become periodic.
        traces: tell completions token by token, as far as the engine can.
        engine_args: further arguments for the server that lrmtest starts, passed on untouched.
        tensor_parallel: GPUs that share each layer (vLLM); None takes as few as the weights need.
        pipeline_parallel: groups of GPUs that share the layers between them (vLLM).
        data_parallel: copies of the model, each with GPUs of its own (vLLM).
        visible_devices: GPUs that a server which lrmtest starts may use, as in
            CUDA_VISIBLE_DEVICES; None for all.
        max_restarts: how often a server that lrmtest started is started again when it dies.
        start_timeout: seconds that such a server may take to load the model.
        endpoints: name and base URL of every endpoint that the session asks, so that none gets
            the key of another.
        program_variables: further variables of the environment that a server which lrmtest starts
            is given, by name.
        note: is told what belongs into the run's manifest, on any thread.
        model_difference: says in what the model of the endpoint at a base URL differs from the one
            that the run began with, empty for in nothing; raises ModelError while the endpoint
            cannot be asked. None where nobody but the engine starts its server.
        tell: is told what the user should know of the engine: while it starts on the thread that
            starts it, later on any.
    """

    concurrency: int | None = None
    request_timeout: float = 600.0
    request_deadline: float | None = None
    max_retries: int = 6
    device: str = "auto"
    dtype: str = "auto"
    tokenizer: str | None = None
    budget: int | None = None
    finish_reason: FinishReason | None = None
    finish_column: str = ""
    served_model: str | None = None
    reasoning_tags: Tags = ()
    request_fields: tuple[RequestField, ...] = ()
    trust_remote_code: bool = False
    stop_loops: bool = True
    traces: bool = False
    engine_args: tuple[str, ...] = ()
    tensor_parallel: int | None = None
    pipeline_parallel: int = 1
    data_parallel: int = 1
    visible_devices: str | None = None
    max_restarts: int = 2
    start_timeout: float = 3600.0
    endpoints: tuple[tuple[str, str], ...] = field(default=(), repr=False, compare=False)
    program_variables: tuple[str, ...] = ()
    note: Note = field(default=noted_nowhere, repr=False, compare=False)
    model_difference: Callable[[str], str] | None = field(default=None, repr=False, compare=False)
    tell: Tell = field(default=silent, repr=False, compare=False)

    @property
    def told_ends(self) -> str | None:
        """What the user says of how recorded texts ended, in the words of ``--finish-reason``."""
        return f"{COLUMN}{self.finish_column}" if self.finish_column else self.finish_reason

    @property
    def self_test_seconds(self) -> float:
        """How long the few short completions before a long run may take."""
        return 30.0 + self.request_timeout
