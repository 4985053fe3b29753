"""Logs of answers that nothing here can grade: programs that were run in another tool's sandbox."""

import json
import re
from pathlib import Path

import pytest
from exported_run import LOGS

from lrmtest.cli import main

LIVECODE = LOGS / "livecode"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LRMTEST_DATA_DIR", raising=False)


def changed(name, **fields):
    """The small model's log with fields of all samples changed."""
    log = json.loads((LIVECODE / "small.json").read_text())
    for sample in log["samples"]:
        sample |= fields
    Path(name).write_text(json.dumps(log))
    return name


def test_two_runs_are_compared_by_their_marks(capsys):
    for model in ("big", "small"):
        assert main(["import", str(LIVECODE / f"{model}.json"), "--kind", "marked"]) == 0
        out = capsys.readouterr().out
        assert "12 completions" in out
        assert "inspect_ai graded 12 of 12 in the same way (by all_tests_pass)" in out
    assert main(["compare", "last:small", "last:big"]) == 2
    assert "--allow-different dataset" in capsys.readouterr().err
    assert main(["compare", "last:small", "last:big", "--allow-different", "dataset"]) == 0
    shown = capsys.readouterr().out
    for broken in ("max", "fib", "srt", "cnt"):
        assert re.search(rf"livecode {broken} +\(2/2 → 0/2", shown), shown


def test_the_marks_are_the_verdicts_and_stay(capsys):
    assert main(["import", str(LIVECODE / "small.json"), "--kind", "marked"]) == 0
    assert main(["export", "last", "run.jsonl"]) == 0
    rows = [json.loads(line) for line in Path("run.jsonl").read_text().splitlines()]
    verdicts = {}
    for row in rows:
        if "verdict" in row:
            verdicts.setdefault(row["question"], []).append(row["verdict"])
    passed = {id_: [each["correct"] for each in found] for id_, found in verdicts.items()}
    assert passed == {
        **{id_: [True, True] for id_ in ("sum", "rev")},
        **{id_: [False, False] for id_ in ("max", "fib", "srt", "cnt")},
    }
    assert {each["failure"] for each in verdicts["fib"]} == {"wrong"}
    assert {each["failure"] for each in verdicts["cnt"]} <= {"truncated", "unclosed"}
    assert main(["regrade", "last"]) == 2
    assert "all_tests_pass of inspect_ai" in capsys.readouterr().err


def test_a_target_is_neither_needed_nor_in_the_way(capsys):
    path = changed("targeted.json", target="whatever a scorer of another sort compares with")
    assert main(["import", path, "--kind", "marked"]) == 0
    assert "inspect_ai graded 12 of 12 in the same way" in capsys.readouterr().out
    path = changed("untargeted.json", target="")
    assert main(["import", path, "--kind", "marked", "--name", "other"]) == 0
    assert "12 completions" in capsys.readouterr().out
    assert main(["import", path, "--kind", "short-text", "--name", "third"]) != 0
    assert "the log has no target for it" in capsys.readouterr().err


def test_what_was_never_marked_is_left_out(capsys):
    assert main(["import", changed("unmarked.json", scores={}), "--kind", "marked"]) != 0
    assert "the log calls it neither right nor wrong" in capsys.readouterr().err


def test_a_mark_does_not_save_what_ran_out(capsys):
    right = {"all_tests_pass": {"value": "C", "answer": ""}}
    assert main(["import", changed("right.json", scores=right), "--kind", "marked"]) == 0
    out = capsys.readouterr().out
    assert "inspect_ai graded 10 of 12 in the same way" in out
    assert "cnt" in out
