"""What lrmtest costs in a session of pytest that is not its own: time, processor time, modules.

A project with one test that passes is run with lrmtest in the environment and without it
(`-p no:lrmtest`), alternately, and the medians are printed beside their difference:

    python benchmarks/foreign_session.py [--rounds 9] [--options]

`--options`: the project has options of lrmtest's names, and the session uses them. The environment
must have lrmtest installed, an editable install included; other plugins of it count on both sides.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

TEST = "def test_it(): pass\n"
CONFTEST = """
def pytest_addoption(parser):
    for name in ("device", "seed", "limit", "samples", "alpha"):
        parser.addoption("--" + name)
"""
COUNT = """
import sys, pytest
pytest.main(sys.argv[1:])
print(sum(name.partition(".")[0] == "lrmtest" for name in sys.modules), len(sys.modules))
"""
SESSION = ("-q", "-p", "no:cacheprovider", "test_it.py")


def measured(folder: Path, args: tuple[str, ...]) -> tuple[float, float]:
    """Seconds on the clock and of the processor that a session takes."""
    before, begun = os.times(), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "pytest", *args],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    seconds, after = time.perf_counter() - begun, os.times()
    cpu = after.children_user + after.children_system
    return seconds, cpu - before.children_user - before.children_system


def modules(folder: Path, args: tuple[str, ...]) -> list[int]:
    """How many modules of lrmtest a session imports, and how many of all packages."""
    done = subprocess.run(
        [sys.executable, "-c", COUNT, *args], cwd=folder, capture_output=True, text=True, check=True
    )
    return [int(word) for word in done.stdout.split()[-2:]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--options", action="store_true")
    option = parser.parse_args()
    used = ("--device=x", "--seed", "3", "--limit=1") if option.options else ()
    sides = {"without": (*SESSION, *used, "-p", "no:lrmtest"), "with": (*SESSION, *used)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_it.py").write_text(TEST)
        if option.options:
            (folder / "conftest.py").write_text(CONFTEST)
        counts = {side: modules(folder, args) for side, args in sides.items()}
        found: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
        for _ in range(option.rounds):
            for side, args in sides.items():
                found[side].append(measured(folder, args))
    table = Table("lrmtest", "seconds", "processor seconds", "its modules", "all modules")
    medians = {
        side: [statistics.median(each) for each in zip(*found[side], strict=True)] for side in sides
    }
    for side, (seconds, cpu) in medians.items():
        table.add_row(side, f"{seconds:.3f}", f"{cpu:.3f}", *map(str, counts[side]))
    difference = [b - a for a, b in zip(*medians.values(), strict=True)]
    more = [b - a for a, b in zip(*counts.values(), strict=True)]
    table.add_row("difference", *(f"{each:+.3f}" for each in difference), *(f"{n:+}" for n in more))
    Console().print(table)


if __name__ == "__main__":
    main()
