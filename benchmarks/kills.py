"""kill -9 at random points of whatever writes: what is lost, what is done twice, what is left over.

    python benchmarks/kills.py [--kills 100] [--modes plain xdist ...] [--in-a-row 1] [--seed 0]

In each mode a command is run once to its end, and then again and again from nothing, killed after
a random time, or after a random number of completions, and given once more; with `--in-a-row 4` it
is killed four times on its way, where a long command would take too long for each. The modes:

    plain      pytest, one process
    xdist      pytest -n 2; the controller is killed
    early      pytest with a gate and --early-stop
    endpoints  pytest with two --model
    sharing    pytest twice at once; one of the two is killed, the other goes on
    import     lrmtest import of an exported run
    compress   lrmtest compress tiny-lrm
    sweep      lrmtest sweep of tiny-lrm, with a real llama-server
    served     pytest with a llama-server that lrmtest starts

What is counted: completions that had been handed to lrmtest by an engine and are not in the store
after the kill (at most one for each process: the one in its commit); completions that were in the
store and were asked for again; completions that are missing after the second command; integrity
errors of the store, by SQLite and by `lrmtest check`; processes that are still there a minute
after the kill.

The endpoint is the tests' stand-in. `served` and `sweep` need a llama-server.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

from fault_server import FaultServer  # noqa: E402 (the tests' stand-in is no package)
from sums import right, suite  # noqa: E402

from lrmtest.errors import ModelError  # noqa: E402
from lrmtest.models.programs.llamacpp import find_llama_server  # noqa: E402
from lrmtest.runs.formats.jsonl import export_run  # noqa: E402
from lrmtest.runs.salvage import read_remains  # noqa: E402
from lrmtest.runs.store import STORE_NAME, Store  # noqa: E402

QUESTIONS = 60
CONCURRENCY = 8
_LEFT_SECONDS = 60.0
_NOTE = """
import os
from lrmtest.plugin.generation import generation

_write = generation.Generation._deliver
_file = os.open("arrived", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def deliver(self, delivery):
    if delivery.completion is not None:
        os.write(_file, (delivery.request.key + "\\n").encode())
    _write(self, delivery)

generation.Generation._deliver = deliver
"""
"""A plugin that notes which completions have been handed over."""


@dataclass(slots=True)
class Tally:
    """What came of the kills in one mode."""

    kills: int = 0
    arrived: int = 0
    lost: int = 0
    most_lost: int = 0
    twice: int = 0
    missing: int = 0
    damaged: int = 0
    left_over: int = 0
    refused: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Mode:
    """One way to write.

    Attributes:
        command: what is killed, and given again.
        complete: completions when all is done; None where it is not fixed.
        beside: a second command at the same time, which is not killed.
        arrives: an engine makes completions, so that there is a moment after some of them.
    """

    command: Sequence[str]
    complete: int | None
    beside: bool = False
    arrives: bool = True


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--in-a-row", type=int, default=1)
    parser.add_argument("--modes", nargs="+", default=None)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    with (
        tempfile.TemporaryDirectory(prefix="lrmtest-kills-") as name,
        FaultServer(answer=right, delay=0.05) as first,
        FaultServer(answer=right, delay=0.05) as second,
    ):
        base = Path(name)
        modes = _modes(base, first, second)
        chosen = given.modes or [mode for mode in modes if _can_run(mode)]
        tallies = {}
        for place, mode in enumerate(chosen):
            kills = given.kills // len(chosen) + (place < given.kills % len(chosen))
            tallies[mode] = _killed(
                base, mode, modes[mode], kills, given.in_a_row, rng, (first, second)
            )
            _show({mode: tallies[mode]})
        _show(tallies)


def _can_run(mode: str) -> bool:
    if mode not in ("served", "sweep"):
        return True
    try:
        find_llama_server()
    except ModelError:
        return False
    return True


def _modes(base: Path, first: FaultServer, second: FaultServer) -> dict[str, Mode]:
    python = [sys.executable, "-m"]
    pytest = [*python, "pytest", "-q", "--tb=no", "-p", "no:cacheprovider", "-p", "note"]
    pytest += ["-p", "no:hypothesispytest", "--concurrency", str(CONCURRENCY)]
    pytest += ["--reports-dir", "reports"]
    one = [*pytest, "test_sums.py", "--model", f"m={first.url}"]
    lrmtest = [*python, "lrmtest"]
    fresh = str(ROOT / "suites" / "fresh" / "test_fresh_hops.py")
    baseline, exported = base / "baseline.json", base / "run.jsonl"
    _make_files(base, [*one, "--save-baseline", str(baseline)], exported)
    gate = ["--baseline", str(baseline), "--gate", "--margin", "0.2", "--early-stop"]
    compress = [*lrmtest, "compress", "tiny-lrm", "-o", "variant", "--method", "magnitude"]
    compress += ["--calibration-samples", "4", "--calibration-tokens", "64"]
    sweep = [*lrmtest, "sweep", "tiny-lrm", "-o", "out", "--method", "magnitude", "--sparsity"]
    sweep += ["0.5", "--suite", fresh, "--calibration-samples", "4", "--calibration-tokens", "64"]
    sweep += ["--pytest", "--fresh-count 10 --max-tokens 64 -p note"]
    return {
        "plain": Mode(one, QUESTIONS),
        "xdist": Mode([*one, "-n", "2"], QUESTIONS),
        "early": Mode([*one, *gate], None),
        "endpoints": Mode([*one, "--model", f"other={second.url}"], 2 * QUESTIONS),
        "sharing": Mode(one, QUESTIONS, beside=True),
        "import": Mode([*lrmtest, "import", str(exported)], 40 * QUESTIONS, arrives=False),
        "compress": Mode([*compress, "--sparsity", "0.5"], 0),
        "sweep": Mode(sweep, 20),
        "served": Mode([*pytest, fresh, "--model", "tiny-lrm", "--fresh-count", "40"], 40),
    }


def _make_files(base: Path, command: Sequence[str], exported: Path) -> None:
    """A baseline, and a run with many samples as a file."""
    folder = _fresh(base / "made")
    subprocess.run(command, cwd=folder, env=_environment(folder), check=True, capture_output=True)
    with Store(folder / "reports" / STORE_NAME) as store:
        run = store.run("last")
        for stored in list(store.completions(run.run_id)):
            for sample in range(1, 40):
                place = replace(stored.place, key=f"{stored.place.key}-{sample}", sample=sample)
                store.add_completion(run.run_id, place, stored.completion)
        export_run(store, run, exported)


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "test_sums.py").write_text(suite().replace("range(12)", f"range({QUESTIONS})"))
    (folder / "note.py").write_text(_NOTE)
    return folder


def _environment(folder: Path) -> dict[str, str]:
    paths = [str(folder), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _begin(command: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=folder,
        env=_environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _killed(
    base: Path,
    name: str,
    mode: Mode,
    kills: int,
    in_a_row: int,
    rng: random.Random,
    servers: Sequence[FaultServer],
) -> Tally:
    tally = Tally()
    began = time.monotonic()
    status = _begin(mode.command, _fresh(base / name)).wait()
    full = time.monotonic() - began
    print(f"{name}: exit status {status} after {full:.1f} s", flush=True)
    while tally.kills < kills:
        folder = _fresh(base / f"{name}-{tally.kills}")
        # Two sessions that share a run both reach its end: there is nothing to kill twice.
        number = 1 if mode.beside else min(in_a_row, kills - tally.kills)
        complete = mode.complete if mode.arrives else 0
        moments = [_When(rng, full, complete, number) for _ in range(number)]
        _kill_again_and_again(folder, mode, moments, tally, status, servers)
        shutil.rmtree(folder, ignore_errors=True)
    return tally


class _When:
    """The moment of a kill: mostly while completions arrive, sometimes before or after.

    Args:
        rng: chance.
        full: seconds that the whole command takes.
        complete: completions that it makes; None where it is not fixed.
        kills: how often it is killed on its way.
    """

    def __init__(
        self, rng: random.Random, full: float, complete: int | None, kills: int = 1
    ) -> None:
        self._seconds = rng.uniform(0.2, full)
        most = (QUESTIONS // 2 if complete is None else complete) // kills
        self._arrivals = rng.randrange(most) if most and rng.random() < 0.8 else None
        self._moment = rng.uniform(0.0, 0.05)

    def wait(self, process: subprocess.Popen[bytes], arrived: Path, before: int) -> None:
        """Wait for it; ``before`` completions had arrived when the process began."""
        if self._arrivals is None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(self._seconds)
            return
        while process.poll() is None:
            if len(_arrived(arrived)) - before > self._arrivals:
                break
            time.sleep(0.002)
        time.sleep(self._moment)


def _kill_again_and_again(
    folder: Path,
    mode: Mode,
    moments: Sequence[_When],
    tally: Tally,
    status: int,
    servers: Sequence[FaultServer],
) -> None:
    """Begin the command in one folder and kill it, for each of ``moments``; then let it end."""
    arrived_file = folder / "arrived"
    kept: set[tuple[str, ...]] = set()
    for when in moments:
        before = _arrived(arrived_file)
        process, beside = _begin(mode.command, folder), None
        if mode.beside:
            beside = _begin(mode.command, folder)
        when.wait(process, arrived_file, len(before))
        below = _below(process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
        tally.kills += 1
        if beside is not None:
            tally.refused += beside.wait() != status
        tally.left_over += len(_still_there(below, tally.notes))
        tally.damaged += _damage(folder)
        if beside is None:
            arrived = set(_arrived(arrived_file)[len(before) :])
            lost = {key for key in arrived - _keys(folder) if not key.startswith("self-test")}
            tally.arrived += len(arrived)
            tally.lost += len(lost)
            tally.most_lost = max(tally.most_lost, len(lost))
            tally.twice += len(_asked(servers) & kept)
            kept = _questions(folder)
        _forget(servers)
    if not mode.beside:
        again = _begin(mode.command, folder).wait()
        tally.twice += len(_asked(servers) & kept)
        _forget(servers)
        tally.refused += again != status
        if again != status:
            tally.notes.append(f"the last command ended with {again}")
        tally.damaged += _damage(folder)
    if mode.complete is not None:
        tally.missing += abs(mode.complete - len(_keys(folder)))


def _arrived(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


def _asked(servers: Sequence[FaultServer]) -> set[tuple[str, ...]]:
    """The endpoints' names and questions of what the servers were asked."""
    return {
        (model, f"q{n}")
        for model, server in zip(("m", "other"), servers, strict=True)
        for body in server.bodies
        if body["max_tokens"] == 64
        for n in re.findall(r"What is (\d+)", str(body["messages"]))[:1]
    }


def _forget(servers: Sequence[FaultServer]) -> None:
    for server in servers:
        with server.lock:
            server.bodies.clear()


def _below(pid: int) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).children(recursive=True)
    return []


def _still_there(processes: Sequence[psutil.Process], notes: list[str]) -> list[psutil.Process]:
    deadline = time.monotonic() + _LEFT_SECONDS
    while left := [one for one in processes if _alive(one)]:
        if time.monotonic() > deadline:
            notes += [f"still there: {' '.join(one.cmdline())[:100]}" for one in left]
            return left
        time.sleep(0.1)
    return []


def _alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _rows(folder: Path, query: str) -> list[tuple[str, ...]]:
    path = folder / "reports" / STORE_NAME
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as db, suppress(sqlite3.OperationalError):
        return db.execute(query).fetchall()
    return []


def _keys(folder: Path) -> set[str]:
    return {key for (key,) in _rows(folder, "SELECT key FROM completion")}


def _questions(folder: Path) -> set[tuple[str, ...]]:
    query = "SELECT model, question_id FROM completion JOIN run USING (run_id)"
    return set(_rows(folder, query))


def _damage(folder: Path) -> int:
    path = folder / "reports" / STORE_NAME
    if not path.exists() or not _rows(folder, "SELECT name FROM sqlite_master"):
        return 0  # killed before it had any table
    return read_remains(path).faults


def _show(tallies: dict[str, Tally]) -> None:
    columns = (
        "kills",
        "arrived",
        "lost",
        "most at once",
        "again",
        "missing",
        "damaged",
        "left over",
    )
    table = Table("mode", *columns, "other exit")
    for name, one in tallies.items():
        figures = (one.kills, one.arrived, one.lost, one.most_lost, one.twice, one.missing)
        figures += (one.damaged, one.left_over, one.refused)
        table.add_row(name, *map(str, figures))
    console = Console(width=120)
    console.print(table)
    for name, one in tallies.items():
        for note in one.notes:
            console.print(f"{name}: {note}", markup=False)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
