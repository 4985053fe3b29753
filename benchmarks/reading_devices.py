"""Reading on another device and in other number formats: `python benchmarks/reading_devices.py`.

tiny-lrm writes traces of generated questions on the CPU in float32. A copy pruned by magnitude and
tiny-lrm itself read them, on the CPU in float32 and on `--device` in each of `--dtypes`; S, the
divergence per token, and the furthest that a trace's S is from the CPU's float32. A row's `floor`
is S where the parent reads what it wrote. It ends with status 1 where
float32 on the device is further from the CPU's than `--apart` a trace, or where S in another format
has left the interval that float32 has.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def command(folder: Path, *arguments: str) -> None:
    """Run one in `folder`; its end is shown where it fails."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=folder, capture_output=True, text=True
    )
    if done.returncode not in (0, 1):
        sys.exit(f"{' '.join(arguments)}:\n{(done.stdout + done.stderr)[-3000:]}")


def reading(folder: Path, device: str, dtype: str) -> tuple[dict[str, Any], float]:
    """What `lrmtest read` tells of the pruned copy, and the seconds of the whole command."""
    path = folder / f"{device.replace(':', '-')}-{dtype}.json"
    begun = time.monotonic()
    command(
        *(folder, "lrmtest", "read", "./pruned", "--traces", "parent.traces", "--parent"),
        *("--device", device, "--dtype", dtype, "--json", str(path)),
        *("--reports-dir", f"read-{path.stem}"),
    )
    return json.loads(path.read_text()), time.monotonic() - begun


def by_key(found: dict[str, Any]) -> dict[str, float]:
    """Total variation of each trace."""
    return {one["key"]: one["s_low"] for one in found["traces"]}


def main() -> int:
    """Write, read, compare; a row for each way to read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtypes", nargs="+", default=("float32", "bfloat16", "float16"))
    parser.add_argument("--questions", type=int, default=8, help="of each family")
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--sparsity", default="0.65")
    parser.add_argument("--apart", type=float, default=1e-3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command(
            *(folder, "pytest", "-q", "--tb=no", "-p", "no:cacheprovider", "--model", "tiny-lrm"),
            *("--pyargs", "lrmtest.suites.fresh", "--fresh-count", str(given.questions)),
            *("--samples", str(given.samples), "--temperature", "1", "--top-p", "1"),
            *("--device", "cpu", "--dtype", "float32", "--traces"),
            *("--save-baseline", "parent.json", "--save-traces", "parent.traces"),
        )
        command(
            *(folder, "lrmtest", "compress", "tiny-lrm", "-o", "pruned", "--method", "magnitude"),
            *("--sparsity", given.sparsity),
        )
        first, seconds = reading(folder, "cpu", "float32")
        here = by_key(first)
        print(
            "device | dtype | traces | S | 95 % interval | KL/token | floor | furthest trace "
            "| seconds\n" + row("cpu", "float32", first, 0.0, seconds),
            flush=True,
        )
        good = True
        low, high = first["total"]["s_interval"]
        for dtype in given.dtypes:
            found, seconds = reading(folder, given.device, dtype)
            there = by_key(found)
            apart = max(abs(there[key] - value) for key, value in here.items())
            print(row(given.device, dtype, found, apart, seconds), flush=True)
            within = low <= found["total"]["s_low"] <= high
            good = good and (apart <= given.apart if dtype == "float32" else within)
    return 0 if good else 1


def row(device: str, dtype: str, found: dict[str, Any], apart: float, seconds: float) -> str:
    """One way to read."""
    total, floor = found["total"], found["floor"]
    low, high = total["s_interval"]
    return (
        f"{device} | {dtype} | {total['traces']} | {total['s_low']:.3g} | {low:.3g} to {high:.3g} "
        f"| {total['divergence']:.3g} | {floor['variation']:.2g} | {apart:.2g} | {seconds:.1f}"
    )


if __name__ == "__main__":
    sys.exit(main())
