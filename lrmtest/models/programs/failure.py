"""The error for a program that failed, in words that say what to do about it."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from lrmtest.errors import MachineryError, ModelError
from lrmtest.models.programs.log import told_errors, useful_lines
from lrmtest.models.programs.watchdog import NOT_STARTED

_KILLED = 128 + signal.SIGKILL
_CRASHED = {128 + signal.SIGILL, 128 + signal.SIGSEGV, 128 + signal.SIGBUS, 128 + signal.SIGFPE}


@dataclass(frozen=True, slots=True)
class KnownFailure:
    """A failure that can be told from the log.

    Attributes:
        pattern: found in what the log tells as an error; upper and lower case are the same.
        what: what has happened; ``{0}`` stands for the pattern's first group.
        hint: the next step.
        broke: it is the machine's failure, which may be gone the next time.
    """

    pattern: str
    what: str
    hint: str
    broke: bool = False


def program_failure(
    program: str,
    status: int | None,
    lines: list[str],
    known: Sequence[KnownFailure],
    *,
    out_of_memory: str,
) -> ModelError:
    """The error to raise for a program that ended, with the useful lines of its log.

    Args:
        program: what was started, ``llama-server`` for instance.
        status: its exit status, 128 + N after signal N.
        lines: its log.
        known: failures to look for, the most specific first.
        out_of_memory: what to lower when memory is short.
    """
    shown = useful_lines(lines)
    log = "".join(f"\n     {line}" for line in shown)
    for text in told_errors(lines):
        for failure in known:
            if match := re.search(failure.pattern, text, re.I | re.M):
                what = failure.what.format(*match.groups())
                kind = MachineryError if failure.broke else ModelError
                return kind(f"{program}: {what}{log}", hint=failure.hint)
    if status == _KILLED:
        return MachineryError(
            f"{program} was killed; out of memory, most probably{log}", hint=out_of_memory
        )
    if status == NOT_STARTED:
        return ModelError(f"{program} cannot be started{log}", hint="is it installed completely?")
    if status in _CRASHED:
        name = signal.Signals(status - 128).name
        return MachineryError(
            f"{program} crashed ({name}){log}",
            hint="was it built for this processor? How to build llama.cpp for any is in "
            "docs/engines.md",
        )
    ended = f"ended by signal {status - 128}" if status and status > 128 else f"exit {status}"
    return MachineryError(
        f"{program} failed ({ended}){log}",
        hint=f"these are {program}'s own words; lrmtest knows no more of the cause"
        if shown
        else None,
    )
