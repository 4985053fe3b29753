"""Expressions: how their grader does on spellings of references, on neighbours, and on solutions.

    python benchmarks/symbolic.py --data-dir DIR [--hostile]

Takes MATH-500's 500 references from ``DIR/math_500.jsonl``. Each is written in ten spellings or
more that say the same (all must pass) and in neighbours that do not (none may), made in
``benchmarks/expression_texts.py`` by editing its text. The released solutions are graded whole, as
completions. Shown are the counts, this process' time for a verdict (each text once, so that
nothing is remembered), the longest on the clock, which has the waiting for math-verify's process,
how many were asked of it, and what was wrong. ``--hostile`` does the same for answers that are made
to be slow. Exits with 1 if a neighbour passes or a spelling fails, with 2 if the data cannot be
read.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from expression_texts import neighbours, spellings
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lrmtest.bounded import parse_json, read_lines
from lrmtest.errors import DataError, LrmtestError
from lrmtest.grading import Completion, evaluate, grade
from lrmtest.questions import DataOptions
from lrmtest.questions.question import EXPRESSION, Question
from lrmtest.reports.escape import one_line
from lrmtest.suites import suite_named

HOSTILE = (
    "{" * 100_000 + "7" + "}" * 100_000,
    "9^{9^{9^9}}",
    "9^" * 300 + "9",
    "999999999!",
    "(a+b+c+d+e+f)^{64}",
    "(a+b)^{64}(c+d)^{64}(x+y)^{64}",
    "(1+x)(1+y)(1+z)(1+a)(1+b)(1+c)(1+d)(1+f)(1+g)(1+h)(1+k)(1+m)(1+n)(1+p)(1+q)(1+r)(1+s)",
    ",".join(f"(x+{n})^9" for n in range(64)),
    r"\sqrt{" * 160 + "2" + "}" * 160,
    r"\frac{" * 150 + "1" + "}{2}" * 150,
    r"\begin{pmatrix}" + "&".join("1" * 400) + r"\end{pmatrix}",
    r"\newcommand{\x}{\x\x}\x",
    r"\int_0^1 x^{x^{x^x}} dx",
    r"\sum_{k=1}^{99999999} k^k",
    "7" * 50_000_000,
)
_HARD = (
    (r"\sin 15^\circ", r"\frac{\sqrt6-\sqrt2}{4}"),
    (r"1+\sqrt{2}", r"\sqrt{3+2\sqrt2}"),
    (r"\cos 2x", r"2\cos^2 x-1"),
    (r"\cot x", r"\frac{\cos x}{\sin x}"),
    (r"\ln 8", r"3\ln 2"),
    (r"\frac{1+\sqrt{5}}{4}", r"\cos\frac{\pi}{5}"),
    (r"\sqrt[3]{7+5\sqrt{2}}", r"1+\sqrt2"),
    (r"\log_2 12", r"2+\log_2 3"),
)
"""Equal expressions of which the steps before math-verify prove nothing."""


@dataclass(slots=True)
class Measured:
    """Answers of one sort.

    Attributes:
        name: the sort.
        expected: whether they should pass; None where there is no saying.
        seconds: processor time of each, of this process.
        clock: the longest that one took on the clock.
        wrong: those that should have passed and did not, or the other way round.
        undecided: how many nothing decided on within bounds.
        asked: how many were asked of math-verify's process.
    """

    name: str
    expected: bool | None
    seconds: list[float]
    clock: float
    wrong: list[str]
    undecided: int
    asked: int


def measure(name: str, expected: bool | None, pairs: Sequence[tuple[Question, str]]) -> Measured:
    """Grade completions that ended by themselves."""
    measured = Measured(name, expected, [], 0.0, [], 0, 0)
    for question, text in pairs:
        evaluate.are_equal.cache_clear()
        before, began = time.process_time(), time.monotonic()
        verdict = grade(question, Completion(text, "stop"))
        measured.seconds.append(time.process_time() - before)
        measured.clock = max(measured.clock, time.monotonic() - began)
        measured.asked += evaluate.are_equal.cache_info().misses > 0
        measured.undecided += verdict.metrics["undecided"] > 0
        if expected is not None and verdict.correct is not expected:
            measured.wrong.append(f"{question.expected}  <>  {one_line(text, 120)}")
    return measured


def solutions(data_dir: Path, questions: Sequence[Question]) -> Iterator[tuple[Question, str]]:
    """Each question with its released solution.

    Raises:
        DataError: the file cannot be read.
    """
    path = data_dir / "math_500.jsonl"
    by_id = {question.id: question for question in questions}
    for number, _, line in read_lines(path, hint="give another --data-dir"):
        if line.strip():
            row = parse_json(line, f"{path}:{number}")
            yield by_id[row["unique_id"]], str(row["solution"])


def table(found: Sequence[Measured]) -> Table:
    shown = Table(title="Answers graded as expressions")
    for column in ("answers", "number", "not as expected", "undecided", "asked of math-verify"):
        shown.add_column(column, justify="left" if column == "answers" else "right")
    for column in ("median ms", "p99 ms", "worst ms", "on the clock s"):
        shown.add_column(column, justify="right")
    for one in found:
        times = sorted(one.seconds)
        marks = (
            times[len(times) // 2],
            times[min(len(times) - 1, len(times) * 99 // 100)],
            times[-1],
        )
        shown.add_row(
            one.name,
            f"{len(times):,}",
            "-" if one.expected is None else f"{len(one.wrong):,}",
            f"{one.undecided:,}",
            f"{one.asked:,}",
            *(f"{1000 * mark:.2f}" for mark in marks),
            f"{one.clock:.1f}",
        )
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=os.environ.get("LRMTEST_DATA_DIR"),
        help="the folder with math_500.jsonl (default: LRMTEST_DATA_DIR)",
    )
    parser.add_argument("--hostile", action="store_true", help="answers made to be slow, too")
    options = parser.parse_args()
    console = Console(
        width=None if sys.stdout.isatty() else 140, highlight=False, markup=False, emoji=False
    )
    try:
        if not options.data_dir:
            raise DataError("the references are MATH-500's", hint="give --data-dir")
        folder = Path(options.data_dir)
        questions = suite_named("math-500").load(DataOptions(folder)).questions
        solved = list(solutions(folder, questions))
    except LrmtestError as error:
        print(error, file=sys.stderr)
        return 2

    def boxed(text: str) -> str:
        return rf"Therefore the answer is $\boxed{{{text}}}$."

    same = [(q, boxed(way)) for q in questions for way in dict.fromkeys(spellings(q.expected))]
    near = [(q, boxed(one)) for q in questions for one in neighbours(q.expected)]
    hard = [(Question("q", "s", {}, (one,), EXPRESSION), boxed(other)) for one, other in _HARD]
    grade(questions[0], Completion(boxed("1"), "stop"))  # compiles what is compiled once
    evaluate.are_equal("1", "2")  # starts the process
    found = [
        measure("spellings", True, same),
        measure("neighbours", False, near),
        measure("released solutions", True, solved),
        measure("equal, and hard to see", True, hard),
    ]
    if options.hostile:
        asked = Question("q", "s", {}, ("7",), EXPRESSION)
        plain = [(asked, boxed(answer)) for answer in HOSTILE]
        against = [
            (Question("q", "s", {}, (answer[:1000],), EXPRESSION), boxed(f"{answer[:900]}+1"))
            for answer in HOSTILE
        ]
        found.append(measure("hostile", None, plain + against))
    for one in found:
        for line in one.wrong:
            console.print(Text(f"{one.name}: {line}"))
    console.print(table(found))
    return 1 if found[0].wrong or found[1].wrong else 0


if __name__ == "__main__":
    sys.exit(main())
