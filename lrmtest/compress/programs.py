"""Running a program that makes files: to its end, however long it takes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lrmtest.models.programs.failure import KnownFailure, program_failure
from lrmtest.models.programs.process import GuardedProcess
from lrmtest.progress import Tell

_POLL_SECONDS = 0.2
_TELL_SECONDS = 10.0
_LESS = "use a machine with more memory, or a smaller model"


def run_program(
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    folder: Path,
    tell: Tell,
    progress: Callable[[str], str | None],
    failures: Sequence[KnownFailure],
) -> list[str]:
    """Run `command` until it ends. It ends with this process too, and by Ctrl-C.

    Args:
        name: what it is called in an error.
        command: program and arguments.
        environment: variables to set, on top of those that programs inherit.
        folder: where it runs.
        tell: is told, now and then, how far it is.
        progress: what to tell of a line that it has written; None for nothing.
        failures: what can be told from its lines, the most specific first.

    Returns:
        The lines that it wrote, the last 2,000 of them.

    Raises:
        ModelError: it failed, or could not be started; with the lines that say why.
    """
    # Threads spin while they wait for each other, which starves whatever shares the cores.
    patience = {} if "OMP_WAIT_POLICY" in os.environ else {"OMP_WAIT_POLICY": "passive"}
    process = GuardedProcess(command, {**environment, **patience}, folder=folder)
    told, next_time = "", time.monotonic() + _TELL_SECONDS
    try:
        while not process.wait(_POLL_SECONDS):
            if time.monotonic() < next_time:
                continue
            news = (progress(line) for line in reversed(process.log.lines()))
            latest = next((text for text in news if text), "")
            if latest and latest != told:
                tell(latest)
                told, next_time = latest, time.monotonic() + _TELL_SECONDS
    finally:
        process.stop(hasty=True)
    lines = process.log.lines()
    if process.exit_status:
        raise program_failure(name, process.exit_status, lines, failures, out_of_memory=_LESS)
    return lines
