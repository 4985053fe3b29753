"""`lrmtest suites`: the table, one suite in full, and what is here without a network."""

from __future__ import annotations

import json
import re
from pathlib import Path

import made_benchmarks
import pytest
from outside import put_on_path, write_metadata

from lrmtest.cli import main
from lrmtest.questions import DataOptions
from lrmtest.questions import hub as hub_module
from lrmtest.suites import SUITES, suite_named
from lrmtest.suites.listing import ANSWERS, suite_rows
from lrmtest.suites.registry import ALIASES

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def nothing_fetched(monkeypatch, tmp_path):
    """An empty folder and cache, no data folder, and a hub that must not be asked."""
    monkeypatch.delenv("LRMTEST_DATA_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a network was asked"))


@pytest.fixture
def benchmarks(tmp_path, monkeypatch):
    made_benchmarks.make(tmp_path / "data")
    made_benchmarks.trust(monkeypatch)
    return tmp_path / "data"


def rows_of(data_dir=None, *names):
    return {row.name: row for row in suite_rows(DataOptions(data_dir), names)}


def cells(path, heading, column):
    """A column of the first table below a heading of a Markdown page, by the first column."""
    text = path.read_text().partition(f"\n## {heading}\n")[2]
    lines = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)[0].splitlines()
    found = {}
    for line in lines[2:]:
        row = [cell.strip() for cell in line.strip("|").split("|")]
        for name in re.findall(r"`([^`]+)`", row[0].partition("(also")[0]):
            found[name] = row[column]
    return found


def test_every_suite_is_described():
    rows = rows_of()
    assert [*rows] == [*SUITES]
    for name, suite in SUITES.items():
        row = rows[name]
        assert row.title, name
        assert row.kinds, name
        assert all(kind in ANSWERS for kind in row.kinds)
        assert row.max_tokens == suite.max_tokens
        assert row.sources or row.access == ("generated",)
        assert all(source.licence for source in row.sources)


@pytest.mark.data
def test_what_is_described_is_what_is_loaded(data_dir):
    for name, row in rows_of(data_dir).items():
        if not row.readable or name.startswith("gym-"):
            continue
        loaded = SUITES[name].load(DataOptions(data_dir))
        assert row.readable == len(loaded.questions), name
        assert {question.kind for question in loaded.questions} <= {*row.kinds}
        assert row.access == ("generated",) or row.readable in row.questions


def test_generated_questions_are_of_the_kinds_that_are_said():
    for name in ("fresh-temporal", "fresh-arithmetic", "fresh-logic", "fresh-hops"):
        questions = SUITES[name].load(DataOptions()).questions
        assert {question.kind for question in questions} == {*rows_of()[name].kinds}


def test_the_documentations_tables_agree():
    """Every figure of docs/data.md is the suite's own."""
    page = ROOT / "docs" / "data.md"
    rows = rows_of()
    budgets, questions = cells(page, "Suites", 4), cells(page, "Suites", 1)
    assert {name for name in SUITES if not name.startswith(("gym-", "musique-dev-"))} - {
        "musique-dev"
    } <= {*budgets}
    for name, budget in budgets.items():
        assert budget == str(rows[name].max_tokens), name
        counts = tuple(map(int, re.findall(r"\d+", questions[name])))
        assert counts == rows[name].questions, name
    for alias, name in ALIASES.items():
        assert f"`{name}` (also `{alias}`)" in page.read_text()
    repositories, revisions = cells(page, "From the hub", 1), cells(page, "From the hub", 2)
    for name, repository in repositories.items():
        source = next(each for each in reversed(rows[name].sources) if each.dataset)
        assert repository == f"`{source.dataset}`: `{source.hub_file}`"
        assert source.revision == revisions[name].split("`")[1]
    licences = page.read_text().partition("## Licences")[2]
    for row in rows.values():
        for source in row.sources:
            assert source.licence in licences


def test_the_table(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["suites"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^aime +30 +integer +32768 +pass +aime-2024$", out, re.MULTILINE)
    assert re.search(r"^fresh-hops +any number +20 ", out, re.MULTILINE)
    hub = SUITES["aime"].described.releases[0].hub
    assert re.search(rf"^aime-2024 .* {hub.repo} +{hub.revision[:7]} .*the MAA's$", out, re.M)
    assert "LRMTEST_DATA_DIR" in out
    assert "fetched when its tests run first" in out
    assert "pip install 'lrmtest[gym]'" in out or rows_of()["gym-lcm"].readable
    assert max(map(len, out.partition("data: ")[0].splitlines())) <= 120


def test_a_data_folder(benchmarks, capsys):
    assert main(["suites", "--data-dir", str(benchmarks)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^aime +30 +4 ", out, re.MULTILINE)
    assert f"data: {benchmarks} (--data-dir), and nowhere else" in out
    assert f"musique-dev-hops-gold: {benchmarks} has no musique_ans_v1.0_dev.jsonl" in out
    assert "fetched when" not in out


def test_json(benchmarks, capsys, monkeypatch):
    monkeypatch.setenv("LRMTEST_DATA_DIR", str(benchmarks))
    assert main(["suites", "--json", "aime", "folio-v2"]) == 0
    aime, folio = json.loads(capsys.readouterr().out)
    assert aime["readable"] == 4
    assert aime["sources"][0]["dataset"] == "Maxwell-Jia/AIME_2024"
    assert aime["run"][0].startswith("pytest ")
    assert folio["access"] == ["folder", "gated hub"]


def test_one_in_full(capsys):
    assert main(["suites", "fresh-hops", "aime-2024"]) == 0
    out = capsys.readouterr().out
    example = SUITES["fresh-hops"].load(DataOptions(fresh_count=1)).questions[0]
    assert str(example.material["question"]) in out
    assert "grade_short_text" in out
    assert SUITES["aime"].prompt.splitlines()[0] in out
    assert "also called  aime-2024" not in out.partition("aime: ")[0]
    assert out.count("to ask it:") == 2


def test_no_benchmarks_question_is_shown(benchmarks, capsys):
    main(["suites", "aime", "--data-dir", str(benchmarks)])
    assert "in all?" not in capsys.readouterr().out


def test_a_wrong_name_gets_close_ones(capsys):
    assert main(["suites", "aim"]) == 2
    assert "did you mean aime" in capsys.readouterr().err


def test_the_cache_is_read_and_the_hub_not_asked(tmp_path, monkeypatch):
    path = tmp_path / "aime_2024.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in made_benchmarks.aime_rows()))
    made_benchmarks.trust(monkeypatch)
    asked = []

    def cached(repo, file, *, local_files_only, **_):
        asked.append((repo, local_files_only))
        if repo != "Maxwell-Jia/AIME_2024":
            raise FileNotFoundError(file)
        return path

    monkeypatch.setattr("huggingface_hub.hf_hub_download", cached)
    rows = rows_of()
    assert rows["aime"].readable == 4
    assert not rows["temporal"].readable
    assert {local for _, local in asked} == {True}
    assert hub_module.cache_folder() == tmp_path / "cache"


OFFERED = """
import lrmtest
from pathlib import Path
SUMS = lrmtest.suite_from_jsonl(
    Path(__file__).with_name("sums.jsonl"), name="sums", kind="integer", prompt="{question}"
)
BROKEN = 3
"""


@pytest.fixture
def offered(tmp_path, monkeypatch):
    """A package with a suite, and with one that is none."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "their_suites.py").write_text(OFFERED)
    (package / "sums.jsonl").write_text('{"id": 1, "question": "1 + 1?", "answer": 2}\n')
    points = {"lrmtest.suites": {"sums": "their_suites:SUMS", "bad": "their_suites:BROKEN"}}
    write_metadata(package, "their-suites", points)
    put_on_path(monkeypatch, package)


def test_suites_of_other_packages(offered, capsys):
    rows = rows_of()
    assert rows["sums"].readable == 1
    assert rows["sums"].questions == (1,)
    assert rows["sums"].package == "their-suites"
    assert rows["sums"].kinds == ("integer",)
    assert "cannot be used" in rows["bad"].missing
    assert main(["suites"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^sums +1 +1 +integer +16384 +pass +their-suites$", out, re.MULTILINE)
    assert "bad: suite 'bad' of package their-suites cannot be used" in out
    assert main(["suites", "sums"]) == 0
    assert "offered by   their-suites" in capsys.readouterr().out
    assert main(["suites", "bad"]) == 2


def test_they_are_asked_by_name(offered, pytester, tmp_path):
    assert suite_named("sums").name == "sums"
    output = {"question": "1", "output": "</think> \\boxed{2}", "finish_reason": "stop"}
    (tmp_path / "x.jsonl").write_text(json.dumps(output))
    pytester.chdir()
    assert main(["init", "--suite", "sums"]) == 0
    result = pytester.runpytest_subprocess("suites", "--model", f"m=recorded:{tmp_path}/x.jsonl")
    result.assert_outcomes(passed=1)
    assert main(["regrade", "last"]) == 0


PROJECT = """
from pathlib import Path
import lrmtest
from lrmtest import suite_from_jsonl

PROMPT = "{question} In a box."
SUMS = lrmtest.suite_from_jsonl(
    Path(__file__).with_name("sums.jsonl"), name="my-sums", kind="integer", prompt=PROMPT,
    max_tokens=100,
)
OTHER = suite_from_jsonl("gone.jsonl", name="my-gone", prompt="{question}", grader=print)
UNTOLD = suite_from_jsonl("x" + "y", name=str(1), prompt="{question}")
raise RuntimeError("this file was run")
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose test file makes suites."""
    folder = tmp_path / "project" / "suites" / "mine"
    folder.mkdir(parents=True)
    (folder / "test_mine.py").write_text(PROJECT)
    (folder / "sums.jsonl").write_text('{"id": 1, "question": "1 + 1?", "answer": 2}\n')
    monkeypatch.chdir(tmp_path / "project")
    return folder


def test_suites_of_a_projects_own(project, capsys):
    assert main(["suites", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert {*rows} - {*SUITES} == {"my-sums", "my-gone"}
    sums = rows["my-sums"]
    assert (sums["readable"], sums["kinds"], sums["max_tokens"]) == (1, ["integer"], 100)
    assert sums["place"] == "suites/mine/test_mine.py:7"
    assert sums["run"] == ["pytest suites/mine/test_mine.py --model NAME"]
    assert "gone.jsonl" in rows["my-gone"]["missing"]
    assert main(["suites", "my-sums"]) == 0
    assert "{question} In a box." in capsys.readouterr().out


@pytest.mark.parametrize(
    "text",
    [
        "suite_from_jsonl(",
        "suite_from_jsonl()",
        "suite_from_jsonl(name='a')",
        "suite_from_jsonl('a.jsonl', name=3)",
        "x.y.suite_from_jsonl(*a, **b)",
        "suite_from_jsonl" + "(" * 5000,
        "\udcff suite_from_jsonl",
        "suite_from_jsonl('a' 'b', name='c')" + "\x00",
    ],
)
def test_whatever_stands_in_a_test_file(project, text, capsys):
    (project / "test_mine.py").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert main(["suites"]) == 0
    assert "my-sums" not in capsys.readouterr().out
