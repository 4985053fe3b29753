"""Asking an installed program something that it answers at once, its version for instance."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lrmtest.errors import ModelError
from lrmtest.inherited import inherited_environment

_SECONDS = 60  # a CUDA build looks for its devices first


def ask_program(
    command: Sequence[str | Path],
    *,
    called: str,
    environment: Mapping[str, str] | None = None,
    hint: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `command` to its end, with nothing to read.

    Args:
        command: program and arguments.
        called: what the program is in an error.
        environment: variables to set, on top of those that programs inherit.
        hint: the next step for who has a program that does not run.

    Returns:
        What it wrote and its exit status, whatever that is.

    Raises:
        ModelError: it cannot be started, or is not done after a minute.
    """
    try:
        return subprocess.run(
            command,
            env={**inherited_environment(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelError(f"{called} does not run: {error}", hint=hint) from error
