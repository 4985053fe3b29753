"""The benchmark of published marks, run as a program on made files of both forms."""

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "published_marks.py"


def results(problem, *responses):
    """A results file as its authors write them, of one problem or more."""
    text = "# Experiment\n\n**Model**: made:1b\n\n---\n\n# Detailed Results\n"
    for number, (response, mark) in enumerate(responses):
        text += (
            f"\n## Problem math_{number:05}\n  Level: 2\n  Problem Statement: {problem}\n"
            f"  Ground Truth: x\n\n## Response math_{number:05}\n  Attempt: 1\n  Answer: x\n"
            f"  Is Correct: {mark}\n\n--- User Prompt ---\nNo.\n--- End User Prompt ---\n\n"
            f"--- LLM Response ---\n## Problem\n{response}\n--- End LLM Response ---\n\n"
        )
    return text


def test_marks_of_both_forms_are_compared(data_dir, tmp_path):
    row = json.loads((data_dir / "math_500.jsonl").read_text("utf-8").partition("\n")[0])
    right = rf"So it is $\boxed{{{row['answer']}}}$."
    (tmp_path / "made.md").write_text(
        results(row["problem"], (right, True), (right, False), (r"\boxed{-12345}", False))
        + results("No such problem", (right, True)),
        "utf-8",
    )
    asked = json.loads((data_dir / "gsm8k_test.jsonl").read_text("utf-8").partition("\n")[0])
    answer = asked["answer"].rpartition("#### ")[2]
    solutions = {
        "question": asked["question"],
        "ground_truth": f"A: {answer}",
        "one": {"is_correct": True, "solution": f"So it is.\nA: {answer}"},
        "two": {"is_correct": True, "solution": "So it is.\nA: -12345"},
    }
    (tmp_path / "solutions.jsonl").write_text(json.dumps(solutions) + "\n", "utf-8")
    done = subprocess.run(
        [
            *(sys.executable, str(BENCHMARK), "made.md", "solutions.jsonl"),
            *("--data-dir", str(data_dir), "--disagreements", "read.jsonl"),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {
        cells[1]: cells[2:6]
        for line in done.stdout.splitlines()
        if len(cells := [cell.strip() for cell in line.split("\u2502")]) > 6
    }
    assert rows["made:1b"] == ["3", "1", "1", "1"]
    assert rows["GSM8K, one"] == ["1", "1", "0", "0"]
    assert rows["GSM8K, two"] == ["1", "0", "0", "0"]
    assert "1 outputs to questions that the suite does not have" in done.stdout
    told = [json.loads(line) for line in (tmp_path / "read.jsonl").read_text("utf-8").splitlines()]
    assert [(one["published"], one["ours"]) for one in told] == [(False, True), (True, False)]


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "made.md").write_text("## Problem math_00001\nnothing\n", "utf-8")
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), "made.md", "--data-dir", "."],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert "a problem without one mark and one response" in done.stdout
