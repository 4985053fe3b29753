"""A program in the foreground: it has the terminal, and does not outlive this process."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from functools import partial

from lrmtest.errors import LrmtestError
from lrmtest.models.programs.watchdog import end_with_parent

_GRACE_SECONDS = (30.0, 10.0)


def run_in_foreground(command: Sequence[str]) -> int:
    """Run a command to its end.

    The terminal's Ctrl-C reaches the command too, which ends in its own manner before this raises
    KeyboardInterrupt. When this process is killed, the kernel sends the command a SIGTERM (on
    Linux). Its own children are its own business.

    Returns:
        Its exit status, negative for a signal.

    Raises:
        LrmtestError: it cannot be started.
    """
    try:
        process = subprocess.Popen(command, preexec_fn=partial(end_with_parent, os.getpid()))
    except (OSError, subprocess.SubprocessError) as error:
        raise LrmtestError(f"{command[0]} cannot be started: {error}") from error
    try:
        return process.wait()
    except BaseException:
        _end(process)
        raise


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let a process that has heard of its end finish; then make it."""
    for number, seconds in zip((signal.SIGTERM, signal.SIGKILL), _GRACE_SECONDS, strict=True):
        try:
            process.wait(seconds)
            return
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        except KeyboardInterrupt:  # the user is in a hurry
            process.send_signal(signal.SIGKILL)
    process.wait()
