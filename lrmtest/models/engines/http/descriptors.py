"""File descriptors: every request in flight has a socket, and a process may have only so many.

Most systems allow a process 1,024 at first and far more when it asks: 4 replicas with vLLM's 256
requests each need all of them.
"""

from __future__ import annotations

import contextlib

try:
    import resource
except ImportError:  # Windows, where sockets are not counted among files
    resource = None  # type: ignore[assignment]

_ENOUGH = 1 << 16


def allow_many() -> None:
    """Let this process have as many open files as the system lets it, up to 65,536.

    It stays so: programs that are started later may have as many.
    """
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < most:
        # macOS counts its own limit, which is told nowhere, beside the hard one.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
