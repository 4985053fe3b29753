"""The suites in the package: `pytest --pyargs lrmtest.suites.NAME`, with nothing written."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

import lrmtest
from lrmtest.cli import main
from lrmtest.questions import DataOptions
from lrmtest.suites import SUITES
from lrmtest.suites.packaged import FOLDER, how_to_ask, packaged_name, packaged_tests

ROOT = Path(__file__).parents[2]
FEW = ("--fresh-count", "3")
TESTS = 12
"""Three questions of each of four families."""


@pytest.fixture
def recorded(tmp_path):
    """Outputs for three questions of each generated family; the first of each is right."""
    lines = []
    for name in ("temporal", "arithmetic", "logic", "hops"):
        questions = SUITES[f"fresh-{name}"].load(DataOptions(fresh_count=3)).questions
        for number, question in enumerate(questions):
            answer = question.expected if number == 0 else "nobody knows"
            answer = f"\\boxed{{{answer}}}" if name == "arithmetic" else f"Answer: {answer}"
            output = f"Let me see.\n</think>\n\n{answer}"
            line = {"question": question.id, "output": output, "finish_reason": "stop"}
            lines.append(json.dumps({**line, "suite": question.suite}))
    path = tmp_path / "outputs.jsonl"
    path.write_text("\n".join(lines))
    return f"m=recorded:{path}"


def ids(result):
    return sorted(line for line in result.outlines if "::" in line and " " not in line)


def test_the_checkouts_suites_are_the_packages():
    for folder, other in ((ROOT / "suites", FOLDER), (FOLDER, ROOT / "suites")):
        for file in folder.glob("*/*.py"):
            if file.name != "__init__.py":
                copy = other / file.relative_to(folder)
                assert copy.read_bytes() == file.read_bytes(), file


def test_every_packaged_test_asks_a_suite():
    assert {test.suite for test in packaged_tests()} <= {*SUITES}
    folders = {path.name for path in (ROOT / "suites").iterdir()}
    assert {test.folder for test in packaged_tests()} == folders
    others = re.compile("gym-|folio-|musique-|bbeh-mini")  # the same questions, asked otherwise
    benchmarks = {name for name in SUITES if not others.match(name)}
    assert {test.suite for test in packaged_tests()} >= benchmarks


def test_a_projects_own_files_keep_their_names(pytester):
    # Not at the top: `python -m pytest` would import the folder in the package's place.
    copied = "mine/lrmtest/suites/fresh"
    shutil.copytree(FOLDER / "fresh", pytester.path / copied)
    options = ("--collect-only", "-q", "--fresh-count", "1", "--import-mode=importlib")
    found = ids(pytester.runpytest_subprocess(f"{copied}/test_fresh_hops.py", *options))
    assert found == [f"{copied}/test_fresh_hops.py::test_fresh_hops[hops-0-0]"]


@pytest.mark.parametrize("mode", ["prepend", "append", "importlib"])
def test_ids_are_the_same_from_everywhere(pytester, mode):
    options = ("--collect-only", "-q", "--fresh-count", "2", f"--import-mode={mode}")
    module = "lrmtest.suites.fresh.test_fresh_hops"
    expected = [f"{module}::test_fresh_hops[hops-0-{n}]" for n in (0, 1)]
    for named in ("lrmtest.suites.fresh", module, f"{module}::test_fresh_hops"):
        found = ids(pytester.runpytest_subprocess("--pyargs", named, *options))
        assert [each for each in found if "hops" in each] == expected
    below = pytester.mkdir("below")
    pytester.chdir()
    result = pytester.runpytest_subprocess("--pyargs", f"{expected[1]}", *options, str(below))
    assert ids(result) == expected[1:]


def test_all_suites_at_once(pytester, tmp_path):
    result = pytester.runpytest_subprocess(
        "--pyargs", "lrmtest.suites", "--collect-only", "-q", "--data-dir", str(tmp_path)
    )
    # No benchmark is in the folder, and each says so; what is generated is there.
    absent = [one for one in ids(result) if one.endswith("[no-data]")]
    assert len(ids(result)) - len(absent) == 80
    for name in ("aime", "folio", "musique", "temporal", "gsm8k"):
        assert f"lrmtest.suites.{name}.test_{name}::test_{name}[no-data]" in absent


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_they_run_and_rerun(pytester, recorded, workers):
    package = ("--pyargs", "lrmtest.suites.fresh", "--model", recorded, *FEW, *workers)
    first = pytester.runpytest_subprocess(*package, "--lf")
    first.assert_outcomes(passed=4, failed=TESTS - 4)
    again = pytester.runpytest_subprocess(*package, "--lf", "-k", "hops")
    again.assert_outcomes(failed=2, deselected=0 if workers else TESTS - 2)
    again.stdout.fnmatch_lines(["FAILED lrmtest.suites.fresh.test_fresh_hops::*hops-0-1]*"])


def test_a_baseline_holds_for_the_package_and_for_a_copy(pytester, recorded):
    shutil.copytree(FOLDER / "fresh", pytester.path / "suites" / "fresh")
    (pytester.path / "suites" / "fresh" / "__init__.py").unlink()
    common = ("--model", recorded, *FEW)
    pytester.runpytest_subprocess("suites/fresh", *common, "--save-baseline", "before.json")
    result = pytester.runpytest_subprocess(
        *("--pyargs", "lrmtest.suites.fresh", *common, "--baseline", "before.json"),
        *("--summary-json", "summary.json"),
    )
    result.assert_outcomes(passed=4, failed=TESTS - 4)
    (run,) = json.loads((pytester.path / "summary.json").read_text())["runs"]
    assert run["comparison"]["total"]["questions"] == TESTS
    assert run["comparison"]["missing"] == []


def test_a_failed_test_of_the_package_is_no_bug_of_lrmtest(pytester, recorded):
    result = pytester.runpytest_subprocess(
        *("--pyargs", "lrmtest.suites.fresh.test_fresh_hops", "--model", recorded, *FEW)
    )
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["expected *, wrong: nobody knows*", "*test_fresh_hops.py:*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_triage_finds_them_again(pytester, server, capfd):
    pytester.runpytest_subprocess(
        *(
            "--pyargs",
            "lrmtest.suites.fresh.test_fresh_temporal",
            "--model",
            f"m={server.url}",
            *FEW,
        )
    )
    capfd.readouterr()
    assert main(["triage", "last", "--kind", "failed", "--ids"]) == 0
    (test,) = {line.partition("[")[0] for line in capfd.readouterr().out.split()}
    assert test == "lrmtest.suites.fresh.test_fresh_temporal::test_fresh_temporal"
    assert main(["triage", "last", "--kind", "failed", "--rerun"]) == 1
    assert "3 failed" in capfd.readouterr().out


def test_how_a_suite_is_asked(tmp_path):
    def ask(name):
        return how_to_ask(name, tmp_path)

    assert ask("aime") == ["pytest --pyargs lrmtest.suites.aime --model NAME"]
    assert ask("fresh-hops") == [
        "pytest --pyargs lrmtest.suites.fresh.test_fresh_hops --model NAME"
    ]
    assert ask("musique-gold") == [
        "pytest --pyargs lrmtest.suites.musique.contexts::test_gold --model NAME"
    ]
    assert ask("gym-lcm") == [
        "lrmtest init --suite gym-lcm",
        "pytest suites/gym-lcm --model NAME",
    ]
    assert how_to_ask("aime", ROOT) == ["pytest suites/aime --model NAME"]
    assert how_to_ask("musique-gold", ROOT)[0].startswith("pytest suites/musique/contexts.py::test")


def test_names_for_commands_that_run_suites():
    assert packaged_name("fresh") == "lrmtest.suites.fresh"
    assert packaged_name("fresh-hops") == "lrmtest.suites.fresh.test_fresh_hops"
    assert packaged_name("musique-gold") == "lrmtest.suites.musique.contexts::test_gold"
    assert packaged_name("gym-lcm") is None
    assert hasattr(lrmtest, "suite")
