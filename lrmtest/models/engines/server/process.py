"""A server that lrmtest starts, watches and stops: its process, its port, its readiness."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from lrmtest.errors import ModelError
from lrmtest.models.engines.server import watchdog
from lrmtest.models.engines.server.log import ServerLog

_GRACE_SECONDS = 10.0
_KILL_SECONDS = 15.0  # after the grace: for the kernel to take a large process apart
_LOG_SECONDS = 2.0
_POLL_SECONDS = 0.05
_SLOWEST_POLL_SECONDS = 1.0
_PROBE_SECONDS = 5.0


class ServerProcess:
    """A command that runs until it ends by itself or `stop` is called, or lrmtest ends.

    Between lrmtest and the command stands `watchdog`, which ends the command and all its
    descendants whatever becomes of this process.

    Args:
        command: program and arguments.
        environment: variables to set, on top of this process's own.
        grace: seconds that the server has to end by itself when it is stopped.
        log_file: where its output is written too, readable to this user only; None for nowhere.
        folder: where it runs; None for this process's own working directory.

    Attributes:
        log: what it writes, standard output and error in one.

    Raises:
        ModelError: this system starts no further process. A command that is not there is no
            error here: it ends at once, with exit status 127.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        grace: float = _GRACE_SECONDS,
        log_file: Path | None = None,
        folder: Path | None = None,
    ) -> None:
        self._grace = grace
        self._stopping = threading.Lock()
        guard = [sys.executable, "-I", "-S", str(Path(watchdog.__file__)), str(grace)]
        try:
            self._process = subprocess.Popen(
                [*guard, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        except OSError as error:
            raise ModelError(f"no process can be started: {error}") from error
        assert self._process.stdout is not None
        self.log = ServerLog(self._process.stdout, log_file)

    @property
    def running(self) -> bool:
        """Whether the server has not ended yet."""
        return self._process.poll() is None

    @property
    def exit_status(self) -> int | None:
        """The server's exit status, 128 + N when signal N ended it; None while it runs."""
        status = self._process.poll()
        return status if status is None or status >= 0 else 128 - status

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the server's end, and for all of its log; whether it has ended."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        self.log.finish(_LOG_SECONDS)
        return True

    def stop(self, *, hasty: bool = False) -> None:
        """End the server and all its descendants; may be called from any thread, and twice.

        Args:
            hasty: do not wait out the grace; for a server that has nothing to finish.
        """
        pipe = self._process.stdin
        assert pipe is not None
        with self._stopping, contextlib.suppress(OSError, ValueError):
            # A byte, because a process forked from this one may hold the pipe open.
            pipe.write(watchdog.HASTY if hasty else b".")
            pipe.close()
        if not self.wait(self._grace + _KILL_SECONDS):
            # The watchdog itself hangs, in a kernel that does not let the server go.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self.wait(_LOG_SECONDS)


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_ready(
    server: ServerProcess,
    root: str,
    *,
    key: str,
    model: str,
    seconds: float,
    given_up: threading.Event,
) -> bool:
    """Poll the server until it answers for its model.

    Args:
        server: the process, watched meanwhile.
        root: its base URL, without the API root.
        key: the API key.
        model: the name it was told to serve under; no other server on this port knows it.
        seconds: how long this may take.
        given_up: ends the waiting when it is set.

    Returns:
        False when the server has ended before it was ready.

    Raises:
        ModelError: it was not ready in time, or was given up.
    """
    deadline = time.monotonic() + seconds
    delay = _POLL_SECONDS
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(trust_env=False, timeout=_PROBE_SECONDS, headers=headers) as client:
        while True:
            if given_up.is_set():
                raise ModelError("the engine was closed while it started")
            if not server.running:
                server.wait(_LOG_SECONDS)
                return False
            if _serves(client, root, model):
                return True
            if time.monotonic() > deadline:
                raise ModelError(
                    f"the server was not ready after {seconds:.0f} s",
                    hint="raise start_timeout, or see whether the model's files are slow to read",
                )
            given_up.wait(delay)
            delay = min(delay * 1.2, _SLOWEST_POLL_SECONDS)


def _serves(client: httpx.Client, root: str, model: str) -> bool:
    try:
        if client.get(f"{root}/health").status_code != 200:
            return False
        listing = client.get(f"{root}/v1/models").json()
        return any(entry["id"] == model for entry in listing["data"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return False
