"""This machine: its processor, memory and GPUs."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrmtest.inherited import inherited_environment

_NVIDIA_SMI_SECONDS = 10
_CAPABILITY = re.compile(r"[0-9]{1,2}\.[0-9]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Gpu:
    """A CUDA GPU; memory in 1e9 bytes, its compute capability where that is known."""

    name: str
    memory_gb: float
    free_gb: float
    capability: float | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """What a run has to work with.

    Attributes:
        cpu: the processor's name.
        cores: how many of them this process may use.
        ram_gb, available_gb: memory in 1e9 bytes, a container's limit taken into account.
        gpus: those that CUDA_VISIBLE_DEVICES leaves.
    """

    cpu: str
    cores: int
    ram_gb: float
    available_gb: float
    gpus: tuple[Gpu, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What a run's manifest says of its hardware: nothing that changes by the minute."""
        return {
            "cpu": self.cpu,
            "cores": self.cores,
            "ram_gb": round(self.ram_gb, 1),
            "gpus": [{"name": gpu.name, "memory_gb": round(gpu.memory_gb, 1)} for gpu in self.gpus],
        }


def this_machine(visible_devices: str | None = None) -> Machine:
    """The machine this process runs on; asks nvidia-smi, imports nothing heavy.

    Args:
        visible_devices: the GPUs to count, as in CUDA_VISIBLE_DEVICES, which it stands in for.
    """
    total, available = _memory_bytes()
    visible = visible_devices or os.environ.get("CUDA_VISIBLE_DEVICES")
    return Machine(_cpu_name(), _cores(), total / 1e9, available / 1e9, _gpus(visible))


def _memory_bytes() -> tuple[int, int]:
    """Total and available memory."""
    fields: dict[str, int] = {}
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            key, _, rest = line.partition(":")
            fields[key] = int(rest.split()[0]) * 1024
    if "MemTotal" in fields:
        total, available = fields["MemTotal"], fields.get("MemAvailable", fields["MemTotal"])
    else:  # not Linux: what POSIX tells
        total = available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # "max" means no limit
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text(encoding="ascii"))
        used = int((group / "memory.current").read_text(encoding="ascii"))
        total, available = min(total, limit), min(available, max(0, limit - used))
    return total, available


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_name() -> str:
    with suppress(OSError):
        for line in (
            Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        ):
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _gpus(visible: str | None) -> tuple[Gpu, ...]:
    """The NVIDIA GPUs; none when there is no nvidia-smi or it does not answer."""
    query = "--query-gpu=index,uuid,name,memory.total,memory.free"
    for more in (",compute_cap", ""):  # old drivers do not know it, and then tell nothing at all
        try:
            done = subprocess.run(
                ["nvidia-smi", query + more, "--format=csv,noheader,nounits"],
                env=inherited_environment(),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_NVIDIA_SMI_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired):
            return ()
        if done.returncode == 0:
            break
    return parse_gpus(done.stdout, visible)


def parse_gpus(listing: str, visible: str | None) -> tuple[Gpu, ...]:
    """GPUs from nvidia-smi's lines: index, UUID, name, total and free memory in MiB, capability.

    Args:
        listing: nvidia-smi's answer; a line that is not of this form, such as that of a GPU
            without memory of its own, is left out. The compute capability may be missing.
        visible: the value of CUDA_VISIBLE_DEVICES, None when unset.
    """
    wanted = None if visible is None else {part.strip() for part in visible.split(",")}
    found = []
    for line in listing.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) not in (5, 6):
            continue
        index, uuid, name, total, free = parts[:5]
        capability = float(parts[-1]) if _CAPABILITY.fullmatch(parts[-1]) else None
        chosen = wanted is None or index in wanted or uuid in wanted
        if chosen and total.isdecimal() and free.isdecimal():
            found.append(Gpu(name, int(total) * 2**20 / 1e9, int(free) * 2**20 / 1e9, capability))
    return tuple(found)
