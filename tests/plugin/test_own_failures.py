"""A test's own failure is shown, whatever its answer was, wherever pytest shows failures."""

from __future__ import annotations

import re

import pytest
from fault_server import FaultServer
from sums import add, right, suite

HEAD = suite().partition("@lrmtest.suite")[0]
ANSWERED = "expected 2, wrong: 3"
"""What is said of q1, which `add` gets wrong."""

OWN = {
    "a fact of the answer": ("assert len(attempt.answer) < 5", "assert 9 < 5"),
    "its reasoning": ('assert "sum" in attempt.reasoning', "assert 'sum' in 'Let me add.'"),
    "with a message": ('assert attempt.answer == "2", "no bare number"', "no bare number"),
    "a message about the verdict": ('assert attempt.passed, "my own words"', "my own words"),
    "a pass rate": ("assert attempt.pass_rate > 0.9", "assert 0.0 > 0.9"),
    "several things": (
        "assert attempt.passed and len(attempt.answer) < 5", "assert (False)",
    ),
    "pytest.fail": ('pytest.fail("given up on it")', "given up on it"),
    "without a traceback": ('pytest.fail("given up on it", pytrace=False)', "given up on it"),
    "an exception": ('raise ValueError("not a number")', "ValueError: not a number"),
    "a chain of exceptions": (
        "try:\n        int('x')\n    except ValueError as no:\n"
        "        raise KeyError('mine') from no",
        "KeyError: 'mine'",
    ),
    "with the explanation": (
        "assert len(attempt.answer) < 5, attempt.explain()", "assert 9 < 5",
    ),
    "an exception that cannot be printed": (
        "class Odd(Exception):\n        __str__ = None\n    raise Odd", "Odd",
    ),
    "in a helper": ("check(attempt)", "assert 9 < 5"),
}  # fmt: skip


def one(body, arguments="question, model"):
    """A suite of sums whose test does this with its attempt."""
    test = f"""
import pytest

def check(attempt):
    assert len(attempt.answer) < 5

@lrmtest.suite(SUMS)
def test_sums({arguments}):
    attempt = model.solve(question)
    {body}
"""
    return HEAD + test


@pytest.fixture
def run(pytester):
    """Run a test file against a model whose odd sums are wrong; q1 alone unless it is told."""

    def start(text, *options, answer=add, subprocess=False, which="q1]"):
        pytester.makepyfile(test_sums=text)
        with FaultServer(answer=answer) as server:
            arguments = ("--model", f"m={server.url}", "-k", which, *options)
            begin = pytester.runpytest_subprocess if subprocess else pytester.runpytest_inprocess
            return begin(*arguments)

    return start


def summary_of(result):
    """The line of pytest's short summary."""
    return next(line for line in result.stdout.lines if line.startswith("FAILED "))


@pytest.mark.parametrize(("body", "words"), OWN.values(), ids=OWN)
def test_both_are_told(run, body, words):
    shown = run(one(body), "-rf")
    text = shown.stdout.str()
    assert words in text
    assert ANSWERED in text
    # In a CI job pytest's short summary has whole messages.
    report = text.partition("short test summary info")[0]
    assert report.count("it ended with:") == 1, "the explanation once, not twice"
    assert "INTERNALERROR" not in text
    assert words.partition(": ")[2][:10] in summary_of(shown) or words[:10] in summary_of(shown)


@pytest.mark.parametrize(
    "body",
    [
        "assert attempt.passed, attempt.explain()",
        "assert attempt.passed",
        "assert attempt.passed, attempt.headline()",
        "assert model.solve(question).passed, attempt.explain()",
        "raise AssertionError(attempt.explain())",
        "pytest.fail(attempt.explain())",
    ],
)
@pytest.mark.parametrize("options", [(), ("--assert=plain",), ("-vv",)])
def test_the_verdict_alone_brings_no_noise(run, body, options):
    shown = run(one(body), *options)
    text = shown.stdout.str()
    assert ANSWERED in text
    assert "Attempt(" not in text
    assert "what the model did" not in text
    assert "def test_sums" not in text
    assert ANSWERED in summary_of(shown)


@pytest.mark.parametrize(
    ("style", "workers"),
    [
        *((style, ()) for style in ("auto", "long", "short", "line", "native", "no")),
        *((style, ("-n", "2")) for style in ("auto", "line")),
    ],
)
def test_every_style_of_traceback(run, style, workers):
    shown = run(
        one(OWN["a fact of the answer"][0]), f"--tb={style}", *workers, subprocess=bool(workers)
    )
    text = shown.stdout.str()
    summary = summary_of(shown)
    assert "assert 9 < 5; expected 2, wr" in summary or "assert 9 < 5" in summary
    if style == "line":
        assert re.search(r"test_sums\.py:\d+: .*assert 9 < 5; expected 2, wrong: 3", text)
    elif style != "no":
        assert "what the model did" in text
        assert "it ended with:" in text


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_the_verdict_alone_is_the_same_from_a_worker(run, workers):
    body = "assert attempt.passed, attempt.explain()"
    shown = run(one(body), "--tb=line", *workers, subprocess=bool(workers))
    assert re.search(r"test_sums\.py:\d+: expected 2, wrong: 3", shown.stdout.str())


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_in_junit_files(pytester, run, workers):
    body = OWN["a fact of the answer"][0]
    run(one(body), "--junitxml", "j.xml", *workers, subprocess=bool(workers))
    xml = (pytester.path / "j.xml").read_text()
    assert re.search(r'<failure message="[^"]*assert 9 &lt; 5[^"]*expected 2, wrong: 3', xml)
    assert "it ended with:" in xml
    assert '<property name="failure" value="wrong" />' in xml


def test_a_right_answer_leaves_a_tests_own_failure_alone(run):
    shown = run(one(OWN["a fact of the answer"][0]), answer=right)
    assert "assert 9 < 5" in shown.stdout.str()
    assert "what the model did" not in shown.stdout.str()


def test_before_anything_was_asked(run):
    text = one("assert attempt.passed").replace(
        "    attempt = model", '    raise ValueError("too soon")\n    attempt = model'
    )
    shown = run(text).stdout.str()
    assert "ValueError: too soon" in shown
    assert "what the model did" not in shown


def test_a_fixture_that_fails(run):
    fixture = """
import pytest

@pytest.fixture
def solved(question, model):
    attempt = model.solve(question)
    assert "sum" in attempt.reasoning, "my fixture"
    return attempt
"""
    text = HEAD + fixture + "\n@lrmtest.suite(SUMS)\ndef test_sums(solved, question, model): pass\n"
    shown = run(text)
    assert shown.parseoutcomes()["errors"] == 1
    for words in ("my fixture", "assert 'sum' in 'Let me add.'", ANSWERED):
        assert words in shown.stdout.str()


def test_a_teardown_that_fails_repeats_nothing(run):
    fixture = """
import pytest

@pytest.fixture
def cleaned(model):
    yield
    raise OSError("disk is full")
"""
    body = "assert attempt.passed, attempt.explain()"
    text = one(body, "question, model, cleaned").replace("import pytest\n", fixture, 1)
    shown = run(text).stdout.str()
    assert "disk is full" in shown
    assert shown.count("it ended with:") == 1


def test_subtests(run):
    body = """for n in range(2):
        with subtests.test("part", n=n):
            assert len(attempt.answer) < 5 + 100 * n
    with subtests.test("verdict"):
        assert attempt.passed, attempt.explain()"""
    shown = run(one(body, "question, model, subtests"), "-rA")
    text = shown.stdout.str()
    assert "assert 9 < (5 + (100 * 0))" in text
    assert "(n=1)" not in text
    assert text.count("it ended with:") == 2
    assert shown.ret == 1


def test_skipping_and_expecting_failures_stay_what_they_are(run):
    run(one('pytest.skip("not today")')).assert_outcomes(skipped=1)
    expected = one("assert len(attempt.answer) < 5").replace(
        "@lrmtest.suite", "@pytest.mark.xfail\n@lrmtest.suite"
    )
    run(expected).assert_outcomes(xfailed=1)


def test_what_a_model_wrote_is_harmless_in_a_tests_own_message(run):
    def hostile(prompt, seed):
        return "\x1b]0;owned\x07\x1b[2Jno"

    shown = run(one("assert attempt.passed, f'said {attempt.answer}'"), answer=hostile)
    assert "said " in shown.stdout.str()
    assert "\x1b" not in shown.stdout.str()


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_under_a_gate_it_is_a_failure_whatever_the_answer(pytester, run, workers):
    pytester.makepyfile(test_sums=suite())
    with FaultServer(answer=add) as before:
        pytester.runpytest_inprocess("--model", f"b={before.url}", "--save-baseline", "base.json")
    gate = ("--baseline", "base.json", "--gate", "--mde", "0.3", *workers)
    whole = {"which": "q", "subprocess": bool(workers)}
    plain = run(one("assert attempt.passed, attempt.explain()"), *gate, **whole)
    assert plain.ret == 0
    rate = run(one("assert attempt.pass_rate > 0.5"), *gate, **whole)
    assert rate.ret == 0, "about the verdict, which the gate judges"
    body = "assert attempt.passed and question.id != 'q1'"
    own = run(one(f"assert question.id != 'q1', 'mine'\n    {body}"), *gate, **whole)
    assert own.ret == 1
    assert own.parseoutcomes()["failed"] == 1
    assert "mine" in own.stdout.str()
