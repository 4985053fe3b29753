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
