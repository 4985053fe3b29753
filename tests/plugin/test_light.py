"""What does not need a model loads none of the heavy libraries."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "vllm", "datasets", "pandas", "numpy", "sympy", "math_verify")
ASK = f"import sys; print('loaded:', [name for name in {HEAVY!r} if name in sys.modules])"


def loaded(code):
    """The heavy modules that `code` leaves loaded."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{ASK}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "loaded:" in done.stdout, done.stderr
    return done.stdout.rpartition("loaded:")[2].strip()


def test_importing_lrmtest_is_light():
    assert loaded("import lrmtest, lrmtest.cli, lrmtest.plugin.hooks") == "[]"


@pytest.mark.data
@pytest.mark.skipif(not os.environ.get("LRMTEST_DATA_DIR"), reason="LRMTEST_DATA_DIR is not set")
def test_collecting_the_suites_is_light():
    code = "import pytest; assert not pytest.main(['--collect-only', '-q', 'suites'])"
    assert loaded(code) == "[]"


def test_collecting_fresh_questions_is_light():
    code = "import pytest; assert not pytest.main(['--collect-only', '-q', 'suites/fresh'])"
    assert loaded(code) == "[]"


DOOR = {
    "lrmtest",
    *("lrmtest.options", "lrmtest.options.names", "lrmtest.options.pytest_names"),
    *("lrmtest.plugin", "lrmtest.plugin.hooks"),
    *("lrmtest.plugin.fixture_owner", "lrmtest.plugin.garbage", "lrmtest.plugin.refusal"),
}
"""What every session of pytest loads of lrmtest."""
DEPENDENCIES = ("rich", "msgspec", "huggingface_hub", "httptools", "certifi", "sqlite3")
WITHOUT = ("-p", "no:xdist", "-p", "no:hypothesispytest", "-p", "no:cacheprovider")
FOREIGN = """
import pytest

@pytest.fixture
def model():
    return "theirs"

def test_it(model, request):
    assert request.config.getoption("--device") == "theirs"
"""
SESSION = f"""
import sys, pytest
before = set(sys.modules)
status = pytest.main(sys.argv[1:])
new = set(sys.modules) - before
print("status:", int(status))
print("ours:", *sorted(name for name in new if name.partition(".")[0] == "lrmtest"))
print("heavy:", *[name for name in {(*HEAVY, *DEPENDENCIES)!r} if name in new])
"""


def test_a_foreign_session_loads_the_door_alone(tmp_path):
    """Though it has a model and options of lrmtest's names, and lrmtest's own have defaults."""
    (tmp_path / "conftest.py").write_text(
        "def pytest_addoption(parser): parser.addoption('--device')"
    )
    (tmp_path / "test_it.py").write_text(FOREIGN)
    (tmp_path / "test_old.py").write_text(
        "import unittest\nclass Test(unittest.TestCase):\n    def test_it(self): pass"
    )
    (tmp_path / "module.py").write_text('"""\n>>> 1 + 1\n2\n"""')
    done = subprocess.run(
        [sys.executable, "-c", SESSION, "--device", "theirs", "--doctest-modules", "-q", *WITHOUT],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "status: 0" in done.stdout, done.stdout + done.stderr
    told = dict(line.split(":", 1) for line in done.stdout.splitlines() if ":" in line)
    assert set(told["ours"].split()) == DOOR
    assert told["heavy"].split() == []
    assert {path.name for path in tmp_path.iterdir()} == {
        *("conftest.py", "test_it.py", "test_old.py", "module.py")
    }
