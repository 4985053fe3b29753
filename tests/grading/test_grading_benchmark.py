"""The benchmark of grading, run as a program on labelled outputs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import prepared
import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "grading.py"

RIGHT = {"kind": "integer", "references": ["73"], "suite": "sums", "language": "en"}
RIGHT |= {"text": r"<think>hm</think>\boxed{73}", "expected_correct": True}
WRONG = RIGHT | {"text": r"<think>hm</think>\boxed{5}", "expected_correct": False}
LABELLED = [
    RIGHT | {"expected_extracted": "73", "class": "boxed"},
    WRONG | {"expected_extracted": "5", "expected_failure": "wrong"},
    WRONG | {"text": "<think>the answer is 73</think>I give up", "expected_failure": "no-answer"},
    RIGHT | {"text": "the answer is 5. Oh", "finish_reason": "length", "expected_correct": False},
    {
        "kind": "option",
        "references": ["A"],
        "material": {"options": ["yes", "no"]},
        "text": "[T]hm[/T]Antwort: (A)\nAnswer: (A)",
        "expected_correct": True,
        "tags": ["[T]", "[/T]"],
        "language": "de",
    },
]


@pytest.fixture(autouse=True)
def forked(monkeypatch):
    prepared.forks(monkeypatch)


def run(tmp_path, rows, *options):
    file = tmp_path / "labelled.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return subprocess.run(
        [sys.executable, str(BENCHMARK), str(file), *options],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_labels_that_grading_agrees_with(tmp_path):
    done = run(tmp_path, LABELLED)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "False passes: 0" in done.stdout
    assert "Other disagreements: 0" in done.stdout
    for word in ("sums", "boxed", "de", "100.0 [56.6, 100.0]"):
        assert word in done.stdout


def test_a_false_pass_comes_first_and_fails_whatever_is_asked_for(tmp_path):
    missed = RIGHT | {"text": "I think it may be 73\x1b[31m"}
    rows = [*LABELLED, missed, RIGHT | {"expected_correct": False}]
    done = run(tmp_path, rows, "--at-least", "0")
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    before, _, after = done.stdout.partition("Other disagreements: 1")
    assert "False passes: 1" in before
    assert "labelled.jsonl:7" in before
    assert "labelled.jsonl:6" in after
    assert "5 │" in after


def test_the_agreement_that_must_be(tmp_path):
    rows = [*LABELLED, RIGHT | {"expected_extracted": "74"}, RIGHT | {"text": "it may be 73"}]
    assert run(tmp_path, rows).returncode == 1
    assert run(tmp_path, rows, "--at-least", "70").returncode == 0


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ([], "labelled.jsonl:1: not a JSON object"),
        ({"text": "x"}, "field 'expected_correct' is missing"),
        (RIGHT | {"expected_correct": 1}, "field 'expected_correct' is of the wrong type, int"),
        (RIGHT | {"references": []}, "field 'references' is no list of texts"),
        (RIGHT | {"finish_reason": "done"}, "field 'finish_reason' is 'done'"),
        (RIGHT | {"tags": ["<think>"]}, "field 'tags' is no pair of texts"),
        (RIGHT | {"kind": "essay"}, "no grader for the answer kind 'essay'"),
        ({"expected_correct": True, "suite": "nowhere", "text": ""}, "nowhere"),
    ],
)
def test_what_is_no_label_is_named(tmp_path, row, said):
    done = run(tmp_path, [row])
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.data
def test_the_recorded_outputs():
    data_dir = os.environ.get("LRMTEST_DATA_DIR")
    if not data_dir or not any(Path(data_dir).glob("recorded/*.jsonl")):
        pytest.skip("needs recorded/*.jsonl in LRMTEST_DATA_DIR")
    done = subprocess.run(
        # Three MuSiQue answers are right in other words than the reference's.
        [sys.executable, str(BENCHMARK), "--recorded", "--at-least", "98.9"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "False passes: 0" in done.stdout


READERS = sorted(Path(__file__).parent.glob("readers*.jsonl"))


@pytest.mark.skipif(not READERS, reason="there are no readers' answers here")
def test_readers_answers():
    done = subprocess.run(
        # Those of the third set that are not read as a reader does say so; none passes falsely.
        [sys.executable, str(BENCHMARK), *map(str, READERS), "--at-least", "99"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
