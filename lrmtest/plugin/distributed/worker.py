"""A worker's side: completions come from the controller."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from multiprocessing.connection import Client
from typing import Any

import pytest

from lrmtest.errors import LrmtestError
from lrmtest.grading.completion import Completion
from lrmtest.models.engines.base import Request
from lrmtest.plugin.distributed.broker import ModelPlan
from lrmtest.plugin.generation.protocol import GenerationPlan, PromptedQuestion, SampleStatus
from lrmtest.plugin.items import ModelItems, items_by_model
from lrmtest.plugin.session import LrmtestSession
from lrmtest.progress import Tell, silent


class BrokerClient:
    """The `CompletionSources` of a worker: a connection to the controller's broker.

    Args:
        address: the broker's socket.
        authkey: shared secret.
    """

    def __init__(self, address: str, authkey: bytes) -> None:
        self._connection = Client(address, family="AF_UNIX", authkey=authkey)
        self._lock = threading.Lock()
        self._sources: dict[str, RemoteCompletionSource] = {}

    def call(self, name: str, *arguments: Any) -> Any:
        """Ask the broker; an error it answers with is raised."""
        with self._lock:
            self._connection.send((name, arguments))
            answer = self._connection.recv()
        if isinstance(answer, LrmtestError):
            raise answer
        return answer

    def wants_plans(self) -> bool:
        """Whether this worker is to plan for all."""
        wanted: bool = self.call("wants_plans")
        return wanted

    def send_plans(self, plans: Sequence[ModelPlan]) -> None:
        """Tell what is to be generated."""
        self.call("plans", plans)

    def source_of(self, model: str) -> RemoteCompletionSource:
        """Where the tests of a model under test ask; raises what kept it from being started.

        Later failures are raised by what is asked there.
        """
        if model not in self._sources:
            self.call("failure", model)
        return self._source(model)

    def opened(
        self, model: str, plan: GenerationPlan, say: Tell = silent
    ) -> RemoteCompletionSource:
        """Where a model that is not under test is asked; the controller opens its run."""
        self.call("begin", model, plan)
        return self._source(model)

    def _source(self, model: str) -> RemoteCompletionSource:
        if model not in self._sources:
            self._sources[model] = RemoteCompletionSource(self, model)
        return self._sources[model]


class RemoteCompletionSource:
    """A `CompletionSource` in the controller.

    Args:
        client: the connection.
        model: the model's name.
    """

    def __init__(self, client: BrokerClient, model: str) -> None:
        self._client = client
        self._model = model
        self._run_id = ""

    @property
    def run_id(self) -> str:
        """The run's id in the store."""
        if not self._run_id:
            self._run_id = self._client.call("run_id", self._model)
        return self._run_id

    def status_of(self, keys: Sequence[str]) -> SampleStatus:
        """What is known of `keys`."""
        status: SampleStatus = self._client.call("status_of", self._model, keys)
        return status

    def taken(self, key: str) -> Completion | None:
        """Always None: texts are read from the store, which all processes share."""
        return None

    def generate_now(
        self, requests: Sequence[Request], questions: Sequence[PromptedQuestion]
    ) -> SampleStatus:
        """Generate what the store lacks of `requests`, in the controller."""
        status: SampleStatus = self._client.call("generate_now", self._model, requests, questions)
        return status


class WorkerPart:
    """A plugin for one of xdist's workers.

    Args:
        config: pytest's configuration.
        session: the session's parts.
    """

    def __init__(self, config: pytest.Config, session: LrmtestSession) -> None:
        workerinput = config.workerinput  # type: ignore[attr-defined]
        self._session = session
        self._client = BrokerClient(
            workerinput["lrmtest_broker"], bytes.fromhex(workerinput["lrmtest_authkey"])
        )
        session.sources = self._client

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Plan for all workers, if no other has."""
        if self._client.wants_plans():
            for line in self._session.told:
                self._client.call("tell", line)
            self._client.send_plans(
                [self._plan(name, items) for name, items in items_by_model(session.items).items()]
            )

    def _plan(self, name: str, items: ModelItems) -> ModelPlan:
        own_prompts = [item.nodeid for item in items.own_prompts]
        schedule = self._session.schedule(name)
        try:
            plan = schedule.plan([selected for _, selected in items.with_questions])
        except LrmtestError as error:
            return ModelPlan(
                name, error, {item.nodeid: () for item, _ in items.with_questions}, own_prompts
            )
        tests = {
            item.nodeid: schedule.keys_of(selected.key) for item, selected in items.with_questions
        }
        return ModelPlan(name, plan, tests, own_prompts)
