"""Records of what is kept up, a server or a fleet: a small file for each, for its owner only.

A file holds the server's API key, so it counts only if it belongs to this user and nobody else may
read it, and only while the process that wrote it lives: the same process, started at the same
moment, of this user, on this machine. Files of processes that are gone are deleted.
"""

from __future__ import annotations

import json
import os
import platform
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lrmtest.errors import MachineryError, ModelError, UsageError
from lrmtest.inherited import inherited_environment
from lrmtest.models.cache import cache_dir
from lrmtest.models.engines.server.launch import Address

_FORMAT = 1
_MOST_BYTES = 1 << 20
_PS_SECONDS = 5


@dataclass(frozen=True, slots=True)
class WarmRecord:
    """A server or a fleet that is kept up, and all that tells whether it will do for a run.

    Attributes:
        model: the model's name.
        engine: ``vllm`` or ``llamacpp``.
        pid: of the process that keeps it.
        mark: `process_mark` of that process.
        address: where it is asked; None for a fleet.
        version: its version.
        card: the model's card, as JSON values.
        files: SHA-256 of the model's files by name.
        settings: `Launch.settings`.
        details: what could change an outcome, for the manifest.
        concurrency: requests that it takes at once; None for its own choice.
        context: tokens of prompt and completion together.
        load_seconds: how long its start took.
        since: when it was ready, in seconds since 1970.
        log: the file with its output.
        urls: the file that names a fleet's replicas; empty for one server.
        replicas: how many of them there are to be.
    """

    model: str
    engine: str
    pid: int
    mark: str
    address: Address | None
    version: str
    card: Mapping[str, Any]
    files: Mapping[str, str]
    settings: Mapping[str, Any]
    details: Mapping[str, Any]
    concurrency: int | None
    context: int
    load_seconds: float
    since: float
    log: str
    urls: str = ""
    replicas: int = 0

    @property
    def location(self) -> str:
        """Where it is asked, as behind ``--model NAME=`` for a fleet."""
        return f"replicas:{self.urls}" if self.address is None else self.address.url

    @property
    def alive(self) -> bool:
        """Whether the process that keeps the server still runs."""
        return process_mark(self.pid) == self.mark


def warm_folder() -> Path:
    """The folder of this user's records and logs; it may not exist yet."""
    return cache_dir() / f"warm-{os.geteuid()}"


def make_warm_folder() -> Path:
    """`warm_folder`, made if need be, closed to everybody else.

    Raises:
        ModelError: it cannot be made, or is not this user's alone.
    """
    folder = warm_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        safe = _is_private(folder.lstat())
    except OSError as error:
        raise MachineryError(
            f"cannot write to {folder}: {error.strerror or error}",
            hint="set LRMTEST_CACHE to a folder that you may write to",
        ) from error
    if not safe:
        raise ModelError(
            f"{folder} must belong to you and be closed to others: it will hold a key",
            hint=f"chmod 700 {folder}, or set LRMTEST_CACHE to another folder",
        )
    return folder


def warm_records() -> list[WarmRecord]:
    """The servers that are kept up for this user on this machine, by model."""
    return sorted(_alive(), key=lambda record: record.model)


def warm_record(model: str) -> WarmRecord | None:
    """The server that is kept up for a model; None when there is none."""
    return next((record for record in _alive() if record.model == model), None)


def write_record(record: WarmRecord) -> None:
    """Tell of a server that is ready.

    Raises:
        UsageError: another one is kept up for the same model.
        ModelError: the file cannot be written.
    """
    warm_record(record.model)  # deletes a stale one
    try:
        # A link, unlike a rename, fails when somebody else was faster.
        _place(record, os.link)
    except FileExistsError:
        raise UsageError(
            f"a server for model {record.model!r} is kept up already",
            hint=f"stop it first: lrmtest serve --stop {record.model}",
        ) from None


def ask_for_replicas(record: WarmRecord, count: int) -> None:
    """Let the keeper of a fleet have another number of replicas: it looks at its record.

    Raises:
        ModelError: the file cannot be written.
    """
    _place(replace(record, replicas=count), os.replace)


def _place(record: WarmRecord, put: Callable[[str, Path], None]) -> None:
    folder = make_warm_folder()
    content = {**asdict(record), "format": _FORMAT, "machine": _machine()}
    try:
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".", suffix=".new")  # mode 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(content, file, indent=1)
            put(temporary, folder / f"{record.model}.json")
        finally:
            Path(temporary).unlink(missing_ok=True)
    except FileExistsError:
        raise
    except OSError as error:
        raise MachineryError(f"cannot write to {folder}: {error.strerror or error}") from error


def remove_record(record: WarmRecord) -> None:
    """Tell of the server no longer; leaves the file of any other server alone."""
    path = warm_folder() / f"{record.model}.json"
    found = _read(path)
    if found is not None and (found.pid, found.mark) == (record.pid, record.mark):
        path.unlink(missing_ok=True)


def process_mark(pid: int) -> str | None:
    """When a process of this user was started, as this system tells it; None if it has ended.

    A process id is given out again; together with this it is not.
    """
    try:
        if Path(f"/proc/{pid}").stat().st_uid != os.geteuid():
            return None
        # pid (name) state parent ...; the name may contain anything. The 22nd field is the start.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
    # A system without /proc.
    try:
        done = subprocess.run(
            ["ps", "-o", "uid=,lstart=", "-p", str(pid)],
            env=inherited_environment(),
            capture_output=True,
            text=True,
            timeout=_PS_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    owner, _, started = done.stdout.strip().partition(" ")
    return started.strip() if owner == str(os.geteuid()) else None


def _alive() -> Iterator[WarmRecord]:
    folder = warm_folder()
    try:
        if not _is_private(folder.lstat()):
            return
        paths = sorted(folder.glob("*.json"))
    except OSError:
        return
    for path in paths:
        record = _read(path)
        if record is None:
            continue
        if record.alive:
            yield record
        else:
            with suppress(OSError):
                path.unlink(missing_ok=True)


def _read(path: Path) -> WarmRecord | None:
    """The record at `path`; None if it is not this user's, or of another machine or release."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            if not (stat.S_ISREG(status.st_mode) and _is_private(status)):
                return None
            content = json.loads(file.read(_MOST_BYTES))
        if content.pop("format") != _FORMAT or content.pop("machine") != _machine():
            return None
        told = content["address"]
        record = WarmRecord(**{**content, "address": None if told is None else Address(**told)})
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return record if record.model == path.name.removesuffix(".json") else None


def _is_private(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & 0o077


def _machine() -> str:
    """Names where process ids mean the same: a home folder may be shared between machines."""
    parts = [platform.node()]
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id")
        parts.append(boot.read_text(encoding="ascii").strip())
    with suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(parts)
