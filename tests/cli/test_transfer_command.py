"""`lrmtest export` and `lrmtest import`, as a user gives them."""

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
