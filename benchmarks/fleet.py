"""Replicas that are killed, stopped and replaced in the middle of a run: what it loses, how fast.

    python benchmarks/fleet.py [--replicas 16] [--rate 800] [--questions 10000] [--breaks 20]
    python benchmarks/fleet.py --breaks 0 --together --rate 3200 --in-flight 256 --given 320
        --replicas 1 4 16 64 --questions 2000 --tokens 16 128
    python benchmarks/fleet.py --breaks 0 --rate 50 --tokens 16
        --replicas 64 --questions 2000 100000
    python benchmarks/fleet.py --store 10000

The second is what replicas cost: the same load (--together) on more and more of them, with short
and long answers, between which the difference is what a token costs. The third is what questions
cost, the fourth what the store takes of it. The stand-ins' rates are such that they and lrmtest
leave a CPU idle; lrmtest's CPU seconds are those that the kernel has counted for its process,
whatever else the machine does.

Each replica is a gpu_stand_in.py in a process of its own, at --rate tokens a second; their URLs are
in a file, which pytest is given as `--model bench=replicas:FILE`. At random times, by --seed,
one of them is in turn

    killed     with kill -9, and started again at its place after 2 s
    stopped    with SIGSTOP for 8 s, in which its connections stay open and say nothing
    swapped    for a server of the same name with another model, for 8 s
    moved      killed for good, and one started elsewhere, whose URL takes its place in the file

A run has two lines. The first is what has come of it: texts that are not those of a replica asked
alone without any break; questions that a replica was asked again after their completion was in the
store (a second of grace: the store writes whole seconds); tokens that were lost half way; tokens of
the completions for each second, and its ratio to the sum of the rates of the replicas that were
there (from all of them being busy to the last token but a tail). The second is what it cost:
seconds before the first question was asked and after the last answer; the most completions that
were stored in one second; CPU seconds of the whole command, by token and by question, start and end
included; the most file descriptors and threads at once; its memory, and the store's size.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psutil
from contenders import Asking, write_files

from lrmtest.grading.completion import Completion
from lrmtest.grading.verdict import Verdict
from lrmtest.questions.place import Place
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.store import STORE_NAME, Store

KINDS = ("killed", "stopped", "swapped", "moved")
_STOPPED_SECONDS = 8.0
_AGAIN_SECONDS = 2.0
_GRACE = 1.0


@dataclass
class StandIn:
    """One replica's place, and what is there now.

    Attributes:
        port: where it listens; 0 until it has begun for the first time.
        up: when it was there and well, as pairs of times.
    """

    folder: Path
    options: argparse.Namespace
    port: int = 0
    up: list[list[float]] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None
    weights: int = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def journal(self) -> Path:
        """What it writes down."""
        return self.folder / f"journal-{id(self)}"

    @property
    def asked(self) -> int:
        """Requests so far."""
        return self.journal.read_text().count("began") if self.journal.exists() else 0

    def start(self, weights: int = 0) -> None:
        """Serve, and wait until it does."""
        self.launch(weights)
        self.wait()

    def launch(self, weights: int = 0) -> None:
        """Begin to serve; another model's answers are in no journal."""
        options = self.options
        command = [sys.executable, str(Path(__file__).with_name("gpu_stand_in.py"))]
        command += ["--port", str(self.port), "--rate", str(options.rate)]
        command += ["--max-num-seqs", str(options.in_flight), "--length", str(options.tokens)]
        command += ["--spread", "0.1", "--weights", str(weights)]
        command += [] if weights else ["--journal", str(self.journal)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.weights = weights

    def wait(self) -> None:
        """Wait until it serves."""
        assert self.process is not None
        assert self.process.stdout is not None
        if not (url := self.process.stdout.readline()):
            raise SystemExit("a stand-in ended")
        self.port = int(url.removesuffix("/v1\n").rpartition(":")[2])
        if not self.weights:
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
        try:
            for one in self.all:
                one.launch()
            for one in self.all:
                one.wait()
        except BaseException:
            self.close()
            raise
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


@dataclass
class Command:
    """What a command's process took, as the kernel tells it.

    Attributes:
        begun: when it began, and `ended` when it was over.
        busy: from when all replicas had all that they work on at once; 0 for never.
        cpu: seconds, user and system, of it and its children.
        memory: the most bytes resident.
        descriptors: the most files and sockets open at once.
        threads: the most at once.
    """

    begun: float = field(default_factory=time.time)
    ended: float = 0.0
    busy: float = 0.0
    cpu: float = 0.0
    memory: int = 0
    descriptors: int = 0
    threads: int = 0

    def has_ended(self, process: subprocess.Popen[bytes]) -> bool:
        """Look at it; whether it is over."""
        with contextlib.suppress(psutil.Error):
            looked_at = psutil.Process(process.pid)
            self.descriptors = max(self.descriptors, looked_at.num_fds())
            self.threads = max(self.threads, looked_at.num_threads())
        # Not through Popen, which keeps to itself what the kernel tells.
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        if not ended:
            return False
        process.returncode = os.waitstatus_to_exitcode(status)
        self.ended = time.time()
        self.cpu, self.memory = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
        return True


@dataclass(frozen=True)
class Outcome:
    """What one run came to."""

    replicas: int
    tokens: int
    completions: int
    errors: int
    others: int
    again: int
    lost: int
    rate: float
    ratio: float
    start: float
    end: float
    stored: int
    cpu: float
    cpu_token: float
    cpu_question: float
    descriptors: int
    threads: int
    memory: float
    store: float

    def __str__(self) -> str:
        return (
            f"{self.replicas} replicas, {self.completions:,} completions of {self.tokens} tokens, "
            f"{self.errors} errors, {self.others} other texts, {self.again} asked again, "
            f"{self.lost:,} tokens lost, {self.rate:,.0f} tok/s, {self.ratio:.3f} of their rates\n"
            f"  start {self.start:.1f} s, end {self.end:.1f} s, {self.stored} stored in a second, "
            f"CPU {self.cpu:.1f} s, {self.cpu_token:.1f} us/token, "
            f"{self.cpu_question:.2f} ms/question, {self.descriptors} descriptors, "
            f"{self.threads} threads, {self.memory:,.0f} MiB, store {self.store:,.1f} MiB"
        )


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
        command = break_now_and_then(fleet, breaks, options)
    finally:
        fleet.close()
    kept, journals = Kept.of(folder), Journals.of(folder)
    first = min(at for begun in journals.asked.values() for at in begun)
    began = command.busy or first
    # The last answers of all leave replicas idle, whoever gives out the work.
    tail = options.tokens * options.in_flight / options.rate
    end = max(at for at, _ in journals.finished)
    last = end - tail
    made = sum(length for at, length in journals.finished if began <= at <= last)
    there = options.rate * sum(one.seconds(began, last) for one in fleet.all)
    outcome = Outcome(
        replicas=count,
        tokens=options.tokens,
        completions=len(kept.texts),
        errors=kept.errors,
        others=sum(text != wanted.get(one, text) for one, text in kept.texts.items()),
        again=journals.again(kept.arrived),
        lost=journals.lost,
        rate=made / (last - began) if last > began else 0.0,
        ratio=made / there if there else 0.0,
        start=first - command.begun,
        end=command.ended - end,
        stored=max(Counter(kept.arrived.values()).values()),
        cpu=command.cpu,
        cpu_token=1e6 * command.cpu / kept.tokens,
        cpu_question=1e3 * command.cpu / len(kept.texts),
        descriptors=command.descriptors,
        threads=command.threads,
        memory=command.memory / 2**20,
        store=sum(one.stat().st_size for one in (folder / "reports").iterdir()) / 2**20,
    )
    return outcome, kept


def break_now_and_then(fleet: Fleet, breaks: int, options: argparse.Namespace) -> Command:
    """Run lrmtest and break replicas."""
    draw = random.Random(options.seed)
    expected = options.questions * options.tokens / (options.rate * len(fleet.named))
    times = sorted(draw.uniform(0.05, 0.85) * expected for _ in range(breaks))
    kinds = [KINDS[number % len(KINDS)] for number in range(breaks)]
    draw.shuffle(kinds)
    process = session(fleet.folder, f"replicas:{fleet.file}", options)
    command = Command()
    while not command.has_ended(process):
        time.sleep(0.1)
        if not command.busy and all(one.asked > options.in_flight for one in fleet.named):
            command.busy = time.time()
        fleet.mended()
        while command.busy and times and time.time() - command.busy >= times[0]:
            times.pop(0)
            fleet.broken(kinds.pop(), draw)
    return command


def store_writes(count: int) -> str:
    """What it takes to keep so many completions as a run does: one by one, each with its verdict.

    A completion and its verdict are two transactions: it is kept before it is graded.
    """
    completion = Completion("word " * 128, "stop", 40, 128, seconds=1.0, seed=1)
    verdict = Verdict(True, 1.0, "1", None, True)
    with tempfile.TemporaryDirectory() as name, Store(Path(name) / STORE_NAME) as store:
        store.add_run("run", "bench", "identity", Manifest())
        began, cpu = time.perf_counter(), time.process_time()
        for number in range(count):
            place = Place(f"key-{number}", "bench", f"q{number}", 0)
            store.add_completion("run", place, completion)
            store.set_verdicts("run", [(place.key, verdict)])
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        size = sum(one.stat().st_size for one in Path(name).iterdir())
    return (
        f"{count:,} completions and verdicts one by one: {count / seconds:,.0f} a second, "
        f"CPU {1e6 * cpu / count:,.0f} us and {size / count:,.0f} bytes each"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--replicas", type=int, nargs="+", default=[16])
    parser.add_argument("--rate", type=float, default=800.0, help="tokens a second of each")
    parser.add_argument("--in-flight", type=int, default=16, help="requests that each works on")
    parser.add_argument("--given", type=int, default=18, help="that it is given at a time")
    parser.add_argument(
        "--together",
        action="store_true",
        help="--rate, --in-flight and --given are of all replicas together",
    )
    parser.add_argument(
        "--tokens", type=int, nargs="+", default=[128], help="of an answer, 10 %% up or down"
    )
    parser.add_argument("--questions", type=int, nargs="+", default=[10_000])
    parser.add_argument("--breaks", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--store", type=int, metavar="N", help="only write N completions into a store, one by one"
    )
    options = parser.parse_args()
    if options.store:
        print(store_writes(options.store))
        return 0
    asked = itertools.product(options.questions, options.replicas, options.tokens)
    for questions, count, tokens in asked:
        share = count if options.together else 1
        each = argparse.Namespace(
            **{
                **vars(options),
                "questions": questions,
                "tokens": tokens,
                "rate": options.rate / share,
                "in_flight": -(-options.in_flight // share),
                "given": -(-options.given // share),
            }
        )
        with tempfile.TemporaryDirectory() as name:
            wanted = alone(Path(name), each) if options.breaks else {}
            print(run(Path(name) / "run", count, options.breaks, each, wanted)[0], flush=True)
    return 0


def alone(folder: Path, options: argparse.Namespace) -> dict[str, str]:
    """The texts of one fast replica that nothing happens to."""
    fast = argparse.Namespace(**{**vars(options), "rate": 25_000.0, "in_flight": 256, "given": 256})
    return run(folder / "alone", 1, 0, fast, {})[1].texts


if __name__ == "__main__":
    sys.exit(main())
