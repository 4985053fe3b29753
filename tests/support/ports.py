"""A port of a test's own, and a llama-server there that lrmtest has not started."""

import socket
import subprocess
from contextlib import contextmanager

import httpx
from processes import wait_for


@contextmanager
def own_port():
    """A port that nobody else gets, and where nobody listens but who is told of it.

    It is bound all the while and not listened at, so that connections are refused; servers that
    may share it, as all do that tests start, can listen there one after the other.
    """
    with socket.socket() as held:
        for sharing in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            held.setsockopt(socket.SOL_SOCKET, sharing, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@contextmanager
def foreign_llama(program, model, port, *arguments):
    """A llama-server as somebody else starts it; gives its URL."""
    process = subprocess.Popen(
        # Several threads spin while they wait for one that gets no core.
        [program.path, "--model", model, "--port", str(port), "--threads", "1", *arguments],
        env=dict(program.environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: process.poll() is not None or _is_healthy(url))
        assert process.poll() is None, "llama-server does not start"
        yield url
    finally:
        process.kill()
        process.wait()


def _is_healthy(url):
    try:
        return httpx.get(f"{url}/health", trust_env=False, timeout=60).status_code == 200
    except httpx.TransportError:
        return False
