"""Words and numbers in order: how their grader does on BIG-Bench Extra Hard's own references.

    python benchmarks/sequences.py --data-dir DIR

Each reference of the suite ``bbeh`` that is no option is written in spellings that say the same,
all of which must pass, and in neighbours that do not, of which none may: items swapped, left out
or there twice, a number with another sign or digit, another word. Exits with 1 if one does not do
what is expected, with 2 if the data cannot be read.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from lrmtest.errors import LrmtestError
from lrmtest.grading import Completion, grade
from lrmtest.questions import DataOptions
from lrmtest.questions.question import SEQUENCE
from lrmtest.suites import suite_named


def spellings(reference: str) -> Iterator[str]:
    """Answers that say the same as a reference."""
    bare = reference.removeprefix("[").removesuffix("]")
    yield f"Answer: {reference}"
    yield f"Let me see.\n\n**Final answer: {reference}**"
    yield f"So it is $\\boxed{{{reference}}}$."
    yield f"Hm.\nAnswer: {reference.lower()}."
    if bare:
        yield f"Answer: [{bare}]"
        yield f"Answer: ({bare.replace(', ', ',').replace(',', ', ')})"
        yield f'Answer: "{bare}"'


def neighbours(reference: str) -> Iterator[str]:
    """Answers that say something else."""
    items = [item.strip() for item in reference.strip("[]").split(",")]
    changed = [[*items, items[-1]], [*items[:-1], "else"]]
    changed += [items[:-1]] if len(items) > 1 else []
    changed += [items[::-1]] if items != items[::-1] else []
    if items[-1].lstrip("-").replace(".", "", 1).isdigit():
        changed += [[*items[:-1], f"1{items[-1].lstrip('-')}"]]
        changed += [[*items[:-1], str(-float(items[-1]))]] if float(items[-1]) else []
    for each in changed:
        yield f"Answer: {', '.join(each)}"
        yield f"So it is \\boxed{{{', '.join(each)}}}."


def main() -> int:
    """Print how many of each do what is expected, and which do not."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="has BIG-Bench Extra Hard")
    given = parser.parse_args()
    try:
        questions = suite_named("bbeh").load(DataOptions(given.data_dir)).questions
    except LrmtestError as error:
        print(error, file=sys.stderr)
        return 2
    asked = [question for question in questions if question.kind == SEQUENCE]
    failed = 0
    for what, made, right in (("spellings", spellings, True), ("neighbours", neighbours, False)):
        start, count, wrong = time.process_time(), 0, []
        for question in asked:
            for text in made(question.expected):
                count += 1
                if grade(question, Completion(text, "stop")).correct != right:
                    wrong.append((question.id, text))
        spent = 1000 * (time.process_time() - start) / count
        print(
            f"{what}: {count:,} of {len(asked):,} references, {len(wrong)} not as expected, "
            f"{spent:.2f} ms of processor time each"
        )
        for id_, text in wrong[:20]:
            print(f"  {id_}: {text!r:.100}")
        failed += len(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
