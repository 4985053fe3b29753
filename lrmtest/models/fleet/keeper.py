"""The process that keeps a fleet up: it asks Ray Serve for it, and names its replicas in a file."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lrmtest.counted import counted
from lrmtest.errors import MachineryError, UsageError
from lrmtest.models.cache import write_atomically
from lrmtest.models.engines.base import Request
from lrmtest.models.engines.http.keys import key_variable, own_key
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.server.warm import card_as_json
from lrmtest.models.engines.server.warm_keeper import log_file, refuse_second, told_to_end
from lrmtest.models.engines.server.warm_records import (
    WarmRecord,
    make_warm_folder,
    process_mark,
    remove_record,
    warm_record,
    write_record,
)
from lrmtest.models.fleet.cluster import LOCAL, NAMESPACE, first_line, on_cluster
from lrmtest.models.fleet.register import FleetRegister, FleetState
from lrmtest.models.fleet.replica import FleetOrder, FleetReplica
from lrmtest.models.programs.log import LogFile
from lrmtest.models.spec import ModelSpec

_POLL_SECONDS = 0.25
_REGISTER_SECONDS = 60.0
_OTHERS_SECONDS = 10.0
"""So long the others are waited for when the first replica is there."""


@dataclass(frozen=True, slots=True)
class FleetSize:
    """How large a fleet is to be, and where.

    Attributes:
        replicas: how many, at least 1.
        gpus: of each replica, on one machine; None for as many as the parallel sizes say where the
            cluster has any, else none.
        address: of the cluster; see `on_cluster`.
    """

    replicas: int
    gpus: int | None = None
    address: str = LOCAL


def fleet_key(model: str) -> str:
    """The key that a model's replicas are to want, from the variable that runs take it from.

    Raises:
        UsageError: it is not set, or holds what no header can carry or no server can be given.
    """
    variable, key = key_variable(model), own_key(model)
    hint = f"export {variable}=$(openssl rand -hex 24), here and where runs ask them"
    if not key:
        raise UsageError(
            f"{variable} is not set: it holds the key that the replicas ask for", hint=hint
        )
    if key.startswith("-"):
        raise UsageError(
            f"{variable} begins with a dash: vLLM takes it for an option and no key", hint=hint
        )
    return key


def keep_fleet(
    spec: ModelSpec,
    options: EngineOptions,
    planned: Sequence[Request],
    size: FleetSize,
    ready: Callable[[WarmRecord, int], None],
) -> None:
    """Have Ray Serve keep replicas of a model until SIGTERM, SIGINT or SIGHUP comes.

    To be called on the main thread of a process that does nothing else.

    Args:
        spec: the model; each machine looks for its files, or fetches them.
        options: what shapes each replica's server.
        planned: what it must be able to take.
        size: of the fleet.
        ready: is called once replicas answer, with how many.

    Raises:
        UsageError: one is kept up already, there is no key, or `planned` does not fit.
        ModelError: Ray is not there, or no replica can be started.
    """
    refuse_second(spec.name)
    key = fleet_key(spec.name)
    ending = told_to_end()
    with only_keeper(spec.name), on_cluster(size.address) as ray:
        told_to_end(ending)  # again: Ray has taken the signals for itself
        size = replace(size, gpus=_gpus(ray, size, options))
        name = f"lrmtest-{re.sub(r'[^A-Za-z0-9]+', '-', spec.name)}-{secrets.token_hex(4)}"
        order = FleetOrder(name, spec, options, planned, key)
        with _Fleet(ray, order, size).up() as fleet, _named(spec.name) as named:
            state = _first_state(fleet, named, size.replicas, options.start_timeout, ending)
            if state is None:
                return
            record = _record(spec, size, state, named.urls)
            write_record(record)
            try:
                ready(record, len(state.urls))
                while not ending.wait(_POLL_SECONDS):
                    named.tell(fleet.state())
                    own = warm_record(spec.name)
                    if own is not None and own.pid == record.pid:
                        fleet.scale(own.replicas)
            finally:
                # First: nobody shall find a fleet that is about to end.
                remove_record(record)


def _first_state(
    fleet: _Fleet, named: _Named, wanted: int, seconds: float, ending: threading.Event
) -> FleetState | None:
    """Wait for the replicas, or for the first and a little for the others.

    Returns:
        None when it is to end before.

    Raises:
        LrmtestError: none comes up.
    """
    began, first = time.monotonic(), 0.0
    while not ending.wait(_POLL_SECONDS):
        state = fleet.state()
        named.tell(state)
        now = time.monotonic()
        if state.urls:
            first = first or now
            if len(state.urls) >= wanted or now - first > _OTHERS_SECONDS:
                return state
        elif state.failures:
            raise state.failures[0].error()
        elif now - began > seconds:
            raise MachineryError(
                f"no replica was ready after {seconds:,.0f} s",
                hint="has the cluster room for one? ray status shows it",
            )
    return None


def _gpus(ray: Any, size: FleetSize, options: EngineOptions) -> int:
    """How many GPUs a replica is to have."""
    there = int(ray.cluster_resources().get("GPU", 0))
    gpus = size.gpus
    if gpus is None:
        parallel = (options.tensor_parallel or 1) * options.pipeline_parallel
        gpus = parallel * options.data_parallel if there else 0
    if gpus > there:
        raise UsageError(
            f"a replica is to have {counted(gpus, 'GPU')}, and there are {there}",
            hint="lower --gpus, or the parallel sizes; or add machines to the cluster first",
        )
    return gpus


class _Fleet:
    """The application on the cluster, and its register."""

    def __init__(self, ray: Any, order: FleetOrder, size: FleetSize) -> None:
        self._ray = ray
        self._order = order
        self._size = size
        self._replicas = size.replicas
        self._register: Any = None

    @contextmanager
    def up(self) -> Iterator[_Fleet]:
        """The fleet, until the end of the context; its replicas may still be starting."""
        from ray import serve
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = self._ray.get_runtime_context().get_node_id()
        # In this process's name, so that it ends with it, and on this machine: replicas that do
        # not find it any more take the application down.
        self._register = (
            self._ray.remote(FleetRegister)
            .options(
                name=self._order.application,
                namespace=NAMESPACE,
                num_cpus=0,
                scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=False),
            )
            .remote()
        )
        self._run()
        try:
            yield self
        finally:
            with suppress(Exception):  # the cluster may be gone
                serve.delete(self._order.application)

    def state(self) -> FleetState:
        """How it is now.

        Raises:
            MachineryError: the cluster is gone.
        """
        try:
            state: FleetState = self._ray.get(
                self._register.now.remote(), timeout=_REGISTER_SECONDS
            )
        except self._ray.exceptions.RayError as error:
            raise MachineryError(
                f"the Ray cluster does not answer any more: {first_line(error)}"
            ) from error
        return state

    def scale(self, replicas: int) -> None:
        """Have so many replicas; those that there are stay, as far as they are wanted."""
        if replicas != self._replicas:
            self._replicas = replicas
            self._run()

    def _run(self) -> None:
        from ray import serve

        local = self._size.address == LOCAL
        named = {name: os.environ[name] for name in self._variables()}
        actor: dict[str, Any] = {"num_cpus": 0 if local else 1, "num_gpus": self._size.gpus}
        if named:
            actor["runtime_env"] = {"env_vars": named}
        deployment = serve.deployment(
            FleetReplica,
            name="replica",
            num_replicas=self._replicas,
            ray_actor_options=actor,
            graceful_shutdown_wait_loop_s=0.1,
        )
        # Without a version of its own Serve starts all of them anew when their number changes. The
        # option for it is gone in Ray 2.60, where only configuration files still have it.
        deployment._version = self._order.application
        target = serve.RunTarget(deployment.bind(self._order), self._order.application, None)
        try:
            serve.run_many(
                [target],
                wait_for_ingress_deployment_creation=False,
                wait_for_applications_running=False,
            )
        except Exception as error:  # Ray's own, Serve's, Python's
            raise MachineryError(
                f"Ray Serve does not take the fleet: {first_line(error)}",
                hint="ray status and the logs of Serve's controller say more",
            ) from error

    def _variables(self) -> list[str]:
        """Names of variables that the servers are given by the user's word, and are set."""
        return [name for name in self._order.options.program_variables if name in os.environ]


class _Named:
    """The files in which a fleet's replicas are named, and what became of them."""

    def __init__(self, urls: Path, log: Path) -> None:
        self.urls = urls
        self._log = LogFile(log)
        self._now: tuple[str, ...] | None = None

    def tell(self, state: FleetState) -> None:
        """Write what has changed."""
        lines = [f"a replica did not start: {failure.message}" for failure in state.failures]
        if state.urls != self._now:
            before = self._now or ()
            lines += [f"{url} is up" for url in state.urls if url not in before]
            lines += [f"{url} is gone" for url in before if url not in state.urls]
            self._now = state.urls
            write_atomically(self.urls, "".join(f"{url}/v1\n" for url in state.urls))
        if lines:
            when = time.strftime("%Y-%m-%d %H:%M:%S")
            self._log.write([f"{when} {line}" for text in lines for line in text.splitlines()])


@contextmanager
def only_keeper(model: str) -> Iterator[None]:
    """This process is the one that starts or keeps up a fleet of a model meanwhile.

    Raises:
        UsageError: another one is.
        ModelError: nothing can be written where it is noted.
    """
    with (make_warm_folder() / f"{model}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"a fleet of model {model!r} is being started or kept up already",
                hint=f"wait for it, or stop it: lrmtest serve --stop {model}",
            ) from None
        yield


@contextmanager
def _named(model: str) -> Iterator[_Named]:
    urls = make_warm_folder() / f"{model}.urls"
    try:
        yield _Named(urls, log_file(model))
    finally:
        urls.unlink(missing_ok=True)


def _record(spec: ModelSpec, size: FleetSize, state: FleetState, urls: Path) -> WarmRecord:
    facts = state.facts
    return WarmRecord(
        model=spec.name,
        engine=spec.engine,
        pid=os.getpid(),
        mark=process_mark(os.getpid()) or "",
        address=None,
        version=facts["version"],
        card=card_as_json(spec.card),
        files={},
        settings={},
        details={},
        concurrency=facts["concurrency"],
        context=facts["context"],
        load_seconds=facts["load_seconds"],
        since=time.time(),
        log=str(log_file(spec.name)),
        urls=str(urls),
        replicas=size.replicas,
    )
