"""A watched command: what it costs while a server makes tokens for it, and what it takes after."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import psutil
from contenders import Contender, environment_of
from measured_server import GoneError

_FULL = 0.9
"""The batch counts as full from when so large a share of the requests in flight is running."""


@dataclass(frozen=True)
class Sample:
    """One look at server and command.

    Attributes:
        at: seconds, of a clock of its own.
        tokens: the server's count.
        running: requests that it works on.
        cpu: seconds that the command's processes have taken, user and system.
        memory: bytes resident in all of them.
    """

    at: float
    tokens: int
    running: float
    cpu: float
    memory: int


@dataclass(frozen=True)
class Figures:
    """What one command took.

    Attributes:
        tokens: made for it, by the server's count.
        rate: tokens a second, from the first look at a full batch to the last at a busy server; 0
            where it was seen busy once at most.
        cpu_per_token: its CPU microseconds from the full batch to its own end, for each token of
            that time: a client that lags has work left when the last token is made.
        cpu_start: CPU seconds before that time: imports, and what comes before the questions.
        cpu_tokens: CPU seconds in that time.
        cpu_verdict: CPU seconds after it. On a busy machine this says more than `verdict`.
        memory: MiB, the highest sum over its processes.
        verdict: seconds from the server's last token to the command's end.
        seconds: of the whole command.
        cpu_per_further: CPU microseconds that a token more costs: the difference to a run with
            shorter answers, see `against`.
        server_cpu: the server's own cores in use meanwhile, where it tells.
        late: milliseconds by which a stand-in's steps were late in the mean, for want of a CPU.
    """

    tokens: int
    rate: float
    cpu_per_token: float
    cpu_start: float
    cpu_tokens: float
    cpu_verdict: float
    memory: float
    verdict: float
    seconds: float
    cpu_per_further: float | None = None
    server_cpu: float | None = None
    late: float | None = None

    def against(self, shorter: Figures) -> Figures:
        """These, with what a token costs beside what a question costs.

        Args:
            shorter: of the same command, with as many questions and fewer tokens.
        """
        more = self.tokens - shorter.tokens
        cost = 1e6 * (self.cpu - shorter.cpu) / more if more > 0 else None
        return replace(self, cpu_per_further=cost)

    def __str__(self) -> str:
        further = "" if self.cpu_per_further is None else f" ({self.cpu_per_further:.1f} a further)"
        return (
            f"{self.tokens} tokens, {self.rate:.0f} tokens/s, {self.cpu_per_token:.1f} us a token"
            f"{further}, verdict {self.verdict:.1f} s, command {self.seconds:.1f} s"
        )

    def to_json(self) -> dict[str, Any]:
        """All of them."""
        return asdict(self)

    @property
    def cpu(self) -> float:
        """CPU seconds of the whole command."""
        return self.cpu_start + self.cpu_tokens + self.cpu_verdict

    @classmethod
    def median(cls, several: Sequence[Figures]) -> Figures:
        """Each figure's median."""
        columns = zip(*(each.to_json().items() for each in several), strict=True)
        return cls(**{column[0][0]: _median([value for _, value in column]) for column in columns})


def _median(values: Sequence[float | None]) -> Any:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


class CommandError(Exception):
    """A command that failed or took too long, with its last words."""


class Watched(Protocol):
    """What is looked at beside the command: a `measured_server.Server`, or `Nobody`."""

    look_seconds: float

    def metrics(self) -> tuple[int, float]:
        """Tokens made, and requests running."""

    def counters(self) -> dict[str, float]:
        """``tokens``, and what else is told."""


class Nobody:
    """No server."""

    look_seconds = 0.5

    def metrics(self) -> tuple[int, float]:
        """Nothing made, nothing running."""
        return 0, 0.0

    def counters(self) -> dict[str, float]:
        """The same."""
        return {"tokens": 0.0}


def watch(
    contender: Contender, folder: Path, server: Watched, *, in_flight: int, limit: float | None
) -> Figures:
    """Run a command in `folder`, watching it and the server.

    Args:
        contender: the command.
        folder: where it runs.
        server: the one that it asks, and that nobody else asks.
        in_flight: requests that it is to have running.
        limit: seconds after which it is killed; None waits.

    Raises:
        CommandError: it failed, or had not ended in time.
        GoneError: the server does not answer any more.
    """
    before = server.counters()
    output = tempfile.TemporaryFile()  # noqa: SIM115
    begun = time.perf_counter()
    process = subprocess.Popen(
        contender.command,
        cwd=folder,
        env=environment_of(contender),
        stdout=output,
        stderr=subprocess.STDOUT,
    )
    looks: list[Sample] = []
    done = threading.Event()
    looker = threading.Thread(target=_look, args=(process.pid, server, looks, done, begun))
    looker.start()
    spent = _children_cpu()
    try:
        status = process.wait(limit)
    except subprocess.TimeoutExpired:
        _kill(process)
        status = None
    except BaseException:
        _kill(process)
        raise
    finally:
        ended, ended_at = time.perf_counter() - begun, time.time()
        spent = _children_cpu() - spent
        done.set()
        looker.join()
    after = server.counters()
    output.seek(0)
    if status not in contender.good_ends:
        said = output.read().decode(errors="replace")[-3000:]
        how = f"ended with {status}" if status is not None else f"had not ended after {limit:.0f} s"
        raise CommandError(f"{' '.join(contender.command)} {how}:\n{said}")
    return _figures(before, after, looks, in_flight, spent, ended, ended_at)


def _figures(
    before: dict[str, float],
    after: dict[str, float],
    looks: Sequence[Sample],
    in_flight: int,
    spent: float,
    ended: float,
    ended_at: float,
) -> Figures:
    busy = [each for each in looks if each.running]
    full = [each for each in busy if each.running >= _FULL * in_flight] or busy
    first, last = (full[0], busy[-1]) if busy else (looks[0], looks[-1])
    if first is last and busy:  # too short for the looks
        first = busy[0]
    seconds, made = last.at - first.at, last.tokens - first.tokens
    verdict = ended - last.at
    if "last_token_at" in after:
        verdict = ended_at - after["last_token_at"]
    told = {name: after[name] - before[name] for name in after if name in before}
    ticks = told.get("ticks", 0)
    return Figures(
        tokens=int(told["tokens"]),
        rate=made / seconds if seconds else 0.0,
        cpu_per_token=1e6 * (spent - first.cpu) / made if made else 0.0,
        cpu_start=first.cpu,
        cpu_tokens=last.cpu - first.cpu,
        cpu_verdict=max(spent - last.cpu, 0.0),
        memory=max((each.memory for each in looks), default=0) / (1 << 20),
        verdict=verdict,
        seconds=ended,
        server_cpu=told["cpu"] / ended if "cpu" in told else None,
        late=1000 * told["late_seconds"] / ticks if ticks else None,
    )


def _look(
    pid: int, server: Watched, looks: list[Sample], done: threading.Event, begun: float
) -> None:
    """Look now and then, until it is done."""
    while True:
        cpu, memory = cpu_and_memory(pid)
        at = time.perf_counter() - begun
        try:
            tokens, running = server.metrics()
        except GoneError:
            return  # which is told when the command has ended
        looks.append(Sample(at, tokens, running, cpu, memory))
        if done.wait(server.look_seconds):
            return


def cpu_and_memory(pid: int) -> tuple[float, int]:
    """CPU seconds and resident bytes of a process and its children, ended ones' CPU included."""
    cpu, memory = 0.0, 0
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0.0, 0
    for process in processes:
        try:
            times = process.cpu_times()
            memory += process.memory_info().rss
        except psutil.Error:
            continue
        cpu += times.user + times.system + times.children_user + times.children_system
    return cpu, memory


def _children_cpu() -> float:
    times = psutil.Process().cpu_times()
    return times.children_user + times.children_system


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
    except psutil.Error:
        pass
    process.kill()
    process.wait()
