"""What lrmtest adds to pytest: time per question, memory, time to the first test.

Runs 10,000 recorded questions through lrmtest and 10,000 bare parametrized tests through
pytest, alternately in one session, and prints the differences:

    python benchmarks/overhead.py [--questions 10000] [--chars 2000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

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


def write_recording(path: Path, count: int, chars: int) -> None:
    """One output per question with reasoning of about `chars` characters, all correct."""
    generator = random.Random(0)
    words = [f"word{n}" for n in range(5000)]
    with path.open("w") as file:
        for number in range(count):
            reasoning = " ".join(generator.choices(words, k=chars // 8))
            output = f"{reasoning}\n</think>\n\nThe answer is \\boxed{{{(number + 1) % 1000}}}."
            file.write(json.dumps({"question": str(number), "output": output}) + "\n")


def run(folder: Path, test: str, *args: str) -> tuple[float, float, float]:
    """Run one test file; seconds, peak memory in MiB, seconds to the first result."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", test, *args]
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    assert process.stdout is not None
    first = 0.0
    output = b""
    while chunk := process.stdout.read1(65536):
        output += chunk
        if not first and re.match(rb"[.F]", output):
            first = time.perf_counter() - begun
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(output.decode(errors="replace")[-3000:])
    return seconds, usage.ru_maxrss / 1024, first


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=10_000)
    parser.add_argument("--chars", type=int, default=2_000, help="characters per output")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_bare.py").write_text(BARE.format(count=options.questions))
        (folder / "test_sums.py").write_text(SUITE.format(count=options.questions))
        write_recording(folder / "outputs.jsonl", options.questions, options.chars)
        bare, ours = [], []
        for number in range(options.rounds):
            bare.append(run(folder, "test_bare.py", "-p", "no:lrmtest"))
            ours.append(
                run(
                    folder,
                    "test_sums.py",
                    "--model=recorded:outputs.jsonl",
                    f"--reports-dir=reports-{number}",
                )
            )

    table = Table(title=f"{options.questions:,} questions, outputs of {options.chars:,} characters")
    for column in ("", "seconds", "ms per question", "peak MiB", "first result after s"):
        table.add_column(column, justify="right")
    for label, figures in (("bare pytest", bare), ("lrmtest", ours)):
        seconds, memory, first = (
            statistics.median(column) for column in zip(*figures, strict=True)
        )
        table.add_row(
            label,
            f"{seconds:.2f}",
            f"{1000 * seconds / options.questions:.3f}",
            f"{memory:.0f}",
            f"{first:.2f}",
        )
    more = statistics.median(o[0] - b[0] for o, b in zip(ours, bare, strict=True))
    Console().print(table)
    print(f"lrmtest adds {1000 * more / options.questions:.3f} ms per question (median of rounds)")


if __name__ == "__main__":
    main()
