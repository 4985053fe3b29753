"""The controller's side: takes the plans, generates, and answers the workers."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import Any

from lrmtest.errors import LrmtestError, in_words
from lrmtest.models.engines.base import Request
from lrmtest.plugin.generation.generation import Generation
from lrmtest.plugin.generation.generations import Generations
from lrmtest.plugin.generation.protocol import GenerationPlan, PromptedQuestion, SampleStatus
from lrmtest.progress import Tell, silent


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """What one model is to do for the selected tests.

    Attributes:
        model: the model's name.
        plan: what to generate; an error when it could not be planned.
        tests: test id -> completion keys that it waits for.
        own_prompts: ids of tests that build their own prompts.
    """

    model: str
    plan: GenerationPlan | LrmtestError
    tests: Mapping[str, Sequence[str]]
    own_prompts: Sequence[str]


class Broker:
    """Serves xdist's workers over a socket in a private folder.

    Args:
        generations: what is generated in the controller's process.
        planned: called with the plans of all models, once, on a thread of the broker's.
        notice: prints one line that must be seen.
    """

    def __init__(
        self,
        generations: Generations,
        planned: Callable[[Sequence[ModelPlan]], None],
        notice: Tell = silent,
    ) -> None:
        self._generations = generations
        self._planned = planned
        self._notice = notice
        self._folder = Path(tempfile.mkdtemp(prefix="lrmtest-"))
        self.authkey = secrets.token_bytes(32)
        self._listener = Listener(
            str(self._folder / "broker"), family="AF_UNIX", authkey=self.authkey
        )
        self._lock = threading.Lock()
        self._planner: Connection | None = None
        self._have_plans = False
        self._closed = False
        threading.Thread(target=self._accept, name="lrmtest-broker", daemon=True).start()

    @property
    def address(self) -> str:
        """Where workers connect."""
        return str(self._folder / "broker")

    def close(self) -> None:
        """Stop serving."""
        self._closed = True
        self._listener.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection = self._listener.accept()
            except Exception:
                # A worker that died while connecting, or the listener was closed.
                continue
            threading.Thread(
                target=self._serve, args=(connection,), name="lrmtest-worker", daemon=True
            ).start()

    def _serve(self, connection: Connection) -> None:
        try:
            while True:
                name, arguments = connection.recv()
                try:
                    answer: Any = getattr(self, f"_on_{name}")(connection, *arguments)
                except Exception as error:  # the worker waits for an answer
                    answer = in_words(error, f"{name} failed in the controller")
                connection.send(answer)
        except (EOFError, OSError):
            with self._lock:
                if self._planner is connection and not self._have_plans:
                    self._planner = None  # It died before it had planned: the next one will.

    def _on_wants_plans(self, connection: Connection) -> bool:
        """Whether this worker is the one to plan."""
        with self._lock:
            if self._planner is None:
                self._planner = connection
            return self._planner is connection and not self._have_plans

    def _on_plans(self, _: Connection, plans: Sequence[ModelPlan]) -> None:
        with self._lock:
            self._have_plans = True
        self._planned(plans)

    def _on_tell(self, _: Connection, line: str) -> None:
        """Print what the planning worker has to say; it has no terminal."""
        self._notice(line)

    def _on_begin(self, _: Connection, model: str, plan: GenerationPlan) -> None:
        """Open the run of a model that is not under test, unless another worker had it opened."""
        with self._lock:
            self._generations.opened(model, plan)

    def _on_run_id(self, _: Connection, model: str) -> str:
        return self._generations.of(model).run_id

    def _on_failure(self, _: Connection, model: str) -> LrmtestError | None:
        return self._generations.failures.get(model)

    def _on_status_of(self, _: Connection, model: str, keys: Sequence[str]) -> SampleStatus:
        return self._well(model).status_of(keys)

    def _on_generate_now(
        self,
        _: Connection,
        model: str,
        requests: Sequence[Request],
        questions: Sequence[PromptedQuestion],
    ) -> SampleStatus:
        return self._well(model).generate_now(requests, questions)

    def _well(self, model: str) -> Generation:
        if (failure := self._generations.failures.get(model)) is not None:
            raise failure
        return self._generations.of(model)
