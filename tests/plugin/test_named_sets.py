"""`--set NAME`: what is collected, what of that is asked, and what is told of it."""

from __future__ import annotations

import json
import shutil

import pytest

from lrmtest.questions import DataOptions
from lrmtest.runs.store import STORE_NAME, Store
from lrmtest.suites import SUITES
from lrmtest.suites.packaged import FOLDER
from lrmtest.suites.sets import SetPart

SUITES_ASKED = ("fresh-temporal", "fresh-hops")
COUNT = 8
FEW = ("--fresh-count", str(COUNT))
SETS = """
[tool.lrmtest.sets.two]
suites = ["fresh-temporal", "fresh-hops"]
[tool.lrmtest.sets.part.suites.fresh-temporal]
share = 0.5
[tool.lrmtest.sets.part.suites.fresh-hops]
questions = ["hops-0-1", "hops-0-4"]
max_tokens = 77
samples = 2
[tool.lrmtest.sets.gone]
suites = ["fresh-hops", "folio", "aime"]
[tool.lrmtest.sets.strange]
suites = ["no-such-suite"]
[tool.lrmtest.sets.untested]
suites = ["folio-v2"]
[tool.lrmtest.sets.absent.suites.fresh-hops]
questions = ["hops-0-1", "hops-9-9"]
"""
HALF = SetPart("fresh-temporal", share=0.5).among(f"temporal-0-{n}" for n in range(COUNT))


@pytest.fixture
def project(pytester):
    """A folder with sets of its own, and nothing else."""
    (pytester.path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n" + SETS)
    return pytester.path


@pytest.fixture
def recorded(tmp_path):
    """Two samples of each question; the first half of each suite's is right."""
    lines = []
    for name in SUITES_ASKED:
        for number, question in enumerate(
            SUITES[name].load(DataOptions(fresh_count=COUNT)).questions
        ):
            answer = question.expected if number < COUNT // 2 else "nobody knows"
            text = f"Let me see.\n</think>\n\nAnswer: {answer}"
            line = {"question": question.id, "output": text, "finish_reason": "stop"}
            lines += [json.dumps({**line, "suite": name})] * 2
    path = tmp_path / "outputs.jsonl"
    path.write_text("\n".join(lines))
    return f"m=recorded:{path}"


@pytest.fixture
def run(pytester, recorded):
    """pytest in the folder, with the recorded model."""

    def run_pytest(*words, model=True):
        named = ("--model", recorded) if model else ()
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", *words, *named, *FEW)

    return run_pytest


def last_run(project):
    with Store(project / "reports" / STORE_NAME, create=False) as store:
        return store.run("last")


def asked(result):
    """The ids of the tests that were collected, of `--collect-only -q`."""
    return sorted(line.partition("[")[2][:-1] for line in result.outlines if "::" in line)


def test_the_draw_leaves_some_out():
    assert 0 < len(HALF) < COUNT


def test_a_set_is_collected_where_there_is_no_file(project, run):
    result = run("--set", "part")
    assert result.parseoutcomes()["deselected"] == 2 * COUNT - len(HALF) - 2
    result.stdout.fnmatch_lines(
        [f"set part: {len(HALF) + 2} questions: fresh-temporal {len(HALF)}, *hops 2 (up to 77 tok*"]
    )
    result.stdout.fnmatch_lines(["*: set part, *"])
    manifest = last_run(project).manifest
    assert manifest.named_set.name == "part"
    assert manifest.named_set.asked.suites == ("fresh-temporal", "fresh-hops")
    assert manifest.selection["fresh-hops"].questions == ("hops-0-1", "hops-0-4")
    assert manifest.suite("fresh-hops").max_tokens == 77
    assert manifest.suite("fresh-hops").samples == 2
    assert manifest.suite("fresh-temporal").samples == 1
    # Asked again alone, a question has the set's budget, but not the set.
    assert "--max-tokens=77" in manifest.suite("fresh-hops").options
    assert not any("--set" in word for word in manifest.suite("fresh-hops").options)
    assert not any("max-tokens" in word for word in manifest.suite("fresh-temporal").options)


def test_what_the_user_says_goes_before_the_set(project, run):
    run("--set", "part", "--max-tokens", "99", "--samples", "1")
    suite = last_run(project).manifest.suite("fresh-hops")
    assert (suite.max_tokens, suite.samples) == (99, 1)


def test_without_a_set_the_manifest_has_none_again(project, run):
    run("--set", "two")
    assert last_run(project).manifest.named_set.name == "two"
    run("--pyargs", "lrmtest.suites.fresh.test_fresh_hops")
    assert last_run(project).manifest.named_set.name is None


def test_a_projects_own_files_go_before_the_packages(project, run):
    shutil.copytree(FOLDER / "fresh", project / "suites" / "fresh")
    (project / "suites" / "fresh" / "test_fresh_hops.py").unlink()
    result = run("--set", "two", "--collect-only", "-q")
    tests = {line.partition("[")[0] for line in result.outlines if "::" in line}
    assert tests == {
        "suites/fresh/test_fresh_temporal.py::test_fresh_temporal",
        "lrmtest.suites.fresh.test_fresh_hops::test_fresh_hops",
    }


def test_a_suite_of_ones_own(project, pytester, run):
    question = {"id": "q1", "question": "1 + 1?", "answer": "2"}
    (project / "mine.jsonl").write_text(json.dumps(question))
    pytester.makepyfile(
        test_mine="""
        import lrmtest
        MINE = lrmtest.suite_from_jsonl(
            "mine.jsonl", name="mine", kind="integer", prompt="{question}"
        )
        @lrmtest.suite(MINE)
        def test_mine(question, model):
            assert model.solve(question).passed
        """
    )
    with (project / "pyproject.toml").open("a") as file:
        file.write('[tool.lrmtest.sets.own]\nsuites = ["mine", "fresh-hops"]\n')
    result = run("--set", "own", "--collect-only", "-q", "-k", "mine or hops-0-0", model=False)
    assert asked(result) == ["hops-0-0", "q1"]


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_it_composes_with_other_selections(project, pytester, recorded, workers):
    words = ("--set", "part", "--model", recorded, *FEW, *workers)
    first = pytester.runpytest_subprocess(*words)
    assert first.ret in (0, 1)
    wrong = first.parseoutcomes()["failed"]
    again = pytester.runpytest_subprocess(*words, "--lf")
    assert again.parseoutcomes()["failed"] == wrong
    assert "passed" not in again.parseoutcomes()


def test_it_composes_with_k_and_limit(project, run):
    result = run("--set", "part", "-k", "hops", "--collect-only", "-q")
    assert asked(result) == ["hops-0-1", "hops-0-4"]
    result = run("--set", "part", "--limit", "1", "--collect-only", "-q")
    assert asked(result) == ["hops-0-1", HALF[0]]


def test_paths_outside_the_set_are_told(project, run):
    result = run("--set", "part", "--pyargs", "lrmtest.suites.fresh", "--collect-only")
    result.stdout.fnmatch_lines(
        ["set part: not in it, and not run: fresh-*(8), fresh-*(8)"], consecutive=False
    )
    result = run("--set", "part", "--pyargs", "lrmtest.suites.fresh.test_fresh_logic")
    result.stdout.fnmatch_lines(
        [
            "set part: 0 questions: none",
            "set part: in it, and not among these tests: fresh-temporal, fresh-hops",
            "set part: not in it, and not run: fresh-logic (8)",
        ]
    )
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_other_tests_of_a_path_stay(project, pytester, run):
    pytester.makepyfile(test_other="def test_other(): pass")
    run("--set", "two", "test_other.py").assert_outcomes(passed=1)


def test_two_models(project, run, recorded):
    result = run("--set", "part", "--model", recorded.replace("m=", "n="))
    result.stdout.fnmatch_lines([f"set part: {len(HALF) + 2} questions: *"])
    assert sum(result.parseoutcomes().get(key, 0) for key in ("passed", "failed")) == 2 * (
        len(HALF) + 2
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("prt", ["there is no set 'prt'", "did you mean part?"]),
        ("strange", ["set strange: there is no suite 'no-such-suite'"]),
        ("untested", ["suite folio-v2 has no test here", "lrmtest init --suite folio-v2"]),
        ("absent", ["fresh-hops: 1 of the 2 questions named are not in the data: hops-9-9"]),
    ],
)
def test_a_set_that_cannot_be_asked_is_refused(project, run, name, said):
    result = run("--set", name)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    for words in said:
        assert words in result.stderr.str() + result.stdout.str()
    assert not (project / "reports").exists()


def test_suites_that_are_not_at_hand_are_all_named_first(project, run, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    result = run("--set", "gone", "--data-dir", str(empty))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    printed = result.stderr.str() + result.stdout.str()
    assert "set gone: 2 of its 3 suites cannot be asked here:" in printed
    assert "\n  folio: " in printed
    assert "\n  aime: " in printed
    assert not (project / "reports").exists()


def test_property_mode_has_no_sets(project, run):
    result = run("--set", "two", "--property")
    assert "--property and --set two cannot be given together" in result.stderr.str()


def test_a_setting_of_the_configuration(project, pytester, run):
    ini = '[tool.pytest.ini_options]\ntestpaths = ["own"]\nlrmtest_set = "part"\n'
    (project / "pyproject.toml").write_text(ini + SETS)
    pytester.makepyfile(**{"own/test_own": "def test_own(): pass"})
    # Other tests' session names no model.
    run(model=False).assert_outcomes(passed=1)
    result = run("--collect-only", "-q")
    assert asked(result) == sorted(["hops-0-1", "hops-0-4", *HALF])
    result = run("--collect-only", "-q", "--set", "two")
    assert len(asked(result)) == 2 * COUNT


def test_testpaths_are_not_what_a_set_is_asked_of(project, pytester, run):
    (project / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\ntestpaths = ["own"]\n' + SETS
    )
    pytester.makepyfile(**{"own/test_own": "def test_own(): assert False"})
    result = run("--lrmtest-set=part", "--collect-only", "-q")
    assert asked(result) == sorted(["hops-0-1", "hops-0-4", *HALF])


def test_somebody_elses_option_of_that_name_stays_theirs(project, pytester, run):
    pytester.makeconftest('def pytest_addoption(parser): parser.addoption("--set")')
    pytester.makepyfile(
        test_own="def test_own(pytestconfig): assert pytestconfig.option.set == 'part'"
    )
    run("--set", "part", "test_own.py", model=False).assert_outcomes(passed=1)
    result = run("--lrmtest-set", "part", "--collect-only", "-q")
    assert len(asked(result)) == len(HALF) + 2


def test_a_larger_baseline_is_compared_on_the_sets_questions(project, run):
    run("--set", "two", "--save-baseline", "all.json", "--samples", "1")
    shutil.rmtree(project / "reports")
    words = ("--set", "part", "--samples", "1", "--allow-different", "budget")
    result = run(*words, "--baseline", "all.json", "--gate", "--summary-json", "s.json")
    left = 2 * COUNT - len(HALF) - 2
    assert "m: of m-" in result.stdout.str()
    assert "not compared, since it was not asked for" in result.stdout.str()
    (summary,) = json.loads((project / "s.json").read_text())["runs"]
    assert summary["comparison"]["total"]["questions"] == len(HALF) + 2
    assert summary["comparison"]["missing"] == []
    assert summary["manifest"]["named_set"]["name"] == "part"
    assert left > 0


def test_what_a_limit_leaves_out_of_a_set_is_missing(project, run):
    run("--set", "two", "--save-baseline", "all.json", "--samples", "1")
    shutil.rmtree(project / "reports")
    words = ("--set", "two", "--limit", "2", "--baseline", "all.json", "--gate")
    run(*words, "--summary-json", "s.json")
    (summary,) = json.loads((project / "s.json").read_text())["runs"]
    assert len(summary["comparison"]["missing"]) == 2 * COUNT - 4


def test_early_stop_and_a_set(project, run):
    run("--set", "two", "--save-baseline", "all.json", "--samples", "1")
    shutil.rmtree(project / "reports")
    words = ("--set", "two", "--baseline", "all.json", "--gate", "--early-stop", "--undecided=pass")
    assert run(*words, "--allow-cannot-tell=fresh-hops").ret in (0, 12)
