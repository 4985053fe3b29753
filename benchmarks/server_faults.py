"""Real servers that are killed, stopped, replaced or left without disk in the middle of a run.

    python benchmarks/server_faults.py [--engines llamacpp vllm] [--rounds 1]

tiny-lrm answers generated questions through pytest, as a user would run it. After a tenth of the
completions one thing happens to the server or to the session:

    killed     SIGKILL to the server's processes
    stopped    SIGSTOP to them: they live and answer no more
    disk       the session may write nothing more, as on a full disk
    swapped    an endpoint of one's own (`--model m=URL`): its server is killed, and one with
               another model under the same name is started at its port

Then the command is given once more, after `swapped` with the gate and the first model's baseline.
Counted are engine errors, completions that came twice or never (after `swapped`: those that came
into the first model's run from the other one), and processes that are left over.

vLLM is what LRMTEST_VLLM names or what is on PATH.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from measured_server import Server, serving
from rich.console import Console
from rich.table import Table

from lrmtest.errors import StoreError
from lrmtest.models.engines.server.readiness import free_port
from lrmtest.models.gguf.from_safetensors import safetensors_to_gguf
from lrmtest.models.programs.vllm import find_vllm
from lrmtest.runs.store import STORE_NAME, Store

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

from processes import descendants, gone, servers, wait_for  # noqa: E402 (no package)

QUESTIONS = 400
TINY_LRM = ROOT / "lrmtest" / "models" / "tiny_lrm"
SUITE = str(ROOT / "suites" / "fresh" / "test_fresh_hops.py")
_PROGRAM = {"llamacpp": "llama-server", "vllm": "api_server"}


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one fault.

    Attributes:
        statuses: exit statuses of the session in which it happened and of the next.
        at: completions when it happened.
        completions: of the run afterwards.
        asked_again: completions that were in the store and came a second time; after a swap,
            those of the other model in the first one's run.
        errors: engine errors in the first session's summary; None where it wrote none.
        left: processes that were left over.
        said: the session's own words for it.
    """

    statuses: tuple[int, int]
    at: int
    completions: int
    asked_again: int
    errors: int | None
    left: int
    said: str


class Session:
    """pytest on tiny-lrm in a folder of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self._arguments = arguments

    def begin(self, *more: str) -> subprocess.Popen[str]:
        """Start it."""
        command = [sys.executable, "-m", "pytest", "--tb=no", "-p", "no:cacheprovider"]
        command += ["--fresh-count", str(QUESTIONS), "--concurrency", "1", "--temperature", "0"]
        command += ["--reports-dir", str(self.folder / "reports"), "--request-timeout", "8"]
        command += [*self._arguments, *more, SUITE]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def keys(self) -> set[str]:
        """Completions in the newest run of the store."""
        with suppress(StoreError), Store(self._store, create=False) as store:
            return set(store.keys(store.runs()[0].run_id)) if store.runs() else set()
        return set()

    def a_tenth(self) -> int:
        """How many completions there are, once they are a tenth of all; 0 before."""
        found = len(self.keys())
        return found if found >= QUESTIONS // 10 else 0

    def runs(self) -> dict[str, int]:
        """Completions by run."""
        with Store(self._store, create=False) as store:
            return {run.run_id: len(store.keys(run.run_id)) for run in store.runs()}

    def errors(self, file: str) -> int | None:
        """Engine errors of a summary."""
        path = self.folder / file
        if not path.exists():
            return None
        return sum(suite["errors"] for suite in json.loads(path.read_text())["runs"][0]["suites"])

    @property
    def _store(self) -> Path:
        return self.folder / "reports" / STORE_NAME


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--engines", nargs="+", default=["llamacpp", "vllm"])
    parser.add_argument("--faults", nargs="+", default=[*FAULTS, "swapped"])
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    table = Table(
        "engine", "fault", "exit statuses", "at", "completions", "again", "errors", "left"
    )
    for engine in given.engines:
        for _ in range(given.rounds):
            for fault in given.faults:
                with tempfile.TemporaryDirectory(prefix="lrmtest-faults-") as name:
                    if fault == "swapped":
                        result = _swapped(Path(name), engine)
                    else:
                        session = Session(Path(name), "--model", "tiny-lrm", "--engine", engine)
                        result = _disturbed(session, engine, FAULTS[fault])
                _add(table, engine, fault, result)
    Console().print(table)


def _add(table: Table, engine: str, fault: str, result: Result) -> None:
    print(f"{engine}, {fault}: {result}", flush=True)
    table.add_row(
        engine,
        fault,
        " then ".join(map(str, result.statuses)),
        str(result.at),
        f"{result.completions} of {QUESTIONS}",
        str(result.asked_again),
        "-" if result.errors is None else str(result.errors),
        str(result.left),
    )


def _kill(session: int, processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        process.kill()


def _stop(session: int, processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        process.suspend()


def _no_disk(session: int, processes: Sequence[psutil.Process]) -> None:
    resource.prlimit(session, resource.RLIMIT_FSIZE, (0, 0))


FAULTS: dict[str, Callable[[int, Sequence[psutil.Process]], None]] = {
    "killed": _kill,
    "stopped": _stop,
    "disk": _no_disk,
}


def _disturbed(
    session: Session, engine: str, happen: Callable[[int, Sequence[psutil.Process]], None]
) -> Result:
    process = session.begin("--summary-json", "first.json")
    at = wait_for(session.a_tenth, 600)
    below = descendants(process.pid)
    happen(process.pid, servers(process.pid, _PROGRAM[engine]))
    output, _ = process.communicate(timeout=900)
    kept = session.keys()
    left = [one for one in below if not gone([one], 60)]
    again = session.begin("--summary-json", "second.json")
    again.communicate(timeout=900)
    asked = QUESTIONS - len(kept)
    reused = _reused(session.folder / "second.json")
    return Result(
        statuses=(process.returncode, again.returncode),
        at=at,
        completions=len(session.keys()),
        asked_again=max(0, QUESTIONS - reused - asked),
        errors=session.errors("first.json"),
        left=len(left),
        said=_told(output),
    )


def _reused(summary: Path) -> int:
    suites = json.loads(summary.read_text())["runs"][0]["suites"]
    return sum(suite["reused"] for suite in suites)


def _told(output: str) -> str:
    words = ("restart", "free some space", "another model", "regressed", "ERROR")
    return " / ".join(
        line.strip() for line in output.splitlines() if any(word in line for word in words)
    )[:400]


def _swapped(folder: Path, engine: str) -> Result:
    """Another model at the port in the middle of a run, and the first one's baseline."""
    pruned = folder / "pruned"
    command = [sys.executable, "-m", "lrmtest", "compress", "tiny-lrm", "-o", str(pruned)]
    command += ["--method", "magnitude", "--sparsity", "0.6", "--calibration-samples", "4"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    models = [TINY_LRM, pruned]
    if engine == "llamacpp":
        models = [
            safetensors_to_gguf(model, folder / f"{place}.gguf")
            for place, model in enumerate(models)
        ]
    python = str(Path(find_vllm().serve[0]).with_name("python")) if engine == "vllm" else None
    port = free_port()

    def serve(model: Path) -> AbstractContextManager[Server]:
        return serving(str(model), 4, vllm=python, threads=1, prompt_cache=True, port=port)

    # Within the context that `serving` gives.
    budget = ("--max-tokens", "512")
    model = ("--model", f"m=http://127.0.0.1:{port}/v1", "--max-retries", "8", *budget)
    (folder / "run").mkdir()
    whole, session = Session(folder, *model), Session(folder / "run", *model)
    with serve(models[0]):
        before_it = whole.begin("--save-baseline", "baseline.json")
        said, _ = before_it.communicate(timeout=900)
        if not (folder / "baseline.json").exists():
            sys.exit(f"no baseline: {said[-2000:]}")
        process = session.begin("--summary-json", "first.json")
        at = wait_for(session.a_tenth, 600)
        for server in servers(None, _PROGRAM[engine]):
            server.kill()
    (first,), before = session.runs(), session.keys()
    with serve(models[1]):
        output, _ = process.communicate(timeout=900)
        mixed = session.runs()[first] - len(before)
        again = session.begin("--baseline", str(folder / "baseline.json"), "--gate")
        last, _ = again.communicate(timeout=900)
    return Result(
        statuses=(process.returncode, again.returncode),
        at=at,
        completions=session.runs()[first] if len(session.runs()) == 1 else len(session.keys()),
        asked_again=max(0, mixed - 1),
        errors=session.errors("first.json"),
        left=len(servers(None, _PROGRAM[engine])),
        said=f"{len(session.runs())} runs; {_told(output)} // {_told(last)}",
    )


if __name__ == "__main__":
    main()
