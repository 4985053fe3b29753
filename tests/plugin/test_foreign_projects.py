"""Projects that are not lrmtest's: it changes nothing in them until it is asked."""

import json

import pytest
from sums_project import SUMS_SUITE, write_sums

RIGHT = "recorded:outputs.jsonl"
CLASHING = ("device", "seed", "limit", "gate", "alpha", "model", "samples", "engine", "html")


@pytest.fixture
def sums(pytester):
    """A suite of three sums, and a recording with the right answers."""
    write_sums(pytester)


@pytest.fixture
def clashing(pytester):
    """A conftest with options of the same names as lrmtest's."""
    options = "".join(f"    parser.addoption('--{name}', default='theirs')\n" for name in CLASHING)
    pytester.makeconftest("def pytest_addoption(parser):\n" + options)


def test_a_model_of_ones_own_stays_ones_own(pytester):
    pytester.makeconftest("import pytest\n@pytest.fixture\ndef model(): return 'theirs'")
    pytester.makepyfile(
        """
        import pytest

        def test_fixture(model):
            assert model == "theirs"

        @pytest.mark.parametrize("model", ["a", "b"])
        def test_parameter(model):
            assert model in "ab"

        class TestNearer:
            @pytest.fixture
            def model(self):
                return "nearer"

            def test_it(self, model):
                assert model == "nearer"
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=4)


def test_a_model_that_nobody_else_defines_is_lrmtests(pytester):
    pytester.makepyfile("def test_it(model): pass")
    result = pytester.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*test_it needs a model"])


def test_a_suite_is_asked_of_lrmtests_model_though_the_project_has_one(pytester, sums):
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture
        def weights():
            raise RuntimeError("loads for an hour")

        @pytest.fixture
        def model(weights):
            return weights
        """
    )
    pytester.runpytest_subprocess("--model", RIGHT).assert_outcomes(passed=3)


def test_a_fixture_made_of_lrmtests_model_is_asked_like_it(pytester, sums):
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture
        def model(model):
            return model
        """
    )
    pytester.runpytest_subprocess("--model", RIGHT).assert_outcomes(passed=3)


def test_the_other_name_works_beside_a_model_of_ones_own(pytester, sums):
    pytester.makeconftest("import pytest\n@pytest.fixture\ndef model(): return 'theirs'")
    pytester.makepyfile(
        test_sums=SUMS_SUITE.replace(", model)", ", model, lrmtest_model)").replace(
            "model.solve", "lrmtest_model.solve"
        )
    )
    several = ("--model", RIGHT, "--model", f"b={RIGHT}", "--limit", "2")
    pytester.runpytest_subprocess(*several).assert_outcomes(passed=4, deselected=2)


def test_the_other_name_beside_a_parameter_of_ones_own(pytester, sums):
    pytester.makepyfile(
        test_sums=SUMS_SUITE.replace(", model)", ", model, lrmtest_model)")
        .replace("model.solve", "lrmtest_model.solve")
        .replace(
            "@lrmtest.suite",
            "@__import__('pytest').mark.parametrize('model', 'xy')\n@lrmtest.suite",
        )
    )
    pytester.runpytest_inprocess("--model", RIGHT).assert_outcomes(passed=6)


def test_options_of_the_same_names_are_theirs(pytester, clashing):
    values = [f"--{name}=given" for name in CLASHING]
    pytester.makepyfile(
        f"""
        def test_it(request):
            for name in {CLASHING!r}:
                assert request.config.getoption("--" + name) == "given"
        """
    )
    pytester.runpytest_subprocess(*values).assert_outcomes(passed=1)
    assert pytester.runpytest_subprocess("--help").ret == 0


def test_lrmtests_long_names_work_beside_them(pytester, clashing, sums):
    long = ("--lrmtest-model", RIGHT, "--lrmtest-limit", "2", "--model", "theirs", "--seed=7")
    result = pytester.runpytest_subprocess(*long)
    result.assert_outcomes(passed=2, deselected=1)


def test_short_names_work_where_nobody_has_them(pytester, sums):
    pytester.makepyprojecttoml('[tool.pytest.ini_options]\naddopts = "--limit 1"')
    pytester.runpytest_subprocess("--model", RIGHT).assert_outcomes(passed=1, deselected=2)


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_settings_of_the_configuration_file(pytester, sums, workers):
    pytester.makepyprojecttoml(
        f"""
        [tool.pytest.ini_options]
        lrmtest_model = ["{RIGHT}", "b={RIGHT}"]
        lrmtest_limit = 2
        lrmtest_fresh_run = true
        """
    )
    pytester.runpytest_subprocess(*workers).assert_outcomes(passed=4)
    result = pytester.runpytest_subprocess("--limit", "1", "--model", RIGHT, *workers)
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("lrmtest_limit = 0", "*lrmtest_limit in *pyproject.toml: '0' is not an integer*"),
        ('lrmtest_engine = "warp"', "*lrmtest_engine in *: 'warp' is none of *transformers*"),
    ],
)
def test_a_setting_that_cannot_be_is_a_usage_error(pytester, setting, words):
    pytester.makepyprojecttoml(f"[tool.pytest.ini_options]\n{setting}")
    pytester.makepyfile("def test_it(): pass")
    result = pytester.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([words])


def test_the_conftest_in_a_models_folder_is_not_run(pytester, sums):
    folder = pytester.mkdir("weights")
    (folder / "conftest.py").write_text("raise SystemExit('a stranger was here')")
    result = pytester.runpytest_subprocess("--model", "weights", "test_sums.py")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = result.stdout.str() + result.stderr.str()
    assert "weights holds no model" in said
    assert "stranger" not in said


def test_the_configuration_in_a_models_folder_is_refused(pytester, sums):
    folder = pytester.mkdir("weights")
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = .")
    result = pytester.runpytest_subprocess("--model", "weights")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: pytest took *weights*pytest.ini for this project's *"])
    in_one_word = pytester.runpytest_subprocess("--model=weights")
    in_one_word.stderr.fnmatch_lines(["ERROR: weights holds no model: *"])


def test_xdist_by_another_name(pytester, sums, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "lrmtest.plugin.hooks,xdist.plugin")
    pytester.runpytest_subprocess("--model", RIGHT, "-n", "2").assert_outcomes(passed=3)


CONFIGURATIONS = {
    "pytest.ini": "[pytest]\naddopts = --device theirs --limit=7 -m ours\nmarkers = ours",
    "tox.ini": "[pytest]\naddopts = --device theirs --limit=7 -m ours\nmarkers = ours",
    "setup.cfg": "[tool:pytest]\naddopts = --device theirs --limit=7 -m ours\nmarkers = ours",
    "pyproject.toml": '[tool.pytest.ini_options]\naddopts = "--device theirs --limit=7 -m ours"\n'
    'markers = "ours"',
    "native/pyproject.toml": '[tool.pytest]\naddopts = ["--device", "theirs", "--limit=7", "-m", '
    '"ours"]\nmarkers = ["ours"]',
}


@pytest.mark.parametrize("where", ["root", "nested", "plugin"])
@pytest.mark.parametrize("file", CONFIGURATIONS)
def test_options_of_the_same_names_in_every_configuration_file(pytester, file, where, monkeypatch):
    """They stay theirs: in addopts, in PYTEST_ADDOPTS, and in a file of arguments."""
    if file.startswith("native") and pytest.version_tuple < (9,):
        pytest.skip("this table is read since pytest 9")
    (pytester.path / file.removeprefix("native/")).write_text(CONFIGURATIONS[file])
    options = ("device", "limit", "seed", "alpha")
    added = "def pytest_addoption(parser):\n" + "".join(
        f"    parser.addoption('--{name}', default='')\n" for name in options
    )
    folder = pytester.mkdir("tests")
    home = {"root": pytester.path / "conftest.py", "nested": folder / "conftest.py"}
    home.get(where, pytester.path / "their_plugin.py").write_text(added)
    (folder / "test_it.py").write_text(
        "import pytest\n@pytest.mark.ours\ndef test_it(request):\n"
        f"    given = [request.config.getoption('--' + name) for name in {options!r}]\n"
        "    assert given == ['theirs', '7', '3', '0.1']\n"
        "def test_deselected(): pass\n"
    )
    monkeypatch.setenv("PYTEST_ADDOPTS", "--seed 3")
    (pytester.path / "more.txt").write_text("--alpha\n0.1")
    monkeypatch.syspath_prepend(str(pytester.path))
    plugin = ("-p", "their_plugin") if where == "plugin" else ()
    result = pytester.runpytest_inprocess(*plugin, "tests", "@more.txt")
    result.assert_outcomes(passed=1, deselected=1)


def test_lrmtests_options_in_a_file_of_arguments(pytester, sums):
    (pytester.path / "more.txt").write_text(f"--model\n{RIGHT}\n--limit=1")
    pytester.runpytest_inprocess("@more.txt").assert_outcomes(passed=1, deselected=2)


def test_a_conftest_may_ask_whether_a_model_is_named(pytester, sums):
    pytester.makeconftest(
        """
        import pytest

        def pytest_collection_modifyitems(config, items):
            if not config.getoption("lrmtest_model"):
                for item in items:
                    if "lrmtest_suite" in item.keywords:
                        item.add_marker(pytest.mark.skip)
                items[:] = [item for item in items if "lrmtest_suite" not in item.keywords]
        """
    )
    pytester.makepyfile(test_own="def test_own(): pass")
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
    pytester.runpytest_inprocess(f"--model={RIGHT}").assert_outcomes(passed=4)


def test_names_of_lrmtests_in_other_peoples_projects(pytester):
    """Fixtures, packages, TestCases and doctests; none of it is asked of a model."""
    for package in ("suites", "lrmtest_model"):
        pytester.mkpydir(package)
        (pytester.path / package / "parts.py").write_text('"""\n>>> 1 + 1\n2\n"""\nVALUE = 3')
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture
        def question():
            return "theirs"

        @pytest.fixture
        def lrmtest_model():
            return "theirs, too"
        """
    )
    pytester.makepyfile(
        """
        import unittest
        import pytest
        from unittest import mock
        import lrmtest_model.parts
        import suites.parts

        def test_fixtures(question, lrmtest_model):
            assert question == "theirs"
            assert lrmtest_model == "theirs, too"

        def test_packages():
            assert suites.parts.VALUE == 3

        @mock.patch("os.getcwd")
        def test_given_by_others(model):
            assert isinstance(model, mock.Mock)

        def test_with_a_default(model=None):
            assert model is None

        @pytest.mark.usefixtures("question")
        class TestOld(unittest.TestCase):
            def test_it(self):
                self.model = 1
        """
    )
    pytester.runpytest_subprocess("--doctest-modules").assert_outcomes(passed=7)


MIXED = """
import json
from pathlib import Path

SEEN = Path(__file__).with_name("seen.jsonl")

def note(name):
    with SEEN.open("a") as file:
        file.write(json.dumps(name) + chr(10))

def test_b(): note("b")
def test_a(): note("a")
def test_fails():
    note("fails")
    assert False
def test_c(): note("c")
"""


@pytest.fixture
def mixed(pytester):
    """A project's own tests, one of which fails, beside a suite of which one answer is wrong."""
    write_sums(pytester, right=2)
    pytester.makepyfile(test_mixed=MIXED)

    def run(*args):
        """The session's result, what own tests ran in order, and the suite's passes."""
        for name in ("seen.jsonl", "figures.json"):
            (pytester.path / name).unlink(missing_ok=True)
        result = pytester.runpytest_inprocess(
            f"--model={RIGHT}", "--summary-json=figures.json", "--fresh-run", *args
        )
        seen, figures = pytester.path / "seen.jsonl", pytester.path / "figures.json"
        order = [json.loads(line) for line in seen.read_text().split()] if seen.exists() else []
        return result, order, json.loads(figures.read_text()) if figures.exists() else None

    return run


def rates(figures):
    """What a summary says of each suite: questions and their pass rate."""
    (run,) = figures["runs"]
    return [(suite["suite"], suite["questions"], suite["pass_rate"]) for suite in run["suites"]]


@pytest.mark.parametrize("more", [(), ("-n", "2")])
def test_a_projects_own_failure_changes_no_figure(mixed, more):
    result, order, figures = mixed(*more)
    result.assert_outcomes(passed=5, failed=2)
    assert order == ["b", "a", "fails", "c"] if not more else len(order) == 4
    result, order, alone = mixed("test_sums.py")
    assert rates(figures) == rates(alone)
    assert order == []


def test_selections_of_pytests_in_a_mixed_session(mixed):
    result, order, _ = mixed("-x", "test_mixed.py", "test_sums.py")
    assert order == ["b", "a", "fails"]  # and nothing was generated
    result.assert_outcomes(passed=2, failed=1)
    result, order, _ = mixed()
    result, order, _ = mixed("--lf")
    result.assert_outcomes(failed=2)
    assert order == ["fails"]
    result, order, _ = mixed("-k", "test_a or q1")
    result.assert_outcomes(passed=2, deselected=5)
    assert order == ["a"]
    result, order, _ = mixed("--collect-only", "-q")
    assert [line for line in result.outlines if "::" in line][:2] == [
        "test_mixed.py::test_b",
        "test_mixed.py::test_a",
    ]
    assert order == []
