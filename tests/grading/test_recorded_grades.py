"""Real outputs of a real compressed model, graded: the counts that a careful reader arrives at.

The outputs are those of a 4-bit R1-Distill-Llama-8B, whose prompts asked for no answer format.
They lie beside the benchmarks' files, in ``recorded/``; none of their text is in this repository.
"""

import json
import os
import random
import re
from collections import Counter
from pathlib import Path

import pytest

from lrmtest.grading import Completion, Verdict, grade
from lrmtest.questions.question import INTEGER, LABEL, OPTION, SHORT_TEXT, Question

pytestmark = pytest.mark.data

MODEL = "r1-distill-llama-8b-awq-4bit"
BUDGET_CHARACTERS = 70_000
"""Unclosed outputs longer than this had run into their budget of 32,768 tokens. The longest that
ended by itself has 60,510 characters, the shortest that did not 76,850."""


def path_of(name):
    folder = os.environ.get("LRMTEST_DATA_DIR")
    if not folder:
        pytest.skip("LRMTEST_DATA_DIR is not set: it names the folder with the benchmarks' files")
    path = Path(folder, name)
    if not path.is_file():
        pytest.skip(f"there is no {path}")
    return path


def lines(name):
    return [json.loads(line) for line in path_of(name).read_text("utf-8").splitlines()]


def aime():
    for row in lines("aime_2024.jsonl"):
        yield row["ID"], Question(row["ID"], "aime", {}, (str(row["Answer"]),), INTEGER)


def folio():
    for number, row in enumerate(lines("folio_validation.jsonl")):
        yield number, Question(str(number), "folio", {}, (row["label"],), LABEL)


def temporal():
    examples = json.loads(path_of("bbh_temporal_sequences.json").read_text("utf-8"))["examples"]
    for number, row in enumerate(examples):
        options = re.findall(r"^\([A-Z]\) (.*)$", row["input"], re.MULTILINE)
        letter = row["target"].strip("()")
        yield number, Question(str(number), "temporal", {"options": options}, (letter,), OPTION)


def musique():
    for row in lines("musique_100.jsonl"):
        references = (row["answer"], *row["answer_aliases"])
        yield row["id"], Question(row["id"], "musique", {}, references, SHORT_TEXT)


def verdicts(questions) -> list[tuple[Verdict, bool]]:
    """Each recorded output's verdict, and whether it had closed its reasoning."""
    by_id = dict(questions())
    graded = []
    for row in lines(f"recorded/{MODEL}.{questions.__name__}.jsonl"):
        text = row["output"]
        closed = "</think>" in text
        ran_out = not closed and len(text) > BUDGET_CHARACTERS
        completion = Completion(text, "length" if ran_out else "stop")
        graded.append((grade(by_id[row["question"]], completion), closed))
    return graded


def failures(graded):
    return dict(Counter(verdict.failure for verdict, _ in graded if verdict.failure))


def test_aime():
    graded = verdicts(aime)
    assert len(graded) == 15
    assert sum(verdict.correct for verdict, _ in graded) == 8
    assert sum(verdict.lenient_correct for verdict, _ in graded) == 8
    assert failures(graded) == {"wrong": 5, "looped": 1, "truncated": 1}


def test_folio():
    graded = verdicts(folio)
    assert len(graded) == 102
    assert sum(verdict.correct for verdict, _ in graded) == 71
    assert failures(graded) == {"wrong": 30, "no-answer": 1}
    labels = Counter(verdict.extracted for verdict, _ in graded)
    assert labels == {"True": 35, "False": 41, "Uncertain": 25, None: 1}


def test_temporal():
    graded = verdicts(temporal)
    assert len(graded) == 125
    assert sum(closed for _, closed in graded) == 86
    assert sum(verdict.correct for verdict, closed in graded if closed) == 76
    assert sum(verdict.correct for verdict, _ in graded) == 101
    # One of those that loop says "both (A) and (B)" last, behind "(A)": that is no answer.
    assert sum(verdict.lenient_correct for verdict, _ in graded) == 106
    assert failures(graded) == {"wrong": 12, "looped": 12}


def test_musique():
    graded = verdicts(musique)
    assert len(graded) == 50
    assert failures(graded) == {"wrong": 43, "no-answer": 4, "looped": 3}
    means = {
        name: sum(verdict.metrics[name] for verdict, _ in graded) / len(graded)
        for name in ("em", "f1", "em_short", "f1_short")
    }
    assert means == pytest.approx(
        {"em": 0.0, "f1": 0.0513, "em_short": 0.06, "f1_short": 0.1054}, abs=1e-4
    )


@pytest.mark.parametrize(
    ("questions", "passed", "lenient"),
    [(aime, 8, 8), (folio, 71, 71), (temporal, 100, 106), (musique, 0, 0)],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_where_nothing_says_how_they_ended(questions, passed, lenient):
    by_id = dict(questions())
    graded = [
        (row["output"], grade(by_id[row["question"]], Completion(row["output"], "unknown")))
        for row in lines(f"recorded/{MODEL}.{questions.__name__}.jsonl")
    ]
    assert sum(verdict.correct for _, verdict in graded) == passed
    assert sum(verdict.lenient_correct for _, verdict in graded) == lenient
    ran_out = [verdict for text, verdict in graded if len(text) > BUDGET_CHARACTERS]
    assert not any(verdict.correct for verdict in ran_out)


def test_reasoning_cut_at_random_passes_hardly_ever():
    rng = random.Random(7)
    cuts = passed = late = 0
    for questions in (aime, folio, temporal):
        by_id = dict(questions())
        for row in lines(f"recorded/{MODEL}.{questions.__name__}.jsonl"):
            reasoning, closed, _ = row["output"].partition("</think>")
            for _ in range(10 if closed and reasoning else 0):
                cut = reasoning[: rng.randrange(1, len(reasoning) + 1)]
                correct = grade(by_id[row["question"]], Completion(cut, "unknown")).correct
                cuts += 1
                passed += correct
                late += correct and len(cut) > 4096
    assert cuts > 1500
    assert passed <= 0.01 * cuts
    assert late == 0
