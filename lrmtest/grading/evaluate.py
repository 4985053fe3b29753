"""Arithmetic in LaTeX, evaluated or compared by math-verify in a process of its own, within bounds.

Neither the parser nor the algebra system can be trusted to end (``9^{9^{9^9}}``), and neither
can be interrupted from a thread. So a worker process does it, started at the first use, kept,
and killed when it overruns.
"""

from __future__ import annotations

import atexit
import json
import queue
import subprocess
import sys
import threading
from functools import lru_cache
from pathlib import Path

from lrmtest.errors import LrmtestError
from lrmtest.inherited import inherited_environment

LONGEST = 200
"""Characters; a longer expression is not tried."""
SECONDS = 3.0
"""The most one expression may compute. A processor's time and not the clock's, so that a verdict
is the same on a machine that has much else to do."""
_PATIENCE = 60.0
"""Seconds on the clock for a start or a reply: the worker ends itself long before."""
_WORKER = Path(__file__).with_name("evaluate_worker.py")


class _Worker:
    """One worker process and the thread that reads its replies."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            # By its path (and -P, so that its neighbours do not shadow other modules): the worker
            # needs math-verify only and starts faster without importing the package.
            [sys.executable, "-P", str(_WORKER), str(SECONDS)],
            env=inherited_environment(),  # it reads what a model wrote
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="ascii",
        )
        self._replies: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, name="lrmtest-evaluate", daemon=True).start()
        if self._reply() is None:
            self.kill()
            raise LrmtestError(
                "math-verify, which reads formulas in boxed answers, did not start",
                hint=f"see why with: {sys.executable} -P {_WORKER} {SECONDS}",
            )

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._replies.put(line)
        self._replies.put("")

    def _reply(self) -> str | None:
        """The next line; None when the worker took too long or died."""
        try:
            return self._replies.get(timeout=_PATIENCE) or None
        except queue.Empty:
            return None

    def ask(self, request: str | list[str]) -> str | None:
        """The worker's reply as JSON; None when it overran or died, and then it is gone."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError:
            return None
        return self._reply()

    def kill(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # a request that the dead worker never read
                    continue


_lock = threading.Lock()
_worker: _Worker | None = None


def integer_value(expression: str) -> int | None:
    r"""The integer that a LaTeX expression such as ``\sqrt{144}`` or ``8 + 65`` equals.

    Safe from any thread, one expression at a time.

    Returns:
        None when it equals none, cannot be parsed, is too long, or takes too long.

    Raises:
        LrmtestError: math-verify cannot be started at all.
    """
    if len(expression) > LONGEST:
        return None
    value = _asked(expression)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


LONGEST_COMPARED = 2000
"""Characters of an expression that is compared."""


@lru_cache(maxsize=4096)
def are_equal(one: str, other: str) -> bool | None:
    r"""Whether two expressions in LaTeX, each a single value, are proved to be equal.

    math-verify reads them and sympy decides, by simplifying their difference. math-verify's own
    comparison is not used: it rounds, takes 9% for 9, and tuples for sets. Safe from any thread.

    Returns:
        None when one of them cannot be read, is too long, or takes too long.

    Raises:
        LrmtestError: math-verify cannot be started at all.
    """
    if max(len(one), len(other)) > LONGEST_COMPARED:
        return None
    value = _asked([one, other])
    return value if isinstance(value, bool) else None


def _asked(request: str | list[str]) -> object:
    """The worker's reply; None also when it overran, and the next one starts anew."""
    global _worker
    with _lock:
        if _worker is None:
            _worker = _Worker()
        reply = _worker.ask(request)
        if reply is None:
            _worker.kill()
            _worker = None
            return None
    return json.loads(reply)


@atexit.register
def _stop() -> None:
    global _worker
    with _lock:
        if _worker is not None:
            _worker.kill()
            _worker = None
