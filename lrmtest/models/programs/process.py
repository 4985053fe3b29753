"""A guarded process: a program that ends when it is told to, and when lrmtest ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from lrmtest.errors import MachineryError
from lrmtest.inherited import inherited_environment
from lrmtest.models.programs import watchdog
from lrmtest.models.programs.log import ProcessLog

_GRACE_SECONDS = 10.0
_KILL_SECONDS = 15.0  # after the grace: for the kernel to take a large process apart
_LOG_SECONDS = 2.0


class GuardedProcess:
    """A command that runs until it ends by itself or `stop` is called, or lrmtest ends.

    Between lrmtest and the command stands `watchdog`, which ends the command and all its
    descendants whatever becomes of this process.

    Args:
        command: program and arguments.
        environment: variables to set, on top of those that programs inherit.
        grace: seconds that it has to end by itself when it is stopped.
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
                env={**inherited_environment(), **environment},
                start_new_session=True,
            )
        except OSError as error:
            raise MachineryError(f"no process can be started: {error}") from error
        assert self._process.stdout is not None
        self.log = ProcessLog(self._process.stdout, log_file)

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    @property
    def exit_status(self) -> int | None:
        """Its exit status, 128 + N when signal N ended it; None while it runs."""
        status = self._process.poll()
        return status if status is None or status >= 0 else 128 - status

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for its end, and for all of its log; whether it has ended."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        self.log.finish(_LOG_SECONDS)
        return True

    def stop(self, *, hasty: bool = False) -> None:
        """End it and all its descendants; may be called from any thread, and twice.

        Args:
            hasty: do not wait out the grace; for what has nothing to finish.
        """
        pipe = self._process.stdin
        assert pipe is not None
        with self._stopping, contextlib.suppress(OSError, ValueError):
            # A byte, because a process forked from this one may hold the pipe open.
            pipe.write(watchdog.HASTY if hasty else b".")
            pipe.close()
        if not self.wait(self._grace + _KILL_SECONDS):
            # The watchdog itself hangs, in a kernel that does not let the program go.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self.wait(_LOG_SECONDS)
