"""Benchmark files with a few made-up questions each, in the form of the real ones.

As a plugin of pytest it also turns off the check that the questions are the released ones, so
that commands on the benchmarks run where nobody has the benchmarks.
"""

from __future__ import annotations

import json
from pathlib import Path

import lrmtest.questions.sources
import lrmtest.suites.musique


def trust(monkeypatch=None):
    """Take the questions in the files for the released ones."""

    def as_they_come(name, questions, places, *, file, hint):
        return tuple(questions)

    for module in (lrmtest.questions.sources, lrmtest.suites.musique):
        if monkeypatch is None:
            module.in_released_order = as_they_come
        else:
            monkeypatch.setattr(module, "in_released_order", as_they_come)


def pytest_configure():
    """Of a session that has this module as a plugin."""
    trust()


def make(folder: Path) -> None:
    """Write the files."""
    folder.mkdir(parents=True)
    _lines(folder / "aime_2024.jsonl", aime_rows())
    _lines(folder / "folio_validation.jsonl", [_folio(n) for n in range(4)])
    _lines(folder / "folio_v2_validation.jsonl", folio_v2_rows())
    _lines(folder / "musique_100.jsonl", [_musique(n) for n in range(4)])
    _lines(folder / "math_500.jsonl", math_500_rows())
    _lines(folder / "gsm8k_test.jsonl", gsm8k_rows())
    examples = [_temporal(n) for n in range(4)]
    (folder / "bbh_temporal_sequences.json").write_text(json.dumps({"examples": examples}))


def aime_rows():
    """Four problems, I-1 to I-4."""
    return [
        {"ID": f"2024-I-{n}", "Problem": f"What is {n} + {n} in all?", "Answer": 2 * n}
        for n in range(1, 5)
    ]


def math_500_rows():
    """Four problems, each with an answer of another sort."""
    answers = (r"\frac{3}{2}", "(2, -7)", r"4\sqrt{3}", r"\text{(C)}")
    return [
        {
            "problem": f"What is the value of $x_{n}$?",
            "solution": f"It is $\\boxed{{{answer}}}$.",
            "answer": answer,
            "subject": "Algebra",
            "level": n,
            "unique_id": f"test/algebra/{n}.json",
        }
        for n, answer in enumerate(answers, 1)
    ]


def gsm8k_rows():
    """Four problems, one of whose answers has a comma."""
    return [
        {
            "question": f"Ann has {n} boxes of {n} pens each. How many pens has she?",
            "answer": f"She has {n} * {n} = <<{n}*{n}={n * n}>>{n * n:,} pens.\n#### {n * n:,}",
        }
        for n in (2, 3, 4, 40)
    ]


def folio_v2_rows():
    """As many as the real release has."""
    return [
        {**_folio(n), "example_id": n, "premises": "\n".join(_folio(n)["premises"])}
        for n in range(203)
    ]


def _folio(number):
    return {
        "premises": [f"Every cat of house {number} purrs.", f"Tom lives in house {number}."],
        "conclusion": f"Tom of house {number} purrs.",
        "label": ("True", "False", "Uncertain")[number % 3],
    }


def _temporal(number):
    story = f"Today, Ann {number} went to the zoo.\nAnn {number} woke up at 5am."
    options = "(A) 5am to 6am\n(B) 6am to 7am\n(C) 7am to 8am\n(D) 8am to 9am"
    asked = f"Between what times could Ann {number} have gone to the zoo?"
    return {"input": f"{story}\n{asked}\nOptions:\n{options}", "target": f"({'ABCD'[number]})"}


def _musique(number):
    names = f"Ada{number}", f"Bo{number}", f"Oslo{number}"
    texts = f"{names[0]} is the aunt of {names[1]}.", f"{names[1]} lives in {names[2]}."
    return {
        "id": f"2hop__{number}_{number}",
        "question": f"Where does the nephew of {names[0]} live?",
        "answer": names[2],
        "answer_aliases": [],
        "answerable": True,
        "paragraphs": [
            {"idx": n, "title": f"T{n}", "paragraph_text": text, "is_supporting": True}
            for n, text in enumerate(texts)
        ],
        "question_decomposition": [
            {"question": f"{names[0]} >> nephew", "answer": names[1], "paragraph_support_idx": 0},
            {"question": "Where does #1 live?", "answer": names[2], "paragraph_support_idx": 1},
        ],
    }


def _lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
