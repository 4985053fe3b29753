"""`lrmtest init`: what it writes, what it leaves, and that it works."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lrmtest.cli import main
from lrmtest.cli.starter import RECORD, WORKFLOW, start, suite_files, workflow_text
from lrmtest.questions import DataOptions
from lrmtest.suites import SUITES

ROOT = Path(__file__).parents[2]
TEST = "suites/aime/test_aime.py"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_an_empty_folder(here, capsys):
    assert main(["init"]) == 0
    written = contents(here)
    for file in (ROOT / "suites").glob("*/*.py"):
        assert written.pop(file.relative_to(ROOT).as_posix()) == file.read_text()
    assert {*written} == {RECORD, WORKFLOW, "pyproject.toml", ".gitignore"}
    assert tomllib.loads(written["pyproject.toml"]) == {"tool": {"pytest": {"ini_options": {}}}}
    assert written[".gitignore"] == "/reports/\n"
    assert "pytest suites/fresh --model tiny-lrm" in capsys.readouterr().out


def test_again_it_changes_nothing(here, capsys):
    assert main(["init"]) == main(["init", "."]) == 0
    before = contents(here)
    assert main(["init", "--force"]) == 0
    assert contents(here) == before
    assert "wrote" not in capsys.readouterr().out.rpartition("next:")[0].rpartition("next:")[2]


def test_what_is_there_is_left_and_named(here, capsys):
    Path(TEST).parent.mkdir(parents=True)
    Path(TEST).write_text("mine")
    assert main(["init"]) == 2
    assert f"left as it is: {TEST}" in capsys.readouterr().err
    assert Path(TEST).read_text() == "mine"
    assert Path("suites/folio/test_folio.py").exists()
    assert main(["init", "--force"]) == 2, "it was never lrmtest's"
    assert Path(TEST).read_text() == "mine"


def test_force_renews_what_an_earlier_version_wrote(here, capsys):
    main(["init"])
    new, older = Path(TEST).read_text(), "an older lrmtest's"
    start(here, {TEST: older}, renew=True)  # as if that had been this version's
    assert Path(TEST).read_text() == older
    assert main(["init"]) == 2
    assert "--force renews it" in capsys.readouterr().err
    assert main(["init", "--force"]) == 0
    assert Path(TEST).read_text() == new


def test_force_leaves_what_was_changed_since(here):
    main(["init"])
    Path(TEST).write_text("changed")
    assert main(["init", "--force"]) == 2
    assert Path(TEST).read_text() == "changed"


def test_line_ends_of_a_checkout_are_no_change(here):
    main(["init"])
    Path(TEST).write_bytes(Path(TEST).read_bytes().replace(b"\n", b"\r\n"))
    assert main(["init"]) == 0


@pytest.mark.parametrize("record", ["", "[]", '{"files": 3}', '{"files": {"a": null}}'])
def test_a_record_that_cannot_be_read_is_none(here, record):
    Path(RECORD).parent.mkdir()
    Path(RECORD).write_text(record)
    assert main(["init"]) == 0


@pytest.mark.parametrize(
    ("names", "files"),
    [
        (("aime",), [TEST]),
        (("aime-2024",), [TEST]),
        (("musique-gold",), ["suites/musique/contexts.py"]),
        (("musique",), ["suites/musique/contexts.py", "suites/musique/test_musique.py"]),
        (("fresh-hops", "gym-lcm"), [
            "suites/fresh/test_fresh_hops.py", "suites/gym-lcm/test_gym_lcm.py",
        ]),
    ],
)  # fmt: skip
def test_some_suites(names, files):
    assert [*suite_files(names)] == files


@pytest.mark.parametrize("name", SUITES)
def test_every_suite_has_a_test_file_that_asks_it(name):
    texts = suite_files([name]).values()
    assert any(f'@lrmtest.suite("{name}")' in text for text in texts)
    for text in texts:
        compile(text, name, "exec")


def test_a_wrong_name_gets_close_ones(here, capsys):
    assert main(["init", "--suite", "aim"]) == 2
    assert "aime" in capsys.readouterr().err
    assert contents(here) == {}


CONFIGURED = {
    "pytest.ini": "[pytest]\ntestpaths = tests\n",
    ".pytest.ini": "",
    "tox.ini": "[tox]\nenvlist = py\n[pytest]\naddopts = -q\n",
    "setup.cfg": "[tool:pytest]\naddopts = -q\n",
    "pyproject.toml": "[tool.pytest.ini_options]\n# ours\naddopts = '-q'\n",
}


@pytest.mark.parametrize("name", CONFIGURED)
def test_a_configuration_that_is_there_stays(here, name):
    Path(name).write_text(CONFIGURED[name])
    assert main(["init"]) == 0
    assert Path(name).read_text() == CONFIGURED[name]
    assert name == "pyproject.toml" or not Path("pyproject.toml").exists()


def test_pytests_own_table_stays(here):
    Path("pyproject.toml").write_text("[tool.pytest]\naddopts = ['-q']\n")
    assert main(["init"]) == 0
    assert Path("pyproject.toml").read_text() == "[tool.pytest]\naddopts = ['-q']\n"


@pytest.mark.parametrize("text", ["[tox]\nenvlist = py\n", "[pytest-x]\n"])
def test_other_tools_files_are_no_configuration(here, text):
    Path("tox.ini").write_text(text)
    Path("setup.cfg").write_text("[metadata]\nname = x\n")
    assert main(["init"]) == 0
    assert "ini_options" in Path("pyproject.toml").read_text()


@given(
    st.lists(
        st.sampled_from(
            ['[project]\nname = "x"  # ours', "# a comment", "[tool.ruff]\nline-length = 3",
             "[[tool.mypy.overrides]]\nmodule = 'x'", "", "[build-system]\nrequires = []"]
        ),
        unique=True,
    ),
    st.sampled_from(["", "\n", "\n\n"]),
)  # fmt: skip
def test_a_section_is_added_and_nothing_lost(tmp_path_factory, parts, end):
    folder = tmp_path_factory.mktemp("project")
    before = "\n".join(parts) + end
    (folder / "pyproject.toml").write_text(before)
    done = start(folder, suite_files(["aime"]), renew=False)
    after = (folder / "pyproject.toml").read_text()
    assert after.startswith(before)
    expected = tomllib.loads(before)
    expected.setdefault("tool", {})["pytest"] = {"ini_options": {}}
    assert tomllib.loads(after) == expected
    assert "pyproject.toml" in (done.added_to if before else [*done.written, *done.added_to])
    assert start(folder, suite_files(["aime"]), renew=False).added_to == []


def test_an_inline_table_takes_no_section(here, capsys):
    Path("pyproject.toml").write_text("tool = {x = 1}\n")
    assert main(["init"]) == 2
    assert Path("pyproject.toml").read_text() == "tool = {x = 1}\n"
    assert "[tool.pytest.ini_options]" in capsys.readouterr().err


def test_broken_files_are_a_sentence(here, capsys):
    Path("pyproject.toml").write_text("x = [")
    assert main(["init"]) == 2
    assert "pyproject.toml is no TOML" in capsys.readouterr().err
    assert main(["init", "pyproject.toml"]) == 2
    assert "is no folder" in capsys.readouterr().err


def test_gitignore_gets_one_line(here):
    Path(".gitignore").write_text("*.pyc")
    main(["init"])
    main(["init"])
    assert Path(".gitignore").read_text() == "*.pyc\n/reports/\n"


def test_a_project_with_tests_is_told(here, capsys):
    Path("tests").mkdir()
    assert main(["init"]) == 0
    assert "testpaths" in capsys.readouterr().out
    Path("pytest.ini").write_text("[pytest]\ntestpaths = tests\n")
    assert main(["init"]) == 0
    assert "note:" not in capsys.readouterr().out


def test_the_workflow_asks_the_copies(here):
    main(["init"])
    workflow = Path(WORKFLOW).read_text()
    assert workflow == workflow_text().replace("--pyargs lrmtest.suites.fresh", "suites/fresh")
    steps = yaml.safe_load(workflow)["jobs"]["gate"]["steps"]
    assert sum("pytest suites/fresh" in step.get("run", "") for step in steps) == 2
    main(["init", "other", "--suite", "aime"])
    assert Path("other", WORKFLOW).read_text() == workflow_text()


def test_what_was_written_runs(here, tmp_path):
    question = SUITES["fresh-hops"].load(DataOptions()).questions[0]
    line = {"question": question.id, "suite": "fresh-hops", "finish_reason": "stop"}
    line["output"] = f"So.\n</think>\n\nAnswer: {question.expected}"
    Path("outputs.jsonl").write_text(json.dumps(line))
    # Of benchmarks whose data are not here, a bare pytest says so, and runs nothing.
    main(["init", "project", "--suite", "fresh"])
    for where in ("project", "project/suites/fresh"):
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-k", "hops",
             "--model", f"m=recorded:{tmp_path / 'outputs.jsonl'}"],
            cwd=where, capture_output=True, text=True,
        )  # fmt: skip
        assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert Path("project/reports/lrmtest.sqlite").exists()
    assert not Path("project/suites/fresh/reports").exists()
