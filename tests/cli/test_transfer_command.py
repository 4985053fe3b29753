"""`lrmtest export` and `lrmtest import`, as a user gives them."""

import json
from pathlib import Path

import pytest
from exported_run import LOGS, fill

from lrmtest.cli import main
from lrmtest.runs.formats.detect import detect_format
from lrmtest.runs.store import Store

(HARNESS,) = LOGS.glob("samples_*.jsonl")
EVAL = LOGS / "fresh-temporal-demo.eval"


@pytest.fixture
def lrmtest(tmp_path, monkeypatch, capsys):
    """Run a command in an empty folder; returns its exit status, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LRMTEST_DATA_DIR", raising=False)

    def run(*words):
        code = main(list(map(str, words)))
        streams = capsys.readouterr()
        return code, streams.out, streams.err

    return run


def test_a_log_is_imported_shown_and_exported_again(lrmtest, tmp_path):
    code, out, _ = lrmtest("import", HARNESS, "--kind", "option", "--name", "old")
    assert code == 0
    assert "12 completions of old-20261124-" in out
    assert "lm-evaluation-harness graded 12 of 12 in the same way" in out
    assert lrmtest("show", "last")[0] == 0
    assert lrmtest("regrade", "last")[1].startswith("12 completions graded again, 0 verdicts")
    for name in ("run.jsonl", "run.parquet", "run.json", "run.eval"):
        code, out, _ = lrmtest("export", "last", name)
        assert (code, out.startswith("12 completions")) == (0, True)
    assert detect_format(tmp_path / "run.jsonl") == "jsonl"
    assert detect_format(tmp_path / "run.json") == detect_format(tmp_path / "run.eval") == "inspect"
    code, out, _ = lrmtest("import", "run.eval", "--kind", "option", "--name", "again")
    assert "inspect_ai graded 12 of 12 in the same way" in out
    code, out, _ = lrmtest("import", "run.jsonl")
    assert (code, "12 completions of old-" in out) == (0, True)
    assert lrmtest("compare", "last:again", "last:old", "--allow-different", "all")[0] == 0


def test_a_disagreement_is_told(lrmtest, tmp_path):
    text = HARNESS.read_text().replace('"exact_match": 0.0', '"exact_match": 1.0')
    path = tmp_path / "samples_x.jsonl"
    path.write_text(text)
    _, out, _ = lrmtest("import", path, "--kind", "option")
    assert "graded 7 of 12 in the same way" in out
    assert "  9 sample 0: correct there, no-answer here" in out


def test_an_unknown_suite_asks_for_more(lrmtest, tmp_path):
    path = tmp_path / "samples_x.jsonl"
    path.write_text(HARNESS.read_text().replace("made one visit", "paid one visit"))
    code, _, err = lrmtest("import", path)
    assert code == 2
    assert "--suite" in err
    assert "--kind" in err


def test_mistakes_are_told_without_a_traceback(lrmtest, tmp_path):
    (tmp_path / "results_x.json").write_text('{\n "results": {}}')
    (tmp_path / "x.txt").write_text("hello")
    for words, code, said in (
        (("import", HARNESS, "--kind", "option", "--suite", "aime"), 2, "two ways"),
        (("import", HARNESS, "--suite", "aimes"), 2, "did you mean aime"),
        (("import", EVAL, "--kind", "option", "--tags", "", "x"), 2, "empty"),
        (("import", "results_x.json"), 11, "without the samples"),
        (("import", "x.txt"), 11, "no format that is known"),
        (("import", "missing"), 11, "cannot read"),
        (("export", "last", "run.jsonl"), 11, "no store"),
    ):
        status, out, err = lrmtest(*words)
        assert (status, out) == (code, "")
        assert said in err


def test_options_for_logs_are_refused_with_a_run(lrmtest, tmp_path):
    with Store(tmp_path / "reports" / "lrmtest.sqlite") as store:
        fill(store)
    assert lrmtest("export", "last", "run.jsonl")[0] == 0
    code, _, err = lrmtest("import", "run.jsonl", "--name", "x", "--kind", "integer")
    assert code == 2
    assert "--kind, --name" in err


def test_a_folder_of_logs_is_read_task_by_task(lrmtest):
    code, out, _ = lrmtest("import", LOGS / "lm-eval" / "dummy", "--kind", "integer")
    assert code == 0
    assert "8 completions of dummy-model-" in out.replace("vqvnukgg", "dummy-model")
    assert "8 of its 16 rows hold the same completions under other filters" in out
    assert "left out: " in out
    assert "likelihoods" in out


@pytest.mark.parametrize(
    ("folder", "completions", "graded", "by"),
    [
        ("lm-eval/stand-in", (7, 14), ("7 of 7", "13 of 13"), "exact_match, filter strict-match"),
        ("lighteval", (7, 14), ("7 of 7", "12 of 12"), "extractive_match"),
        ("evalscope/20261128_094759", (8,), ("8 of 8",), "acc"),
        ("inspect", (6, 1), ("6 of 6", "1 of 1"), "includes"),
    ],
)
def test_every_tools_folder(lrmtest, folder, completions, graded, by):
    if folder == "lighteval":
        pytest.importorskip("pyarrow")
    code, out, _ = lrmtest("import", LOGS / folder, "--kind", "integer")
    assert code == 0
    for count, same in zip(completions, graded, strict=True):
        assert f"{count} completion" in out
        assert f"graded {same} in the same way (by " in out
    assert by in out
    assert lrmtest("regrade", "last")[1].split(", ")[1].startswith("0 verdicts")


def test_an_entry_without_a_target_leaves_the_others(lrmtest):
    code, out, _ = lrmtest("import", sorted((LOGS / "inspect").iterdir())[0], "--kind", "integer")
    assert code == 0
    assert "left out: 2 samples (the first: sum-0), because the log has no target for it" in out
    assert "2 samples without an output: engine errors here" in out


def test_two_tasks_of_one_suite_are_not_mixed(lrmtest, tmp_path):
    rows = [json.loads(line) for line in HARNESS.read_text().splitlines()]
    result = {"results": {}, "samples": {"folio": rows, "imported-folio": rows}}
    (tmp_path / "results_x.json").write_text(json.dumps(result))
    code, _, err = lrmtest("import", "results_x.json", "--kind", "option")
    assert code == 2
    assert "folio and imported-folio are both of suite imported-folio" in err
    assert not (tmp_path / "reports").exists()


def ends(lrmtest, name):
    """How the completions of a run ended, in their order."""
    assert lrmtest("export", f"last:{name}", f"{name}.jsonl")[0] == 0
    rows = map(json.loads, Path(f"{name}.jsonl").read_text().splitlines())
    return [row["finish_reason"] for row in rows if "output" in row]


def test_a_log_that_does_not_tell_ends_has_unknown_ones_until_somebody_tells(lrmtest):
    words = ("import", HARNESS, "--kind", "option", "--name")
    code, out, _ = lrmtest(*words, "untold")
    assert code == 0
    assert "12 of 12 completions do not say how they ended" in out
    assert set(ends(lrmtest, "untold")) == {"unknown"}
    code, out, _ = lrmtest(*words, "told", "--finish-reason", "stop")
    # One of its texts repeats itself to the end.
    assert "1 of 12 completions do not say how they ended" in out
    assert sorted(ends(lrmtest, "told")) == [*["stop"] * 11, "unknown"]
    # The same log in other words is another run of the same name, and again the same.
    _, out, _ = lrmtest(*words, "untold", "--finish-reason", "length")
    assert "all of them new" in out
    assert "none of them new" in lrmtest(*words, "untold", "--finish-reason", "length")[1]
    assert set(ends(lrmtest, "untold")) == {"length"}


def test_rows_may_say_how_their_texts_ended(lrmtest, tmp_path):
    rows = [json.loads(line) for line in HARNESS.read_text().splitlines()]
    for row, word in zip(rows, ["eos", ["max_tokens"], None, "who knows", [], 7], strict=False):
        row["finish_reason"] = word
    path = tmp_path / "samples_x.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    _, out, _ = lrmtest("import", path, "--kind", "option", "--name", "m")
    assert "10 of 12 completions do not say how they ended" in out
    assert sorted(ends(lrmtest, "m")) == ["length", "stop", *["unknown"] * 10]


def test_an_exported_run_says_its_ends_itself(lrmtest):
    lrmtest("import", HARNESS, "--kind", "option", "--name", "m")
    assert lrmtest("export", "last", "run.jsonl")[0] == 0
    for option in (("--finish-reason", "stop"), ("--max-tokens", "9")):
        code, _, err = lrmtest("import", "run.jsonl", *option)
        assert code == 2
        assert option[0] in err


def test_a_column_of_a_log_tells_ends(lrmtest, tmp_path):
    rows = [json.loads(line) for line in HARNESS.read_text().splitlines()]
    for row, word in zip(rows, ["eos", ["max_tokens"], None, "who knows"], strict=False):
        row["why"] = {"stopped": word}
    path = tmp_path / "samples_x.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    words = ("import", path, "--kind", "option", "--name", "m")
    code, out, _ = lrmtest(*words, "--finish-reason", "column:why.stopped")
    assert code == 0
    assert (
        "column why.stopped tells how 2 of 12 texts ended; 9 have nothing there; 1 have a word "
        "that tells no end: who knows (1)"
    ) in out
    assert sorted(ends(lrmtest, "m")) == ["length", "stop", *["unknown"] * 10]
    # Without the column they are other completions.
    assert "all of them new" in lrmtest(*words)[1]
    code, _, err = lrmtest(*words[:-1], "other", "--finish-reason", "column:why.ended")
    assert code != 0
    assert "has anything in column why.ended" in err
    assert "why" in err.split("there are: ")[1]
