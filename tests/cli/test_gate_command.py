"""`lrmtest gate`, and sets in `lrmtest plan` and `lrmtest suites`."""

from __future__ import annotations

import json

import pytest
from few_draws import few_draws
from made_benchmarks import make, trust
from made_runs import run_of

from lrmtest.cli import gate, main
from lrmtest.questions import DataOptions
from lrmtest.runs.formats.baseline import write_baseline
from lrmtest.runs.outcomes import QuestionOutcome, SampleOutcome
from lrmtest.suites import SUITES
from lrmtest.suites.sets import load_sets

COUNT = 30


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a set of its own, and two models' outputs for it: all right, all wrong."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(
        "[tool.pytest.ini_options]\n"
        '[tool.lrmtest.sets.mine]\ntitle = "Mine"\nsuites = ["fresh-hops"]\n'
    )
    questions = SUITES["fresh-hops"].load(DataOptions(fresh_count=COUNT)).questions
    for name, right in (("good", True), ("bad", False)):
        lines = [
            json.dumps(
                {
                    "question": question.id,
                    "suite": "fresh-hops",
                    "output": f"So.\n</think>\n\nAnswer: {question.expected if right else 'no'}",
                    "finish_reason": "stop",
                }
            )
            for question in questions
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    return tmp_path


def gate_words(model, *more):
    words = ["gate", f"{model}=recorded:{model}.jsonl", "--baseline", "base.json", "--set", "mine"]
    return [*words, f"--pytest=--fresh-count {COUNT} -p no:cacheprovider", *more]


def test_a_baseline_is_made_once_and_then_decided_by(project, capfd):
    parent = ("--parent", "good=recorded:good.jsonl")
    assert main(gate_words("bad", *parent)) == 1
    captured = capfd.readouterr()
    assert "there is no base.json yet" in captured.err
    assert "gate: REGRESSED" in captured.out
    written = (project / "base.json").read_bytes()
    (project / "same.jsonl").write_bytes((project / "good.jsonl").read_bytes())
    assert main(gate_words("same", *parent)) == 0
    assert "gate: OK" in capfd.readouterr().out
    assert (project / "base.json").read_bytes() == written


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "there is no baseline base.json"),
        (("--parent", "nobody"), "there is no model 'nobody'"),
        (("--set", "other"), "there is no set 'other'"),
        (("--suite", "nothing"), "there is no suite 'nothing'"),
        (("--pytest", "'open"), "close the quotes"),
    ],
)
def test_mistakes_are_messages_before_anything_is_asked(project, capfd, more, said):
    assert main(gate_words("bad", *more)) == 2
    assert said in capfd.readouterr().err
    assert not (project / "reports").exists()


def test_what_pytest_is_given(project, monkeypatch):
    commands = []
    monkeypatch.setattr(gate, "run_in_foreground", lambda command: commands.append(command) or 10)
    (project / "base.json").write_text("{}")
    words = ["gate", "good=recorded:good.jsonl", "--baseline", "base.json"]
    assert main([*words, "--margin", "0.05", "--undecided", "pass", "--one-look"]) == 10
    assert main([*words, "--suite", "fresh", "--no-early-stop"]) == 10
    first, second = (command[3:] for command in commands)
    assert first[0] == "--lrmtest-set=quick"
    assert {"--gate", "--early-stop", "--margin=0.05", "--undecided=pass", "--one-look"} <= {*first}
    assert second[:2] == ["--pyargs", "lrmtest.suites.fresh"]
    assert not {"--early-stop", "--lrmtest-set=quick"} & {*second}


def test_a_baseline_that_cannot_be_made_is_no_gate(project, capfd, monkeypatch):
    monkeypatch.setattr(gate, "run_in_foreground", lambda command: 11)
    assert main(gate_words("bad", "--parent", "good=recorded:good.jsonl")) == 11
    assert "no baseline: " in capfd.readouterr().err


def test_a_plan_of_a_sets_questions(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    few_draws(monkeypatch)
    outcomes = {
        (suite, str(n)): QuestionOutcome(
            suite, str(n), {0: SampleOutcome(None if n % 3 else "wrong", 1000)}
        )
        for suite, questions in (("temporal", 250), ("folio", 204), ("aime", 30))
        for n in range(questions)
    }
    manifest = {"suites": {"temporal": {}, "folio": {}, "aime": {}}}
    write_baseline(tmp_path / "base.json", run_of("b-1", outcomes, model="b", manifest=manifest))
    asked = len(load_sets()["quick"].among(outcomes))
    assert main(["plan", "--baseline", "base.json", "--set", "quick"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert f"all suites of set quick, {asked} questions" in printed
    (tmp_path / "pyproject.toml").write_text('[tool.lrmtest.sets.other]\nsuites = ["fresh-hops"]\n')
    assert main(["plan", "--baseline", "base.json", "--set", "other"]) == 2
    assert "run b-1 has no question of set other" in capsys.readouterr().err


def test_the_list_of_sets(project, monkeypatch, capsys):
    trust(monkeypatch)
    data = project / "data"
    make(data)
    assert main(["suites", "--sets", "--data-dir", str(data)]) == 0
    printed = capsys.readouterr().out
    for name in ("paper", "math", "quick", "mine"):
        assert f"\n{name} " in printed
    assert main(["suites", "--sets", "mine", "quick", "--data-dir", str(data)]) == 0
    printed = capsys.readouterr().out
    assert "mine: Mine" in printed
    assert "to ask it: pytest --set quick --model NAME" in printed
    assert main(["suites", "--sets", "--json", "--data-dir", str(data)]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["paper"]["questions"] == 16
    assert rows["mine"]["tokens"] is None
    assert rows["mine"]["power"] == {"10": None, "20": None, "30": None}
    power = rows["paper"]["power"]
    assert 0 < power["10"] < power["20"] < power["30"] <= 1
    assert rows["mine"]["file"] == "pyproject.toml"


def test_without_data_the_list_says_what_is_missing(project, capsys):
    (project / "empty").mkdir()
    assert main(["suites", "--sets", "quick", "--data-dir", "empty"]) == 0
    printed = capsys.readouterr().out
    assert "about 102 questions" in printed
    assert "folio cannot be asked here: " in printed
    assert "0 of 2" in printed


@pytest.mark.parametrize("command", ["sweep", "noise"])
def test_other_commands_want_a_suite_or_a_set(project, capfd, command):
    words = {
        "sweep": ["sweep", "tiny-lrm", "-o", "out", "--method", "magnitude", "--sparsity", "0.5"],
        "noise": ["noise", "tiny-lrm"],
    }[command]
    assert main(words) == 2
    assert "name suites or a set" in capfd.readouterr().err
    assert main([*words, "--set", "none"]) == 2
    assert "there is no set 'none'" in capfd.readouterr().err
