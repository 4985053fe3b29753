"""Replicas that are killed, stopped and replaced in the middle of a run: what it loses, how fast.

    python benchmarks/fleet.py [--replicas 16] [--rate 800] [--questions 10000] [--breaks 20]
    python benchmarks/fleet.py --replicas 1 4 16 64 --rate 200 --breaks 0

Each replica is a gpu_stand_in.py in a process of its own, at --rate tokens a second; their URLs are
in a file, which pytest is given as `--model bench=replicas:FILE`. At random times, by --seed,
one of them is in turn

    killed     with kill -9, and started again at its place after 2 s
    stopped    with SIGSTOP for 8 s, in which its connections stay open and say nothing
    swapped    for a server of the same name with another model, for 8 s
    moved      killed for good, and one started elsewhere, whose URL takes its place in the file

Columns: the replicas; completions of the questions, and errors; texts that are not those of a
replica asked alone without any break; questions that a replica was asked again after their
completion was in the store (a second of grace: the store writes whole seconds); tokens that were
lost half way; tokens of the completions for each second, its ratio to the sum of the rates of
the replicas that were there (from all of them being busy to the last token but a --tail); the
command's CPU microseconds a token and milliseconds a question, and its memory.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from contenders import Asking, write_files
from rich.console import Console
from rich.table import Table
from watched_command import cpu_and_memory

from lrmtest.models.engines.server.readiness import free_port
from lrmtest.runs.store import STORE_NAME, Store

KINDS = ("killed", "stopped", "swapped", "moved")
_STOPPED_SECONDS = 8.0
_AGAIN_SECONDS = 2.0
_GRACE = 1.0


@dataclass
class StandIn:
    """One replica's place, and what is there now.

    Attributes:
        port: where it listens.
        up: when it was there and well, as pairs of times.
    """

    folder: Path
    options: argparse.Namespace
    port: int = field(default_factory=free_port)
    up: list[list[float]] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def journal(self) -> Path:
        """What it writes down."""
        return self.folder / f"journal-{self.port}"

    @property
    def asked(self) -> int:
        """Requests so far."""
        return self.journal.read_text().count("began") if self.journal.exists() else 0

    def start(self, weights: int = 0) -> None:
        """Serve; another model's answers are in no journal."""
        options = self.options
        command = [sys.executable, str(Path(__file__).with_name("gpu_stand_in.py"))]
        command += ["--port", str(self.port), "--rate", str(options.rate)]
        command += ["--max-num-seqs", str(options.in_flight), "--length", str(options.tokens)]
        command += ["--spread", "0.1", "--weights", str(weights)]
        command += [] if weights else ["--journal", str(self.journal)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        if not self.process.stdout.readline():
            raise SystemExit("a stand-in ended")
        if not weights:
            self.up.append([time.time(), 0.0])

    def end(self) -> None:
        """Be there no more."""
        if self.process is not None:
            self.down()
            self.process.kill()
            self.process.wait()
            self.process = None

    def down(self) -> None:
        """It is not well from now on."""
        if self.up and not self.up[-1][1]:
            self.up[-1][1] = time.time()

    def stop(self, *, go_on: bool = False) -> None:
        """Stand still, or go on."""
        assert self.process is not None
        if go_on:
            self.up.append([time.time(), 0.0])
        else:
            self.down()
        self.process.send_signal(signal.SIGCONT if go_on else signal.SIGSTOP)

    def seconds(self, first: float, last: float) -> float:
        """For how long it was there between two times."""
        spans = ((max(a, first), min(b or last, last)) for a, b in self.up)
        return sum(max(0.0, end - begin) for begin, end in spans)


class Fleet:
    """All replicas, and the file that names them."""

    def __init__(self, folder: Path, count: int, options: argparse.Namespace) -> None:
        self.folder, self.options = folder, options
        self.all = [StandIn(folder, options) for _ in range(count)]
        self.named = list(self.all)
        self.file = folder / "replicas.txt"
        self.later: list[tuple[float, StandIn, str]] = []
        for one in self.all:
            one.start()
        self.write()

    def write(self) -> None:
        """Name those that there are."""
        self.file.write_text("".join(f"{one.url}\n" for one in self.named))

    def broken(self, kind: str, draw: random.Random) -> None:
        """Break one of those that are well."""
        busy = {id(one) for _, one, _ in self.later}
        well = [one for one in self.named if id(one) not in busy]
        one, now = draw.choice(well), time.time()
        if kind == "stopped":
            one.stop()
            self.later.append((now + _STOPPED_SECONDS, one, "go on"))
            return
        one.end()
        if kind == "killed":
            self.later.append((now + _AGAIN_SECONDS, one, "start"))
        elif kind == "swapped":
            one.start(weights=1)
            self.later.append((now + _STOPPED_SECONDS, one, "swap back"))
        else:
            other = StandIn(self.folder, self.options)
            other.start()
            self.all.append(other)
            self.named[self.named.index(one)] = other
            self.write()

    def mended(self) -> None:
        """Bring back what is due."""
        now = time.time()
        for entry in [one for one in self.later if one[0] <= now]:
            self.later.remove(entry)
            _, one, how = entry
            if how == "go on":
                one.stop(go_on=True)
            else:
                one.end()
                one.start()

    def close(self) -> None:
        """End all of them."""
        for one in self.all:
            one.end()


@dataclass(frozen=True)
class Outcome:
    """What one run came to; the columns of the table."""

    replicas: int
    completions: int
    errors: int
    others: int
    again: int
    lost: int
    rate: float
    ratio: float
    cpu_token: float
    cpu_question: float
    memory: float


def session(folder: Path, where: str, options: argparse.Namespace) -> subprocess.Popen[bytes]:
    """A run of lrmtest's; what it prints is in a file."""
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider"]
    command += ["-p", "no:hypothesispytest", "test_lrmtest.py", f"--model=bench={where}"]
    command += [f"--max-tokens={4 * options.tokens}", f"--concurrency={options.given}"]
    command += ["--reports-dir=reports"]
    with (folder / "output.txt").open("wb") as output:
        return subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)


@dataclass(frozen=True)
class Kept:
    """What the store has of a run, by question."""

    texts: dict[str, str]
    arrived: dict[str, float]
    tokens: int
    errors: int

    @classmethod
    def of(cls, folder: Path) -> Kept:
        """What the run in a folder has kept."""
        with Store(folder / "reports" / STORE_NAME, create=False) as store:
            run = store.runs()[0]
            found = {one.place.question_id: one for one in store.completions(run.run_id)}
            return cls(
                {name: one.completion.text for name, one in found.items()},
                {
                    name: datetime.fromisoformat(one.created).timestamp()
                    for name, one in found.items()
                },
                sum(one.completion.completion_tokens for one in found.values()),
                len(store.errors(run.run_id)),
            )


@dataclass
class Journals:
    """What the replicas have written down: when they were asked, and what they finished."""

    asked: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    lengths: dict[str, int] = field(default_factory=dict)
    finished: list[tuple[float, int]] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path) -> Journals:
        """What the replicas of the run in a folder have written."""
        found = cls()
        rows = map(json.loads, (folder / "questions.jsonl").read_text().splitlines())
        of_mark = {zlib.crc32(row["prompt"].encode()): row["id"] for row in rows}
        for journal in folder.glob("journal-*"):
            for line in journal.read_text().splitlines():
                at, what, mark, length = line.split()
                question = of_mark.get(int(mark))
                if question is None:
                    continue  # the probe's, or the self-test's
                found.lengths[question] = int(length)
                if what == "began":
                    found.asked[question].append(float(at))
                else:
                    found.finished.append((float(at), int(length)))
        return found

    def again(self, arrived: dict[str, float]) -> int:
        """Questions that were asked after their completion was there."""
        return sum(
            max(begun) > arrived[question] + 1 + _GRACE
            for question, begun in self.asked.items()
            if question in arrived
        )

    @property
    def lost(self) -> int:
        """Tokens of what was broken off, at half of each."""
        return sum((len(begun) - 1) * self.lengths[one] for one, begun in self.asked.items()) // 2


def run(
    folder: Path, count: int, breaks: int, options: argparse.Namespace, wanted: dict[str, str]
) -> tuple[Outcome, Kept]:
    """One run with so many replicas and breaks, and what it has kept.

    Args:
        folder: for its files; made here.
        count: replicas.
        breaks: how often one of them is broken.
        options: of the command line.
        wanted: texts by question that are the right ones; empty where that is not known.
    """
    folder.mkdir()
    write_files(folder, Asking("", "bench", options.questions, 4 * options.tokens, 0, 0.6))
    fleet = Fleet(folder, count, options)
    try:
        began, cpu, memory = break_now_and_then(fleet, breaks, options)
    finally:
        fleet.close()
    kept, journals = Kept.of(folder), Journals.of(folder)
    # The last answers of all leave replicas idle, whoever gives out the work.
    tail = options.tokens * options.in_flight / options.rate
    last = max(at for at, _ in journals.finished) - tail
    made = sum(length for at, length in journals.finished if began <= at <= last)
    there = options.rate * sum(one.seconds(began, last) for one in fleet.all)
    outcome = Outcome(
        replicas=count,
        completions=len(kept.texts),
        errors=kept.errors,
        others=sum(text != wanted.get(one, text) for one, text in kept.texts.items()),
        again=journals.again(kept.arrived),
        lost=journals.lost,
        rate=made / (last - began),
        ratio=made / there,
        cpu_token=1e6 * cpu / kept.tokens,
        cpu_question=1e3 * cpu / len(kept.texts),
        memory=memory / 2**20,
    )
    return outcome, kept


def break_now_and_then(
    fleet: Fleet, breaks: int, options: argparse.Namespace
) -> tuple[float, float, float]:
    """Run lrmtest and break replicas; when all were busy, its CPU seconds and its bytes."""
    draw = random.Random(options.seed)
    expected = options.questions * options.tokens / (options.rate * len(fleet.named))
    times = sorted(draw.uniform(0.05, 0.85) * expected for _ in range(breaks))
    kinds = [KINDS[number % len(KINDS)] for number in range(breaks)]
    draw.shuffle(kinds)
    process = session(fleet.folder, f"replicas:{fleet.file}", options)
    began = cpu = memory = 0.0
    while process.poll() is None:
        time.sleep(0.1)
        taken, resident = cpu_and_memory(process.pid)
        cpu, memory = max(cpu, taken), max(memory, resident)
        if not began and all(one.asked > options.in_flight for one in fleet.named):
            began = time.time()
        fleet.mended()
        while began and times and time.time() - began >= times[0]:
            times.pop(0)
            fleet.broken(kinds.pop(), draw)
    return began, cpu, memory


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--replicas", type=int, nargs="+", default=[16])
    parser.add_argument("--rate", type=float, default=800.0, help="tokens a second of each")
    parser.add_argument("--in-flight", type=int, default=16, help="requests that each works on")
    parser.add_argument("--given", type=int, default=18, help="that it is given at a time")
    parser.add_argument("--tokens", type=int, default=128, help="of an answer, 10 %% up or down")
    parser.add_argument("--questions", type=int, default=10_000)
    parser.add_argument("--breaks", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    console = Console(width=150)
    shown = Table(title=f"{options.questions:,} questions of {options.tokens} tokens")
    for column in (
        *("replicas", "breaks", "completions", "errors", "other texts", "asked again", "lost"),
        *("tok/s", "of their rates", "CPU us/token", "CPU ms/question", "MiB"),
    ):
        shown.add_column(column, justify="right")
    with tempfile.TemporaryDirectory() as name:
        wanted = alone(Path(name), options) if options.breaks else {}
        for count in options.replicas:
            found, _ = run(Path(name) / f"of-{count}", count, options.breaks, options, wanted)
            shown.add_row(
                f"{count}",
                f"{options.breaks}",
                f"{found.completions:,}",
                f"{found.errors}",
                f"{found.others}",
                f"{found.again}",
                f"{found.lost:,}",
                f"{found.rate:,.0f}",
                f"{found.ratio:.3f}",
                f"{found.cpu_token:.1f}",
                f"{found.cpu_question:.2f}",
                f"{found.memory:,.0f}",
            )
            console.print(shown)
    return 0


def alone(folder: Path, options: argparse.Namespace) -> dict[str, str]:
    """The texts of one fast replica that nothing happens to."""
    fast = argparse.Namespace(**{**vars(options), "rate": 25_000.0, "in_flight": 256, "given": 256})
    return run(folder / "alone", 1, 0, fast, {})[1].texts


if __name__ == "__main__":
    sys.exit(main())
