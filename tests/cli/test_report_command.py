"""`lrmtest report`, as a user gives it."""

from __future__ import annotations

import pytest

from lrmtest.cli import main
from lrmtest.grading.completion import Completion
from lrmtest.grading.verdict import Verdict
from lrmtest.questions.place import Place
from lrmtest.questions.question import INTEGER, Question
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.store import Store

RIGHT = Verdict(correct=True, score=1, extracted="7", failure=None, lenient_correct=True)
WRONG = Verdict(correct=False, score=0, extracted="8", failure="wrong", lenient_correct=False)


def add_run(store, model, passes, *, questions=30, budget=64):
    manifest = {"temperature": 0.6, "suites": {"sums": {"max_tokens": budget}}}
    run_id = f"{model}-1"
    store.add_run(run_id, model, model, Manifest.from_json(manifest))
    for number in range(questions):
        one = Question(f"q{number}", "sums", {"text": "3 + 4"}, ("7",), INTEGER)
        store.add_questions(run_id, [("sums", one.id, one, [("user", "What is 3 + 4?")])])
        completion = Completion("\\boxed{7}", "stop", completion_tokens=9, reasoning_tokens=4)
        store.add_completion(run_id, Place(f"key-{number}", "sums", one.id, 0), completion)
        store.set_verdicts(run_id, [(f"key-{number}", RIGHT if number < passes else WRONG)])
    store.finish_run(run_id)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Store(tmp_path / "reports" / "lrmtest.sqlite") as store:
        add_run(store, "good", 27)
        add_run(store, "bad", 8)
        add_run(store, "other", 27, budget=128)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        (["bad"], 1),
        (["bad", "good"], 2),
        (["bad", "bad-1", "last:bad"], 1),
        (["bad", "--baseline", "good"], 2),
        (["bad", "good", "--baseline", "good"], 2),
        (["other", "--baseline", "good", "--allow-different", "budget"], 2),
        (["bad", "other", "--baseline", "good", "--allow-different", "all", "--margin", "0.1"], 3),
    ],
)
def test_a_report_is_written(here, capsys, words, runs):
    assert main(["report", *words, "-o", "out/report.html"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{runs} run{'s' * (runs > 1)} written to out/report.html, ")
    assert (here / "out" / "report.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["good", "--baseline", "good"], 2, "its own baseline"),
        (["nobody"], 2, "no run is called 'nobody'"),
        (["bad", "--baseline", "missing.json"], 11, "cannot read the baseline"),
        (["other", "--baseline", "good"], 2, "settings differ"),
        (["bad", "--baseline", "good", "--margin", "0.95", "--mde", "0.2"], 2, "nothing to decide"),
        (["bad", "--reports-dir", "elsewhere"], 11, "no store"),
    ],
)
def test_mistakes_are_told_and_nothing_is_written(here, capsys, words, code, message):
    assert main(["report", *words, "-o", "report.html"]) == code
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
    assert not (here / "report.html").exists()


def test_a_file_that_cannot_be_written(here, capsys):
    (here / "folder").write_text("a file")
    assert main(["report", "bad", "-o", "folder/report.html"]) == 11
    assert "the report cannot be written" in capsys.readouterr().err


def test_a_baseline_file_stands_for_its_run(here, capsys):
    assert main(["baseline", "good", "-o", "good.json"]) == 0
    assert main(["report", "bad", "--baseline", "good.json", "-o", "report.html"]) == 0
    assert "2 runs written" in capsys.readouterr().out
