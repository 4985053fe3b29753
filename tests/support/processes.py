"""Looking for processes that should have ended."""

import time
from contextlib import suppress

import prepared
import psutil


def gone(processes, seconds=120.0):
    """Whether all of these have ended; a zombie that nobody reaps here has."""
    deadline = time.monotonic() + seconds
    while any(map(alive, processes)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def alive(process):
    """Whether this very process still does something."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def descendants(pid=None, name=None):
    """Processes below one, this one by default, whose command line contains `name`.

    Without those that `prepared` forks for others, which stay as long as the tests.
    """
    found = []
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(pid).children():
            if child.pid not in prepared.PREPARED:
                found += [child, *_below(child)]
    return [process for process in found if name is None or name in _command(process)]


def _below(process):
    with suppress(psutil.NoSuchProcess):
        return process.children(recursive=True)
    return []


def _command(process):
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""


def servers(pid=None, program="llama-server"):
    """The server processes below one, without the processes that watch over them."""
    found = []
    for process in descendants(pid):
        with suppress(psutil.NoSuchProcess):
            command = process.cmdline()
            # A script stands behind its interpreter. Without a port it only tells its version.
            if any(program in word for word in command[:2]) and "--port" in command:
                found += [process] if alive(process) else []
    return found


def wait_for(condition, seconds=180.0):
    """Wait until `condition` gives something true, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found
