"""The Ray cluster that a fleet is on: one that is there, or one of its own on this machine."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lrmtest.errors import MachineryError, ModelError
from lrmtest.models.engines.server.readiness import LOOPBACK
from lrmtest.models.programs.log import useful_lines
from lrmtest.models.programs.process import GuardedProcess
from lrmtest.unicode import quote

LOCAL = "local"
"""The address that means a cluster of its own on this machine."""

NAMESPACE = "lrmtest"
"""Where lrmtest's actors have their names."""

_STORE_BYTES = 100_000_000  # next to nothing is kept there; Ray wants 75 MB at least
_START_SECONDS = 120.0
_GRACE_SECONDS = 5.0
_POLL_SECONDS = 0.1
_OWN = {
    # Its processes take this machine's address on the network, and listen on all, otherwise.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # Other users of this machine are no users of the cluster.
    "RAY_AUTH_MODE": "token",
    # No processes for tasks that might come.
    "RAY_prestart_worker_first_driver": "0",
}
_INSTALL = "pip install 'lrmtest[ray]', with the version of Ray that the cluster has"


def require_ray() -> None:
    """Make sure that Ray is installed; nothing is imported.

    Raises:
        ModelError: it is not.
    """
    if find_spec("ray") is None:
        raise ModelError("--ray needs Ray Serve, which is not installed", hint=_INSTALL)


@contextmanager
def on_cluster(address: str) -> Iterator[Any]:
    """Be on a cluster, with Serve running there; gives the module `ray`.

    One that is there is left as it is, and Serve running. One on this machine ends with this; it
    listens on the loopback interface alone, has no dashboard, and reports its use to nobody.

    Args:
        address: ``HOST:PORT`` of a cluster's head, ``auto`` for the one that this machine is part
            of, or `LOCAL`.

    Raises:
        ModelError: Ray is not installed, or not in the cluster's version.
        MachineryError: no cluster answers, or none can be started.
    """
    require_ray()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    with _own_cluster() if address == LOCAL else nullcontext(address) as where:
        # Not before: what is set above is read when it is imported.
        try:
            import ray
            from ray import serve
        except ImportError as error:
            raise ModelError(f"Ray Serve cannot be imported: {error}", hint=_INSTALL) from error
        for name in ("ray", "ray.serve"):
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            ray.init(where, namespace=NAMESPACE, log_to_driver=False, logging_level=logging.ERROR)
            serve.start(proxy_location="Disabled", logging_config={"log_level": "ERROR"})
        except Exception as error:  # Ray's own, Python's, gRPC's
            raise _refused(address, error) from error
        try:
            yield ray
        finally:
            ray.shutdown()


@contextmanager
def _own_cluster() -> Iterator[str]:
    """A cluster on this machine, until the end of the context; gives its address.

    Its processes are below the watchdog, and so end however this process does.
    """
    # Inherited by all of it, and the same here.
    os.environ.update(_OWN, RAY_AUTH_TOKEN=secrets.token_hex(32))
    folder = Path(tempfile.mkdtemp(prefix="lrmtest-ray-"))
    head = GuardedProcess(
        [
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
            *("--node-ip-address", LOOPBACK, "--port", "0", "--dashboard-agent-listen-port", "0"),
            *("--include-dashboard", "false", "--disable-usage-stats", "--temp-dir", str(folder)),
            *("--object-store-memory", str(_STORE_BYTES)),
            # Nobody reads its logs from elsewhere, and there are no machines to add.
            *("--include-log-monitor", "false", "--no-monitor"),
        ],
        {name: os.environ[name] for name in (*_OWN, "RAY_AUTH_TOKEN", "RAY_USAGE_STATS_ENABLED")},
        grace=_GRACE_SECONDS,
    )
    try:
        named, deadline = folder / "ray_current_cluster", time.monotonic() + _START_SECONDS
        while not (named.exists() and (where := named.read_text().strip())):
            if head.wait(_POLL_SECONDS) or time.monotonic() > deadline:
                raise MachineryError(
                    "Ray does not start on this machine"
                    + "".join(f"\n     {line}" for line in useful_lines(head.log.lines()))
                )
        yield where
    finally:
        head.stop()
        shutil.rmtree(folder, ignore_errors=True)


def first_line(error: Exception) -> str:
    """The first line of what an error of Ray's says, which may be followed by a page."""
    return quote((str(error).strip() or type(error).__name__).splitlines()[0])


def _refused(address: str, error: Exception) -> ModelError:
    words = first_line(error)
    if "Version mismatch" in str(error):
        return ModelError(
            f"the cluster at {address} has another Ray or Python than this: {words}", hint=_INSTALL
        )
    if address == LOCAL:
        return MachineryError(f"Ray has started on this machine and cannot be used: {words}")
    return MachineryError(
        f"no Ray cluster can be used at {address}: {words}",
        hint="is it up, and is this machine part of it? ray status --address ADDRESS asks it",
    )
