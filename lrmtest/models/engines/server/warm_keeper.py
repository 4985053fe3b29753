"""The process that keeps a server up until it is told to stop, and the telling."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from lrmtest.errors import MachineryError, UsageError
from lrmtest.models.engines.base import Request
from lrmtest.models.engines.kinds import create_engine
from lrmtest.models.engines.options import EngineOptions
from lrmtest.models.engines.server.engine import ServedEngine
from lrmtest.models.engines.server.launch import start_server
from lrmtest.models.engines.server.warm import card_as_json
from lrmtest.models.engines.server.warm_records import (
    WarmRecord,
    make_warm_folder,
    process_mark,
    remove_record,
    warm_record,
    write_record,
)
from lrmtest.models.hashes import file_hashes
from lrmtest.models.programs.process import GuardedProcess
from lrmtest.models.spec import ModelSpec

_STOP_SECONDS = 40.0  # a server has 10 s to end by itself, and the kernel 15 to take it apart
_POLL_SECONDS = 0.1


def served_engine(spec: ModelSpec, options: EngineOptions) -> ServedEngine:
    """The model's engine, if it is one that has a server to keep up.

    Raises:
        UsageError: it has none.
    """
    engine = create_engine(spec, options)
    if not isinstance(engine, ServedEngine):
        raise UsageError(
            f"model {spec.name!r} runs on {spec.engine}, which has no server to keep up",
            hint="add --engine vllm or --engine llamacpp, here and to pytest",
        )
    return engine


def refuse_second(model: str) -> None:
    """Refuse to keep up a model that is kept up already.

    Raises:
        UsageError: it is.
    """
    if running := warm_record(model):
        raise UsageError(
            f"a server for model {model!r} is kept up already, at {running.location}",
            hint=f"stop it first: lrmtest serve --stop {model}",
        )


def told_to_end(ending: threading.Event | None = None) -> threading.Event:
    """An event, this one or a new one, that is set when SIGTERM, SIGINT or SIGHUP comes.

    To be called on the main thread.
    """
    ending = ending or threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: ending.set())
    return ending


def log_file(model: str) -> Path:
    """Where the output of a model's warm server goes.

    Raises:
        ModelError: its folder cannot be made.
    """
    return make_warm_folder() / f"{model}.log"


def keep(
    spec: ModelSpec,
    options: EngineOptions,
    planned: Sequence[Request],
    ready: Callable[[WarmRecord], None],
) -> None:
    """Start the model's server and keep it up until it ends or SIGTERM, SIGINT or SIGHUP comes.

    To be called on the main thread of a process that does nothing else.

    Args:
        spec: the model, its files on disk.
        options: what shapes the server.
        planned: what it must be able to take.
        ready: is called once it answers.

    Raises:
        UsageError: the engine has no server, one is kept up already, or `planned` does not fit.
        ModelError: the server cannot be started, or ended by itself.
    """
    ending = told_to_end()
    refuse_second(spec.name)
    engine = served_engine(spec, options)
    launch = engine.plan(planned)
    files = file_hashes(Path(spec.location))
    log = log_file(spec.name)
    begun = time.monotonic()
    made: list[GuardedProcess] = []
    server, address = start_server(
        launch, seconds=options.start_timeout, given_up=ending, made=made.append, log_file=log
    )
    record = WarmRecord(
        model=spec.name,
        engine=spec.engine,
        pid=os.getpid(),
        mark=process_mark(os.getpid()) or "",
        address=address,
        version=launch.version,
        card=card_as_json(spec.card),
        files=files,
        settings=launch.settings,
        details=launch.details,
        concurrency=launch.concurrency,
        context=launch.context,
        load_seconds=time.monotonic() - begun,
        since=time.time(),
        log=str(log),
    )
    try:
        if file_hashes(Path(spec.location)) != files:
            raise MachineryError("the model's files changed while the server loaded them")
        write_record(record)
        ready(record)
        while not ending.is_set():
            if server.wait(_POLL_SECONDS):
                raise launch.failure(server)
    finally:
        # First: nobody shall find a server that is about to end.
        remove_record(record)
        server.stop()


def stop(record: WarmRecord) -> None:
    """End a warm server and the process that keeps it.

    Raises:
        ModelError: the process does not end.
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        if record.alive:
            with suppress(ProcessLookupError):
                os.kill(record.pid, number)
        deadline = time.monotonic() + _STOP_SECONDS
        while record.alive and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        if not record.alive:
            remove_record(record)
            return
    raise MachineryError(f"process {record.pid}, which keeps {record.model!r} up, does not end")
