"""Published marks against ours: `python benchmarks/published_marks.py --data-dir DIR FILE...`.

Reads outputs that others have recorded and marked, grades each as its suite does, and counts where
the two agree. FILE is one of

- a results file of ``labrem/neus2026-labre`` (``results/experiment_*.md``): MATH-500's problems
  with a model's response and whether its authors' grader took it for correct, for ``math-500``;
- ``example_model_solutions.jsonl`` of ``openai/grade-school-math``: four models' solutions of
  GSM8K's test questions with ``is_correct``, for ``gsm8k``. Their last line, ``A: 18``, is graded
  as ``#### 18``, the data set's own form, of which it is a rendering.

A question is known by its text; one that the suite does not have is counted and left out. What the
two graders disagree on is written to ``--disagreements FILE`` (JSON Lines: the reference, both
marks, what was read as the answer here, the end of the response), to be read by a person: neither
grader is the truth. Exits with 2 if a file cannot be read.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lrmtest.analysis.intervals import clustered
from lrmtest.bounded import parse_json, read_lines, read_text
from lrmtest.errors import DataError, LrmtestError
from lrmtest.grading import Completion, grade
from lrmtest.questions import DataOptions
from lrmtest.questions.question import Question
from lrmtest.reports.escape import one_line
from lrmtest.suites import suite_named

_MODEL = re.compile(r"^\*\*Model\*\*: (\S+)$", re.MULTILINE)
_PROBLEM = re.compile(r"^## Problem math_\d+$", re.MULTILINE)
_STATEMENT = re.compile(r"^  Problem Statement: (.*?)^  Ground Truth: ", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"^  Is Correct: (True|False)$", re.MULTILINE)
_RESPONSE = re.compile(r"^--- LLM Response ---\n(.*?)^--- End LLM Response ---", re.M | re.DOTALL)
_LAST_LINE = re.compile(r"\nA: (?=[^\n]*\Z)")


@dataclass(frozen=True, slots=True)
class Marked:
    """A recorded response.

    Attributes:
        source: the model, a row of the table.
        suite: which suite grades it.
        problem: the question's text.
        response: what the model wrote.
        correct: the published mark.
    """

    source: str
    suite: str
    problem: str
    response: str
    correct: bool


def of_markdown(path: Path) -> Iterator[Marked]:
    """The responses of a results file; of several attempts at a problem the last is marked."""
    text = read_text(path, 50_000_000, hint="give a results file")
    model = _MODEL.search(text)
    for part in _PROBLEM.split(text)[1:]:
        statement, mark = _STATEMENT.search(part), _MARK.findall(part)
        responses = _RESPONSE.findall(part)
        if statement is None or len(mark) != 1 or len(responses) != 1:
            raise DataError(f"{path}: a problem without one mark and one response")
        yield Marked(
            model[1] if model else path.stem,
            "math-500",
            statement[1],
            responses[0],
            mark[0] == "True",
        )


def of_solutions(path: Path) -> Iterator[Marked]:
    """The solutions of ``example_model_solutions.jsonl``, four for each question."""
    for number, _, line in read_lines(path, hint="give the solutions' file"):
        row = parse_json(line, f"{path}:{number}")
        for model, solution in row.items():
            if isinstance(solution, dict):
                yield Marked(
                    f"GSM8K, {model}",
                    "gsm8k",
                    row["question"],
                    _LAST_LINE.sub("\n#### ", solution["solution"]),
                    solution["is_correct"] is True,
                )


def plain(text: str) -> str:
    """A question's text without what files write differently: spaces and kinds of apostrophes."""
    return re.sub(r"\s+", "", text).replace("\u2019", "'")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--disagreements", type=Path, metavar="FILE")
    options = parser.parse_args()
    console = Console(width=150)
    shown = Table(title="Published marks and ours")
    shown.add_column("source")
    for column in ("outputs", "both right", "both wrong", "right here only", "right there only"):
        shown.add_column(column, justify="right")
    shown.add_column("agree, % of a question's (95 %)", justify="right")
    counts: dict[str, dict[str, Counter[tuple[bool, bool]]]] = {}
    unknown = 0
    disagreements: list[str] = []
    suites: dict[str, dict[str, Question]] = {}
    try:
        for path in options.files:
            of_file = of_markdown if path.suffix == ".md" else of_solutions
            for marked in of_file(path):
                known = suites.get(marked.suite)
                if known is None:
                    loaded = suite_named(marked.suite).load(DataOptions(options.data_dir))
                    field = "question" if marked.suite == "gsm8k" else "problem"
                    known = {plain(str(q.material[field])): q for q in loaded.questions}
                    suites[marked.suite] = known
                question = known.get(plain(marked.problem))
                if question is None:
                    unknown += 1
                    continue
                verdict = grade(question, Completion(marked.response, "stop"))
                of_source = counts.setdefault(marked.source, {})
                marks = of_source.setdefault(question.id, Counter())
                marks[marked.correct, verdict.correct] += 1
                if verdict.correct is not marked.correct:
                    disagreements.append(
                        json.dumps(
                            {
                                "source": marked.source,
                                "question": question.id,
                                "reference": question.expected,
                                "published": marked.correct,
                                "ours": verdict.correct,
                                "extracted": verdict.extracted,
                                "failure": str(verdict.failure),
                                "end": marked.response[-400:],
                            }
                        )
                    )
    except LrmtestError as error:
        console.print(one_line(str(error), 400), markup=False)
        return 2
    for source, of_questions in counts.items():
        count = sum(of_questions.values(), Counter[tuple[bool, bool]]())
        # Answers to one question are alike: each question counts once.
        by_question = [
            (marks[True, True] + marks[False, False], marks.total())
            for marks in of_questions.values()
        ]
        mean = sum(agree / n for agree, n in by_question) / len(by_question)
        share = clustered(by_question)
        shown.add_row(
            source,
            f"{count.total():,}",
            f"{count[True, True]:,}",
            f"{count[False, False]:,}",
            f"{count[False, True]:,}",
            f"{count[True, False]:,}",
            f"{100 * mean:.1f} [{100 * share.low:.1f}, {100 * share.high:.1f}]",
        )
    console.print(shown)
    console.print(f"{unknown:,} outputs to questions that the suite does not have, left out.")
    if options.disagreements is not None:
        options.disagreements.write_text("\n".join(disagreements) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
