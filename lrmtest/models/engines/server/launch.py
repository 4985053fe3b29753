"""The launch of a server: all that its start takes, and the start on a free port."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lrmtest.errors import MachineryError, ModelError
from lrmtest.models.engines.server.readiness import (
    LOOPBACK,
    free_port,
    port_taken,
    wait_until_ready,
)
from lrmtest.models.programs.failure import KnownFailure, program_failure
from lrmtest.models.programs.process import GuardedProcess

_PORTS_TRIED = 3


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a server.

    Attributes:
        program: its name in messages.
        version: its version, for the manifest.
        command: the command line, from the port on 127.0.0.1 and the name to serve under.
        environment: variables to set, on top of those that programs inherit; not in `repr`.
        key_variable: the variable that takes the API key; it is on no command line.
        key_config: the option for a YAML file that has the key as ``api-key``, in place of the
            variable; empty for the variable.
        concurrency: most requests in flight; None for as many as the server takes.
        context: tokens of prompt and completion together that each of them may take.
        settings: all that must be the same, beside version and files, for two servers to
            generate the same: JSON values, the sizes above left out.
        details: what could change an outcome, for the manifest.
        failures: what can be told from its log when it does not start.
        out_of_memory: what to lower when memory is short.
        tells_drawn: it tells the log-probabilities that tokens are drawn by.
    """

    program: str
    version: str
    command: Callable[[int, str], list[str]]
    environment: Mapping[str, str] = field(repr=False)
    key_variable: str
    concurrency: int | None
    context: int
    settings: Mapping[str, Any]
    details: Mapping[str, Any]
    failures: tuple[KnownFailure, ...]
    out_of_memory: str
    key_config: str = ""
    tells_drawn: bool = False

    def failure(self, server: GuardedProcess) -> ModelError:
        """Why the server has ended, with the useful lines of its log."""
        return program_failure(
            self.program,
            server.exit_status,
            server.log.lines(),
            self.failures,
            out_of_memory=self.out_of_memory,
        )


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server on this machine is asked.

    Attributes:
        port: on `host`.
        served_name: the random name under which it serves its model; no other server knows it.
        key: the API key; not in `repr`.
        host: the address of this machine that it listens on.
    """

    port: int
    served_name: str
    key: str
    host: str = LOOPBACK

    @property
    def url(self) -> str:
        """Its base URL, without the API root."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def __repr__(self) -> str:
        return f"Address({self.url})"


def fresh_key() -> str:
    """A random key, of digits and letters alone: servers take it from what is a command line in the
    end, where a word that begins with a dash is an option (vLLM 0.32)."""
    return secrets.token_hex(24)


def start_server(
    launch: Launch,
    *,
    seconds: float,
    given_up: threading.Event,
    made: Callable[[GuardedProcess], None],
    log_file: Path | None = None,
    host: str = LOOPBACK,
    key: str = "",
) -> tuple[GuardedProcess, Address]:
    """Start a server on a free port, and wait until it is ready.

    Args:
        launch: how.
        seconds: how long it may take.
        given_up: ends the waiting when it is set.
        made: is given each process right after it was made, so that it can be stopped meanwhile.
            What it raises stops the process.
        log_file: where the server's output goes too, beside its log.
        host: the address of this machine to listen on.
        key: the API key; a random one by default.

    Raises:
        ModelError: it does not start, with the useful lines of its log, or it was given up.
    """
    for tried in range(1, _PORTS_TRIED + 1):
        # Somebody may take the port before the server does.
        address = Address(
            free_port(host),
            f"lrmtest-{secrets.token_hex(8)}",
            key or fresh_key(),
            host,
        )
        # Of an option given twice, both vLLM and llama-server take the last.
        listening = [] if host == LOOPBACK else ["--host", host]
        with _key_given(launch, address.key) as (arguments, variables):
            server = GuardedProcess(
                [*launch.command(address.port, address.served_name), *listening, *arguments],
                {**launch.environment, **variables},
                log_file=log_file,
            )
            try:
                made(server)
                if wait_until_ready(
                    server,
                    address.url,
                    key=address.key,
                    model=address.served_name,
                    seconds=seconds,
                    given_up=given_up,
                ):
                    return server, address
            except BaseException:
                server.stop(hasty=True)
                raise
        if not port_taken(server.log.lines()) or tried == _PORTS_TRIED:
            break
    raise launch.failure(server)


@contextmanager
def _key_given(launch: Launch, key: str) -> Iterator[tuple[list[str], dict[str, str]]]:
    """What a server's start takes to learn its key: arguments and variables.

    A file is readable to this user only, and is there until the server is ready or has ended.

    Raises:
        ModelError: the file cannot be written.
    """
    if not launch.key_config:
        yield [], {launch.key_variable: key}
        return
    try:
        number, name = tempfile.mkstemp(prefix="lrmtest-", suffix=".yaml")
        with os.fdopen(number, "w", encoding="ascii") as file:
            json.dump({"api-key": key}, file)  # JSON is YAML
    except OSError as error:
        raise MachineryError(
            f"no file can be written to {tempfile.gettempdir()}: {error.strerror or error}",
            hint="set TMPDIR to a folder that you may write to",
        ) from error
    try:
        yield [launch.key_config, name], {}
    finally:
        with suppress(OSError):
            Path(name).unlink()
