"""What a suite's runs are compared by: the primary metric, from suite to outcome and gate."""

from __future__ import annotations

import json

import pytest
from fault_server import FaultServer

from lrmtest.grading import Completion, Verdict, grade
from lrmtest.options.exit_codes import CANNOT_TELL, OK, REGRESSED
from lrmtest.questions.question import SHORT_TEXT, Question
from lrmtest.runs.formats.baseline import read_baseline
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.outcomes import outcome_of
from lrmtest.runs.records import primary_metric
from lrmtest.suites.musique import MUSIQUE_SUITES
from lrmtest.suites.registry import SUITES

EIFFEL = Question("q", "musique", {}, ("Gustave Eiffel", "Eiffel"), SHORT_TEXT)


def verdict(text, reason="stop"):
    return grade(EIFFEL, Completion(text, reason), grader=SUITES["musique"].grader)


@pytest.mark.parametrize(
    ("text", "passes", "score"),
    [
        ("The tower was built by **Gustave Eiffel**.", True, 1.0),
        ("Answer: Gustave Eiffel", True, 1.0),
        ("Answer: Alexandre Gustave Eiffel", False, 0.8),
        ("potato potato", False, 0.0),
        ("I am sorry, I cannot answer that question.", False, 0.0),
    ],
)
def test_musique_judges_the_short_answer(text, passes, score):
    graded = verdict(text)
    assert (graded.correct, graded.score) == (passes, pytest.approx(score))
    outcome = outcome_of(graded, 10, "f1_short")
    assert outcome.value == outcome.score == pytest.approx(score)


def test_what_ran_out_has_a_score_of_0():
    outcome = outcome_of(verdict("The tower was built by **Gustave Eiffel**.", "length"), 10, "f1")
    assert (outcome.score, outcome.passed) == (0.0, False)


def test_a_verdict_without_the_metric_has_no_score_and_counts_by_whether_it_passed():
    outcome = outcome_of(Verdict(True, 0.3, "x", None, True), 1, "f1")
    assert (outcome.score, outcome.value) == (None, 1.0)
    assert outcome_of(Verdict(True, 0.3, "x", None, True), 1, "score").value == 0.3


def test_the_manifest_says_the_metric_else_the_suite_of_that_name():
    assert {suite.primary for suite in MUSIQUE_SUITES} == {"f1_short"}
    assert primary_metric(Manifest(), "musique") == "f1_short"
    assert primary_metric(Manifest(), "aime") == primary_metric(Manifest(), "mine") == "pass"
    said = Manifest.from_json({"suites": {"mine": {"metric": "f1"}}})
    assert primary_metric(said, "mine") == "f1"


OWN = """
import lrmtest

def load(options):
    questions = tuple(
        lrmtest.Question(f"q{n}", "guesses", {"number": str(n)}, ("100",), "guess")
        for n in range(30)
    )
    return lrmtest.QuestionSet(questions, lrmtest.Source("inline", "guesses"))

def near(question, text):
    error = abs(int(text) - 100)
    return lrmtest.Grade(text, error == 0, max(0.0, 1 - error / 100), {"close": float(error < 9)})

GUESSES = lrmtest.Suite(
    "guesses", load, "Guess {number}.", max_tokens=64, grader=near, primary="PRIMARY"
)

@lrmtest.suite(GUESSES)
def test_guesses(question, model):
    assert model.solve(question).passed
"""


@pytest.mark.parametrize("options", [(), ("--early-stop",)])
@pytest.mark.parametrize(
    ("primary", "codes"),
    [
        ("score", (OK, REGRESSED)),
        ("close", (OK, REGRESSED)),
        # Nobody ever guesses exactly 100: by passes there is nothing to lose.
        ("pass", (CANNOT_TELL, CANNOT_TELL)),
    ],
)
def test_the_gate_decides_by_the_metric_of_a_suite_of_ones_own(pytester, primary, codes, options):
    pytester.makepyfile(test_guesses=OWN.replace("PRIMARY", primary))

    def session(guess, *arguments):
        with FaultServer(answer=lambda prompt, seed: guess) as server:
            return pytester.runpytest_inprocess("--model", f"m={server.url}", *arguments)

    session("95", "--save-baseline", "base.json")
    read = read_baseline(pytester.path / "base.json")
    scores = {question.samples[0].score for question in read.outcomes.values()}
    assert scores == {"score": {0.95}, "close": {1.0}, "pass": {None}}[primary]
    gate = ("--baseline", "base.json", "--gate", "--mde", "0.2", "--token-margin", "off", *options)
    for guess, code in zip(("96", "10"), codes, strict=True):
        result = session(guess, *gate, "--seed", "1", "--fresh-run", "--summary-json", "s.json")
        assert result.ret == code
        figures = json.loads((pytester.path / "s.json").read_text())["runs"][0]["comparison"]
        assert figures["total"]["metric"] == primary
        first = figures["gate"]["checks"][0]
        assert (first["what"], first["metric"]) == (
            ("pass rate" if primary == "pass" else "score"),
            primary,
        )
