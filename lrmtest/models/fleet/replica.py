"""A replica of a fleet: an actor of Ray Serve's that has a model's server on its machine.

The server is the one that a run would start itself, and runs ask it directly: tokens do not pass
through Ray, which only says where replicas are, and starts another one for one that is gone.
"""

from __future__ import annotations

import ipaddress
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from lrmtest.errors import MachineryError, in_words
from lrmtest.models.engines.base import Request
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.server.launch import Address, Launch, start_server
from lrmtest.models.engines.server.readiness import answers
from lrmtest.models.engines.server.warm_keeper import served_engine
from lrmtest.models.fetch.files import fetch
from lrmtest.models.fleet.cluster import NAMESPACE
from lrmtest.models.fleet.register import REPORT_SECONDS, FleetFailure
from lrmtest.models.programs.process import GuardedProcess
from lrmtest.models.spec import ModelSpec

_TELL_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class FleetOrder:
    """What every replica of a fleet is to serve.

    Attributes:
        application: the name of the fleet's application, and of its register.
        spec: the model; its files may have to be fetched on each machine.
        options: what shapes the server.
        planned: what it must be able to take.
        key: the API key that runs come with; not in `repr`.
    """

    application: str
    spec: ModelSpec
    options: EngineOptions
    planned: Sequence[Request] = field(repr=False)
    key: str = field(repr=False)


class FleetReplica:
    """A server, from its start until Serve takes the replica down or its keeper is gone.

    Args:
        order: what to serve.
    """

    def __init__(self, order: FleetOrder) -> None:
        import ray
        from ray import serve

        host = ray.util.get_node_ip_address()
        if ipaddress.ip_address(host).is_loopback:
            _accept_calls_on_loopback()
        self._order = order
        self._name = serve.get_replica_context().replica_id.unique_id
        self._register: Any = ray.get_actor(order.application, namespace=NAMESPACE)
        self._ended = threading.Event()
        began = time.monotonic()
        try:
            self._server, self._address, launch = self._started(host)
        except Exception as problem:
            failure = FleetFailure.of(in_words(problem, "a replica does not start"))
            ray.get(self._register.failed.remote(failure), timeout=_TELL_SECONDS)
            raise
        self._facts = {
            "version": launch.version,
            "concurrency": launch.concurrency,
            "context": launch.context,
            "load_seconds": time.monotonic() - began,
        }
        threading.Thread(target=self._report, name="lrmtest-fleet-report", daemon=True).start()

    def _started(self, host: str) -> tuple[GuardedProcess, Address, Launch]:
        spec = replace(self._order.spec, location=str(fetch(self._order.spec)))
        launch = served_engine(spec, self._order.options).plan(self._order.planned)
        server, address = start_server(
            launch,
            seconds=self._order.options.start_timeout,
            given_up=self._ended,
            made=lambda _: None,
            host=host,
            key=self._order.key,
        )
        return server, address, launch

    def check_health(self) -> None:
        """Serve asks this every few seconds, and replaces a replica that fails three times.

        Raises:
            MachineryError: the server has ended, or does not answer.
        """
        if not self._server.running:
            raise MachineryError("the replica's server has ended")
        address = self._address
        if not answers(address.url, address.key, address.served_name):
            raise MachineryError("the replica's server does not answer")

    def __del__(self) -> None:
        if hasattr(self, "_server"):
            self._ended.set()
            with suppress(Exception):  # the cluster may be on its way down
                self._register.down.remote(self._name)
            self._server.stop()

    def _report(self) -> None:
        """Say where the server is while it runs; take the fleet down when nobody keeps it."""
        import ray
        from ray import serve

        while not self._ended.wait(REPORT_SECONDS):
            running = self._server.running
            try:
                if running:
                    report = self._register.up.remote(self._name, self._address.url, self._facts)
                else:
                    report = self._register.down.remote(self._name)
                ray.get(report, timeout=_TELL_SECONDS)
            except ray.exceptions.GetTimeoutError:
                continue
            except ray.exceptions.RayActorError:
                # The register ends with its keeper, however that ended.
                self._server.stop()
                with suppress(Exception):
                    serve.delete(self._order.application, _blocking=False)
                return


def _accept_calls_on_loopback() -> None:
    """Keep Serve from having this replica listen on every interface.

    Each replica takes calls of other deployments, on a port of all interfaces (Ray 2.60), also
    where the cluster itself is on the loopback interface alone. A fleet has no other deployment.
    """
    module = sys.modules.get("ray.serve._private.replica")
    bind = getattr(module, "add_port_to_grpc_server", None)
    if bind is not None:
        vars(module)["add_port_to_grpc_server"] = lambda server, _: bind(server, "127.0.0.1:0")
