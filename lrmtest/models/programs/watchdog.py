"""A small process between lrmtest and a program, so that no program outlives the run.

Started by `process`, as a script, as ``watchdog.py GRACE COMMAND...``: it starts the
command and ends with the command's own exit status. Standard input is a pipe from lrmtest. When
a byte or its end comes through it, when lrmtest's process is gone, or when the command ends, the
command and everything descended from it are ended: first by SIGTERM, after GRACE seconds (one, if
the byte is `HASTY`) by SIGKILL.

Why a process and not a signal handler: nothing can be handled after ``kill -9``. Why not only
PR_SET_PDEATHSIG: it fires when the *thread* that started the child ends, and it reaches the child
only, while vLLM keeps its GPUs in grandchildren. This process lives in a session of its own, where
neither the terminal's Ctrl-C nor its closing arrives; and as a "child subreaper" it inherits
every process whose parent dies, so that none can hide.

Standard library only, and no import of lrmtest: it must start in milliseconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

_POLL_SECONDS = 0.1
_SHORT_GRACE = 1.0
_KILL_SECONDS = 10.0
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
HASTY = b"!"
NOT_STARTED = 127
"""Exit status when the command could not be started at all."""


def main(grace: float, command: list[str]) -> int:
    """Run `command` until it ends or must end; its exit status, 128 + N after signal N."""
    parent = os.getppid()
    asked_to_end = False

    def ask_to_end(*_: object) -> None:
        nonlocal asked_to_end
        asked_to_end = True

    signal.signal(signal.SIGTERM, ask_to_end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_in_the_child,
        )
    except (OSError, ValueError) as error:
        print(f"cannot start {command[0]}: {error}", file=sys.stderr, flush=True)
        return NOT_STARTED
    while server.poll() is None and not asked_to_end and os.getppid() == parent:
        if select.select([sys.stdin], [], [], _POLL_SECONDS)[0]:
            if os.read(sys.stdin.fileno(), 1) == HASTY:
                grace = min(grace, _SHORT_GRACE)
            break
    if server.poll() is None:
        _signal_group(server.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(grace)
    if server.poll() is None:
        server.kill()
        server.wait()
    _end_descendants(server.pid)
    return server.returncode if server.returncode >= 0 else 128 - server.returncode


def _in_the_child() -> None:
    """Between fork and exec: plain signals, and an end if this very process should be killed."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def end_with_parent(parent: int) -> None:
    """Between fork and exec: have this process end by SIGTERM when its parent is gone."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it went in this moment
        os.kill(os.getpid(), signal.SIGTERM)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _end_descendants(group: int) -> None:
    """End what the server left behind, in whatever session; first with a moment to clean up."""
    for number, seconds in ((signal.SIGTERM, _SHORT_GRACE), (signal.SIGKILL, _KILL_SECONDS)):
        signalled: set[int] = set()
        _signal_group(group, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            # One generation at a time: the children of a process that ends become ours.
            for pid in _children() - signalled:
                signalled.add(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                return
            time.sleep(0.01)


def _children() -> set[int]:
    own = str(os.getpid())
    found = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # pid (name) state parent ...; the name may contain anything.
            if entry.read_text(errors="replace").rpartition(")")[2].split()[1] == own:
                found.add(int(entry.parent.name))
    return found


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
