"""The wheel: what is in it, and that it works in an empty folder, where there is no checkout."""

from __future__ import annotations

import email
import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from installed import TRY_WORKFLOW, installed

import lrmtest
from lrmtest.cli.starter import workflow_text
from lrmtest.questions import DataOptions
from lrmtest.suites import SUITES

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """The wheel of this checkout, installed where nothing else of it is."""
    return installed(tmp_path_factory.mktemp("wheel"))


def test_everything_that_is_needed_is_in_it(here):
    inside = set(zipfile.ZipFile(here.wheel).namelist())
    package = {path for path in inside if not path.split("/")[0].endswith(".dist-info")}
    assert {path.split("/")[0] for path in package} == {"lrmtest"}
    # All of the package's folder but what Python compiled.
    on_disk = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "lrmtest").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert package == on_disk
    for name in (
        "py.typed",
        "suites/aime/test_aime.py",
        "suites/musique/contexts.py",
        "suites/aime_2025/test_aime_2025.py",
        "questions/released/aime-2026.txt",
    ):
        assert f"lrmtest/{name}" in inside
    assert any(path.startswith("lrmtest/reports/html/") and path.endswith(".js") for path in inside)
    assert not [path for path in inside if path.endswith((".jsonl", ".parquet"))]


def test_its_metadata(here):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    archive = zipfile.ZipFile(here.wheel)
    (name,) = [path for path in archive.namelist() if path.endswith(".dist-info/METADATA")]
    metadata = email.message_from_bytes(archive.read(name))
    assert metadata["Version"] == lrmtest.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload().startswith("# lrmtest")
    assert {"Framework :: Pytest", "Typing :: Typed"} <= {*metadata.get_all("Classifier")}
    wanted = {re.split(r"[><=;\[ ]", one)[0] for one in metadata.get_all("Requires-Dist")}
    assert {re.split(r"[><=;\[ ]", one)[0] for one in project["dependencies"]} <= wanted


def test_no_word_of_the_version_is_written_twice():
    """One place: the module; the metadata take it from there."""
    assert "version" in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dynamic"]
    changes = (ROOT / "CHANGELOG.md").read_text()
    newest = re.search(r"^## (\S+)", changes, re.MULTILINE)[1]
    assert newest == lrmtest.__version__ or "(unreleased)" in changes.partition("\n## ")[2][:40]


def test_the_commands(here, tmp_path):
    assert here.run("lrmtest", "--version", cwd=tmp_path) == (0, f"lrmtest {lrmtest.__version__}\n")
    code, out = here.run("lrmtest", "suites", "--json", cwd=tmp_path)
    assert code == 0
    rows = {row["name"]: row for row in json.loads(out)}
    assert {*rows} == {*SUITES}
    assert rows["aime"]["run"] == ["pytest --pyargs lrmtest.suites.aime --model NAME"]
    where = "import lrmtest; print(lrmtest.__file__)"
    assert str(ROOT) not in here.run("python", "-c", where, cwd=tmp_path)[1]


def recorded(path, suite, questions):
    """Outputs for some questions, the first of which is right."""
    lines = []
    for number, question in enumerate(questions):
        answer = question.expected if number == 0 else "nobody knows"
        form = f"\\boxed{{{answer}}}" if suite == "aime" else f"Answer: {answer}"
        line = {"question": question.id, "suite": suite, "finish_reason": "stop"}
        lines.append(json.dumps({**line, "output": f"So.\n</think>\n\n{form}"}))
    path.write_text("\n".join(lines))
    return f"m=recorded:{path}"


def test_a_suite_without_writing_anything(here, tmp_path):
    questions = SUITES["fresh-hops"].load(DataOptions()).questions[:3]
    model = recorded(tmp_path / "outputs.jsonl", "fresh-hops", questions)
    empty = tmp_path / "empty"
    empty.mkdir()
    code, out = here.run(
        *("pytest", "--pyargs", "lrmtest.suites.fresh", "--model", model), cwd=empty
    )
    assert code == 1, out
    assert "2 failed, 1 passed" in out
    assert str(here.programs.parent / "lib") in out or "site-packages" in out
    assert {path.name for path in empty.iterdir()} == {"reports", ".pytest_cache"}


def test_a_project_that_init_made(here, tmp_path):
    questions = SUITES["fresh-hops"].load(DataOptions()).questions[:3]
    model = recorded(tmp_path / "outputs.jsonl", "fresh-hops", questions)
    code, out = here.run("lrmtest", "init", cwd=tmp_path)
    assert code == 0, out
    shutil.rmtree(tmp_path / "suites" / "aime")
    assert here.run("lrmtest", "init", cwd=tmp_path)[0] == 0
    code, out = here.run("pytest", "suites/fresh", "--model", model, cwd=tmp_path)
    assert "2 failed, 1 passed" in out, out


@pytest.mark.data
def test_a_benchmark_in_that_project(here, data_dir, tmp_path):
    questions = SUITES["aime"].load(DataOptions(data_dir)).questions[:3]
    model = recorded(tmp_path / "outputs.jsonl", "aime", questions)
    assert here.run("lrmtest", "init", "--suite", "aime", cwd=tmp_path)[0] == 0
    words = ("--model", model, "--save-baseline", "m.json")
    data = {"LRMTEST_DATA_DIR": str(data_dir)}
    _, out = here.run("pytest", "suites/aime", *words, cwd=tmp_path, **data)
    assert "2 failed, 1 passed" in out, out
    words = ("--model", model, "--baseline", "m.json", "--summary-json", "s.json")
    _, out = here.run("pytest", "--pyargs", "lrmtest.suites.aime", *words, cwd=tmp_path, **data)
    assert "2 failed, 1 passed" in out, out
    (run,) = json.loads((tmp_path / "s.json").read_text())["runs"]
    assert run["comparison"]["total"]["questions"] == 3


def test_a_folder_of_data_elsewhere_moves_no_reports(here, tmp_path):
    """pytest takes what is behind an option for a folder of tests."""
    data, project = tmp_path / "data", tmp_path / "deep" / "project"
    data.mkdir()
    project.mkdir(parents=True)
    questions = SUITES["fresh-hops"].load(DataOptions()).questions[:3]
    model = recorded(tmp_path / "outputs.jsonl", "fresh-hops", questions)
    words = ("--model", model, "--data-dir", str(data), "-p", "no:cacheprovider")
    here.run("pytest", "--pyargs", "lrmtest.suites.fresh", *words, cwd=project)
    assert {path.name for path in project.iterdir()} == {"reports"}
    assert {path.name for path in tmp_path.iterdir()} == {"data", "deep", "outputs.jsonl"}


def test_the_documentation_shows_the_packaged_workflow():
    page = (ROOT / "docs" / "ci.md").read_text()
    blocks = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert workflow_text() in blocks


@pytest.mark.engine
def test_the_workflow_works_in_a_repository_that_has_only_that(here, tmp_path, monkeypatch):
    """Twice: the second attempt finds the completions of the first and generates nothing."""
    (tmp_path / "cache").mkdir()
    text = workflow_text()
    generated = []
    for number in (1, 2):
        summary = tmp_path / f"summary{number}.md"
        attempt = TRY_WORKFLOW.Attempt(
            TRY_WORKFLOW.repository_with(tmp_path / f"repository{number}", text),
            {**here.environment, "GITHUB_STEP_SUMMARY": str(summary), "OMP_NUM_THREADS": "1"},
            tmp_path / "cache",
            number,
            lambda: here.programs,
            installs=False,
        )
        assert attempt.job(yaml.safe_load(text)["jobs"]["gate"]) == 0, attempt.ran
        assert {name for name, _ in attempt.ran} >= {"gate", "baseline, until one is committed"}
        for name in ("report.html", "junit.xml", "baselines/parent.json", "reports"):
            assert (attempt.repository / name).exists(), name
        assert "gate: " in summary.read_text()
        code, out = here.run(
            "python", "-c",
            "import sqlite3; c = sqlite3.connect('reports/lrmtest.sqlite');"
            "print(c.execute('select count(*) from completion').fetchone()[0])",
            cwd=attempt.repository,
        )  # fmt: skip
        assert code == 0, out
        generated.append(int(out))
    assert generated[0] == generated[1]


@pytest.mark.parametrize(
    ("before", "after", "wrong"),
    [
        ("cache-dependency-path: .github/workflows/reasoning.yml", "x: y", "no file matches"),
        ("actions/checkout@v4", "actions/checkout@v1", "out of date"),
        ("if: always()", "if: maybe", "nobody knows what"),
        ("${{ github.run_id }}", "${{ github.nonsense }}", "nobody knows the value"),
    ],
)
def test_the_runner_refuses_what_github_would(tmp_path, before, after, wrong):
    text = workflow_text()
    assert before in text
    text = text.replace(before, after)
    (tmp_path / "cache").mkdir()
    attempt = TRY_WORKFLOW.Attempt(
        TRY_WORKFLOW.repository_with(tmp_path / "repository", text),
        {**TRY_WORKFLOW.clean_environment()},
        tmp_path / "cache",
        1,
        lambda: tmp_path / "bin",
        installs=False,
    )
    with pytest.raises(TRY_WORKFLOW.WorkflowError, match=wrong):
        attempt.job(yaml.safe_load(text)["jobs"]["gate"])


def test_every_workflow_uses_actions_that_exist():
    """Those of this repository and the packaged one."""
    for path in [*(ROOT / ".github" / "workflows").glob("*.yml"), TRY_WORKFLOW.WORKFLOW]:
        used = re.findall(r"uses: (\S+)", path.read_text())
        assert used
        assert all(map(TRY_WORKFLOW.known_action, used))


@pytest.mark.parametrize("tag", ["v", "v9"], ids=["its own", "another"])
def test_a_release_whose_tag_is_not_its_version_ends_at_once(tmp_path, tag):
    (tmp_path / "lrmtest").mkdir()
    for name in ("CHANGELOG.md", "lrmtest/__init__.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    version = TRY_WORKFLOW.as_released(tmp_path)
    job = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())["jobs"]["build"]
    (check,) = [step for step in job["steps"] if "GITHUB_REF_NAME" in step.get("run", "")]
    environment = {**TRY_WORKFLOW.clean_environment(), "GITHUB_REF_NAME": f"{tag}{version}"}
    attempt = TRY_WORKFLOW.Attempt(tmp_path, environment, tmp_path, 1, lambda: tmp_path)
    assert bool(attempt.job({"steps": [check]})) == (tag != "v")


def test_nothing_is_uploaded_before_the_wheel_and_the_archive_were_tried():
    jobs = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())["jobs"]
    names = [step.get("name") or step.get("uses", "") for step in jobs["build"]["steps"]]
    assert names[-1].startswith("actions/upload-artifact@")
    assert any("*.whl" in step.get("run", "") for step in jobs["build"]["steps"])
    assert any("*.tar.gz" in step.get("run", "") for step in jobs["build"]["steps"])
    assert jobs["publish"]["needs"] == "build"


def test_the_source_archive(tmp_path):
    """It can be built again, and brings neither data nor what was built here."""
    pytest.importorskip("setuptools")
    copy = tmp_path / "source"
    copy.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(ROOT / name, copy)
    for name in ("lrmtest", "tests", "docs"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = "from setuptools.build_meta import build_sdist; print(build_sdist('dist'))"
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=copy, capture_output=True, text=True, check=True
    )
    name = done.stdout.splitlines()[-1]
    shutil.unpack_archive(copy / "dist" / name, tmp_path / "unpacked")
    (root,) = (tmp_path / "unpacked").iterdir()
    assert not (root / "tests").exists()
    assert (root / "lrmtest" / "suites" / "aime" / "test_aime.py").exists()
    assert (root / "setup.py").exists()
    assert (root / "CHANGELOG.md").exists() == (copy / "CHANGELOG.md").exists()
