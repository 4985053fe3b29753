"""Runs in processes of their own, which a test interrupts or disturbs."""

import os
import subprocess

import prepared
from sums import suite

from lrmtest.errors import StoreError
from lrmtest.runs.store import Store

CONCURRENCY = 4


def begin(pytester, server, *args):
    """Start a run of 200 questions in a process of its own."""
    pytester.makepyfile(test_sums=suite().replace("range(12)", "range(200)"))
    return prepared.begin(
        *("-m", "pytest", "-p", "no:hypothesispytest", "-p", "no:cacheprovider"),
        *("--model", f"m={server.url}", "--concurrency", str(CONCURRENCY), *args),
        cwd=pytester.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def asked(server):
    """Requests for questions; the self-test's probes have a budget of their own."""
    return sum(body["max_tokens"] == 64 for body in server.bodies)


def arrived(pytester):
    """Completions in the newest run of the store."""
    try:
        with Store(pytester.path / "reports" / "lrmtest.sqlite", create=False) as store:
            runs = store.runs()
            return len(store.keys(runs[0].run_id)) if runs else 0
    except StoreError:
        return 0
