"""Grading against labels: how often verdicts agree with what a reader says of the same outputs.

    python benchmarks/grading.py FILE... [--data-dir DIR] [--at-least 99.5]
    python benchmarks/grading.py --recorded --data-dir DIR

FILE has one labelled output a line, as JSON; docs/benchmarks.md has the fields. ``--recorded``
takes the labels of the recorded outputs from tests/grading/recorded.jsonl, and the outputs from
``DIR/recorded``. Shown are the agreement by suite, class and language, with Wilson's intervals, the
false passes, and every other disagreement. Exits with 1 if there is a false pass or the agreement
is below ``--at-least`` per cent, with 2 if a file cannot be read.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lrmtest.analysis.intervals import wilson
from lrmtest.bounded import parse_json, read_lines
from lrmtest.errors import DataError, LrmtestError
from lrmtest.grading import Completion, FinishReason, Verdict, grade, grade_by_kind
from lrmtest.grading.split import DEFAULT_TAGS
from lrmtest.questions import DataOptions
from lrmtest.questions.question import Question
from lrmtest.reports.escape import one_line
from lrmtest.suites import suite_named
from lrmtest.suites.registry import SUITES

RECORDED = Path(__file__).parents[1] / "tests" / "grading" / "recorded.jsonl"
_HINT = "docs/benchmarks.md, under 'Grading', describes the fields"
_BASIC = ("wrong", "no-answer")
_SHOWN = 300
"""Characters of a text's end that are shown of a disagreement."""


@dataclass(frozen=True, slots=True)
class Case:
    """A labelled output and its verdict.

    Attributes:
        place: file and line.
        suite, language: what it is counted under; ``-`` where the label does not say.
        kind: the class that it is counted under: the label's, else the expected failure class,
            else whether it is correct.
        end: the end of the output's text.
        expected: what the label says, by field name.
        verdict: what grading says.
        wrongs: the fields in which they differ; empty where they agree.
    """

    place: str
    suite: str
    language: str
    kind: str
    end: str
    expected: Mapping[str, Any]
    verdict: Verdict
    wrongs: tuple[str, ...]

    @property
    def false_pass(self) -> bool:
        """Whether it passes and should not."""
        return self.verdict.correct and not self.expected["expected_correct"]


class Sources:
    """Questions and recorded outputs of a data folder, each file read once."""

    def __init__(self, data_dir: Path | None) -> None:
        self._data_dir = data_dir
        self.questions = cache(self._questions)
        self.outputs = cache(self._outputs)

    def _questions(self, suite: str) -> dict[str, Question]:
        options = DataOptions(data_dir=self._data_dir)
        return {one.id: one for one in suite_named(suite).load(options).questions}

    def _outputs(self, suite: str) -> dict[str, str]:
        if self._data_dir is None:
            raise DataError("labels without texts need recorded outputs", hint="give --data-dir")
        files = sorted(self._data_dir.glob(f"recorded/*.{suite}.jsonl"))
        if len(files) != 1:
            raise DataError(
                f"{len(files)} files recorded/*.{suite}.jsonl in {self._data_dir}, wanted one",
                hint="give another --data-dir, or labels with a text each",
            )
        rows = (parse_json(line, f"{files[0]}:{n}") for n, line in _lines(files[0]))
        return {str(row["question"]): row["output"] for row in rows}


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    for number, _, line in read_lines(path, hint=_HINT):
        if line.strip():
            yield number, line


def cases(path: Path, sources: Sources) -> Iterator[Case]:
    """The labelled outputs of a file, graded.

    Raises:
        DataError: a line is none; names file, line and field.
    """
    for number, line in _lines(path):
        place = f"{path}:{number}"
        raw = parse_json(line, place, hint=_HINT)
        if not isinstance(raw, dict):
            raise DataError(f"{place}: not a JSON object", hint=_HINT)
        yield _case(raw, place, sources)


def _case(raw: Mapping[str, Any], place: str, sources: Sources) -> Case:
    def get(name: str, kind: type, default: Any = ...) -> Any:
        value = raw.get(name, default)
        if value is ... or not (isinstance(value, kind) or value is default):
            what = "is missing" if value is ... else f"is of the wrong type, {type(value).__name__}"
            raise DataError(f"{place}: field {name!r} {what}", hint=_HINT)
        return value

    get("expected_correct", bool)
    suite = get("suite", str, "-")
    if "kind" in raw:
        references = get("references", list)
        if not references or not all(isinstance(one, str) for one in references):
            raise DataError(f"{place}: field 'references' is no list of texts", hint=_HINT)
        material = get("material", dict, {})
        question = Question("-", suite, material, tuple(references), get("kind", str))
        # What passes is the suite's word: MuSiQue's is not that of the kind.
        known_suite = suite in SUITES and suite_named(suite).grader is not grade_by_kind
        grader = suite_named(suite).grader if known_suite else grade_by_kind
    else:
        known = sources.questions(get("suite", str))
        name = str(raw.get("question", ""))
        if name not in known:
            raise DataError(f"{place}: {suite} has no question {name[:80]!r}", hint=_HINT)
        question, grader = known[name], suite_named(suite).grader_for(known[name].kind)
    if "text" in raw:
        text = get("text", str)
    elif (text := sources.outputs(suite).get(question.id, "")) == "":
        raise DataError(f"{place}: no recorded output of {suite} {question.id}", hint=_HINT)
    finish = get("finish_reason", str, "stop")
    if finish not in get_args(FinishReason):
        raise DataError(f"{place}: field 'finish_reason' is {finish[:40]!r}", hint=_HINT)
    tags = tuple(get("tags", list, list(DEFAULT_TAGS)))
    if len(tags) != 2 or not all(isinstance(tag, str) and tag for tag in tags):
        raise DataError(f"{place}: field 'tags' is no pair of texts", hint=_HINT)
    verdict = grade(question, Completion(text, finish), tags, grader)
    return Case(
        place=place,
        suite=suite,
        language=get("language", str, "-"),
        kind=get("class", str, get("expected_failure", str, None) or _by_correct(raw)),
        end=text[-_SHOWN:],
        expected={name: value for name, value in raw.items() if name != "text"},
        verdict=verdict,
        wrongs=tuple(_wrongs(raw, verdict)),
    )


def _by_correct(raw: Mapping[str, Any]) -> str:
    return "correct" if raw["expected_correct"] else "not correct"


def _wrongs(expected: Mapping[str, Any], verdict: Verdict) -> Iterator[str]:
    if verdict.correct != expected["expected_correct"]:
        yield "correct"
    if "expected_extracted" in expected:
        told = expected["expected_extracted"]
        read = verdict.provisional if verdict.end else verdict.extracted
        if (told is None) != (read is None) or str(told).casefold() != str(read).casefold():
            yield "extracted"
    if expected.get("expected_failure") not in (None, verdict.failure):
        # Classes that say more than the basic ones do not contradict these.
        basic = "no-answer" if verdict.extracted is None else "wrong"
        finer = not verdict.end and verdict.failure not in (None, *_BASIC)
        if not (finer and expected["expected_failure"] == basic):
            yield "failure"


def agreement(title: str, found: Sequence[Case], group: Callable[[Case], str]) -> Table:
    """Agreement by group, those with the least first, and all of them last."""
    parts: dict[str, list[Case]] = {}
    for case in found:
        parts.setdefault(group(case), []).append(case)
    table = Table(title=f"Agreement by {title}")
    table.add_column(title)
    for column in ("outputs", "agree", "per cent [95 % interval]", "false passes"):
        table.add_column(column, justify="right")
    rows = sorted(parts.items(), key=lambda part: -sum(bool(one.wrongs) for one in part[1]))
    for name, part in [*rows, ("all", list(found))]:
        agree = sum(not case.wrongs for case in part)
        interval = wilson(agree, len(part))
        table.add_row(
            Text(one_line(name, 60)),
            f"{len(part):,}",
            f"{agree:,}",
            f"{100 * agree / len(part):.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]",
            f"{sum(case.false_pass for case in part):,}",
        )
    return table


def told(case: Case) -> Text:
    """One disagreement, in a bounded number of characters of which none acts."""
    verdict, expected = case.verdict, case.expected
    wanted = _by_correct(expected)
    for name in ("expected_extracted", "expected_failure"):
        if name in expected:
            wanted += f", {name.removeprefix('expected_')} {expected[name]!r:.80}"
    read = verdict.provisional if verdict.end else verdict.extracted
    given = f"{verdict.failure or 'correct'}, extracted {read!r:.80}"
    which = f" {expected['question']}" if "question" in expected else ""
    head = f"{case.place} ({case.suite}{which}, {case.kind}, {case.language})"
    lines = [
        one_line(head, 300),
        one_line(f"expected: {wanted}", 300),
        one_line(f"given: {given}", 300),
        "ends with " + one_line(case.end, _SHOWN),
    ]
    return Text("\n  ".join(lines) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="labelled outputs")
    parser.add_argument("--recorded", action="store_true", help="the recorded outputs, too")
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=os.environ.get("LRMTEST_DATA_DIR"),
        help="the suites' questions and recorded/ (default: LRMTEST_DATA_DIR)",
    )
    parser.add_argument(
        "--at-least", type=float, default=99.5, metavar="PERCENT", help="agreement that must be"
    )
    options = parser.parse_args()
    files = [*options.files, *([RECORDED] if options.recorded else [])]
    if not files:
        parser.error("name a file of labelled outputs, or --recorded")
    console = Console(
        width=None if sys.stdout.isatty() else 160, highlight=False, markup=False, emoji=False
    )
    try:
        sources = Sources(Path(options.data_dir) if options.data_dir else None)
        found = [case for file in files for case in cases(file, sources)]
        if not found:
            raise DataError("there is no labelled output in these files", hint=_HINT)
    except LrmtestError as error:
        print(error, file=sys.stderr)
        return 2
    passes = [case for case in found if case.false_pass]
    others = [case for case in found if case.wrongs and not case.false_pass]
    for heading, part in (("False passes", passes), ("Other disagreements", others)):
        console.print(f"{heading}: {len(part):,}\n")
        for case in part:
            console.print(told(case))
    for title, group in (
        ("suite", lambda case: case.suite),
        ("class", lambda case: case.kind),
        ("language", lambda case: case.language),
    ):
        console.print(agreement(title, found, group))
    share = 100 * sum(not case.wrongs for case in found) / len(found)
    return 1 if passes or share < options.at_least else 0


if __name__ == "__main__":
    sys.exit(main())
