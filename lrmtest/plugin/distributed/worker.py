"""A worker's side: a desk that stands in the controller."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from multiprocessing.connection import Client
from typing import Any

import pytest

from lrmtest.errors import LrmtestError
from lrmtest.models.engines.base import Request
from lrmtest.plugin.distributed.broker import ModelPlan
from lrmtest.plugin.generation.protocol import AskedQuestion, GenerationPlan, Status
from lrmtest.plugin.session import LrmtestSession, ModelItems


class BrokerClient:
    """The connection to the controller's broker, shared by a worker's desks.

    Args:
        address: the broker's socket.
        authkey: shared secret.
    """

    def __init__(self, address: str, authkey: bytes) -> None:
        self._connection = Client(address, family="AF_UNIX", authkey=authkey)
        self._lock = threading.Lock()
        self._desks: dict[str, RemoteDesk] = {}

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

    def begin(self, model: str, plan: GenerationPlan) -> None:
        """Have the run of a model opened that is not under test."""
        self.call("begin", model, plan)

    def raise_failure(self, model: str) -> None:
        """Raise what kept a model from being started, if anything did."""
        self.call("failure", model)

    def desk(self, model: str) -> RemoteDesk:
        """A model's desk."""
        if model not in self._desks:
            self._desks[model] = RemoteDesk(self, model)
        return self._desks[model]


class RemoteDesk:
    """A `Desk` in the controller.

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

    def status_of(self, keys: Sequence[str]) -> Status:
        """What is known of `keys`."""
        status: Status = self._client.call("status_of", self._model, keys)
        return status

    def generate_now(
        self, requests: Sequence[Request], questions: Sequence[AskedQuestion]
    ) -> Status:
        """Generate what the store lacks of `requests`, in the controller."""
        status: Status = self._client.call("generate_now", self._model, requests, questions)
        return status


class WorkerPart:
    """A plugin for one of xdist's workers.

    Args:
        config: pytest's configuration.
        shared: what the session shares.
    """

    def __init__(self, config: pytest.Config, shared: LrmtestSession) -> None:
        given = config.workerinput  # type: ignore[attr-defined]
        self._shared = shared
        self._client = BrokerClient(
            given["lrmtest_broker"], bytes.fromhex(given["lrmtest_authkey"])
        )
        shared.broker = self._client

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Plan for all workers, if no other has."""
        if self._client.wants_plans():
            self._client.send_plans(
                [
                    self._plan(name, items)
                    for name, items in self._shared.sort_by_model(session.items).items()
                ]
            )

    def _plan(self, name: str, items: ModelItems) -> ModelPlan:
        own_prompts = [item.nodeid for item in items.own_prompts]
        schedule = self._shared.schedule(name)
        try:
            plan = schedule.plan([asked for _, asked in items.asking])
        except LrmtestError as error:
            return ModelPlan(
                name, error, {item.nodeid: () for item, _ in items.asking}, own_prompts
            )
        tests = {item.nodeid: schedule.keys_of(asked.name) for item, asked in items.asking}
        return ModelPlan(name, plan, tests, own_prompts)
