"""A folder of suites that is asked where not all of them have their data."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import made_benchmarks
import pytest

from lrmtest.runs.store import STORE_NAME, Store
from lrmtest.suites.packaged import FOLDER

ASKED = ("aime", "folio", "fresh", "gpqa_diamond")
FEW = ("--fresh-count", "2")


@pytest.fixture
def session(pytester, monkeypatch):
    """Runs pytest where AIME 2024 and generated questions can be asked, FOLIO and GPQA cannot."""
    folder = pytester.path
    for name in ASKED:
        shutil.copytree(FOLDER / name, folder / "suites" / name)
        (folder / "suites" / name / "__init__.py").unlink()
    data = folder / "data"
    data.mkdir()
    rows = made_benchmarks.aime_rows()
    (data / "aime_2024.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setenv("LRMTEST_DATA_DIR", str(data))
    support = [str(Path(made_benchmarks.__file__).parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, support)))
    outputs = [
        {"suite": "aime", "question": row["ID"], "output": f"\\boxed{{{row['Answer']}}}"}
        for row in rows
    ]
    recording = folder / "outputs.jsonl"
    recording.write_text("".join(json.dumps(row) + "\n" for row in outputs))

    def run(*args: str):
        words = ("-p", "no:cacheprovider", "-p", "made_benchmarks", *FEW, *args)
        return pytester.runpytest_subprocess(*words, "--model", "m=recorded:outputs.jsonl")

    return run


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_folder_of_suites_goes_without_those_that_have_no_data(session, workers):
    asked = session("suites", "-rs", "-n", workers)
    asked.assert_outcomes(passed=4, skipped=2, deselected=8 if workers == "0" else 0)
    asked.stdout.fnmatch_lines(
        [
            "not asked, since their data are not here: folio, gpqa-diamond (-rs says more of each)",
            "*SKIPPED*suite folio is not asked: *data has no folio_*",
        ]
    )


def test_no_path_at_all_is_a_folder_of_suites(session):
    session("--ignore", "data").assert_outcomes(passed=4, skipped=2, deselected=8)


@pytest.mark.parametrize(
    "path",
    [
        "suites/folio",
        "suites/folio/test_folio.py",
        "suites/folio/test_folio.py::test_folio",
        "suites/../suites/folio/",
    ],
)
def test_a_suite_that_is_asked_by_itself_is_not_gone_without(session, path):
    asked = session("suites/aime", path)
    # What pytest has for a test that it cannot find, where its file alone ends with 2.
    assert asked.ret == (pytest.ExitCode.USAGE_ERROR if "::" in path else 2)
    asked.stdout.fnmatch_lines(["*data has no folio_*"])


def test_nor_is_one_by_its_module(session):
    asked = session("--pyargs", "lrmtest.suites.folio", "lrmtest.suites.aime")
    assert asked.ret == pytest.ExitCode.INTERRUPTED
    asked.stdout.fnmatch_lines(["*data has no folio_*"])


def test_all_modules_together_are_a_folder_of_them(session):
    asked = session("--pyargs", "lrmtest.suites", "-k", "aime or folio")
    asked.stdout.fnmatch_lines(["not asked, since their data are not here: *folio*"])
    assert asked.parseoutcomes()["passed"] == 4


def test_where_none_has_its_data_nothing_is_asked(session):
    asked = session("suites", "-k", "folio or gpqa")
    assert asked.ret == pytest.ExitCode.USAGE_ERROR
    asked.stderr.fnmatch_lines(["*of 2 suites none has its data here: folio, gpqa-diamond"])


def test_a_test_of_ones_own_is_not_gone_without(session, pytester):
    own = pytester.path / "suites" / "folio" / "test_folio.py"
    own.write_text(own.read_text() + "\n# changed\n")
    asked = session("suites")
    assert asked.ret == pytest.ExitCode.INTERRUPTED
    asked.stdout.fnmatch_lines(["*data has no folio_*"])


def test_a_damaged_file_is_no_absent_one(session, pytester):
    (pytester.path / "data" / "folio_validation.jsonl").write_text('{"premises": 3}\n')
    asked = session("suites")
    assert asked.ret == pytest.ExitCode.INTERRUPTED


def test_what_the_baseline_has_is_not_gone_without(session, pytester):
    data = pytester.path / "data"
    made_benchmarks.make(pytester.path / "made")
    for file in (pytester.path / "made").glob("folio_*.jsonl"):
        shutil.copy(file, data)
    lines = (pytester.path / "outputs.jsonl").read_text()
    text = json.dumps({"suite": "folio", "question": "0", "output": "Answer: True"})
    (pytester.path / "outputs.jsonl").write_text(f"{lines}{text}\n")
    first = session("suites", "--save-baseline", "base.json")
    assert first.parseoutcomes()["skipped"] == 1
    with Store(pytester.path / "reports" / STORE_NAME, create=False) as store:
        assert sorted(store.run("last").manifest.suites) == ["aime", "folio"]
    for file in data.glob("folio_*.jsonl"):
        file.unlink()
    again = session("suites", "--baseline", "base.json")
    assert again.ret == pytest.ExitCode.INTERRUPTED
    again.stdout.fnmatch_lines(["*data has no folio_*"])
    session("suites/aime", "--baseline", "base.json").assert_outcomes(passed=4)


def test_a_set_goes_without_none_of_its_suites_and_is_not_told_of_others(session):
    asked = session("suites", "--set", "paper")
    assert asked.ret == pytest.ExitCode.INTERRUPTED
    asked.stdout.fnmatch_lines(["*data has no folio_*"])
    text = "\n".join(asked.outlines)
    assert "gpqa" not in text
