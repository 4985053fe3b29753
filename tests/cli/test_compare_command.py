"""`lrmtest baseline` and `lrmtest compare`, as a user gives them."""

from __future__ import annotations

import csv
import io
import json

import pytest

from lrmtest.cli import main
from lrmtest.grading.completion import Completion
from lrmtest.grading.verdict import Verdict
from lrmtest.questions import Question
from lrmtest.questions.place import Place
from lrmtest.runs.formats.baseline import read_baseline
from lrmtest.runs.manifest import Manifest
from lrmtest.runs.store import Store

RIGHT = Verdict(correct=True, score=1, extracted="7", failure=None, lenient_correct=True)
WRONG = Verdict(correct=False, score=0, extracted="8", failure="wrong", lenient_correct=False)


def add_run(store, model, passes, *, questions=40, temperature=0.6, finished=True):
    manifest = {"temperature": temperature, "suites": {"sums": {"max_tokens": 64}}}
    run_id = f"{model}-1"
    store.add_run(run_id, model, model, Manifest.from_json(manifest))
    for number in range(questions):
        completion = Completion("\\boxed{7}", "stop", completion_tokens=9, reasoning_tokens=4)
        store.add_completion(run_id, Place(f"key-{number}", "sums", f"q{number}", 0), completion)
        store.set_verdicts(run_id, [(f"key-{number}", RIGHT if number < passes else WRONG)])
    if finished:
        store.finish_run(run_id)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Store(tmp_path / "reports" / "lrmtest.sqlite") as store:
        add_run(store, "good", 36)
        add_run(store, "same", 36)
        add_run(store, "bad", 10)
        add_run(store, "few", 30, questions=30)
        add_run(store, "greedy", 36, temperature=0)
        add_run(store, "cut", 36, finished=False)
    return tmp_path


def test_a_baseline_is_written_and_compared_with(here, capsys):
    assert main(["baseline", "last:good", "-o", "base/good.json"]) == 0
    assert "40 questions of good-1 written to base/good.json" in capsys.readouterr().out
    assert len(read_baseline(here / "base" / "good.json").outcomes) == 40
    assert main(["compare", "bad", "base/good.json"]) == 0
    out = capsys.readouterr().out
    assert "90.0 %" in out
    assert "25.0 %" in out
    assert "sums q10  (wrong)" in out


@pytest.mark.parametrize(
    ("run", "options", "code"),
    [
        ("bad", [], 1),
        ("bad", ["--margin", "0.7"], 0),
        ("bad", ["--margin", "0.8"], 12),
        ("bad", ["--margin", "0.8", "--undecided", "pass"], 12),
        ("same", [], 0),
        ("same", ["--mde", "0.01"], 10),
        ("same", ["--mde", "0.01", "--undecided", "pass"], 0),
        ("few", ["--mde", "0.3"], 10),
        ("few", ["--mde", "0.3", "--allow-missing"], 0),
        ("greedy", [], 2),
        ("greedy", ["--allow-different", "temperature"], 0),
        ("greedy", ["--allow-different", "all"], 0),
        ("good", [], 2),
        ("nobody", [], 2),
        ("missing.json", [], 11),
        ("same", ["--margin", "0.95", "--mde", "0.2"], 2),
    ],
)
def test_exit_codes(here, capsys, run, options, code):
    assert main(["compare", run, "good", "--gate", *options]) == code
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    assert captured.err.startswith("lrmtest: ") == (code in (2, 11))


def test_a_damaged_baseline_is_no_regression(here, capsys):
    main(["baseline", "good", "-o", "good.json"])
    text = (here / "good.json").read_text()
    (here / "good.json").write_text(text[: len(text) // 2])
    assert main(["compare", "bad", "good.json", "--gate"]) == 11
    assert "good.json:" in capsys.readouterr().err


def test_an_incomplete_run_is_refused_unless_allowed(here, capsys):
    assert main(["baseline", "cut", "-o", "cut.json"]) == 2
    assert "incomplete" in capsys.readouterr().err
    assert not (here / "cut.json").exists()
    assert main(["baseline", "cut", "-o", "cut.json", "--allow-incomplete"]) == 0
    assert "incomplete: not everything" in capsys.readouterr().err
    assert (here / "cut.json").exists()


def test_a_gate_counts_its_looks_and_reports_count_too(here, capsys):
    assert main(["compare", "same", "good", "--gate", "--mde", "0.5"]) == 0
    assert "Look 1: of its error rates it had 80 % now; 20 % is left" in told(capsys)
    assert main(["compare", "same", "good", "--gate", "--mde", "0.5", "--one-look"]) == 0
    assert "Look" not in told(capsys)
    with Store(here / "reports" / "lrmtest.sqlite") as store:
        (looks,) = store.head("same-1").manifest.looks.values()
        assert (looks.count, looks.spent) == (1, 1.0)
        completion = Completion("\\boxed{7}", "stop", completion_tokens=9, reasoning_tokens=4)
        store.add_completion("same-1", Place("more", "sums", "q0", 1), completion)
        store.set_verdicts("same-1", [("more", RIGHT)])
    assert main(["compare", "same", "good", "--gate", "--mde", "0.5"]) == 10
    assert "earlier looks at this run have spent all of its error rates" in told(capsys)
    assert main(["report", "bad", "--baseline", "good", "-o", "report.html"]) == 0
    with Store(here / "reports" / "lrmtest.sqlite") as store:
        (looks,) = store.head("bad-1").manifest.looks.values()
        assert looks.count == 1


def test_the_rate_given_this_baseline_is_told_on_request(here, capsys):
    assert main(["compare", "same", "good", "--gate", "--given-baseline", "--series", "5"]) in (
        0,
        10,
    )
    out = told(capsys)
    assert "Against this very baseline an equal model with 1 sample per question" in out
    assert "Series of 5 candidates: 1 % of 5 % is this one's. It is candidate 1 of them" in out
    assert main(["compare", "same", "good", "--given-baseline"]) == 2
    with pytest.raises(SystemExit):
        main(["compare", "same", "good", "--gate", "--series", "0"])


def test_a_series_that_is_used_up_is_refused(here, capsys):
    for number, run in enumerate(("same", "bad"), start=1):
        main(["compare", run, "good", "--gate", "--mde", "0.5", "--series", "2"])
        assert f"It is candidate {number} of them" in told(capsys)
    for words in (["compare", "few"], ["report", "few", "-o", "report.html", "--baseline"]):
        gate = ["good", "--gate"] if words[0] == "compare" else ["good"]
        assert main([*words, *gate, "--allow-missing", "--series", "2"]) == 2
        assert "have spent all of its alpha" in capsys.readouterr().err
    assert main(["compare", "few", "good", "--gate", "--mde", "0.3", "--allow-missing"]) == 0


def told(capsys):
    return " ".join(capsys.readouterr().out.split())


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_a_comparison_as_data_has_the_gates_status_and_every_question(here, capsys):
    assert main(["compare", "bad", "good", "--gate", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    (run,) = document["runs"]
    assert document["schema"] == "lrmtest-summary/1"
    assert run["total"]["pass_rate"]["value"] == 0.25
    assert run["comparison"]["gate"]["outcome"] == "regressed"
    assert run["comparison"]["baseline"]["model"] == "good"
    assert main(["compare", "bad", "good", "--gate", "--csv"]) == 1
    rows = rows_of(capsys.readouterr().out)
    assert len(rows) == 40
    assert [row["change"] for row in rows].count("broken") == 26
    (row,) = [one for one in rows if one["question"] == "q20"]
    assert (row["baseline_passes"], row["candidate_passes"]) == ("1", "0")
    assert float(row["difference"]) == -1


def test_runs_and_their_questions_as_data(here, capsys):
    assert main(["runs", "--json"]) == 0
    runs = {run["model"]: run for run in json.loads(capsys.readouterr().out)}
    assert runs["bad"]["pass_rate"]["value"] == 0.25
    assert runs["bad"]["pass_rate"]["low"] < 0.25 < runs["bad"]["pass_rate"]["high"]
    assert not runs["cut"]["complete"]
    assert main(["runs", "--csv"]) == 0
    rows = {row["model"]: row for row in rows_of(capsys.readouterr().out)}
    assert (rows["few"]["questions"], rows["few"]["pass_rate"]) == ("30", "1.0")
    assert (rows["cut"]["complete"], rows["few"]["complete"]) == ("false", "true")
    assert main(["show", "last:bad", "--json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    passed = {one["question"] for one in run["questions"] if one["passes"]}
    assert passed == {f"q{number}" for number in range(10)}
    assert sum(one["failures"].get("wrong", 0) for one in run["questions"]) == 30
    assert run["total"]["pass_rate"]["value"] == 0.25
    assert main(["show", "last:bad", "--csv"]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert sorted(row["extracted"] for row in rows) == ["7"] * 10 + ["8"] * 30


def test_a_question_as_data_is_whole(here, capsys):
    with Store(here / "reports" / "lrmtest.sqlite") as store:
        question = Question("q0", "sums", {"sum": "3 + 4"}, ("7",), "integer")
        store.add_questions("good-1", [("sums", "q0", question, [("user", "3 + 4?")])])
    assert main(["show", "last:good", "q0", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["prompt"] == [{"role": "user", "content": "3 + 4?"}]
    assert document["expected"] == "7"
    (sample,) = document["samples"]
    assert sample["answer"] == "\\boxed{7}"
    assert sample["verdict"]["correct"]
    assert sample["finish_reason"] == "stop"
    assert main(["show", "last:good", "q0", "--csv"]) == 2
    assert "--csv is a line for each question of a run" in capsys.readouterr().err


def test_the_baseline_is_named_as_in_other_commands(here, capsys):
    assert main(["compare", "bad", "good", "--json"]) == 0
    by_place = json.loads(capsys.readouterr().out)
    assert main(["compare", "bad", "--baseline", "good", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == by_place
    assert by_place["runs"][0]["comparison"]["baseline"]["model"] == "good"
    for words, said in (((), "no baseline is named"), (("good", "--baseline", "good"), "two ")):
        assert main(["compare", "bad", *words]) == 2
        assert said in capsys.readouterr().err


def test_questions_are_in_the_order_in_which_people_count(here, capsys):
    counted = [f"q{number}" for number in range(40)]
    assert main(["show", "last:good", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["runs"][0]["questions"]
    assert [question["question"] for question in shown] == counted
    assert main(["compare", "bad", "--baseline", "good", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["question"] for row in rows] == counted
    assert main(["triage", "last:bad", "--json"]) == 0
    triaged = json.loads(capsys.readouterr().out)["questions"]
    assert [question["question"] for question in triaged] == counted


def test_models_by_suites_fit_the_terminal_and_are_whole_in_csv(here, capsys, monkeypatch):
    with Store(here / "reports" / "lrmtest.sqlite") as store:
        run = store.run("last:good")
        for number in range(7):
            suite = f"suite-{number}"
            question = Question("q1", suite, {}, ("2",), "integer")
            store.add_questions(run.run_id, [(suite, "q1", question, [("user", "1+1?")])])
            completion = Completion("2", "stop", 5, 70, 30)
            store.add_completion(run.run_id, Place(f"k{number}", suite, "q1", 0), completion)
            store.set_verdicts(run.run_id, [(f"k{number}", RIGHT)])
    monkeypatch.setenv("COLUMNS", "80")
    words = ["runs", "last:good", "last:bad", "--whole-run"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "\x1b" not in out
    for shown in ("sums", "suite-0", "suite-6", "all suites", "90.0 %", "25.0 %", "–"):
        assert shown in out
    assert main([*words, "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    found = {(row["model"], row["suite"]): row for row in rows}
    assert len(rows) == 10
    assert found["bad", "sums"]["pass_rate"] == "0.25"
    assert found["good", "all suites"]["questions"] == "47"
    assert main([*words, "--json"]) == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert [run["model"] for run in runs] == ["good", "bad"]


def test_the_newest_run_of_each_model_is_shown_in_natural_order(here, capsys):
    with Store(here / "reports" / "lrmtest.sqlite") as store:
        add_run(store, "r1-14b", 20)
        add_run(store, "r1-7b", 20)
    assert main(["runs", "--by-suite", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    models = [row["model"] for row in rows]
    assert models.index("r1-7b") < models.index("r1-14b")
    assert len(models) == len(set(models)) == 8
