"""The engine that starts a server of its own, vllm or llamacpp: start, watch, restart, stop."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lrmtest.errors import EngineError, MachineryError, ModelError, UsageError
from lrmtest.models.engines.base import Deliver, Delivery, EngineInfo, Progress, Request
from lrmtest.models.engines.openai_engine import OpenAIEngine
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.server.launch import Address, Launch, start_server
from lrmtest.models.engines.server.warm import WarmServer, difference, welcome
from lrmtest.models.engines.server.warm_records import warm_record
from lrmtest.models.hashes import file_hashes
from lrmtest.models.programs.process import GuardedProcess
from lrmtest.models.spec import ModelSpec

# A dying server breaks its connections before its process has ended. Requests must be tried for
# longer than that takes, or they would be given up just before the restart.
_FEWEST_RETRIES = 4

_WAITING_SHARE = 1 / 16  # of its sequences, beside them
_FEWEST_WAITING = 2


def in_flight(sequences: int) -> int:
    """Requests to keep with a server that queues what is more than it runs at once.

    A few wait there, so that a sequence that ends is followed at its next step, and not when its
    end has been read here and another request has come: at 20,000 tokens/s and 500 tokens each 40
    of 256 end a second, and 16 wait for 0.4 s.

    Args:
        sequences: that it runs at once.
    """
    return sequences + max(_FEWEST_WAITING, round(sequences * _WAITING_SHARE))


@dataclass(slots=True)
class _Service:
    """One server and the client that speaks to it."""

    server: GuardedProcess | WarmServer
    client: OpenAIEngine | None = None
    frozen: bool = False  # it lives and does not answer


@dataclass(slots=True)
class _Work:
    """What has been submitted and not been delivered yet, by key."""

    unfinished: dict[str, Request] = field(default_factory=dict)
    ready: bool = False  # the client takes requests


class ServedEngine(ABC):
    """Generates with a server that it starts on 127.0.0.1, with a random key and a free port.

    When the server dies, or does not answer any more, it is started again, at most
    `options.max_restarts` times in all, and what had not been delivered is submitted again. After
    that every request fails.

    A server that `lrmtest serve` keeps up for the same model is used in its place, if it is just
    what would be started here. It is left running, and when it dies, a server is started here.

    Args:
        spec: the model; its location is the path of its files.
        options: see the subclasses.
    """

    name: str
    """The engine's name, as in `ModelSpec.engine`."""

    def __init__(self, spec: ModelSpec, options: EngineOptions) -> None:
        if options.concurrency is not None and options.concurrency < 1:
            raise UsageError(f"a concurrency of {options.concurrency} would never ask anything")
        self._spec = spec
        self._card = spec.card
        if spec.engine != spec.card.engine:  # written for another server
            self._card = replace(
                spec.card, dtype="", quantization="", kv_cache_dtype="", engine_args=()
            )
        self._options = options
        self._launch: Launch | None = None
        self._service: _Service | None = None
        self._work = _Work()
        self._changed = threading.Condition()  # guards the two above
        self._restarts_left = options.max_restarts
        self._closed = threading.Event()
        self._earlier = Progress()
        self._deliver: Deliver | None = None
        self._watch = threading.Thread(
            target=self._watch_server, name=f"lrmtest-{self.name}-watch", daemon=True
        )

    @abstractmethod
    def plan(self, planned: Sequence[Request]) -> Launch:
        """How to start the server for these requests.

        Raises:
            UsageError: a request cannot fit the model's context.
            ModelError: the server is not installed, or the model's files are not right.
        """

    @property
    def progress(self) -> Progress:
        """Live counters; tokens of a server that died are counted too."""
        with self._changed:
            if self._service is None or self._service.client is None:
                return self._earlier
            now = self._service.client.progress
            before = self._earlier
            return Progress(before.tokens + now.tokens, now.running, before.drafted + now.drafted)

    @property
    def log_line(self) -> str:
        """The last line of the log of its own server; empty while there is none."""
        with self._changed:
            server = None if self._service is None else self._service.server
        return server.log.last_line if isinstance(server, GuardedProcess) else ""

    def start(self, planned: Sequence[Request], deliver: Deliver) -> EngineInfo:
        """Find a warm server, or start one and wait until it is ready.

        Raises:
            UsageError: a request cannot fit the model's context.
            ModelError: the server cannot be started, with the useful lines of its log.
        """
        if self._launch is not None or self._closed.is_set():
            raise ModelError("an engine can be started only once", hint="make a new one")
        self._deliver = deliver
        try:
            self._launch = launch = self.plan(planned)
            warm = self._use_warm(launch, planned)
            info = warm or self._bring_up(launch, planned)
            with self._changed:
                self._work.ready = True
            self._watch.start()
        except BaseException:
            self.close()
            raise
        # The name and the port are random: not what the manifest should compare.
        details = {
            key: value for key, value in info.details.items() if key not in ("served_model", "url")
        }
        if warm is None:
            details |= launch.details
        return replace(
            info, engine=self.name, version=launch.version or info.version, details=details
        )

    def serve(self, planned: Sequence[Request]) -> tuple[Address, EngineInfo]:
        """Start a server alone, for who asks it otherwise than for completions; `close` stops it.

        Raises:
            UsageError, ModelError: as `start`.
        """
        launch = self.plan(planned)
        address = self._start_server(launch)
        return address, EngineInfo(self.name, launch.version, dict(launch.details))

    def submit(self, requests: Sequence[Request]) -> None:
        """Queue requests; returns at once."""
        with self._changed:
            self._work.unfinished.update((request.key, request) for request in requests)
            if self._work.ready:
                self._client.submit(requests)
            self._changed.notify()

    def close(self) -> None:
        """Stop the server and everything that it started; unfinished requests are dropped."""
        with self._changed:
            self._closed.set()
            was_ready, self._work.ready = self._work.ready, False
            service = self._service
            self._changed.notify()
        if service is not None:
            try:
                if service.client is not None:
                    service.client.close()
            finally:
                service.server.stop(hasty=not was_ready)
        if self._watch.ident is not None and threading.current_thread() is not self._watch:
            self._watch.join()

    @property
    def _named_variables(self) -> dict[str, str]:
        """The variables that the server is given by the user's word, as far as they are set."""
        names = self._options.program_variables
        return {name: os.environ[name] for name in names if name in os.environ}

    @property
    def _devices(self) -> dict[str, str]:
        """The variable that tells the server which GPUs are its own, if not all are."""
        visible = self._options.visible_devices
        return {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}

    @property
    def _visible_devices(self) -> str:
        """The GPUs that the server may use; empty for all."""
        return self._devices.get("CUDA_VISIBLE_DEVICES", os.environ.get("CUDA_VISIBLE_DEVICES", ""))

    @property
    def _client(self) -> OpenAIEngine:
        assert self._service is not None
        assert self._service.client is not None
        return self._service.client

    def _use_warm(self, launch: Launch, planned: Sequence[Request]) -> EngineInfo | None:
        """A client of the warm server, if there is one and it will do; says which it is."""
        record = warm_record(self._spec.name)
        if record is None:
            return None
        if record.address is None:
            self._tell(f"its fleet is not asked: that is --model {record.model}={record.location}")
            return None
        wanted = self._options.concurrency
        reason = difference(
            record,
            engine=self.name,
            card=self._spec.card,
            files=file_hashes(Path(self._spec.location)),
            launch=launch,
            concurrency=wanted,
        )
        if reason is None:
            self._serve_by(WarmServer(record))
            try:
                info = self._connect(record.address, wanted or record.concurrency, planned)
            except (ModelError, UsageError) as error:
                reason = error.message
        if reason is None:
            self._options.tell(welcome(record))
            return replace(info, details={**info.details, **record.details, "warm": True})
        self._tell(f"its warm server is not used: {reason}")
        return None

    def _tell(self, line: str) -> None:
        """Tell the user of this model's server, in one line."""
        self._options.tell(f"{self._spec.name}: {line.partition(chr(10))[0]}")

    def _bring_up(self, launch: Launch, planned: Sequence[Request]) -> EngineInfo:
        """A running server of this engine's own, and a client that has reached it."""
        return self._connect(self._start_server(launch), launch.concurrency, planned)

    def _start_server(self, launch: Launch) -> Address:
        """A running server, on this engine's devices."""
        launch = replace(launch, environment={**launch.environment, **self._devices})
        _, address = start_server(
            launch,
            seconds=self._options.start_timeout,
            given_up=self._closed,
            made=self._serve_by,
        )
        return address

    def _serve_by(self, server: GuardedProcess | WarmServer) -> None:
        """Make this the server that `close` stops."""
        with self._changed:
            if self._closed.is_set():
                raise MachineryError("the engine was closed while it started")
            self._service = _Service(server)

    def _connect(
        self, address: Address, concurrency: int | None, planned: Sequence[Request]
    ) -> EngineInfo:
        """A client that has reached the server, and found that `planned` fits its context."""
        client = OpenAIEngine(
            replace(self._spec, engine="openai", location=address.url),
            replace(
                self._options,
                served_model=address.served_name,
                concurrency=concurrency,
                max_retries=max(self._options.max_retries, _FEWEST_RETRIES),
            ),
            key=address.key,
            processed=self._launch is not None and self._launch.tells_drawn,
        )
        with self._changed:
            assert self._service is not None
            self._service.client = client
            if self._closed.is_set():
                raise MachineryError("the engine was closed while it started")
        return client.start(planned, self._take)

    def _take(self, delivery: Delivery) -> None:
        if delivery.error is not None and self._is_frozen():
            return  # it is submitted again, to the next server
        with self._changed:
            self._work.unfinished.pop(delivery.request.key, None)
        assert self._deliver is not None
        self._deliver(delivery)

    def _is_frozen(self) -> bool:
        """Whether the server lives, but was given up; it is ended then, to be started again."""
        service = self._service
        if service is None or service.client is None or not self._restarts_left:
            return False
        if service.client.gave_up and not service.frozen:
            service.frozen = True
            # On a thread of its own: a process that hangs takes its time, and this is the client's.
            threading.Thread(
                target=service.server.stop,
                kwargs={"hasty": True},
                name=f"lrmtest-{self.name}-stop",
                daemon=True,
            ).start()
        return service.frozen

    def _watch_server(self) -> None:
        """Restart the server when it dies; then, when that is of no use, fail what comes."""
        assert self._launch is not None
        assert self._service is not None
        if isinstance(self._service.server, WarmServer):
            self._restarts_left += 1  # the first start of a server of its own
        allowed = self._restarts_left
        while True:
            self._service.server.wait()
            with self._changed:
                self._work.ready = False
            if self._closed.is_set():
                return
            reason = self._reason(self._launch, self._service)
            if self._service.client is not None:
                self._service.client.close()
                with self._changed:
                    now = self.progress
                    self._earlier = Progress(now.tokens, drafted=now.drafted)
                    self._service.client = None
            if not self._restarts_left:
                break
            self._restarts_left -= 1
            self._tell(f"restart {allowed - self._restarts_left} of {allowed}: {reason}")
            self._restart(self._launch)
        times = f" after {allowed} restarts" if allowed else ""
        self._fail_all(f"the server died{times}. {reason}", attempts=allowed + 1)

    def _reason(self, launch: Launch, service: _Service) -> str:
        """Why a server has ended."""
        if service.frozen:
            return "it did not answer any more"
        server = service.server
        failure = launch.failure(server) if isinstance(server, GuardedProcess) else server.failure()
        return failure.message

    def _restart(self, launch: Launch) -> None:
        try:
            self._bring_up(launch, ())
        except (ModelError, UsageError) as error:
            # Its process has ended, or must: the watch goes on to the next restart.
            self._tell(error.message)
            assert self._service is not None
            self._service.server.stop(hasty=True)
            return
        with self._changed:
            if not self._closed.is_set():
                self._work.ready = True
                self._client.submit(list(self._work.unfinished.values()))

    def _fail_all(self, reason: str, *, attempts: int) -> None:
        """Answer everything, now and later, with an error, until the engine is closed."""
        hint = "completions that arrived are kept; repeat the command to generate the others"
        while True:
            with self._changed:
                while not self._work.unfinished and not self._closed.is_set():
                    self._changed.wait()
                if self._closed.is_set():
                    return
                key = next(iter(self._work.unfinished))
                request = self._work.unfinished[key]
            error = EngineError(reason, hint=hint, attempts=attempts)
            self._take(Delivery(request, error=error))
