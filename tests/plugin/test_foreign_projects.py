"""Projects that are not lrmtest's: it changes nothing in them until it is asked."""

import pytest

RIGHT = "recorded:outputs.jsonl"
SUITE = """
import lrmtest

SUMS = lrmtest.suite_from_jsonl("sums.jsonl", name="sums", prompt="{question}")

@lrmtest.suite(SUMS)
def test_sums(question, model):
    assert model.solve(question).passed
"""
CLASHING = ("device", "seed", "limit", "gate", "alpha", "model", "samples", "engine", "html")


@pytest.fixture
def sums(pytester):
    """A suite of three sums, and a recording with the right answers."""
    rows = [
        f'{{"id": "q{n}", "question": "{n}+1?", "answer": "{n + 1}", "kind": "integer"}}'
        for n in range(3)
    ]
    pytester.makefile(".jsonl", sums="\n".join(rows))
    outputs = [
        f'{{"question": "q{n}", "output": "\\\\boxed{{{n + 1}}}", "finish_reason": "stop"}}'
        for n in range(3)
    ]
    pytester.makefile(".jsonl", outputs="\n".join(outputs))
    pytester.makepyfile(test_sums=SUITE)


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
        test_sums=SUITE.replace(", model)", ", model, lrmtest_model)").replace(
            "model.solve", "lrmtest_model.solve"
        )
    )
    several = ("--model", RIGHT, "--model", f"b={RIGHT}", "--limit", "2")
    pytester.runpytest_subprocess(*several).assert_outcomes(passed=4, deselected=2)


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


def test_xdist_by_another_name(pytester, sums, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "lrmtest.plugin.hooks,xdist.plugin")
    pytester.runpytest_subprocess("--model", RIGHT, "-n", "2").assert_outcomes(passed=3)
