"""What lrmtest adds to pytest: processor time per question, memory, time to the first test.

Runs recorded questions through lrmtest and as many bare parametrized tests through pytest,
alternately in one session, and prints the differences:

    python benchmarks/overhead.py [--questions 10000] [--chars 2000] [--rounds 3]
        [--modes plain html workers gate early-stop samples reuse] [--against CHECKOUT]

Processor seconds are those of the session and of all processes that it waited for; they do not
depend on what else the machine does as seconds on the clock do. `--against` measures another
checkout of lrmtest beside this one. For the store at a GPU's pace:

    python benchmarks/overhead.py --questions 20000 --chars 8000 --rounds 1

The modes:

    plain       one process
    html        with --html
    workers     -n 2, of bare pytest as well
    gate        against a baseline, --gate
    early-stop  the same with --early-stop
    samples     four samples a question
    reuse       the same command again: every completion is in the store
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parents[1]

BARE = """
import pytest

@pytest.mark.parametrize("question", [str(n) for n in range({count})])
def test_bare(question):
    assert question
"""

SUITE = """
import lrmtest

def load(options):
    questions = tuple(
        lrmtest.Question(str(n), "sums", {{"sum": f"{{n}} + 1"}}, (str((n + 1) % 1000),), "integer")
        for n in range({count})
    )
    return lrmtest.QuestionSet(questions, lrmtest.Source("inline", "sums"))

SUMS = lrmtest.Suite("sums", load, "What is {{sum}}, modulo 1000?", max_tokens=4096)

@lrmtest.suite(SUMS)
def test_sums(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
"""

GATE = ("--baseline=baseline.json", "--gate")
MODES: dict[str, tuple[str, ...]] = {
    "plain": (),
    "html": ("--html=report.html",),
    "workers": ("-n2",),
    "gate": GATE,
    "early-stop": (*GATE, "--early-stop"),
    "samples": ("--samples=4",),
    "reuse": (),
}


@dataclass(frozen=True, slots=True)
class Figures:
    """What one session took.

    Attributes:
        cpu: processor seconds.
        first: processor seconds of its main process until the first result.
        end: seconds on the clock from the last result to the end.
        memory: peak, MiB.
    """

    cpu: float
    first: float
    end: float
    memory: float


def write_recording(path: Path, count: int, chars: int, samples: int = 1) -> None:
    """So many outputs per question with reasoning of about `chars` characters, all correct."""
    generator = random.Random(0)
    words = [f"word{n}" for n in range(5000)]
    with path.open("w") as file:
        for number in range(count):
            for _ in range(samples):
                reasoning = " ".join(generator.choices(words, k=chars // 8))
                output = f"{reasoning}\n</think>\n\nThe answer is \\boxed{{{(number + 1) % 1000}}}."
                # A gate gives no verdict on texts of which nothing says how they ended.
                told = {"question": str(number), "output": output, "finish_reason": "stop"}
                file.write(json.dumps(told) + "\n")


def run(folder: Path, checkout: Path, *args: str) -> Figures:
    """Run one session."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *args]
    environment = {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(checkout),
        "PYTHONPYCACHEPREFIX": str(folder / "bytecode" / checkout.name),
        "PYTHONDONTWRITEBYTECODE": "",  # as for whoever has installed it
    }
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    first = last = 0.0
    output = b""
    while chunk := process.stdout.read1(65536):
        output += chunk
        if not first and re.search(rb"(?m)^[.Fs]", output[:4096]):
            first = _cpu_now(process.pid)
        if not last and b"[100%]" in output[-70_000:]:
            last = time.perf_counter()
    _, status, usage = os.wait4(process.pid, 0)
    end = time.perf_counter() - last if last else 0.0
    process.returncode = os.waitstatus_to_exitcode(status)
    # What is compared with may have faults that this one has not.
    if process.returncode and checkout == HERE:
        sys.exit(output.decode(errors="replace")[-3000:])
    return Figures(usage.ru_utime + usage.ru_stime, first, end, usage.ru_maxrss / 1024)


def _cpu_now(pid: int) -> float:
    """Processor seconds of a running process so far (Linux)."""
    values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


def session(folder: Path, checkout: Path, mode: str) -> Figures:
    """One of lrmtest's sessions, in a new reports folder unless it reuses what is there."""
    reports = folder / f"reports-{checkout.name}-{mode}"
    recording = "four.jsonl" if mode == "samples" else "outputs.jsonl"
    options = ("test_sums.py", f"--model=recorded:{recording}", f"--reports-dir={reports}")
    if mode == "reuse":
        if not reports.exists():
            run(folder, checkout, *options)
    else:
        shutil.rmtree(reports, ignore_errors=True)
    return run(folder, checkout, *options, *MODES[mode])


def bare(folder: Path, mode: str) -> Figures:
    """The bare session that a mode is compared with."""
    workers = MODES["workers"] if mode == "workers" else ()
    return run(folder, HERE, "test_bare.py", "-p", "no:lrmtest", *workers)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--questions", type=int, default=10_000)
    parser.add_argument("--chars", type=int, default=2_000, help="characters per output")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=["plain"])
    parser.add_argument("--against", type=Path, help="another checkout of lrmtest")
    options = parser.parse_args()
    checkouts = [HERE] if options.against is None else [options.against.resolve(), HERE]
    with tempfile.TemporaryDirectory(prefix="lrmtest-overhead-") as name:
        folder = Path(name)
        _prepare(folder, options.questions, options.chars, options.modes)
        for mode in options.modes:
            _measure(folder, mode, checkouts, options.rounds, options.questions)


def _prepare(folder: Path, questions: int, chars: int, modes: Sequence[str]) -> None:
    """The tests, the recordings, the baseline, and the bytecode of a first import."""
    (folder / "test_bare.py").write_text(BARE.format(count=questions))
    (folder / "test_sums.py").write_text(SUITE.format(count=questions))
    write_recording(folder / "outputs.jsonl", questions, chars)
    if "samples" in modes:
        write_recording(folder / "four.jsonl", questions, chars, 4)
    if any(GATE[0] in MODES[mode] for mode in modes):
        write_recording(folder / "before.jsonl", questions, chars)
        run(
            *(folder, HERE, "test_sums.py", "--model=recorded:before.jsonl"),
            *("--reports-dir=reports-before", "--save-baseline=baseline.json"),
        )


def _measure(
    folder: Path, mode: str, checkouts: Sequence[Path], rounds: int, questions: int
) -> None:
    found: dict[Path | None, list[Figures]] = {place: [] for place in (None, *checkouts)}
    for number in range(rounds + 1):
        for place, figures in found.items():
            one = bare(folder, mode) if place is None else session(folder, place, mode)
            if number or not rounds:  # the first one compiles what it imports
                figures.append(one)
    table = Table(title=f"{mode}: {questions:,} questions, medians of {max(rounds, 1)}")
    for column in ("", "CPU s", "ms a question", "added, times bare", "first result, CPU s"):
        table.add_column(column, justify="right")
    for column in ("times bare", "end s", "peak MiB"):
        table.add_column(column, justify="right")
    medians = {place: _medians(figures) for place, figures in found.items()}
    base = medians[None]
    for place, one in medians.items():
        table.add_row(
            "bare pytest" if place is None else "lrmtest" if place == HERE else place.name,
            f"{one.cpu:.2f}",
            f"{1000 * one.cpu / questions:.3f}",
            "" if place is None else f"{(one.cpu - base.cpu) / base.cpu:.2f}",
            f"{one.first:.2f}",
            "" if place is None else f"{one.first / base.first:.2f}",
            f"{one.end:.1f}",
            f"{one.memory:.0f}",
        )
    Console(width=110).print(table)


def _medians(figures: Sequence[Figures]) -> Figures:
    return Figures(
        *(statistics.median(getattr(one, each.name) for one in figures) for each in fields(Figures))
    )


if __name__ == "__main__":
    main()
