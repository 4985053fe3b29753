"""A server's port, and the waiting until it answers there for its model."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from lrmtest.errors import MachineryError
from lrmtest.models.programs.process import GuardedProcess

LOOPBACK = "127.0.0.1"
"""Where a server listens that nobody on another machine is to ask."""

_LOG_SECONDS = 2.0
_POLL_SECONDS = 0.05
_SLOWEST_POLL_SECONDS = 1.0
_PROBE_SECONDS = 5.0
_MAX_LISTING_BYTES = 1 << 20


def free_port(host: str = LOOPBACK) -> int:
    """A TCP port on an address of this machine that nobody listens on at this moment."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def port_taken(lines: Sequence[str]) -> bool:
    """Whether the log says that something else listens on the server's port."""
    pattern = re.compile(r"couldn't bind|address already in use|errno 98\b", re.I)
    return any(pattern.search(line) for line in lines)


def wait_until_ready(
    server: GuardedProcess,
    root: str,
    *,
    key: str,
    model: str,
    seconds: float,
    given_up: threading.Event,
) -> bool:
    """Poll the server until it answers for its model.

    Args:
        server: the process, watched meanwhile.
        root: its base URL, without the API root.
        key: the API key.
        model: the name it was told to serve under; no other server on this port knows it.
        seconds: how long this may take.
        given_up: ends the waiting when it is set.

    Returns:
        False when the server has ended before it was ready.

    Raises:
        ModelError: it was not ready in time, or was given up.
    """
    deadline = time.monotonic() + seconds
    delay = _POLL_SECONDS
    while True:
        if given_up.is_set():
            raise MachineryError("the engine was closed while it started")
        if not server.running:
            server.wait(_LOG_SECONDS)
            return False
        if answers(root, key, model):
            return True
        if time.monotonic() > deadline:
            raise MachineryError(
                f"the server was not ready after {seconds:.0f} s",
                hint="are the model's files slow to read? Copy them to a disk of this machine",
            )
        given_up.wait(delay)
        delay = min(delay * 1.2, _SLOWEST_POLL_SECONDS)


def answers(root: str, key: str, model: str) -> bool:
    """Whether a server at this base URL answers for the model, within a few seconds."""
    try:
        _read(f"{root}/health", key)
        listing = json.loads(_read(f"{root}/v1/models", key))
        return any(entry["id"] == model for entry in listing["data"])
    except (OSError, HTTPException, ValueError, KeyError, TypeError, RecursionError):
        return False


def _read(url: str, key: str) -> bytes:
    """What is at `url`, on this machine and therefore through no proxy; redirects are refused.

    Raises:
        OSError, HTTPException: nobody answers there, or with another status than 200.
    """
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=_PROBE_SECONDS)
    with closing(connection):
        connection.request("GET", parts.path, headers={"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise OSError(f"HTTP {answer.status}")
        return answer.read(_MAX_LISTING_BYTES)
