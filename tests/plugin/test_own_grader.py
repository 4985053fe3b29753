"""A suite of one's own with a grader of its own: everywhere, and once for each completion."""

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
from fault_server import FaultServer

from lrmtest.cli import main
from lrmtest.grading import graders
from lrmtest.options.exit_codes import REGRESSED
from lrmtest.runs.formats.baseline import read_baseline

OUTSIDE = Path(__file__).parents[1] / "outside" / "own_suite"
DOCUMENT = Path(__file__).parents[2] / "docs" / "suites.md"
QUESTIONS = 60
NEVER_OK = ("--mde", "0.05")
EARLY = ("--early-stop", *NEVER_OK)

COUNTED = """
import os
from pathlib import Path

import lrmtest

def load(options):
    questions = tuple(
        lrmtest.Question(f"q{n}", "words", {"number": str(n)}, (f"w{n}",), "word")
        for n in range(60)
    )
    return lrmtest.QuestionSet(questions, lrmtest.Source("inline", "words"))

def last_word(question, text):
    with Path("graded.txt").open("a") as file:
        file.write(question.id + "\\n")
    said = text.split()[-1]
    return lrmtest.Grade(said, said == question.expected, float(said == question.expected))

WORDS = lrmtest.Suite("words", load, "Say {number}.", max_tokens=64, grader=last_word)

@lrmtest.suite(WORDS)
def test_words(question, model):
    attempt = model.solve(question)
    assert attempt.passed, attempt.explain()
"""


def say(prompt, seed):
    number = re.search(r"[0-9]+", prompt)
    return f"Well: w{number[0]}" if number else "Well."  # of the self-test


def wrong(prompt, seed):
    return "Well: no"


@pytest.fixture
def start(pytester, monkeypatch):
    def run(server, *options, name="n"):
        arguments = ("-p", "no:cacheprovider", "--model", f"{name}={server.url}")
        begin = pytester.runpytest_subprocess if "-n" in options else pytester.runpytest_inprocess
        with monkeypatch.context() as session:
            # What a session in this process registers is gone with it.
            session.setattr(graders, "_graders", dict(graders._graders))
            return begin(*arguments, "--concurrency", "4", *options)

    return run


@pytest.fixture
def graded(pytester):
    """How often each question's completion was graded since the last time."""

    def count():
        file = pytester.path / "graded.txt"
        counts = Counter(file.read_text().split()) if file.exists() else Counter()
        file.unlink(missing_ok=True)
        return counts

    return count


@pytest.fixture
def base(pytester, start, graded):
    """The baseline of a model that passes every question."""

    def make(text=COUNTED):
        pytester.makepyfile(test_words=text)
        with FaultServer(answer=say) as server:
            result = start(server, "--save-baseline", "base.json", name="m")
        result.assert_outcomes(passed=QUESTIONS)
        return graded()

    return make


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["plain", "xdist"])
@pytest.mark.parametrize("early", [(), EARLY], ids=["all", "early-stop"])
def test_each_completion_is_graded_once(base, start, graded, early, workers):
    assert base() == Counter({f"q{n}": 1 for n in range(QUESTIONS)})
    with FaultServer(answer=say) as server:
        gate = ("--baseline", "base.json", "--gate", "--html", "report.html")
        result = start(server, *workers, *gate, *early)
    assert result.parseoutcomes()["passed"] == QUESTIONS
    assert graded() == Counter({f"q{n}": 1 for n in range(QUESTIONS)})


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["plain", "xdist"])
def test_none_is_graded_twice_when_generation_stops(base, start, graded, workers):
    base()
    with FaultServer(answer=wrong, enough=30) as server:
        gate = ("--baseline", "base.json", "--gate", "--html", "report.html")
        result = start(server, *workers, *gate, *EARLY)
    assert result.ret == REGRESSED
    assert "stopped when decided" in result.stdout.str()
    assert set(graded().values()) == {1}


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["plain", "xdist"])
def test_tests_that_share_questions_share_verdicts(pytester, start, graded, workers):
    more = COUNTED + "\n\n@lrmtest.suite(WORDS)\n" + COUNTED[COUNTED.index("def test_words") :]
    pytester.makepyfile(test_words=more.replace("def test_words", "def test_more", 1))
    with FaultServer(answer=say) as server:
        start(server, *workers).assert_outcomes(passed=2 * QUESTIONS)
    assert graded() == Counter({f"q{n}": 1 for n in range(QUESTIONS)})


def test_a_verdict_of_an_earlier_session_is_made_again(pytester, start, graded):
    pytester.makepyfile(test_words=COUNTED)
    with FaultServer(answer=say) as server:
        start(server).assert_outcomes(passed=QUESTIONS)
        before = server.chats
        graded()
        pytester.makepyfile(test_words=COUNTED.replace("split()[-1]", "split()[0]"))
        start(server).assert_outcomes(failed=QUESTIONS)
        assert server.chats == before
    assert set(graded().values()) == {1}


def test_a_grader_that_xdist_cannot_send_is_refused_in_one_sentence(base, start):
    text = COUNTED.replace("grader=last_word", "grader=lambda q, t: last_word(q, t)")
    base(text)
    gate = ("--baseline", "base.json", "--gate", *EARLY)
    with FaultServer(answer=say) as server:
        result = start(server, "-n", "2", *gate)
        assert server.chats == 0
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        said = result.stdout.str() + result.stderr.str()
        assert said.count("the grader <lambda> of test_words cannot be found there") == 1
        start(server, *gate).assert_outcomes(passed=QUESTIONS)
    with FaultServer(answer=say) as server:
        start(server, "-n", "2").assert_outcomes(passed=QUESTIONS)


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["plain", "xdist"])
def test_a_registered_kind_stops_early(base, start, workers):
    base(COUNTED.replace(", grader=last_word)", ')\nlrmtest.register("word", last_word)'))
    with FaultServer(answer=wrong, enough=30) as server:
        gate = ("--baseline", "base.json", "--gate", *EARLY)
        assert start(server, *workers, *gate).ret == REGRESSED


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["plain", "xdist"])
def test_a_grader_that_raises_ends_in_a_message(base, start, workers):
    base()
    with FaultServer(answer=lambda prompt, seed: "") as server:
        gate = ("--baseline", "base.json", "--gate", *EARLY)
        result = start(server, *workers, *gate)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    told = result.stdout.str() + result.stderr.str()
    assert "the grader of suite 'words' failed on question" in told
    assert "IndexError" in told


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("said == question.expected", "a grader gives an lrmtest.Grade, not bool"),
        ("lrmtest.Grade(True, True, 1.0)", "Grade.extracted is a text or None, not bool"),
        ("lrmtest.Grade(said, 'yes', 1.0)", "Grade.correct is True or False, not str"),
        ("lrmtest.Grade(said, True, float('nan'))", "score is nan, which is not in"),
        ("lrmtest.Grade(said, True, 1.0, {'f1': '1'})", "f1 is a number, not str"),
    ],
)
def test_what_is_no_grade_is_an_error_and_no_verdict(pytester, start, given, said):
    line = COUNTED[COUNTED.index("    return lrmtest.Grade(") : COUNTED.index("\n\nWORDS")]
    text = COUNTED.replace(line, f"    return {given}").replace("range(60)", "range(2)")
    pytester.makepyfile(test_words=text)
    with FaultServer(answer=say) as server:
        result = start(server)
    result.assert_outcomes(errors=2)
    told = result.stdout.str() + result.stderr.str()
    assert said in told
    assert "INTERNALERROR" not in told


def test_an_unknown_kind_is_refused_before_anything_is_generated(pytester, start):
    pytester.makepyfile(test_words=COUNTED.replace(", grader=last_word", ""))
    with FaultServer(answer=say) as server:
        result = start(server)
        assert server.chats == 0
    result.stderr.fnmatch_lines(["*no grader for the answer kind 'word'*"])


def test_two_graders_of_one_question_are_refused(pytester, start):
    other = COUNTED.replace("last_word", "other_word").replace("test_words", "test_others")
    pytester.makepyfile(test_words=COUNTED, test_others=other)
    with FaultServer(answer=say) as server:
        result = start(server)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*different prompts, budgets or graders*"])


def test_regrade_refuses_what_only_a_test_can_grade(pytester, base, capsys):
    base()
    assert main(["regrade", "last", "--reports-dir", str(pytester.path / "reports")]) != 0
    told = capsys.readouterr().err
    assert "suite 'words' has a grader of its own, last_word, which only its tests know" in told
    found = read_baseline(pytester.path / "base.json")
    assert found.manifest.suite("words").answer_kinds == ("own:last_word",)


# The package in tests/outside, and the page that shows it


@pytest.fixture
def outside(pytester):
    """The package, with more questions than it brings: the gate needs some to decide early."""
    for name in ("test_estimates.py", "estimates.jsonl"):
        shutil.copy(OUTSIDE / name, pytester.path)
    with (pytester.path / "estimates.jsonl").open("a") as file:
        for n in range(1, 120):
            row = {"id": f"more-{n}", "question": f"What is {n} * 100?", "answer": str(100 * n)}
            file.write(json.dumps(row) + "\n")
    known = [json.loads(line) for line in (pytester.path / "estimates.jsonl").open()]
    return {row["question"]: float(row["answer"]) for row in known}


def estimating(known, factor):
    """What answers each question with so much of the reference."""
    return lambda prompt, seed: f"Hm.</think> {known.get(prompt.splitlines()[0], 0) * factor:.0f}"


def test_the_document_shows_the_package():
    shown = (OUTSIDE / "test_estimates.py").read_text()
    assert f"```python\n{shown}```" in DOCUMENT.read_text()


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["plain", "xdist"])
@pytest.mark.parametrize("mode", [(), ("--import-mode=importlib",)], ids=["prepend", "importlib"])
def test_the_package_outside(outside, start, workers, mode):
    with FaultServer(answer=estimating(outside, 1.04)) as near:
        result = start(near, *mode, "--save-baseline", "base.json", name="near")
    result.assert_outcomes(passed=len(outside))
    gate = ("--baseline", "base.json", "--gate", "--early-stop", *NEVER_OK)
    with FaultServer(answer=estimating(outside, 1.5), enough=60) as far:
        result = start(far, *workers, *mode, *gate, name="far")
        assert far.chats < len(outside)
    assert result.ret == REGRESSED


def test_the_package_outside_under_xdist_alone(outside, start):
    with FaultServer(answer=estimating(outside, 0.98)) as server:
        start(server, "-n", "2").assert_outcomes(passed=len(outside))
